"""When a quantised network is well formed: names, order, shapes, dtypes, ranges, and no overflow anywhere.

What holds for one kind of node alone is in its file in `pyimc/operators/`.
"""

from pyimc.errors import ConfigError
from pyimc.network import ACCUMULATOR_MAX, Network, Node
from pyimc.numerics import UINT8_MAX
from pyimc.operators.operator import Range
from pyimc.tensors import TensorType


def verify(network: Network) -> None:
    """Check that a network is well formed and that its arithmetic cannot overflow.

    Raises:
        ConfigError: Lists every fault: names, order, shapes, dtypes and ranges.
    """
    faults = [f"tensor {name}: {fault}" for name, kind in network.tensors.items() for fault in _type_faults(kind)]
    faults += [
        f"{name} is a partial map, which stays between nodes"
        for name in {network.input: None, **dict.fromkeys(network.outputs)}
        if name in network.tensors and network.tensors[name].partial
    ]
    known = {network.input}
    names: set[str] = set()
    ranges: dict[str, Range] = {}
    if network.input not in network.tensors:
        faults.append(f"input {network.input} has no type")
    for node in network.nodes:
        missing = [name for name in (*node.inputs, node.output) if name not in network.tensors]
        late = [name for name in node.inputs if name not in known]
        found = [f"tensor {name} has no type" for name in missing]
        found += [f"input {name} is not computed before it" for name in late]
        found += ["a second node of this name"] if node.name in names else []
        found += [f"output {node.output} is computed twice"] if node.output in known else []
        if not missing:
            found += _node_faults(network, node) or _range_faults(node, ranges)
        faults += [f"node {node.name}: {fault}" for fault in found]
        names.add(node.name)
        known.add(node.output)
    faults += [f"output {name} is not computed" for name in network.outputs if name not in known]
    faults += [f"tensor {name} is not computed" for name in network.tensors if name not in known]
    if not network.outputs:
        faults.append("there is no output")
    if faults:
        raise ConfigError(f"network {network.name} is not well formed: {'; '.join(faults)}")


def _type_faults(kind: TensorType) -> list[str]:
    faults = []
    if min(kind.shape) < 1:
        faults.append(f"shape {kind.shape} must be positive")
    if not 0 <= kind.zero_point <= UINT8_MAX:
        faults.append(f"zero point {kind.zero_point} must be 0..{UINT8_MAX}")
    if not 0 < kind.scale < float("inf"):
        faults.append(f"scale {kind.scale} must be positive and finite")
    if kind.partial and (kind.scale, kind.zero_point) != (1.0, 0):
        faults.append(f"scale {kind.scale} and zero point {kind.zero_point} must be 1.0 and 0 for a partial map")
    return faults


def _node_faults(network: Network, node: Node) -> list[str]:
    sources, target = network.sources(node), network.target(node)
    if len(sources) not in node.ports:
        return [f"has {len(sources)} inputs, needs {' or '.join(map(str, node.ports))}"]
    faults = _partial_faults(network, node)
    if faults:
        return faults
    faults = node.faults(sources, target)
    if not faults and node.shape(sources) != target.shape:
        faults = [f"computes {node.shape(sources)} but {node.output} is {target.shape}"]
    requantisation = node.requantisation()
    return faults + (requantisation.faults(sources, target) if requantisation else [])


def _partial_faults(network: Network, node: Node) -> list[str]:
    """Partial maps come from kinds that give them and go to the port that takes them."""
    target = network.target(node)
    faults = []
    for port, (name, kind) in enumerate(zip(node.inputs, network.sources(node), strict=True)):
        partial = node.takes(port) == "partial"
        if kind.partial != partial:
            faults.append(f"input {name} is {'not ' if partial else ''}a partial map")
        elif partial and kind.shape != target.shape:
            faults.append(f"input {name} is {kind.shape}, must be {target.shape} as its output")
    if target.partial and not node.gives_partial:
        faults.append(f"output {node.output} is a partial map")
    return faults


def _range_faults(node: Node, ranges: dict[str, Range]) -> list[str]:
    """Notes the range of a sound node's accumulators under its output; that of a chain is the sum over its nodes."""
    found = node.accumulators()
    if found is None:
        return []
    low, high = found
    for name in (name for name in node.inputs[1:] if name in ranges):
        low, high = low + ranges[name][0], high + ranges[name][1]
    ranges[node.output] = low, high
    if low.min() < -ACCUMULATOR_MAX or high.max() > ACCUMULATOR_MAX:
        return [f"the accumulator can reach {low.min()}..{high.max()}, which needs more than 32 bits"]
    return []
