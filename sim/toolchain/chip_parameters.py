# SPDX-License-Identifier: Apache-2.0
"""What architecture and engines mean for the Verilog: the parameters of rtl/chip.v, and its modules."""

from __future__ import annotations

from pathlib import Path

from pyimc.arch import Arch
from pyimc.engines import BUILT_IN, ENGINES
from pyimc.engines.rtl import RTL, digit, parameters, verilog

BLACK_BOXES = tuple(sorted({box.stem for engine in ENGINES.values() for box in engine.black_boxes}))
"""Modules that stand for a circuit or for a memory beside the chip."""


def modules() -> dict[str, Path]:
    """Files of the RTL by the name of their module: those of rtl/, and of engines of further kinds."""
    engines = [file for engine in ENGINES.values() for file in (engine.rtl, *engine.black_boxes)]
    files = {*RTL.glob("*.v"), *engines}
    return {file.stem: file for file in sorted(files)}


def chip_files(folder: Path) -> list[Path]:
    """Files of rtl/, and those of further kinds, for which a table of engines and their parameters goes to `folder`.

    Tools are to look for what is included in `folder` first.
    """
    files = modules()
    if ENGINES.keys() != BUILT_IN.keys():
        files["engine"] = folder / "engine.v"
        files["engine"].write_text(verilog(ENGINES.values()), encoding="utf-8")
        (folder / "engine_parameters.vh").write_text(parameters(ENGINES.values()), encoding="utf-8")
    return [*files.values()]


def chip_parameters(arch: Arch) -> dict[str, int]:
    """Every parameter of rtl/chip.v with its value; a test compares the names with the file."""
    return {
        "MESH_X": arch.mesh.columns,
        "MESH_Y": arch.mesh.rows,
        "HOST": arch.host,
        "KINDS": sum(digit(ENGINES[kind]) << 4 * node for node, kind in arch.kinds.items()),
        "FIFO_DEPTH": arch.mesh.fifo_depth,
        "WORD": arch.word_bits,
        "CONTEXTS": arch.contexts,
        "DESTINATIONS": arch.destinations,
        "INSTRUCTIONS": arch.instructions,
        "MEMORY": arch.activation_words,
        "PARTIALS": arch.partial_words,
        "PARAMETERS": arch.parameters,
        "PACKET": arch.packet_words,
        **{name: value(arch) for engine in ENGINES.values() for name, value in engine.parameters.items()},
        "HOST_WORDS": arch.host_words,
    }


def literal(name: str, value: int) -> str:
    """The value as tools take it on their command line: KINDS as wide as rtl/chip.v declares it."""
    return f"1024'h{value:x}" if name == "KINDS" else str(value)
