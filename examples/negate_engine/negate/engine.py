"""The kind: its name, its number, its module, its part of the cycle model, what it costs."""

from pathlib import Path

from pyimc.engines.engine import Engine

ENGINE = Engine(
    kind="negate",
    number=2,
    rtl=Path(__file__).parent / "negate_engine.v",
    parameters={"LANES": lambda arch: arch.lanes},
    cycle="negate.cycle",
    energy="negate.energy",
)
