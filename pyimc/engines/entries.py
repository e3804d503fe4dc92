"""The ENGINE entries of an actor, as its Program has them."""

from pyimc import isa
from pyimc.engines import ENGINES
from pyimc.engines.engine import Fields
from pyimc.program import Actor, Program


def entries(program: Program, actor: Actor) -> dict[str, Fields]:
    """By the name of their layout; those that are not written are missing."""
    numbered = {isa.engine_entry(actor.context, layout): layout for layout in ENGINES[actor.kind].layouts}
    return {
        numbered[number].name: numbered[number].decode(value)
        for space, number, value in program.pus[actor.node].tables
        if space == isa.SPACES["ENGINE"] and number in numbered
    }
