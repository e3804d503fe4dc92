"""The memory, `rtl/memory_engine.v`: weights that travel to the crossbars for every image."""

from pyimc import isa
from pyimc.engines.engine import Engine, Resource
from pyimc.engines.rtl import RTL

ENGINE = Engine(
    kind="memory",
    number=3,
    rtl=RTL / "memory_engine.v",
    parameters={
        "ROWS": lambda arch: arch.crossbar.rows,
        "COLS": lambda arch: arch.crossbar.outputs,
        "STORED": lambda arch: arch.memory.planes,
    },
    black_boxes=(RTL / "plane_store.v",),
    layouts=isa.ENGINE_MEMORY,
    resources=(Resource("planes", lambda arch: arch.memory.planes, "memory.planes"),),
    cycle="pyimc.engines.memory.cycle",
    energy="pyimc.engines.memory.energy",
    sent_words=lambda tables, firing: tables["STREAM"]["words"] if "STREAM" in tables else 0,
)
