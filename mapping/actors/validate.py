"""The independent check of a schedule, before and after code generation.

It trusts no other pass: sizes are judged by the firing lists (before) and by the instructions and tables of the
Program (after). The machine's results do not depend on the order in which actors fire, and a firing takes nothing
away from another actor, so running the token graph once, in any order, decides whether the schedule can deadlock.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from mapping.actors.graph import Graph
from mapping.actors.load_windows import plane_faults
from mapping.placement.ledger import Placement
from mapping.placement.room import capacity, demand
from mapping.placement.sharing import packed
from mapping.placement.windows import window_faults
from pyimc import isa
from pyimc.arch import Arch
from pyimc.engines import ENGINES
from pyimc.engines.entries import entries
from pyimc.errors import EncodingError, ScheduleError
from pyimc.program import HOST, Actor, Channel, Program
from pyimc.routing import route, waiting_cycle

IMAGES = 3


@dataclass(frozen=True, slots=True)
class Step:
    """Words needed and freed on every input, and sent to every output, by one firing.

    Attributes:
        claims: Room that it takes at every output, in words.
    """

    need: tuple[int, ...]
    free: tuple[int, ...]
    produce: int
    claims: int


Steps = dict[str, tuple[Step, ...]]


def check_placement(graph: Graph, arch: Arch, placement: Placement) -> None:
    """Every node on one processing unit of its kind, and no unit over its capacity; raises ScheduleError."""
    faults = [f"node {name} is not placed" for name in graph.nodes if name not in placement.nodes]
    named = {**placement.nodes, **placement.windows}
    faults += [f"node {name} is not in the network" for name in named if name not in graph.nodes]
    hosted: dict[int, list[str]] = {}
    for name, unit in placement.nodes.items():
        if name not in graph.nodes:
            continue
        node = graph.nodes[name]
        if unit not in arch.places(node.kind):
            faults.append(f"node {name} is of kind {node.kind}, PU {unit} is not")
            continue
        hosted.setdefault(unit, []).append(name)
    for unit, names in sorted(hosted.items()):
        found = packed(graph, arch, placement.windows, names)
        faults += window_faults(graph, arch, found)
        sums = dict.fromkeys(capacity(arch, arch.kinds[unit]), 0)
        sums |= {"planes": found.planes} if found.planes else {}
        held = set()
        for name in names:
            needs, weights = demand(graph, name), graph.nodes[name].weights
            if weights in held or name in found.windows:
                needs["planes"] = 0  # the same weights are there already, or others in the same planes
            elif weights:
                held.add(weights)
            for resource, need in needs.items():
                sums[resource] += need
        for resource, full in capacity(arch, arch.kinds[unit]).items():
            if sums[resource] > full:
                faults.append(f"PU {unit} needs {sums[resource]} {resource}, has {full}")
    _refuse(graph.network.name, faults)


def check_schedule(graph: Graph, arch: Arch, placement: Placement, channels: tuple[Channel, ...]) -> None:
    """One sound channel per edge of a sound placement, rings apart, tokens in balance, no deadlock.

    Raises:
        ScheduleError: Lists every fault.
    """
    edges = Counter((e.name, e.tensor, e.producer, e.consumer, e.port) for e in graph.edges)
    given = Counter((c.name, c.tensor, c.producer, c.consumer, c.port) for c in channels)
    faults = [f"edge {edge[0]} has no channel" for edge in (edges - given).elements()]
    faults += [f"channel {channel[0]} belongs to no edge" for channel in (given - edges).elements()]
    nodes = {**placement.nodes, HOST: arch.host}
    faults += [
        f"channel {channel.name} is on node {channel.node}, its consumer on {nodes[channel.consumer]}"
        for channel in channels
        if channel.consumer in nodes and channel.node != nodes[channel.consumer]
    ]
    faults += _ring_faults(arch, channels)
    _refuse(graph.network.name, faults)
    steps = {
        name: tuple(Step(firing.need, firing.free, firing.produce, firing.claims) for firing in node.firings)
        for name, node in graph.nodes.items()
    }
    rows = {edge.name: edge.row_words for edge in graph.outputs(HOST)}
    steps[HOST] = _host_steps(graph.network.tensors[graph.network.input].height, rows)
    _refuse(graph.network.name, _token_faults(channels, steps))


def check_program(program: Program) -> None:
    """The same rules on the generated code: streams decoded, tables compared with actors and channels.

    Raises:
        ScheduleError: Lists every fault.
    """
    faults = _ring_faults(program.arch, program.channels)
    faults += _table_faults(program)
    faults += _route_faults(program)
    steps: Steps = {}
    for actor in program.actors:
        try:
            steps[actor.name] = tuple(_decode(program, actor))
        except (EncodingError, ScheduleError) as error:
            faults.append(f"actor {actor.name}: {error}")
    _refuse(program.network.name, faults)
    kind = program.network.tensors[program.network.input]
    rows = {channel.name: program.arch.words(kind.row_bytes) for channel in program.host_sources()}
    steps[HOST] = _host_steps(kind.height, rows)
    claims = {name: sum(step.claims for step in each) for name, each in steps.items()}
    _refuse(program.network.name, plane_faults(program, claims))
    _refuse(program.network.name, _token_faults(program.channels, steps))


def _route_faults(program: Program) -> list[str]:
    """Packets go from producers to consumers, credits back, on meshes of their own."""
    hosts = {actor.name: actor.node for actor in program.actors} | {HOST: program.arch.host}
    ends = {(hosts[channel.producer], channel.node) for channel in program.channels}
    faults = []
    for what, pairs in (("data", ends), ("credit", {(target, source) for source, target in ends})):
        cycle = waiting_cycle(route(program.arch.mesh.columns, *pair) for pair in sorted(pairs))
        if cycle:
            faults.append(f"{what} packets can wait for each other in a circle of links {cycle}")
    return faults


def _refuse(name: str, faults: list[str]) -> None:
    if faults:
        raise ScheduleError(f"schedule of {name}: {'; '.join(faults)}; this is a fault of the strategy or the compiler")


def _host_steps(height: int, rows: dict[str, int]) -> tuple[Step, ...]:
    return tuple(Step((), (), words, words) for words in set(rows.values())) * height


def _memory(arch: Arch, channel: Channel) -> tuple[int, str]:
    """Where a channel's ring is: node, and which of its memories."""
    if channel.node == arch.host:
        return channel.node, "host_words"
    return channel.node, f"{channel.memory}_words"


