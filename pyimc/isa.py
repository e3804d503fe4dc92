"""The instruction set and every other bit layout that the chip and its tools share: the one source of truth.

`python -m pyimc.isa` regenerates `rtl/imc_isa.vh` (the Verilog header) and `docs/isa.md` (the reference); a test
checks that both are current. Encoders, decoders and the assembler (`pyimc.assembler`) read the tables below.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pyimc.errors import EncodingError
from pyimc.isa_vector import KERNEL as KERNEL
from pyimc.isa_vector import MATRIX as MATRIX
from pyimc.isa_vector import OPERATIONS as OPERATIONS
from pyimc.isa_vector import PAIRS as PAIRS
from pyimc.isa_vector import ROW as ROW
from pyimc.isa_vector import VECTOR as VECTOR
from pyimc.layout import ENTRY_BITS as ENTRY_BITS
from pyimc.layout import Field, Layout

NODE_BITS = 8


# --------------------------------------------------------------------------------------------------- instructions

PORTS = 3
"""Input channels of an actor, at most: a FIRE has room for as many."""
INSTRUCTION_BITS = 192
INSTRUCTION_ENTRIES = INSTRUCTION_BITS // ENTRY_BITS
OPCODE = Field("opcode", 4, "", "which instruction this is")

OPCODE_LAYOUT = Layout("INSTRUCTION", INSTRUCTION_BITS, "What all instructions share.", (OPCODE,), "instruction")

FIRE = Layout(
    "FIRE", INSTRUCTION_BITS,
    "Fires the actor once, on one run of output pixels of one output row, as soon as each of its input channels holds "
    "the words that it needs and every destination has room for `produce` words.",
    (
        OPCODE,
        *(
            field
            for port in range(PORTS)
            for field in (
                Field(f"need_{port}", 16, "words", f"words that input channel {port} must hold"),
                Field(f"free_{port}", 16, "words", f"words released from the head of channel {port} once they are read"),
            )
        ),
        Field("produce", 16, "words", "words sent to each destination, reserved before the firing starts"),
        Field("offset", 16, "words", "from the start of the first kernel row inside the image to the head of channel 0: "
              "words of that row that were released before, or, negative, words in front of it", signed=True),
        Field("pixels", 12, "pixels", "output pixels of the run (element-wise operators: words)"),
        Field("x0", 18, "bytes", "start of the first window relative to the start of its row; negative is left padding",
              signed=True),
        Field("top", 7, "rows", "kernel rows above the first row of the image: the head of the channel is the row after"),
        Field("rows", 7, "rows", "kernel rows inside the image; the rest of the kernel lies below its last row"),
    ),
    "instruction",
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
    "instruction",
)
HALT = Layout("HALT", INSTRUCTION_BITS, "The actor stops and never fires again.", (OPCODE,), "instruction")

INSTRUCTIONS: dict[int, Layout] = {0: HALT, 1: FIRE, 2: LOOP}
OPCODES: dict[str, int] = {layout.name: code for code, layout in INSTRUCTIONS.items()}


def fire(need: Sequence[int], free: Sequence[int], **values: int) -> int:
    """Encodes a FIRE, given the words of each input channel; raises EncodingError."""
    uses = {f"need_{port}": words for port, words in enumerate(need)}
    uses |= {f"free_{port}": words for port, words in enumerate(free)}
    return instruction("FIRE", **uses, **values)


def port_uses(values: dict[str, int]) -> list[tuple[int, int]]:
    """What a decoded FIRE needs and frees of every channel."""
    return [(values[f"need_{port}"], values[f"free_{port}"]) for port in range(PORTS)]


def instruction(name: str, **values: int) -> int:
    """Encodes one instruction by name; raises EncodingError."""
    if name not in OPCODES:
        raise EncodingError(f"unknown instruction '{name}'; known: {', '.join(sorted(OPCODES))}")
    return INSTRUCTIONS[OPCODES[name]].encode(opcode=OPCODES[name], **values)


# --------------------------------------------------------------------------------------------------------- packets

KINDS = {"DATA": 0, "WRITE": 1, "READ": 2, "REPLY": 3}
_HEAD_FIELDS = (
    Field("node", NODE_BITS, "node", "destination node; the routers read nothing else"),
    Field("kind", 4, "", "0 DATA, 1 WRITE, 2 READ, 3 REPLY"),
    Field("length", 8, "words", "payload words (READ: words asked for)"),
    Field("source", NODE_BITS, "node", "the sending node"),
)
HEAD = Layout(
    "HEAD", ENTRY_BITS,
    "The first flit of every packet on the data network, as far as all kinds share it. Payload flits follow; the last "
    "one carries `last`.",
    _HEAD_FIELDS, "head",
)
DATA = Layout(
    "DATA", ENTRY_BITS, "The head of a DATA packet.",
    (
        *_HEAD_FIELDS,
        Field("channel", 8, "", "channel of the destination, as in CHANNEL_ADDRESS"),
        Field("slot", 8, "", "the sender's destination slot, to which the credit returns"),
        Field("end", 1, "", "its last word is that of a firing; the host says nothing"),
    ),
    "head",
)
TABLE = Layout(
    "TABLE", ENTRY_BITS, "The head of a WRITE, READ or REPLY packet.",
    (
        *_HEAD_FIELDS,
        Field("space", 4, "", "which table of the PU"),
        Field("address", 16, "", "first entry; each payload word is one entry further"),
    ),
    "head",
)
HEADS = {"DATA": DATA, "WRITE": TABLE, "READ": TABLE, "REPLY": TABLE}


def head(kind: str, **values: int) -> int:
    """Encodes the head of a packet of a kind; raises EncodingError."""
    return HEADS[kind].encode(kind=KINDS[kind], **values)


def opcode(word: int) -> str:
    """The name of an instruction; its number if there is none."""
    code = OPCODE_LAYOUT.decode(word)["opcode"]
    return INSTRUCTIONS[code].name if code in INSTRUCTIONS else str(code)


def decode_head(flit: int) -> dict[str, int]:
    """The fields of a packet's head, by its kind."""
    kinds = {number: kind for kind, number in KINDS.items()}
    return HEADS[kinds[HEAD.decode(flit)["kind"] % len(KINDS)]].decode(flit)


