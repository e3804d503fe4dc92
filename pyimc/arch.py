"""The architecture of a chip: what a YAML file says, validated; every count and size is a parameter."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)

from pyimc.devices.cells import Cells
from pyimc.errors import ConfigError

CONFIGS = Path(__file__).parent / "configs"

Positive = Annotated[int, Field(ge=1)]


def _power_of_two(value: int) -> bool:
    return value > 0 and value & (value - 1) == 0


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Mesh(_Strict):
    """Routers in `columns` x `rows`; node id = row * columns + column."""

    columns: Annotated[int, Field(ge=1, le=16)]
    rows: Annotated[int, Field(ge=1, le=16)]
    fifo_depth: Annotated[int, Field(ge=2, le=256)]


class Adc(_Strict):
    """What a converter makes of a column sum; see `pyimc.crossbar.convert`.

    Attributes:
        bits: Of a code.
        range: What the codes cover: every sum that a layer's rows can give (`max`), or what costs least on the
            calibration images, where rare large sums are clipped (`calibrated`).
    """

    bits: Annotated[int, Field(ge=1, le=16)]
    range: Literal["max", "calibrated"]


class Crossbar(_Strict):
    """`planes` matrices of `rows` x `columns` cells behind one periphery, one active at a time; they hold int8 weights.

    Attributes:
        adcs: Columns, or pairs of them if differential, that are converted per cycle.
        adc: None if every column sum is converted exactly.
        cell_bits: Of a weight in one cell: a weight is sliced over 8 / cell_bits columns, each converted by itself.
        weights: Cells hold w + 128, and 128 times the inputs is taken off (`offset`); or a weight has cells for what is
            positive and others for what is negative, whose difference is converted (`differential`).
        rows_per_read: Rows that are driven at once; None for all.
        device: What cells are made of, and their state; None if they hold what they are given.
    """

    rows: Annotated[int, Field(ge=8, le=1024)]
    columns: Annotated[int, Field(ge=8, le=1024)]
    planes: Annotated[int, Field(ge=1, le=1024)]
    adcs: Annotated[int, Field(ge=2)]
    dac_bits: Positive
    adc: Adc | None = None
    cell_bits: Positive = 8
    weights: Literal["offset", "differential"] = "offset"
    rows_per_read: Positive | None = None
    device: Cells | None = None

    @model_serializer(mode="wrap")
    def _without_defaults(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Ideal converters and cells, whole weights in one and all rows at once are written as before others were."""
        data: dict[str, Any] = dump(self)
        for name in ("adc", "cell_bits", "weights", "rows_per_read", "device"):
            if getattr(self, name) == type(self).model_fields[name].default:
                data.pop(name, None)
        if self.device:
            data["device"]["model"] = self.device.model.model_dump(mode="json", exclude_defaults=True)
        return data

    @model_validator(mode="after")
    def _check(self) -> Crossbar:
        for name in ("rows", "columns", "adcs"):
            if not _power_of_two(getattr(self, name)):
                raise ValueError(f"{name} is {getattr(self, name)}, must be a power of two")
        for name in ("dac_bits", "cell_bits"):
            if getattr(self, name) not in (1, 2, 4, 8):
                raise ValueError(f"{name} is {getattr(self, name)}, must be 1, 2, 4 or 8")
        converted, what = self.columns, "columns"
        if self.differential:
            converted, what = self.columns // 2, "pairs of columns"
        if not self.adcs <= converted <= 255 * self.adcs:
            raise ValueError(f"adcs is {self.adcs}, {what} ({converted}) must be 1 to 255 times as many")
        if self.adcs > self.outputs:
            raise ValueError(
                f"adcs is {self.adcs}, must be at most {self.outputs}: {self.columns} columns, {self.cells} a weight"
            )
        if not _power_of_two(self.driven) or self.driven > self.rows:
            raise ValueError(f"rows_per_read is {self.driven}, must be a power of two up to rows ({self.rows})")
        if self.adc and self.adc.bits < (least := 1 + self.differential):
            raise ValueError(f"adc.bits is {self.adc.bits}, must be {least} or more with weights {self.weights}")
        if self.device and self.device.drop == "input" and self.dac_bits != 1:
            raise ValueError(f"device.drop is input, which needs dac_bits of 1, not {self.dac_bits}")
        return self

    @property
    def differential(self) -> bool:
        """A column has another beside it that counts negative."""
        return self.weights == "differential"

    @property
    def slices(self) -> int:
        """Parts of a weight that are converted by themselves."""
        return 8 // self.cell_bits

    @property
    def cells(self) -> int:
        """Columns that a weight takes."""
        return self.slices * (1 + self.differential)

    @property
    def outputs(self) -> int:
        """Weights in a row of a plane, a byte each: columns of a layer's matrix that it holds."""
        return self.columns // self.cells

    @property
    def driven(self) -> int:
        """Rows that are driven at once, at most."""
        return self.rows_per_read or self.rows

    @property
    def real(self) -> Cells | None:
        """What its cells are made of, if they are not ideal."""
        return self.device if self.device and self.device.alter else None

    @property
    def fraction_bits(self) -> int:
        """Of what a column adds up, in levels."""
        return self.real.fraction_bits if self.real else 0

    @property
    def exact(self) -> bool:
        """It multiplies exactly: ideal cells and converters."""
        return self.adc is None and self.real is None

    def reads(self, rows: int) -> int:
        """How often rows are driven to read so many of a plane."""
        return -(-rows // self.driven)


class WeightMemory(_Strict):
    """The memory beside the chip that the memory PUs stand for, and how fast crossbars can be written.

    Attributes:
        planes: what it holds, in planes as large as those of the crossbars; those of a layer are whole ones.
        interval: cycles from one word to the next: the bandwidth.
        latency: cycles before the first word of a layer's weights.
        row_cycles: what writing a row of a crossbar takes, in cycles; its words come no faster.
    """

    planes: Annotated[int, Field(ge=1, le=65536)] = 64
    interval: Annotated[int, Field(ge=1, le=255)] = 1
    latency: Annotated[int, Field(ge=0, le=65535)] = 0
    row_cycles: Annotated[int, Field(ge=0, le=65535)] = 0


class Arch(_Strict):
    """A chip: a mesh with one host node and a processing unit at every other one.

    Attributes:
        host: node id of the host port.
        dpus: node ids of the PUs with the digital engine.
        pus: node ids of the PUs of further kinds, by kind; what nothing names has the crossbar engine.
        word_bits: link and activation memory word (64, 128 or 256 bits).
        packet_words: payload words of the longest data packet.
        contexts: actors that one PU can host.
        destinations: consumers that one actor can have.
        instructions: instruction memory of a PU, in instructions.
        activation_words: activation memory of a PU, in words.
        partial_words: memory of an imc PU for accumulators from other PUs, in words.
        parameters: requantisation parameters of a PU, in output channels.
        output_columns: accumulators of an imc PU: the widest layer it can hold.
        weight_words: weight memory of a dpu PU, for depthwise layers, in words.
        memory: of every memory PU, what it holds and how fast weights come from it.
        host_words: result buffer of the host port, in words.
    """

    name: str
    mesh: Mesh
    host: Annotated[int, Field(ge=0)]
    dpus: tuple[Annotated[int, Field(ge=0)], ...]
    pus: dict[str, tuple[Annotated[int, Field(ge=0)], ...]] = Field(default_factory=dict)
    word_bits: int
    packet_words: Annotated[int, Field(ge=1, le=64)]
    contexts: Annotated[int, Field(ge=1, le=64)]
    destinations: Annotated[int, Field(ge=1, le=8)]
    instructions: Annotated[int, Field(ge=4, le=4096)]
    activation_words: Annotated[int, Field(ge=16, le=65535)]
    partial_words: Annotated[int, Field(ge=2, le=65535)]
    parameters: Annotated[int, Field(ge=8, le=32768)]
    output_columns: Annotated[int, Field(ge=8, le=65536)]
    host_words: Annotated[int, Field(ge=16, le=65535)]
    weight_words: Annotated[int, Field(ge=2, le=16384)] = 1024
    memory: WeightMemory = WeightMemory()
    crossbar: Crossbar

    @model_serializer(mode="wrap")
    def _without_memory(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """A chip whose memory nobody described is written as before there were any."""
        data: dict[str, Any] = dump(self)
        if self.memory == WeightMemory():
            data.pop("memory", None)
        return data

    @model_validator(mode="after")
    def _check(self) -> Arch:
        nodes = self.mesh.columns * self.mesh.rows
        if self.word_bits not in (64, 128, 256):
            raise ValueError(f"word_bits is {self.word_bits}, must be 64, 128 or 256")
        for name, ids in (("host", (self.host,)), ("dpus", self.dpus), *self.pus.items()):
            for node in ids:
                if node >= nodes:
                    raise ValueError(f"{name}: node {node} does not exist, the mesh has nodes 0..{nodes - 1}")
        if len(set(self.dpus)) != len(self.dpus) or self.host in self.dpus:
            raise ValueError(f"dpus: {list(self.dpus)} must be distinct and must not name the host ({self.host})")
        self._check_kinds()
        if not _power_of_two(self.destinations):
            raise ValueError(f"destinations is {self.destinations}, must be a power of two")
        if self.contexts * self.destinations > 256:
            raise ValueError(
                f"contexts x destinations is {self.contexts * self.destinations}, must be at most 256 (credit slots)"
            )
        for name in ("parameters", "output_columns"):
            if getattr(self, name) % self.lanes or not _power_of_two(getattr(self, name)):
                got = getattr(self, name)
                raise ValueError(f"{name} is {got}, must be a power of two and a multiple of {self.lanes}")
        if self.output_columns < self.crossbar.outputs:
            columns = "crossbar.columns" + (f" / {self.crossbar.cells}" if self.crossbar.cells > 1 else "")
            raise ValueError(
                f"output_columns is {self.output_columns}, must be at least {columns} ({self.crossbar.outputs})"
            )
        if self.crossbar.outputs % self.lanes or self.crossbar.rows % self.lanes:
            wide = f", columns of {self.crossbar.cells} times as many" if self.crossbar.cells > 1 else ""
            raise ValueError(f"crossbar: rows and columns must be multiples of the word's {self.lanes} bytes{wide}")
        return self

    def _check_kinds(self) -> None:
        from pyimc.engines import ENGINES  # engines know architectures

        further = sorted(ENGINES.keys() - {"imc", "dpu"})
        if unknown := sorted(self.pus.keys() - set(further)):
            raise ValueError(f"pus: {', '.join(unknown)} must be among {', '.join(further) or 'none'}")
        named = [self.host, *self.dpus, *(node for places in self.pus.values() for node in places)]
        if len(set(named)) != len(named):
            raise ValueError(f"pus: nodes {', '.join(map(str, named))} must be distinct: the host, dpus and pus")

    @property
    def nodes(self) -> int:
        """Nodes of the mesh, the host included."""
        return self.mesh.columns * self.mesh.rows

    @property
    def lanes(self) -> int:
        """Bytes of a word: activations moved or computed per cycle."""
        return self.word_bits // 8

    @cached_property
    def kinds(self) -> dict[int, str]:
        """The kind of every PU, by node id, ascending."""
        named = {node: kind for kind, places in {"dpu": self.dpus, **self.pus}.items() for node in places}
        return {node: named.get(node, "imc") for node in range(self.nodes) if node != self.host}

    def places(self, kind: str) -> tuple[int, ...]:
        """Node ids of the PUs of a kind, ascending."""
        return self._places.get(kind, ())

    @cached_property
    def _places(self) -> dict[str, tuple[int, ...]]:
        found: dict[str, list[int]] = {}
        for node, kind in self.kinds.items():
            found.setdefault(kind, []).append(node)
        return {kind: tuple(places) for kind, places in found.items()}

    @property
    def imcs(self) -> tuple[int, ...]:
        """Node ids of the crossbar PUs, ascending."""
        return self.places("imc")

    @property
    def dac_steps(self) -> int:
        """Bit-serial steps of one MVM."""
        return 8 // self.crossbar.dac_bits

    @property
    def plane_words(self) -> int:
        """Words of all planes of a crossbar PU, which rings of weights are in."""
        return self.crossbar.planes * self.words(self.crossbar.rows * self.crossbar.outputs)

    def words(self, size_bytes: int) -> int:
        """Words that `size_bytes` bytes occupy."""
        return -(-size_bytes // self.lanes)


def load_arch(name_or_path: str) -> Arch:
    """Reads an architecture by built-in name (`default`, `detector`, `rram`, `tiny` ...) or path of a YAML file.

    Raises:
        ConfigError: unknown file, not YAML, unknown keys, wrong types or impossible parameters (all of them at once).
    """
    path = Path(name_or_path)
    if path.suffix not in (".yaml", ".yml"):
        path = CONFIGS / f"{name_or_path}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in CONFIGS.glob("*.yaml")))
        raise ConfigError(f"architecture '{name_or_path}' not found; use one of {known}, or the path of a .yaml file")
    try:
        data = yaml.safe_load(path.read_text())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not a YAML file: {' '.join(str(error).split())}") from None
    return arch_from_dict(data, str(path))


def arch_from_dict(data: object, where: str) -> Arch:
    """Validates plain data (of a YAML or JSON file named `where`); raises ConfigError with every fault."""
    if not isinstance(data, dict):
        raise ConfigError(f"{where}: an architecture is a mapping of keys to values, got {type(data).__name__}")
    data = {**data, "dpus": tuple(data["dpus"])} if isinstance(data.get("dpus"), list) else data
    if isinstance(data.get("pus"), dict):
        pus = {kind: tuple(places) if isinstance(places, list) else places for kind, places in data["pus"].items()}
        data = {**data, "pus": pus}
    try:
        return Arch.model_validate(data)
    except ValidationError as error:
        faults = []
        for fault in error.errors():
            key = ".".join(str(part) for part in fault["loc"]) or "architecture"
            message = fault["msg"].removeprefix("Value error, ")
            got = "" if fault["type"] in ("missing", "value_error") else f", got {fault['input']!r}"
            faults.append(f"{key}: {message}{got}")
        raise ConfigError(f"{where}: {'; '.join(faults)}") from None