def _ring_faults(arch: Arch, channels: tuple[Channel, ...]) -> list[str]:
    """Of all rings but those of weights, which `mapping.actors.load_windows` is for."""
    faults = []
    channels = tuple(channel for channel in channels if channel.memory != "plane")
    for node, kind in sorted({_memory(arch, channel) for channel in channels}):
        memory = getattr(arch, kind)
        rings = [channel for channel in channels if _memory(arch, channel) == (node, kind)]
        end, last = 0, ""
        for ring in sorted(rings, key=lambda ring: ring.base):
            if ring.size < 1:
                faults.append(f"channel {ring.name} has {ring.size} words")
            if ring.base < end:
                faults.append(f"channels {last} and {ring.name} overlap on node {node}" if last else
                              f"channel {ring.name} starts at word {ring.base}")  # fmt: skip
            if ring.base + ring.size > memory:
                faults.append(
                    f"channel {ring.name} ends at word {ring.base + ring.size} of node {node}, which has {memory}"
                )
            if ring.base + ring.size > end:
                end, last = ring.base + ring.size, ring.name
    return faults


def _turn(named: dict[str, Channel], channel: Channel) -> list[Channel]:
    """A ring and those that get its room one after the other, until one of them gets it again."""
    turn = [channel]
    while (heir := named.get(turn[-1].heir)) and heir not in turn:
        turn.append(heir)
    return turn


