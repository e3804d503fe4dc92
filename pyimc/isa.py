"""The instruction set and every other bit layout that the chip and its tools share: the one source of truth.

`python -m pyimc.isa` regenerates `rtl/imc_isa.vh` (the Verilog header) and `docs/isa.md` (the reference); a test
checks that both are current. Encoders, decoders, the assembler and the disassembler read the tables below.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pyimc.errors import EncodingError


@dataclass(frozen=True, slots=True)
class Field:
    """One named bit field; `unit` is what it counts, `text` what it means."""

    name: str
    bits: int
    unit: str
    text: str
    signed: bool = False


@dataclass(frozen=True, slots=True)
class Layout:
    """A word of `bits` bits made of fields, the first in the lowest bits."""

    name: str
    bits: int
    text: str
    fields: tuple[Field, ...]

    def positions(self) -> Iterator[tuple[Field, int]]:
        """Yields every field with its lowest bit."""
        low = 0
        for field in self.fields:
            yield field, low
            low += field.bits
        if low > self.bits:
            raise AssertionError(f"layout {self.name} needs {low} bits, has {self.bits}")

    def encode(self, **values: int) -> int:
        """Packs one value per field; absent fields are 0.

        Raises:
            EncodingError: an unknown field, or a value that its field cannot hold.
        """
        word = 0
        known = {field.name for field in self.fields}
        for name in values:
            if name not in known:
                raise EncodingError(f"{self.name}: no field '{name}'; the fields are {', '.join(sorted(known))}")
        for field, low in self.positions():
            value = int(values.get(field.name, 0))
            least, most = field_range(field)
            if not least <= value <= most:
                raise EncodingError(
                    f"{self.name}.{field.name}: {value} does not fit {field.bits} bits ({least}..{most} {field.unit})"
                )
            word |= (value & ((1 << field.bits) - 1)) << low
        return word

    def decode(self, word: int) -> dict[str, int]:
        """Unpacks every field of `word`."""
        values = {}
        for field, low in self.positions():
            value = word >> low & ((1 << field.bits) - 1)
            if field.signed and value >> (field.bits - 1):
                value -= 1 << field.bits
            values[field.name] = value
        return values


def field_range(field: Field) -> tuple[int, int]:
    """The least and the greatest value that a field holds."""
    if field.signed:
        return -(1 << (field.bits - 1)), (1 << (field.bits - 1)) - 1
    return 0, (1 << field.bits) - 1


# --------------------------------------------------------------------------------------------------- instructions

INSTRUCTION_BITS = 128
OPCODE = Field("opcode", 4, "", "which instruction this is")

FIRE = Layout(
    "FIRE", INSTRUCTION_BITS,
    "Fires the actor once, on one run of output pixels of one output row, as soon as input channel 0 holds `need` "
    "words, channel 1 (if the actor has one) `take` words, and every destination has room for `produce` words.",
    (
        OPCODE,
        Field("need", 16, "words", "words that input channel 0 must hold"),
        Field("free", 16, "words", "words released from the head of channel 0 when the firing has read them"),
        Field("produce", 16, "words", "words sent to each destination, reserved before the firing starts"),
        Field("take", 16, "words", "words that channel 1 must hold; all of them are released when they have been read "
                                   "(imc: as many as its output pixels have accumulators)"),
        Field("offset", 16, "words", "from the start of the first kernel row inside the image to the head of channel 0: "
              "words of that row that were released before, or, negative, words in front of it", signed=True),
        Field("pixels", 12, "pixels", "output pixels of the run (element-wise operators: words)"),
        Field("x0", 18, "bytes", "start of the first window relative to the start of its row; negative is left padding",
              signed=True),
        Field("top", 7, "rows", "kernel rows above the first row of the image: the head of the channel is the row after"),
        Field("rows", 7, "rows", "kernel rows inside the image; the rest of the kernel lies below its last row"),
    ),
)
LOOP = Layout(
    "LOOP", INSTRUCTION_BITS,
    "Goes back to `target` until the body has run `count` times, then goes on; `count` 0 repeats for ever (images) and "
    "uses no counter.",
    (
        OPCODE,
        Field("level", 1, "", "which of the actor's two loop counters is used; nested loops use different ones"),
        Field("count", 16, "times", "how often the body runs in all; 0: for ever"),
        Field("target", 16, "address", "instruction address of the first instruction of the body"),
    ),
)
HALT = Layout("HALT", INSTRUCTION_BITS, "The actor stops and never fires again.", (OPCODE,))

INSTRUCTIONS: dict[int, Layout] = {0: HALT, 1: FIRE, 2: LOOP}
OPCODES: dict[str, int] = {layout.name: code for code, layout in INSTRUCTIONS.items()}


def instruction(name: str, **values: int) -> int:
    """Encodes one instruction by name; raises EncodingError."""
    if name not in OPCODES:
        raise EncodingError(f"unknown instruction '{name}'; known: {', '.join(sorted(OPCODES))}")
    return INSTRUCTIONS[OPCODES[name]].encode(opcode=OPCODES[name], **values)


def disassemble(words: Iterable[int]) -> str:
    """Assembler text of a stream, one instruction per line with its address as a comment.

    Raises:
        EncodingError: an opcode that does not exist, or bits set outside every field.
    """
    lines = []
    for address, word in enumerate(words):
        layout = INSTRUCTIONS.get(OPCODE_LAYOUT.decode(word)["opcode"])
        if layout is None:
            raise EncodingError(f"instruction {address}: unknown opcode {word & 15}; is this a stream of this version?")
        values = layout.decode(word)
        if layout.encode(**values) != word:
            raise EncodingError(f"instruction {address}: bits set outside the fields of {layout.name}")
        operands = " ".join(f"{name}={value}" for name, value in values.items() if name != "opcode")
        lines.append(f"{layout.name} {operands}".strip().ljust(88) + f"; {address}")
    return "".join(line + "\n" for line in lines)


def assemble(text: str) -> list[int]:
    """Instruction words of assembler text (the inverse of `disassemble`; `;` starts a comment).

    Raises:
        EncodingError: the line number and what was not understood in it.
    """
    words = []
    for number, line in enumerate(text.splitlines(), 1):
        tokens = line.split(";")[0].split()
        if not tokens:
            continue
        try:
            operands = {name: int(value, 0) for name, value in (token.split("=", 1) for token in tokens[1:])}
        except ValueError:
            raise EncodingError(f"line {number}: operands are written name=integer, got '{line.strip()}'") from None
        try:
            words.append(instruction(tokens[0], **operands))
        except EncodingError as error:
            raise EncodingError(f"line {number}: {error}") from None
    return words


OPCODE_LAYOUT = Layout("OPCODE", INSTRUCTION_BITS, "The opcode alone.", (OPCODE,))

# --------------------------------------------------------------------------------------------------------- packets

HEAD = Layout(
    "HEAD", 64,
    "The first flit of every packet on the data network. Payload flits follow; the last one carries `last`.",
    (
        Field("node", 8, "node", "destination node; the routers read nothing else"),
        Field("kind", 4, "", "0 DATA, 1 WRITE, 2 READ, 3 REPLY"),
        Field("channel", 8, "", "DATA: channel of the destination (context * 2 + port)"),
        Field("length", 8, "words", "payload words (READ: words asked for)"),
        Field("source", 8, "node", "the sending node"),
        Field("slot", 8, "", "DATA: the sender's destination slot, to which the credit returns"),
        Field("space", 4, "", "WRITE, READ: which table of the PU"),
        Field("address", 16, "", "WRITE, READ: first entry; each payload word is one entry further"),
    ),
)
KINDS = {"DATA": 0, "WRITE": 1, "READ": 2, "REPLY": 3}

CREDIT = Layout(
    "CREDIT", 40,
    "The only flit of every packet on the credit network: room that a consumer gives back to a producer.",
    (
        Field("node", 8, "node", "the producer's node"),
        Field("slot", 8, "", "the producer's destination slot (context * destinations + index)"),
        Field("words", 16, "words", "words released"),
    ),
)

# --------------------------------------------------------------------------------------- tables of a PU (WRITE, READ)

SPACES = {
    "CONTROL": 0, "INSTRUCTION": 1, "CONTEXT": 2, "CHANNEL": 3, "DESTINATION": 4, "ENGINE": 5, "PARAMETER": 6,
    "WEIGHT": 7, "COUNTER": 8, "ACTOR": 9, "STATUS": 10, "LUT": 11,
}
SPACE_TEXT = {
    "CONTROL": "entry 0: bit 0 starts the PU and its counters (write 0 to stop them)",
    "INSTRUCTION": "two 64-bit halves per instruction, the low half first",
    "CONTEXT": "one entry per actor",
    "CHANNEL": "entry context * 2 + port: one per input channel",
    "DESTINATION": "entry context * destinations + index",
    "ENGINE": "entry context * 4 + k: the engine's description of the actor (below)",
    "PARAMETER": "imc: two entries per output channel (bias and shift, multiplier); dpu: likewise, see PARAM_*",
    "WEIGHT": "imc: one whole link word of offset-binary weights per entry, whole rows in order, from the plane that "
              "CONTROL entry 1 selects",
    "COUNTER": "read only: entry 0 busy | input wait, 1 room wait | idle, 2 flits in | flits out (32 bits each)",
    "ACTOR": "read only: entry context * 2: firings | busy; + 1: first | last cycle",
    "STATUS": "read only: entry context: what the actor waits for",
    "LUT": "dpu: entry context * 32 + k: bytes 8k to 8k + 7 of the actor's table, the first one lowest",
}

CONTEXT = Layout(
    "CONTEXT", 64, "One actor of the sequencer.",
    (
        Field("start", 16, "address", "its first instruction"),
        Field("active", 1, "", "the context is used"),
        Field("ports", 2, "channels", "input channels in use (1 or 2)"),
        Field("destinations", 8, "", "destinations in use"),
    ),
)
CHANNEL = Layout(
    "CHANNEL", 64, "One input channel: a ring of words in the activation memory; port 1 of an imc: partial memory.",
    (
        Field("base", 16, "word", "first word of the ring"),
        Field("size", 16, "words", "length of the ring: the producer's initial credit"),
        Field("node", 8, "node", "where its credits go back to"),
        Field("slot", 8, "", "the producer's destination slot"),
    ),
)
DESTINATION = Layout(
    "DESTINATION", 64, "One destination of an actor.",
    (
        Field("node", 8, "node", "consumer's node"),
        Field("channel", 8, "", "consumer's channel"),
        Field("room", 16, "words", "the ring's size: credit at start"),
    ),
)
WINDOW = Layout(
    "WINDOW", 64, "ENGINE entry 0, both engines: how the sliding window walks over a row.",
    (
        Field("run", 16, "bytes", "imc: one kernel row of one window, Kw * C; dpu: one pixel, C, or see VECTOR"),
        Field("step", 16, "bytes", "from one window to the next, stride * C; concat: the run of input 1"),
        Field("row_bytes", 16, "bytes", "one input row, W * C; concat: of the longer input"),
        Field("row_words", 16, "words", "one input row in the ring"),
    ),
)
TILES = Layout(
    "TILES", 64, "ENGINE entry 1, imc: the crossbar tiles of the layer.",
    (
        Field("kernel_rows", 8, "rows", "Kh"),
        Field("row_tiles", 8, "tiles", "ceil(Kh*Kw*C / ROWS)"),
        Field("last_rows", 16, "rows", "rows used in the last row tile"),
        Field("plane", 16, "plane", "first plane; tile (r, c) is plane + r * col_tiles + c"),
        Field("zero_point", 8, "", "input zero point: the padding value"),
    ),
)
COLUMNS = Layout(
    "COLUMNS", 64, "ENGINE entry 2, imc: the columns that are converted.",
    (
        Field("columns", 16, "columns", "output channels of the layer"),
        Field("col_tiles", 8, "tiles", "ceil(columns / COLS)"),
        Field("last_groups", 8, "groups", "ADC groups used in the last column tile, ceil(columns used / adcs)"),
        Field("partial_in", 1, "", "channel 1 brings accumulators to add: int32, pixel by pixel, whole words"),
        Field("partial_out", 1, "", "the accumulators leave as they are, int32, without requantisation"),
    ),
)
OPERATIONS = {"ADD": 0, "MAX": 1, "AVERAGE": 2, "CONCAT": 3, "LUT": 4}
VECTOR = Layout(
    "VECTOR", 64,
    "ENGINE entry 1, dpu: the vector operation. A pixel of add and lut is a word. A pixel of concat is `run` bytes of "
    "input 0, then WINDOW.step bytes of input 1: their channels, or a row of each.",
    (
        Field("operation", 3, "", "0 add, 1 max pool, 2 average pool, 3 concat, 4 lut"),
        Field("zero_point_0", 8, "", "zero point of input 0"),
        Field("zero_point_1", 8, "", "zero point of input 1"),
        Field("shift", 6, "bits", "right shift with rounding, 1..62"),
        Field("kernel_rows", 8, "rows", "Kh"),
        Field("kernel_columns", 8, "columns", "Kw; add: 2, its inputs"),
        Field("repeat", 8, "pixels", "further output pixels that a window gives"),
    ),
)
OUTPUT = Layout(
    "OUTPUT", 64, "ENGINE entry 3, both engines: what leaves the actor.",
    (
        Field("columns", 16, "channels", "imc: of an output pixel"),
        Field("parameters", 16, "channel", "first parameter of the actor"),
        Field("zero_point", 8, "", "output zero point"),
        Field("low", 8, "", "lower clamp"),
        Field("high", 8, "", "upper clamp"),
    ),
)
ENGINE_IMC = (WINDOW, TILES, COLUMNS, OUTPUT)
ENGINE_DPU = (WINDOW, VECTOR, None, OUTPUT)
ENGINE_ENTRIES = 4
LUT_ENTRIES = 32

PARAM_0 = Layout(
    "PARAM_0", 64, "PARAMETER entry 2n: imc, output channel n.",
    (
        Field("bias", 32, "", "added to the exact dot product", signed=True),
        Field("shift", 6, "bits", "right shift with rounding, 1..62"),
    ),
)
PARAM_1 = Layout(
    "PARAM_1", 64, "PARAMETER entry 2n + 1: imc, output channel n; dpu: multiplier of input n (add, concat) or of n "
    "valid pixels (average pool; max pool and lut use 1).",
    (Field("multiplier", 31, "", "of the requantisation"),),
)
STATUS = Layout(
    "STATUS", 64, "What an actor is waiting for.",
    (
        Field("active", 1, "", "not halted"),
        Field("fetched", 1, "", "an instruction waits to fire"),
        Field("ready", 1, "", "it can fire: the engine is taken"),
        Field("room_wait", 1, "", "inputs are there, room is missing"),
        Field("pc", 12, "address", "next instruction"),
        Field("fill_0", 16, "words", "words in channel 0"),
        Field("fill_1", 16, "words", "words in channel 1"),
        Field("need", 16, "words", "words needed"),
    ),
)
LAYOUTS = (
    HEAD, CREDIT, FIRE, LOOP, CONTEXT, CHANNEL, DESTINATION, WINDOW, TILES, COLUMNS, VECTOR, OUTPUT, PARAM_0, PARAM_1,
    STATUS,
)

# ---------------------------------------------------------------------------------------------------- generated files


def verilog_header() -> str:
    """The text of rtl/imc_isa.vh: one macro per field, `IMC_<LAYOUT>_<FIELD>` = its bit range."""
    lines = [
        "// SPDX-License-Identifier: Apache-2.0",
        "// imc_isa.vh - bit ranges of instructions, packets and tables. Generated by `python -m pyimc.isa`: do not edit.",
        "`ifndef IMC_ISA_VH", "`define IMC_ISA_VH", "",
    ]
    lines += [f"`define IMC_OP_{layout.name} 4'd{code}" for code, layout in sorted(INSTRUCTIONS.items())]
    lines += [f"`define IMC_KIND_{name} 4'd{code}" for name, code in KINDS.items()]
    lines += [f"`define IMC_SPACE_{name} 4'd{code}" for name, code in SPACES.items()]
    lines += [f"`define IMC_OPERATION_{name} 3'd{code}" for name, code in OPERATIONS.items()]
    for layout in LAYOUTS:
        lines.append("")
        lines.append(f"`define IMC_{layout.name}_BITS {layout.bits}")
        for field, low in layout.positions():
            lines.append(f"`define IMC_{layout.name}_{field.name.upper()} {low + field.bits - 1}:{low}")
    return "\n".join([*lines, "", "`endif", ""])


def _table(layout: Layout) -> list[str]:
    lines = [f"### {layout.name} ({layout.bits} bits)", "", layout.text, "", "| bits | field | unit | meaning |",
             "|---|---|---|---|"]
    for field, low in layout.positions():
        sign = "signed; " if field.signed else ""
        lines.append(f"| {low + field.bits - 1}:{low} | `{field.name}` | {field.unit or '-'} | {sign}{field.text} |")
    return [*lines, ""]


def reference() -> str:
    """The text of docs/isa.md."""
    lines = ["# Instruction set, packets and tables", "",
             "Generated from `pyimc/isa.py` by `python -m pyimc.isa`; a test checks that it is current. "
             "Bits that no field names are 0.", "", "## Instructions", ""]
    for code, layout in sorted(INSTRUCTIONS.items()):
        lines += [f"Opcode {code}:", "", *_table(layout)]
    lines += ["## Packets", "", *_table(HEAD), *_table(CREDIT), "## Spaces of a PU", "",
              "WRITE and READ packets address a PU's tables by space and entry. An entry is the low 64 bits of a payload "
              "word (WEIGHT: the whole word).", "", "| number | space | entries |", "|---|---|---|"]
    lines += [f"| {code} | {name} | {SPACE_TEXT[name]} |" for name, code in SPACES.items()]
    lines += ["", "## Tables", ""]
    for layout in LAYOUTS[4:]:
        lines += _table(layout)
    return "\n".join(lines).rstrip() + "\n"


def main() -> None:
    """Writes the generated files of this checkout."""
    root = Path(__file__).resolve().parent.parent
    (root / "rtl" / "imc_isa.vh").write_text(verilog_header())
    (root / "docs" / "isa.md").write_text(reference())


if __name__ == "__main__":
    main()
