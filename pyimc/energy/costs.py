"""What events cost: a table in YAML with the unit and the source of every constant."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from pyimc.arch import Arch
from pyimc.errors import ConfigError, faults

TABLES = Path(__file__).parent / "tables"

COSTS = "sram28"
"""The table that a run takes unless it is told another."""

Cost = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Constant(_Strict):
    """A value with its unit and where it was published."""

    value: Cost
    unit: str
    source: Annotated[str, Field(min_length=1)]


class Curve(_Strict):
    """Values by a number of bits."""

    values: dict[int, Cost]
    unit: str
    source: Annotated[str, Field(min_length=1)]


class _Group(_Strict):
    units: ClassVar[dict[str, str]]

    @model_validator(mode="after")
    def _check(self) -> _Group:
        for name, unit in self.units.items():
            got = getattr(self, name).unit
            if got != unit:
                raise ValueError(f"{name}.unit is '{got}', must be '{unit}'")
        return self


class Energy(_Group):
    """Of one event.

    Attributes:
        row_drive: A row for one step, by the bits of the DAC.
        cell: A cell and its piece of bit line, for one step.
        conversion: By the bits of the ADC.
        shift_add: What follows a conversion: place values, the sum over the steps.
        select: A cell that begins to face its bit line, and more for every plane behind that bit line.
        register: A bit of the input register or of an accumulator.
        multiplication: Of the requantisation, 32 bits.
        addition: Of the digital engine, 32 bits.
        memory_read, memory_write: A bit of the memories of a processing unit.
        hop: A bit through a router.
        host: A bit of an image or a result, outside the chip.
        cell_write: A cell that is programmed.
        weight_fetch: A bit of a weight that comes from outside the chip to be programmed.
    """

    row_drive: Curve
    cell: Constant
    conversion: Curve
    shift_add: Constant
    select: Constant
    select_per_plane: Constant
    register_bit: Constant
    multiplication: Constant
    addition: Constant
    memory_read: Constant
    memory_write: Constant
    hop: Constant
    host: Constant
    cell_write: Constant
    weight_fetch: Constant
    units = {
        "row_drive": "pJ/row", "cell": "pJ/cell", "conversion": "pJ", "shift_add": "pJ", "select": "pJ/cell",
        "select_per_plane": "pJ/cell", "register_bit": "pJ/bit", "multiplication": "pJ", "addition": "pJ",
        "memory_read": "pJ/bit", "memory_write": "pJ/bit", "hop": "pJ/bit", "host": "pJ/bit", "cell_write": "pJ/cell",
        "weight_fetch": "pJ/bit",
    }  # fmt: skip


class Leakage(_Group):
    """Power of a unit at rest."""

    imc: Constant
    dpu: Constant
    units = {"imc": "mW", "dpu": "mW"}


class Area(_Group):
    """Of the parts of a chip.

    Attributes:
        cell: Of every plane.
        site: What the cells of all planes at one row and column share.
        row: Driver of a row.
        adc: By its bits.
        column: Behind an ADC: place values and accumulation.
        memory: A bit.
        router: With its links.
        imc, dpu: The logic of a unit: streams, tables, gathering, requantisation.
    """

    cell: Constant
    site: Constant
    row: Constant
    adc: Curve
    column: Constant
    memory: Constant
    router: Constant
    imc: Constant
    dpu: Constant
    units = {
        "cell": "um2", "site": "um2", "row": "um2", "adc": "um2", "column": "um2", "memory": "um2/bit",
        "router": "um2", "imc": "um2", "dpu": "um2",
    }  # fmt: skip


class Clock(_Group):
    """The cycle: a conversion and the logic behind it.

    Attributes:
        adc: Of a conversion, for every bit.
        adc_row: More for every bit and row of the crossbar.
        logic: What else lies in the path.
    """

    adc: Constant
    adc_row: Constant
    logic: Constant
    units = {"adc": "ns/bit", "adc_row": "ns/bit/row", "logic": "ns"}


class Costs(_Strict):
    """A technology.

    Attributes:
        name: Of the table.
        about: The technology in one line.
        cell_bits: Bits of a weight in one cell: a weight of 8 bits takes 8 / cell_bits cells, columns and conversions,
            unless the architecture says how its weights are sliced.
        adc_bits: Of every conversion.
    """

    name: str
    about: str
    cell_bits: int
    adc_bits: Annotated[int, Field(ge=1, le=16)]
    energy: Energy
    leakage: Leakage
    area: Area
    clock: Clock

    @model_validator(mode="after")
    def _check(self) -> Costs:
        if self.cell_bits not in (1, 2, 4, 8):
            raise ValueError(f"cell_bits is {self.cell_bits}, must be 1, 2, 4 or 8")
        for name, curve in (("energy.conversion", self.energy.conversion), ("area.adc", self.area.adc)):
            _at(curve, self.adc_bits, f"{name}.values")
        return self

    def slices(self, arch: Arch) -> int:
        """Cells of the technology that a column of the architecture stands for: 1 if it has cells of its own."""
        return 8 // self.cell_bits if arch.crossbar.cells == 1 else 1

    @property
    def conversion_pj(self) -> float:
        """Energy of one conversion."""
        return self.energy.conversion.values[self.adc_bits]

    @property
    def adc_um2(self) -> float:
        """Area of one ADC."""
        return self.area.adc.values[self.adc_bits]

    def row_drive_pj(self, arch: Arch) -> float:
        """Energy of driving a row for a step; raises ConfigError if the table has none for the DAC of `arch`."""
        try:
            return _at(self.energy.row_drive, arch.crossbar.dac_bits, "energy.row_drive.values")
        except ValueError as error:
            raise ConfigError(f"costs {self.name}: {error}; architecture {arch.name} has crossbar.dac_bits") from None

    def clock_ns(self, arch: Arch) -> float:
        """The cycle on an architecture's crossbars."""
        per_bit = self.clock.adc.value + self.clock.adc_row.value * arch.crossbar.rows
        return self.adc_bits * per_bit + self.clock.logic.value


def _at(curve: Curve, bits: int, name: str) -> float:
    if bits not in curve.values:
        raise ValueError(f"{name}: none for {bits} bits, only for {', '.join(map(str, sorted(curve.values)))}")
    return curve.values[bits]


def costs_for(name_or_path: str, arch: Arch) -> Costs:
    """Reads a table as `load_costs` does; raises ConfigError as well if it has no cost for the DACs of `arch`."""
    costs = load_costs(name_or_path)
    costs.row_drive_pj(arch)
    return costs


def load_costs(name_or_path: str) -> Costs:
    """Reads a table by built-in name or path of a YAML file.

    Raises:
        ConfigError: Unknown file, not YAML, unknown or missing keys, negative costs, wrong units (all of them at once).
    """
    path = Path(name_or_path)
    if path.suffix not in (".yaml", ".yml"):
        path = TABLES / f"{name_or_path}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(path.stem for path in TABLES.glob("*.yaml")))
        raise ConfigError(f"costs '{name_or_path}' not found; use one of {known}, or the path of a .yaml file")
    try:
        data = yaml.safe_load(path.read_text())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not a YAML file: {' '.join(str(error).split())}") from None
    if not isinstance(data, dict):
        raise ConfigError(f"{path}: a table of costs is a mapping of keys to values, got {type(data).__name__}")
    try:
        return Costs.model_validate(data)
    except ValidationError as error:
        raise ConfigError(f"{path}: {faults(error)}") from None
