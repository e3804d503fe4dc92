"""What a deployment has besides a place for every node: cuts of layers, firings, buffers and priorities."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import get_args

from mapping.actors.buffers import SLACK_ROWS, allocate, size_edges
from mapping.actors.firing import Grain, read_grain
from mapping.actors.graph import Graph, Packing, build_graph
from mapping.code.codegen import generate
from mapping.cuts.relay import add_relays
from mapping.cuts.split import Cut, split_network
from mapping.passes import rewritten
from mapping.placement.ledger import Options, Placement, Priority
from pyimc.arch import Arch
from pyimc.errors import ConfigError
from pyimc.network import Network
from pyimc.program import Channel, Origin, Program


@dataclass(frozen=True, slots=True)
class Settings:
    """What holds for all nodes.

    Attributes:
        slack_rows: See `mapping.actors.buffers`.
        grain: See `mapping.actors.firing`.
        priority: See `mapping.code.codegen.priority`.
        packing: See `mapping.placement.sharing`.
    """

    slack_rows: int = SLACK_ROWS
    grain: Grain = "row"
    priority: Priority = "output"
    packing: Packing = "one_per_plane"

    def options(self) -> dict[str, int | str]:
        """As a user writes them."""
        grain = self.grain if isinstance(self.grain, int) else str(self.grain)
        said = {"packing": self.packing} if self.packing != Settings().packing else {}
        return {"slack_rows": self.slack_rows, "grain": grain, "priority": self.priority, **said}


SETTINGS = tuple(each.name for each in fields(Settings))


@dataclass(frozen=True, slots=True)
class Plan:
    """A deployment: which layers are cut how, and where the nodes of the cut network are."""

    placement: Placement
    cuts: Mapping[str, Cut] = field(default_factory=dict)
    settings: Settings = Settings()


def read_settings(options: Options, default: Settings = Settings()) -> Settings:
    """The settings among some options; others are ignored.

    Raises:
        ConfigError: A value that makes no sense.
    """
    slack_rows = options.get("slack_rows", default.slack_rows)
    if not isinstance(slack_rows, int) or slack_rows < 0:
        raise ConfigError(f"option slack_rows is {slack_rows!r}, must be a number of rows, 0 or more")
    words = {}
    for name, allowed in (("priority", get_args(Priority)), ("packing", get_args(Packing))):
        words[name] = options.get(name, getattr(default, name))
        if words[name] not in allowed:
            raise ConfigError(f"option {name} is '{words[name]}', must be {' or '.join(allowed)}")
    grain = read_grain(options["grain"]) if "grain" in options else default.grain
    return replace(default, slack_rows=slack_rows, grain=grain, **words)


def planned_graph(network: Network, arch: Arch, cuts: Mapping[str, Cut], settings: Settings) -> Graph:
    """The graph of a cut network, with its relays and the smallest ring of every edge."""
    network = rewritten(
        network,
        split=lambda network: split_network(network, cuts),
        relays=lambda network: add_relays(network, arch),
    )
    return replace(size_edges(build_graph(network, arch, settings.grain)), packing=settings.packing)


def program_of(graph: Graph, arch: Arch, plan: Plan, origin: Origin) -> Program:
    """Buffers and code of a plan, not validated; raises CapacityError."""
    channels = allocate(graph, arch, plan.placement, plan.settings.slack_rows)
    return code_of(graph, arch, plan, channels, origin)


def code_of(graph: Graph, arch: Arch, plan: Plan, channels: tuple[Channel, ...], origin: Origin) -> Program:
    """The code of a plan whose buffers are sized."""
    return generate(graph, arch, replace(plan.placement, priority=plan.settings.priority), channels, origin)
