"""rtl/engine.v and rtl/engine_parameters.vh from the engines' own files: what the shell sees, whatever is behind it.

python -m pyimc.engines      # writes both
"""

import re
from collections.abc import Iterable, Iterator

from pyimc.engines.engine import Engine
from pyimc.places import place

RTL = place("rtl")
PARTIAL_MEMORY = 8
"""In a kind's digit: the processing unit has a second memory, which the engine reads late."""
_SHELL = {"WORD": "128", "CONTEXTS": "16", "CTX_BITS": "4", "PARAMETERS": "4096"}
"""Parameters that every processing unit has."""
_INSTRUCTION = "`IMC_INSTRUCTION_BITS-1:0"
_PORT = "`IMC_CHANNEL_ADDRESS_PORT_BITS-1:0"
_PORTS: dict[str, tuple[str, str]] = {
    "clk": ("input", ""), "rst": ("input", ""), "node": ("input", "7:0"),
    "cfg_valid": ("input", ""), "cfg_space": ("input", "3:0"), "cfg_addr": ("input", "15:0"),
    "cfg_data": ("input", "WORD-1:0"),
    "plane_wen": ("input", ""), "plane_ctx": ("input", "CTX_BITS-1:0"), "plane_end": ("input", ""),
    "issue_valid": ("input", ""), "issue_ready": ("output", ""), "issue_ctx": ("input", "CTX_BITS-1:0"),
    "issue_instr": ("input", _INSTRUCTION),
    **{f"issue_{what}": ("input", "`IMC_PORTS*16-1:0") for what in ("heads", "bases", "sizes")},
    "done": ("output", ""),
    "mem_en": ("output", ""), "mem_addr": ("output", "15:0"), "mem_data": ("input", "WORD-1:0"),
    "partial_en": ("output", ""), "partial_addr": ("output", "15:0"), "partial_data": ("input", "WORD-1:0"),
    "freed_valid": ("output", ""), "freed_ready": ("input", ""), "freed_ctx": ("output", "CTX_BITS-1:0"),
    "freed_port": ("output", _PORT), "freed_words": ("output", "15:0"),
    "refused": ("output", "CONTEXTS-1:0"),
    "m_data": ("output", "WORD-1:0"), "m_ctx": ("output", "CTX_BITS-1:0"), "m_last": ("output", ""),
    "m_valid": ("output", ""), "m_ready": ("input", ""),
    "busy": ("output", ""), "converting": ("output", ""), "convert_ctx": ("output", "CTX_BITS-1:0"),
}  # fmt: skip

_TEXT = """\
// SPDX-License-Identifier: Apache-2.0
// engine - the engine of a PU, whichever kind it is. Generated from the engines' own files by pyimc/engines/rtl.py.
//
// One list of ports towards the shell; an engine has those that it needs, outputs of the others are 0. KIND is the
// digit of the kind in the parameter KINDS of chip.v: its number, and 8 more if its PU has a second memory, of which
// the engine says (`freed_*`) what it has read.
//
{kinds}
//
// Timing and models: those of the engine.
`default_nettype none
`include "imc_isa.vh"
`include "engine_parameters.vh"

module engine #(
    parameter KIND = {first},
{parameters},
    `IMC_ENGINE_PARAMETERS
) (
{ports}
);
    generate
        {branches} else begin : gen_illegal
            engine_KIND_must_be_one_of_{digits} u_error ();
        end
    endgenerate
endmodule

`default_nettype wire
"""

_PARAMETERS_TEXT = """\
// SPDX-License-Identifier: Apache-2.0
// Parameters of engines, which the shell declares and hands on without knowing them. Generated as engine.v.
`ifndef IMC_ENGINE_PARAMETERS
`define IMC_ENGINE_PARAMETERS \\
{declared}
`define IMC_ENGINE_SETTINGS \\
{set}
`endif
"""


def digit(engine: Engine) -> int:
    """What stands for a kind in the parameter KINDS of rtl/chip.v."""
    return engine.number | (PARTIAL_MEMORY if engine.partial_memory else 0)


def verilog(engines: Iterable[Engine]) -> str:
    """The text of rtl/engine.v for some kinds."""
    ordered = sorted(engines, key=lambda engine: engine.number)
    width = max(len(bits) for _, bits in _PORTS.values()) + 2
    return _TEXT.format(
        kinds="\n".join(f"//   {digit(engine)}  {engine.kind}: {engine.rtl.stem}.v" for engine in ordered),
        first=digit(ordered[0]),
        digits="_".join(str(digit(engine)) for engine in ordered),
        parameters=",\n".join(f"    parameter {name} = {value}" for name, value in _SHELL.items()),
        ports=",\n".join(
            f"    {direction:6} wire {f'[{bits}]' if bits else '':{width}} {name}"
            for name, (direction, bits) in _PORTS.items()
        ),
        branches=" else ".join("\n".join(_branch(engine)) for engine in ordered),
    )


def parameters(engines: Iterable[Engine]) -> str:
    """The text of rtl/engine_parameters.vh: what engines have beyond the shell's, which only hands them on."""
    found: dict[str, str] = {}
    for engine in sorted(engines, key=lambda engine: engine.number):
        own = {name: value for name, value in _header_parameters(engine).items() if name not in _SHELL}
        assert own.keys() == engine.parameters.keys(), f"{engine.kind}: {sorted(own)} are not {[*engine.parameters]}"
        for name, value in own.items():
            assert found.setdefault(name, value) == value, f"{engine.rtl}: {name} is {found[name]} elsewhere"
    return _PARAMETERS_TEXT.format(
        declared=", \\\n".join(f"    parameter {name} = {value}" for name, value in found.items()),
        set=", \\\n".join(f"    .{name}({name})" for name in found),
    )


def _header_parameters(engine: Engine) -> dict[str, str]:
    header = engine.rtl.read_text().split("\n);", 1)[0]
    return dict(re.findall(r"^ *parameter +(\w+) = (\w+)", header, re.MULTILINE))


def _branch(engine: Engine) -> Iterator[str]:
    header = engine.rtl.read_text().split("\n);", 1)[0]
    parameters = _header_parameters(engine)
    ports = re.findall(r"^ *(?:input|output) +(?:wire|reg) +(?:\[[^]]*\] +)?(\w+)", header, re.MULTILINE)
    assert {*ports} <= _PORTS.keys(), f"{engine.rtl}: the shell has no {', '.join({*ports} - _PORTS.keys())}"
    yield f"if (KIND == {digit(engine)}) begin : gen_{engine.kind}"
    yield f"            {engine.rtl.stem} #("
    yield ",\n".join(f"                .{name}({name})" for name in parameters)
    yield "            ) u_engine ("
    yield ",\n".join(f"                .{name}({name})" for name in _PORTS if name in ports)
    yield "            );"
    others = {name: port for name, port in _PORTS.items() if name not in ports}
    for name, (direction, bits) in others.items():
        if direction == "output":
            zero = {"": "1'b0", "15:0": "16'd0"}.get(bits) or f"{{{bits.removesuffix('-1:0')}{{1'b0}}}}"
            yield f"            assign {name} = {zero};"
    unused = ", ".join(name for name, (direction, _) in others.items() if direction == "input")
    if unused:
        yield f"            wire unused = &{{1'b0, {unused}}};"
    yield "        end"
