"""The crossbar engine, `rtl/imc_engine.v`: matrix-vector multiplications."""

from pyimc import isa
from pyimc.engines.engine import Engine, Resource

ENGINE = Engine(
    kind="imc",
    module="imc_engine",
    layouts=isa.ENGINE_IMC,
    resources=(
        Resource("planes", lambda arch: arch.crossbar.planes, "crossbar.planes"),
        Resource("partial words", lambda arch: arch.partial_words, "partial_words"),
    ),
)
