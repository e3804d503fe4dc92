"""The digital engine, `rtl/dpu_engine.v`: all that has no weights, and depthwise convolutions."""

from pyimc import isa
from pyimc.engines.engine import Engine, Resource
from pyimc.engines.rtl import RTL

ENGINE = Engine(
    kind="dpu",
    number=1,
    rtl=RTL / "dpu_engine.v",
    parameters={"WEIGHTS": lambda arch: arch.weight_words},
    layouts=isa.ENGINE_DPU,
    energy="pyimc.engines.dpu.energy",
    resources=(Resource("weight words", lambda arch: arch.weight_words, "weight_words"),),
)
