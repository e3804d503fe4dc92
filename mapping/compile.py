"""The compiler's back end: a quantised network and an architecture in, a Program out.

Passes, each a pure function: deployment graph, smallest channels, placement, channel sizes, validation of the
schedule, code, validation of the code.
"""

from collections.abc import Mapping

from mapping.actors.buffers import allocate
from mapping.actors.graph import Graph
from mapping.actors.plan import SETTINGS, Plan, code_of, planned_graph, read_settings
from mapping.actors.validate import check_placement, check_program, check_schedule
from mapping.cuts.depthwise import AUTO, OPTION, on_engines
from mapping.cuts.fitting import with_fitting_parts
from mapping.cuts.reload import BATCH, read_batch, with_reloads
from mapping.cuts.reload import OPTION as RELOAD
from mapping.cuts.residency import choices, lacks_planes, travelling_cuts
from mapping.cuts.split import Cut, read_cuts, split_network, write_cuts
from mapping.passes import rewritten
from mapping.placement.bounds import bounds
from mapping.placement.fixed import Fixed
from mapping.placement.ledger import Options, Placement, with_room
from mapping.placement.strategies import Strategy, as_placed, find
from pyimc.arch import Arch
from pyimc.errors import CapacityError, ConfigError
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
        options: `slack_rows`, `grain`, `priority`, `packing` (see `mapping.actors.plan`), `split` (see
            `mapping.cuts.split`), `depthwise` (see `mapping.cuts.depthwise`), `reload` (see `mapping.cuts.reload`) and
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
    return _compiled(network, arch, find(strategy), strategy, options, seed)


def compile_placed(network: Network, arch: Arch, placement: Fixed, options: Options | None = None) -> Program:
    """Compiles a quantised network as a placement says; the other arguments and errors are those of the above."""
    said = {name: placement.options[name] for name in (OPTION, RELOAD, BATCH) if name in placement.options}
    return _compiled(network, arch, as_placed(placement), placement.name, {**said, **(options or {})}, 0)


def _compiled(
    network: Network, arch: Arch, found: Strategy, strategy: str, options: Options | None, seed: int
) -> Program:
    verify(network)
    given = dict(options or {})
    asked: Options = {name: given.pop(name) for name in SETTINGS if name in given}
    settings = read_settings(asked)
    cuts = read_cuts(str(given.pop("split", "")))
    engines = str(given.pop(OPTION, AUTO))
    said = given.pop(RELOAD, None)
    batch = read_batch(given.pop(BATCH, 1))
    network = rewritten(network, split=lambda network: split_network(network, cuts))
    network, engines = on_engines(network, arch, engines, settings.grain)
    reloads = [str(said or "")]
    refusals = []
    if said is None and lacks_planes(network, arch):
        if settings.packing == "windows":  # what one plane a tile does not hold, shared planes may
            try:
                return _with_reload(network, arch, found, strategy, given, asked, seed, cuts, engines, "", batch)
            except CapacityError as refusal:
                refusals.append(refusal)
        smaller = travelling_cuts(network, arch)
        network = rewritten(network, split=lambda network: split_network(network, smaller))
        cuts |= smaller
        reloads = choices(network, arch, settings.grain, batch) or reloads
    for reload in reloads:
        try:
            return _with_reload(network, arch, found, strategy, given, asked, seed, cuts, engines, reload, batch)
        except CapacityError as refusal:
            refusals.append(refusal)
    raise refusals[0]


def _with_reload(
    network: Network, arch: Arch, found: Strategy, strategy: str, given: Options, asked: Options, seed: int,
    cuts: Mapping[str, Cut], engines: str, reloads: str, batch: int,
) -> Program:  # fmt: skip
    """The Program of a network whose cuts and engines are decided, and of which some weights travel."""
    settings = read_settings(asked)
    if reloads and arch.crossbar.real:
        raise ConfigError(
            f"architecture {arch.name}: crossbar.device is {arch.crossbar.real.model.name}, whose cells keep the "
            f"weights that they are programmed with, and {reloads} would travel; take more planes, or sram"
        )
    network = rewritten(network, reload=lambda network: with_reloads(network, arch, reloads, batch))
    verify(network)

    def placed(parts: Mapping[str, Cut]) -> tuple[Plan, Graph]:
        fitting = rewritten(network, fit=lambda network: split_network(network, parts))
        if found.plan:
            plan = found.plan(fitting, arch, given, seed, asked)
            return plan, planned_graph(fitting, arch, plan.cuts, plan.settings)
        graph = planned_graph(fitting, arch, {}, settings)
        rows = 0 if found.proves else settings.slack_rows
        placement, _ = with_room(graph, rows, lambda graph: found.place(graph, arch, given, seed))
        if not isinstance(placement, Placement):
            raise ConfigError(
                f"strategy {strategy}: place returned {type(placement).__name__}, must return a Placement"
            )
        return Plan(placement, {}, settings), graph

    (plan, graph), parts = with_fitting_parts(network, arch, placed)
    check_placement(graph, arch, plan.placement)
    channels = allocate(graph, arch, plan.placement, plan.settings.slack_rows)
    check_schedule(graph, arch, plan.placement, channels)
    least = bounds(graph, arch)
    effective = {**given, **plan.settings.options(), "split": write_cuts({**cuts, **parts, **plan.cuts})}
    effective |= {OPTION: engines} if engines else {}
    effective |= {RELOAD: reloads, **({BATCH: batch} if batch > 1 else {})} if reloads else {}
    origin = Origin(
        model=network.name, strategy=strategy, options=effective, seed=seed, moved=list(plan.placement.moved),
        limit=least.limit, bounds={"load": least.load, "interval": least.interval, "latency": least.latency}
        | ({} if plan.placement.bound is None else {"proven_load": plan.placement.bound}),
    )  # fmt: skip
    program = code_of(graph, arch, plan, channels, origin)
    check_program(program)
    return program
