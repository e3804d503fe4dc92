"""Engine cycles of nodes: by hand, and against the interval of a node alone on a chip of its own."""

import numpy as np
import pytest

from mapping.actors.cost import row_flits
from mapping.actors.graph import build_graph
from mapping.compile import compile_network
from pyimc.arch import Arch, load_arch
from pyimc.cycle import simulate
from pyimc.network import Network
from tests.mapping.networks import Builder, draw_window, resnet18, small_arch

ARCH = small_arch()  # 8 bytes a word, packets of 4 words, crossbar 64 x 32, 8 adcs, 4 dac steps
CHIPS = (
    load_arch("default").model_copy(update={"host_words": 4096}),
    small_arch(host_words=4096, activation_words=65535),
)
GAP = 4  # of a firing whose gather is the bottleneck: done, select, issue, first chunk 3 cycles later


def _mvm(channels: int, outputs: int, width: int, kernel: int, pad: int) -> int:
    net = Builder(width, width, channels)
    output = net.conv("c", "x", outputs, (kernel, kernel), (1, 1), (pad, pad, pad, pad))
    return build_graph(net.finish(output), ARCH).nodes["c"].cycles


def test_crossbar_layer() -> None:
    # 4x4 windows, 3 row tiles of 16 channels x 9, 4 dac steps, 40 columns: 4 + 1 groups of 8
    assert _mvm(16, 40, 4, 3, 1) == 4 * 4 * 3 * 4 * 5
    # one column group: the gather is slower. A row tile holds 64 channels of one tap: 8 words against 4 steps
    assert _mvm(64, 8, 4, 1, 0) == 4 * (4 * 8 + GAP)
    # 16 columns in 2 groups take as long as 64 channels take to gather: only the gap counts
    assert _mvm(64, 16, 4, 1, 0) == 4 * (4 * 8 + GAP)
    # the last conversion of a row hides the gap
    assert _mvm(32, 24, 4, 1, 0) == 4 * 4 * 4 * 3


def test_vector_engine() -> None:
    net = Builder(5, 5, 9)
    net.pool("p", net.add("a", "x", "x"), "max", (3, 1), (1, 1))
    nodes = build_graph(net.finish("p.y"), ARCH).nodes
    assert nodes["a"].cycles == 5 * (2 * 6 + 3)  # rows of 45 bytes in 6 words, a credit to either producer
    # 9 channels in 2 chunks: the first straddles words unless a pixel starts at one, the second has one byte
    assert nodes["p"].cycles == 3 * (3 * (2 + 3 + 3 + 3 + 3) + 2)


def test_sending_counts_if_it_takes_longer() -> None:
    net = Builder(4, 4, 16)
    sums = net.add("a", "x", "x")
    ends = [net.conv(f"c{n}", sums, 8, (1, 1), pads=(0, 0, 0, 0)) for n in range(3)]
    graph = build_graph(net.finish(*ends), ARCH)
    assert graph.nodes["a"].cycles == 3 * 4 * (8 + 2)  # 4 rows to 3 consumers, 8 words in 2 packets


def _alone(seed: int) -> Network:
    random = np.random.default_rng(seed)

    def choose(low: int, high: int) -> int:
        return int(random.integers(low, high + 1))

    net = Builder(choose(1, 12), choose(1, 12), choose(1, 40), seed)
    size = net.tensors["x"].shape[:2]
    if seed % 3:
        return net.finish(net.conv("n", "x", choose(1, 60), *draw_window(choose, size, 5)))
    return net.finish(net.pool("n", "x", "max", *draw_window(choose, size, 3)))


@pytest.mark.parametrize("arch", CHIPS, ids=lambda arch: arch.name)
def test_cycles_are_the_interval_that_a_node_sustains_alone(arch: Arch) -> None:
    """Or that of the host's link, if that is slower. Never more, and seldom less: firings shorter than the sequencer's
    own six cycles, and flushes for which the vector unit waits, are not in the formulas.
    """
    exact = 0
    for seed in range(60):
        program = compile_network(_alone(seed), arch, "lblp", {"slack_rows": 8})
        source = program.network.tensors["x"]
        interval = np.diff(simulate(program, 24).last_cycles)[8:-4].mean()
        bound = max(program.actors[0].cycles, source.height * row_flits(source, arch))
        assert bound <= interval <= 1.3 * bound, seed
        exact += interval == bound
    assert exact >= 58


def test_resnet18() -> None:
    """About 2.1 M crossbar cycles per image; the first layer is the longest."""
    graph = build_graph(resnet18(), load_arch("default"))
    imc = [node for node in graph.nodes.values() if node.kind == "imc"]
    assert max(imc, key=lambda node: node.cycles).name == "conv1"
    assert graph.nodes["conv1"].cycles == 216216
    assert sum(node.cycles for node in imc) == 2110872
