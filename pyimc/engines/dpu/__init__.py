"""The digital engine, `rtl/dpu_engine.v`: all that has no weights."""

from pyimc import isa
from pyimc.engines.engine import Engine

ENGINE = Engine(kind="dpu", module="dpu_engine", layouts=isa.ENGINE_DPU)