def _turn_faults(channels: tuple[Channel, ...], steps: Steps) -> list[str]:
    """Rings in the same planes: their room goes round in portions, one a window, and each takes all that it gets.

    So at any time a window has words of one of them, or room for some, and no other has any in it.
    """
    named = {channel.name: channel for channel in channels}
    faults = []
    for channel in channels:
        if not channel.heir:
            continue
        turn = _turn(named, channel)
        if named.get(turn[-1].heir) is not channel:
            faults.append(f"channel {channel.name}: the room that it leaves does not come back to it")
            continue
        left = sum(step.free[channel.port] for step in steps[channel.consumer])
        freeing = sum(step.free[channel.port] > 0 for step in steps[channel.consumer])
        taken = [step.claims for step in steps[turn[1 % len(turn)].producer]]
        if freeing != 1 or taken != [left]:
            faults.append(
                f"channel {channel.name} leaves {left} words in {freeing} firings, {channel.heir} takes {taken}"
            )
        rooms = [each.first_room for each in turn if each.first_room]
        portions = [divmod(each.first_room, sum(step.claims for step in steps[each.producer])) for each in turn]
        if sum(whole for whole, _ in portions) != channel.windows or any(rest for _, rest in portions):
            faults.append(
                f"channel {channel.name}: of those in turn with it {rooms} words of room are there at the start"
            )
    return faults


def _token_faults(channels: tuple[Channel, ...], steps: Steps) -> list[str]:
    faults = []
    for channel in channels:
        produced = [step.produce for step in steps[channel.producer]]
        if max(produced) > channel.size:
            faults.append(f"channel {channel.name} holds {channel.size} words, a firing produces {max(produced)}")
        if channel.consumer == HOST:
            continue
        consumed = steps[channel.consumer]
        port = channel.port
        need = max(step.need[port] for step in consumed)
        if need > channel.size:
            faults.append(f"channel {channel.name} holds {channel.size} words, a firing needs {need}")
        if any(step.free[port] > step.need[port] for step in consumed):
            faults.append(f"a firing of {channel.consumer} frees more of {channel.name} than it needs")
        freed = sum(step.free[port] for step in consumed)
        if sum(produced) != freed:
            faults.append(f"channel {channel.name}: {sum(produced)} words per image are produced, {freed} are freed")
    return faults or _turn_faults(channels, steps) or _deadlock(channels, steps)


