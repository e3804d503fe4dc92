"""The crossbar engine, `rtl/imc_engine.v`: matrix-vector multiplications."""

from pyimc import isa
from pyimc.engines.engine import Engine, Resource
from pyimc.engines.rtl import RTL

ENGINE = Engine(
    kind="imc",
    number=0,
    rtl=RTL / "imc_engine.v",
    layouts=isa.ENGINE_IMC,
    partial_memory=True,
    resources=(
        Resource("planes", lambda arch: arch.crossbar.planes, "crossbar.planes"),
        Resource("partial words", lambda arch: arch.partial_words, "partial_words"),
    ),
)
