"""The memory, `rtl/memory_engine.v`: weights that travel to the crossbars for every image."""

from pyimc import isa
from pyimc.engines.engine import Engine, Resource
from pyimc.engines.rtl import RTL

ENGINE = Engine(
    kind="memory",
    number=3,
    rtl=RTL / "memory_engine.v",
    layouts=isa.ENGINE_MEMORY,
    resources=(Resource("planes", lambda arch: arch.memory.planes, "memory.planes"),),
    cycle="pyimc.engines.memory.cycle",
)