def _deadlock(channels: tuple[Channel, ...], steps: Steps) -> list[str]:
    """Runs the token graph for some images, any actor that can fire first; who waits for whom if none can."""
    fill: Counter[str] = Counter()
    room = {channel.name: channel.first_room for channel in channels}
    fired: Counter[str] = Counter()
    inputs = {name: [channel for channel in channels if channel.consumer == name] for name in steps}
    outputs = {name: [channel for channel in channels if channel.producer == name] for name in steps}

    def waits(name: str) -> list[str]:
        step = steps[name][fired[name] % len(steps[name])]
        short = [
            f"{name} waits for {channel.producer} ({fill[channel.name]} of {step.need[channel.port]} words in "
            f"{channel.name})"
            for channel in inputs[name]
            if name != HOST and fill[channel.name] < step.need[channel.port]
        ]
        full = [
            f"{name} waits for room at {channel.consumer} ({room[channel.name]} of {step.claims} words "
            f"in {channel.name})"
            for channel in outputs[name]
            if room[channel.name] < step.claims
        ]
        return short + full

    loads = {channel.producer for channel in channels if channel.memory == "plane"}
    batch = max(channel.batch for channel in channels)
    images = -(-IMAGES // batch) * batch
    freed: Counter[str] = Counter()
    pending = {name: images // (batch if name in loads else 1) * len(steps[name]) for name in steps}
    moved = True
    while moved:
        moved = False
        for name in steps:
            while fired[name] < pending[name] and not waits(name):
                step = steps[name][fired[name] % len(steps[name])]
                for channel in inputs[name] if name != HOST else ():
                    freed[channel.name] += step.free[channel.port] > 0
                    if freed[channel.name] % channel.batch:
                        continue
                    fill[channel.name] -= step.free[channel.port]
                    room[channel.heir or channel.name] += step.free[channel.port]
                for channel in outputs[name]:
                    if channel.consumer != HOST:
                        fill[channel.name] += step.produce
                        room[channel.name] -= step.claims
                fired[name] += 1
                moved = True
    return [wait for name in steps if fired[name] < pending[name] for wait in ["deadlock: " + "; ".join(waits(name))]]


def _decode(program: Program, actor: Actor) -> Iterator[Step]:
    """The firings of one image as the sequencer would execute them."""
    stream, start, length = program.pus[actor.node].stream, actor.start, actor.length
    sent_words, tables = ENGINES[actor.kind].sent_words, entries(program, actor)
    address, turns = start, Counter[int]()
    while start <= address < min(start + length, len(stream)):
        word = stream[address]
        if isa.opcode(word) == "FIRE":
            values = isa.FIRE.decode(word)
            need, free = zip(*isa.port_uses(values), strict=True)
            yield Step(need, free, sent_words(tables, values), values["produce"])
            address += 1
            continue
        if isa.opcode(word) != "LOOP":
            raise ScheduleError(f"instruction {address - start} of its stream is neither FIRE nor LOOP")
        values = isa.LOOP.decode(word)
        if values["count"] == 0:
            if values["target"] != start or address != start + length - 1:
                raise ScheduleError(
                    f"instruction {address - start} of its stream is not the way back from the last to the first"
                )
            return
        if not start <= values["target"] < address:
            raise ScheduleError(
                f"instruction {address - start} of its stream goes to {values['target']}, not to one before it"
            )
        turns[values["level"]] += 1
        if turns[values["level"]] < values["count"]:
            address = values["target"]
        else:
            address, turns[values["level"]] = address + 1, 0
    raise ScheduleError(f"the stream runs past its {length} instructions")


def _table_faults(program: Program) -> list[str]:
    """What the tables say against what actors and channels say; a missing entry reads as 0."""
    tables = {
        (node, space, entry): value for node, image in program.pus.items() for space, entry, value in image.tables
    }
    tables |= {(program.arch.host, space, entry): value for space, entry, value in program.host_tables}
    actors = {actor.name: actor for actor in program.actors}
    outgoing: dict[str, int] = Counter()
    slots: dict[str, tuple[int, int]] = {}
    faults = []
    for actor in program.actors:
        context = isa.CONTEXT.decode(tables.get((actor.node, isa.SPACES["CONTEXT"], actor.context), 0))
        expected = {"start": actor.start, "active": 1, "ports": len(actor.inputs),
                    "destinations": len(actor.destinations)}  # fmt: skip
        if context != expected:
            faults.append(f"actor {actor.name}: its context entry is {context}, must be {expected}")
    for channel in program.channels:
        index = outgoing[channel.producer]
        outgoing[channel.producer] += 1
        producer = actors.get(channel.producer)
        source = producer.node if producer else program.arch.host
        slot = producer.context * program.arch.destinations + index if producer else index
        slots[channel.name] = source, slot
    for channel in program.channels:
        (source, slot), consumer = slots[channel.name], actors.get(channel.consumer)
        back = slots.get(channel.heir, (source, slot))
        number = isa.channel_entry(consumer.context, channel.port) if consumer else channel.port
        ring = isa.CHANNEL.decode(tables.get((channel.node, isa.SPACES["CHANNEL"], number), 0))
        memory = {"memory": isa.MEMORIES[channel.memory], "late": channel.late, "kept": channel.batch - 1}
        base = 0 if channel.memory == "plane" else channel.base
        if ring != {"base": base, "size": channel.size, "node": back[0], "slot": back[1], **memory}:
            faults.append(f"channel {channel.name}: its entry at node {channel.node} is {ring}")
        target = isa.DESTINATION.decode(tables.get((source, isa.SPACES["DESTINATION"], slot), 0))
        if target != {"node": channel.node, "channel": number, "room": channel.first_room}:
            faults.append(f"channel {channel.name}: its destination entry at node {source} is {target}")
    return faults