CREDIT = Layout(
    "CREDIT", 40,
    "The only flit of every packet on the credit network: room that a consumer gives back to a producer.",
    (
        Field("node", NODE_BITS, "node", "the producer's node"),
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
    "CONTROL": "PLANE: the plane that WEIGHT writes to",
    "INSTRUCTION": "the parts of every instruction, the lowest first: INSTRUCTION_ADDRESS",
    "CONTEXT": "one entry per actor",
    "CHANNEL": "one entry per input channel: CHANNEL_ADDRESS",
    "DESTINATION": "entry context * destinations + index",
    "ENGINE": "the engine's description of the actor: ENGINE_ADDRESS",
    "PARAMETER": "PARAM_0 and PARAM_1 of every output channel: PARAMETER_ADDRESS",
    "WEIGHT": "imc: one whole link word of offset-binary weights per entry, whole rows in order, of the plane chosen, memory likewise; dpu: "
    "eight int8 weights of depthwise an entry, the first one lowest",
    "COUNTER": "read only: COUNTER_0, COUNTER_1, COUNTER_2",
    "ACTOR": "read only: ACTOR_0 and ACTOR_1 of every actor: ACTOR_ADDRESS",
    "STATUS": "read only: STATUS of every actor, then PORT_STATUS of its ports: STATUS_ADDRESS",
    "LUT": "dpu: the tables of lut, eight bytes an entry, the first one lowest: LUT_ADDRESS",
}
ENTRIES = {  # what is at which entry: of a space, or of an actor in it
    "CONTROL": {"PLANE": 1},
    "ENGINE": {"WINDOW": 0, "TILES": 1, "COLUMNS": 2, "VECTOR": 1, "KERNEL": 2, "OUTPUT": 3, "MATRIX": 4, "ROW": 5, "STREAM": 0, "PACE": 1, "LOADS": 4, "CHECKSUM": 5},
    "PARAMETER": {"PARAM_0": 0, "PARAM_1": 1},
    "COUNTER": {"COUNTER_0": 0, "COUNTER_1": 1, "COUNTER_2": 2},
    "ACTOR": {"ACTOR_0": 0, "ACTOR_1": 1},
    "STATUS": {"STATUS": 0, "PORT_STATUS": 1},
}


PORT_BITS = max(1, (PORTS - 1).bit_length())


def _address(name: str, text: str, bits: int = 16, **fields: int) -> Layout:
    """An entry number of a space, made of parts."""
    parts = [Field(part, bits, "", "") for part, bits in fields.items()]
    return Layout(f"{name}_ADDRESS", bits, text, tuple(parts))


INSTRUCTION_ADDRESS = _address("INSTRUCTION", "An instruction's address and which of its parts.", part=2, pc=12)
CHANNEL_ADDRESS = _address("CHANNEL", "An input channel, here and in DATA packets.", 8, port=PORT_BITS, context=6)
ENGINE_ADDRESS = _address("ENGINE", "An actor and the entry of its description.", entry=3, context=6)
PARAMETER_ADDRESS = _address("PARAMETER", "A channel and PARAM_0 or PARAM_1.", entry=1, channel=15)
STATUS_ADDRESS = _address("STATUS", "An actor, and STATUS or PORT_STATUS of a port.", entry=PORT_BITS + 1, context=6)
ACTOR_ADDRESS = _address("ACTOR", "An actor and ACTOR_0 or ACTOR_1.", entry=1, context=6)
LUT_ADDRESS = _address("LUT", "An actor and which eight bytes of its table.", eight=5, context=6)

CONTROL = Layout(
    "CONTROL", ENTRY_BITS, "What WEIGHT writes to.", (Field("plane", 16, "plane", "of the crossbar"),)
)
CONTEXT = Layout(
    "CONTEXT", ENTRY_BITS, "One actor of the sequencer.",
    (
        Field("start", 16, "address", "its first instruction"),
        Field("active", 1, "", "the context is used"),
        Field("ports", 3, "channels", "input channels in use"),
        Field("destinations", 8, "", "destinations in use"),
    ),
)
CHANNEL = Layout(
    "CHANNEL", ENTRY_BITS, "One input channel: a ring of words in a memory of the PU.",
    (
        Field("base", 16, "word", "first word of the ring"),
        Field("size", 16, "words", "length of the ring: the producer's initial credit"),
        Field("node", 8, "node", "where its credits go back to"),
        Field("slot", 8, "", "the producer's destination slot"),
        Field("memory", 2, "", "where the ring is: 0 activation memory, 1 partial memory, 2 planes (both imc)"),
        Field("late", 1, "", "the engine says when words may be given back; else with `done`, all that a firing frees"),
        Field("kept", 8, "times", "that words which a firing would free are kept before they are freed"),
    ),
)
MEMORIES = {"activation": 0, "partial": 1, "plane": 2}
DESTINATION = Layout(
    "DESTINATION", ENTRY_BITS, "One destination of an actor.",
    (
        Field("node", 8, "node", "consumer's node"),
        Field("channel", 8, "", "consumer's channel"),
        Field("room", 16, "words", "the ring's size: credit at start"),
    ),
)
WINDOW = Layout(
    "WINDOW", ENTRY_BITS, "ENGINE, both engines: how the sliding window walks over a row.",
    (
        Field("run", 16, "bytes", "imc: one kernel row of one window, Kw * C; dpu: one pixel, C, or see VECTOR"),
        Field("step", 16, "bytes", "from one window to the next, stride * C; concat: the run of input 1"),
        Field("row_bytes", 16, "bytes", "one input row, W * C; concat: of the longer input"),
        Field("row_words", 16, "words", "one input row in the ring"),
    ),
)
TILES = Layout(
    "TILES", ENTRY_BITS, "ENGINE, imc: the crossbar tiles of the layer.",
    (
        Field("kernel_rows", 8, "rows", "Kh"),
        Field("row_tiles", 16, "tiles", "ceil(Kh*Kw*C / ROWS)"),
        Field("last_rows", 16, "rows", "rows used in the last row tile"),
        Field("plane", 16, "plane", "first plane; tile (r, c) is plane + r * col_tiles + c"),
        Field("zero_point", 8, "", "input zero point: the padding value"),
    ),
)
COLUMNS = Layout(
    "COLUMNS", ENTRY_BITS,
    "ENGINE, imc: the columns that are converted, and where tiles that do not fill a plane are in it.",
    (
        Field("col_tiles", 8, "tiles", "ceil(columns / COLS)"),
        Field("last_groups", 8, "groups", "ADC groups used in the last column tile, ceil(columns used / adcs)"),
        Field("partial_in", 1, "", "channel 1 brings accumulators to add: int32, pixel by pixel, whole words"),
        Field("partial_out", 1, "", "the accumulators leave as they are, int32, without requantisation"),
        Field("row_origin", 16, "rows", "first row of the last row tile; all others start at row 0"),
        Field("group_origin", 8, "groups", "first ADC group of the last column tile; all others start at group 0"),
        Field("loaded", 2, "channel", "brings the weights, 0: they stay; a firing that frees them is done once they are not used any more"),
        Field("adc_shift", 5, "bits", "a step of the ADCs is 2**adc_shift; ideal ADCs have none"),
    ),
)
LOADS = Layout(
    "LOADS", ENTRY_BITS, "ENGINE, imc: where weights that travel are written, in planes from TILES.plane on.",
    (
        Field("words", 16, "words", "of one load"),
        Field("first", 16, "planes", "before the window of the first load"),
        Field("step", 16, "planes", "from the window of a load to that of the next"),
        Field("span", 16, "planes", "of all windows, around which the steps go"),
    ),
)
CHECKSUM = Layout(
    "CHECKSUM", ENTRY_BITS, "ENGINE, imc: what weights that travel have to be.",
    (Field("crc", 32, "", "CRC-32 of one load, bytes in order, the lowest of a word first (zlib.crc32)"),),
)
OUTPUT = Layout(
    "OUTPUT", ENTRY_BITS, "ENGINE, both engines: what leaves the actor.",
    (
        Field("columns", 16, "channels", "imc: of an output pixel"),
        Field("parameters", 16, "channel", "first parameter of the actor"),
        Field("zero_point", 8, "", "output zero point"),
        Field("low", 8, "", "lower clamp"),
        Field("high", 8, "", "upper clamp"),
    ),
)
STREAM = Layout(
    "STREAM", ENTRY_BITS, "ENGINE, memory: the weights that a firing sends.",
    (
        Field("start", 32, "word", "the first one"),
        Field("words", 16, "words", "how many"),
    ),
)
PACE = Layout(
    "PACE", ENTRY_BITS, "ENGINE, memory: when they leave.",
    (
        Field("latency", 16, "cycles", "before the first one is read"),
        Field("interval", 8, "cycles", "from one word to the next, 1 or more"),
        Field("row_words", 8, "words", "of a row of the crossbar"),
        Field("row_wait", 16, "cycles", "more before the last word of each row, so that a row takes as long as writing it"),
    ),
)
ENGINE_IMC = (WINDOW, TILES, COLUMNS, OUTPUT, LOADS, CHECKSUM)
ENGINE_DPU = (WINDOW, VECTOR, KERNEL, MATRIX, ROW, OUTPUT)
ENGINE_MEMORY = (STREAM, PACE)


def channel_entry(context: int, port: int) -> int:
    """The number of an actor's input channel, in CHANNEL and in DATA packets."""
    return CHANNEL_ADDRESS.encode(context=context, port=port)


def engine_entry(context: int, layout: Layout) -> int:
    """Where an actor's entry of a layout is in ENGINE."""
    return ENGINE_ADDRESS.encode(context=context, entry=ENTRIES["ENGINE"][layout.name])


PARAM_0 = Layout(
    "PARAM_0", ENTRY_BITS, "PARAMETER: imc, and dpu for depthwise, of an output channel.",
    (
        Field("bias", 32, "", "added to the exact dot product", signed=True),
        Field("shift", 6, "bits", "right shift with rounding, 1..62"),
    ),
)
PARAM_1 = Layout(
    "PARAM_1", ENTRY_BITS, "PARAMETER: imc, and dpu for depthwise, of an output channel; dpu: entry n is of input n (add, sub, "
    "concat) or of n valid pixels (average pool; all others use 1).",
    (Field("multiplier", 31, "", "of the requantisation"),),
)
STATUS = Layout(
    "STATUS", ENTRY_BITS, "What an actor is waiting for.",
    (
        Field("active", 1, "", "not halted"),
        Field("fetched", 1, "", "an instruction waits to fire"),
        Field("ready", 1, "", "it can fire: the engine is taken"),
        Field("room_wait", 1, "", "inputs are there, room is missing"),
        Field("pc", 12, "address", "next instruction"),
        Field("refused", 1, "", "weights came in that are not its own: it does not fire again"),
    ),
)
PORT_STATUS = Layout(
    "PORT_STATUS", ENTRY_BITS, "What an actor has of an input channel, and what it wants.",
    (Field("fill", 16, "words", "in the channel"), Field("need", 16, "words", "of the instruction that waits")),
)
COUNTERS = tuple(
    Layout(name, ENTRY_BITS, f"COUNTER: {text}", tuple(Field(field, 32, unit, "") for field in fields))
    for name, text, unit, fields in (
        ("COUNTER_0", "what the PU did", "cycles", ("busy", "input_wait")),
        ("COUNTER_1", "what the PU did", "cycles", ("room_wait", "idle")),
        ("COUNTER_2", "what passed its link", "flits", ("flits_in", "flits_out")),
    )
)
ACTOR_0 = Layout(
    "ACTOR_0", ENTRY_BITS, "ACTOR: what an actor did.",
    (Field("firings", 32, "", "ended"), Field("busy", 32, "cycles", "of the engine")),
)
ACTOR_1 = Layout(
    "ACTOR_1", ENTRY_BITS, "ACTOR: when it did it.",
    (Field("first", 32, "cycle", "of its first firing"), Field("last", 32, "cycle", "of its last `done`")),
)
PACKETS = (HEAD, DATA, TABLE, CREDIT)
ADDRESSES = (
    INSTRUCTION_ADDRESS, CHANNEL_ADDRESS, ENGINE_ADDRESS, PARAMETER_ADDRESS, ACTOR_ADDRESS, STATUS_ADDRESS,
    LUT_ADDRESS,
)
TABLES = (
    CONTROL, CONTEXT, CHANNEL, DESTINATION, WINDOW, TILES, COLUMNS, LOADS, CHECKSUM, VECTOR, KERNEL, MATRIX, ROW, OUTPUT, STREAM, PACE, PARAM_0, PARAM_1, *COUNTERS, ACTOR_0, ACTOR_1,
    STATUS, PORT_STATUS,
)
LAYOUTS = (OPCODE_LAYOUT, FIRE, LOOP, HALT, *PACKETS, *ADDRESSES, *TABLES)


def main() -> None:
    """Writes the generated files of this checkout."""
    from pyimc.isa_files import write  # which reads the tables above

    write(Path(__file__).resolve().parent.parent)


if __name__ == "__main__":
    main()
