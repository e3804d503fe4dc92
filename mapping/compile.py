"""The compiler's back end: a quantised network and an architecture in, a Program out.

Passes, each a pure function: deployment graph, smallest channels, placement, channel sizes, validation of the
schedule, code, validation of the code.
"""

from mapping.bounds import bounds
from mapping.buffers import SLACK_ROWS, allocate, size_edges
from mapping.codegen import generate
from mapping.firing import read_grain
from mapping.graph import build_graph
from mapping.placement import Options, Placement
from mapping.relay import add_relays
from mapping.split import read_cuts, split_network, write_cuts
from mapping.strategies import find
from mapping.validate import check_placement, check_program, check_schedule
from pyimc.arch import Arch
from pyimc.errors import ConfigError
from pyimc.network import Network
from pyimc.network_rules import verify
from pyimc.program import Origin, Program

STRATEGY = "lblp"


def compile_network(
    network: Network, arch: Arch, strategy: str = STRATEGY, options: Options | None = None, seed: int = 0
) -> Program:
    """Compiles a quantised network.

    Args:
        network: What to compute.
        arch: The chip.
        strategy: Name of the placement strategy.
        options: `slack_rows` (see `mapping.buffers`), `grain` (see `mapping.firing`), `split` (see `mapping.split`) and
            those of the strategy.
        seed: For strategies that draw numbers.

    Returns:
        The Program; the same arguments give the same bytes.

    Raises:
        ConfigError: A malformed network, an unknown strategy or option.
        UnsupportedOperator: A node that the machine cannot compute.
        CapacityError: The network does not fit the architecture.
        ScheduleError: A pass broke a rule of the machine: a fault of the compiler or the strategy.
    """
    verify(network)
    found = find(strategy)
    given = dict(options or {})
    slack_rows = given.pop("slack_rows", SLACK_ROWS)
    if not isinstance(slack_rows, int) or slack_rows < 0:
        raise ConfigError(f"option slack_rows is {slack_rows!r}, must be a number of rows, 0 or more")
    grain = read_grain(given.pop("grain", "row"))
    cuts = read_cuts(str(given.pop("split", "")))
    if found.cuts:
        cuts = found.cuts(network, arch, given, seed) | cuts
    network = add_relays(split_network(network, cuts), arch)
    graph = size_edges(build_graph(network, arch, grain))
    placement = found.place(graph, arch, given, seed)
    if not isinstance(placement, Placement):
        raise ConfigError(f"strategy {strategy}: place returned {type(placement).__name__}, must return a Placement")
    check_placement(graph, arch, placement)
    channels = allocate(graph, arch, placement, slack_rows)
    check_schedule(graph, arch, placement, channels)
    least = bounds(graph, arch)
    effective = {**given, "slack_rows": slack_rows, "grain": grain, "split": write_cuts(cuts)}
    origin = Origin(
        model=network.name, strategy=strategy, options=effective, seed=seed, moved=list(placement.moved),
        limit=least.limit, bounds={"load": least.load, "interval": least.interval, "latency": least.latency}
        | ({} if placement.bound is None else {"proven_load": placement.bound}),
    )  # fmt: skip
    program = generate(graph, arch, placement, channels, origin)
    check_program(program)
    return program
