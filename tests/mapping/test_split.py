"""mapping.cuts.split: a cut network computes what the whole one does, and cuts that make no sense are refused."""

import re
from math import gcd
from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mapping.cuts.split import Cut, read_cuts, shares, split_network, whole_layers, write_cuts
from pyimc.errors import ConfigError
from pyimc.golden import run
from pyimc.network import Concat, Mvm, Network, Node, Pool
from pyimc.network_rules import verify
from tests.mapping.networks import Builder, networks
from tests.pyimc.networks import random_image


def one_layer(channels: int = 8, kernel: tuple[int, int] = (3, 3)) -> Network:
    net = Builder(6, 7, 4)
    return net.finish(net.conv("c", "x", channels, kernel))


def readers(network: Network, tensor: str) -> list[Node]:
    return [node for node in network.nodes if tensor in node.inputs]


def assert_same_values(whole: Network, cut: Network, seed: int = 0) -> None:
    """Every tensor of the whole network is in the cut one, with the same values, or has been pooled in parts."""
    verify(cut)
    image = random_image(whole, seed)
    expected, got = run(whole, image), run(cut, image)
    pooled = {name for name in expected if name not in got}
    assert all(f"{name}/c1" in got and len(readers(whole, name)) == 1 for name in pooled)
    for name, values in expected.items():
        if name in pooled:
            continue
        np.testing.assert_array_equal(got[name], values, err_msg=name)


@pytest.mark.parametrize("vertical", [1, 2, 3, 6])
@pytest.mark.parametrize("copies", [1, 2, 3, 7])
@pytest.mark.parametrize("horizontal", [1, 2, 4])
def test_every_combination_computes_the_layer(vertical: int, copies: int, horizontal: int) -> None:
    cut = split_network(one_layer(), {"c": Cut(copies, vertical, horizontal)})
    assert_same_values(one_layer(), cut)
    assert sum(isinstance(node, Mvm) for node in cut.nodes) == vertical * copies * horizontal
    assert sum(isinstance(node, Concat) for node in cut.nodes) == copies * horizontal - 1


def test_cyclic_rotates_the_parts() -> None:
    cut = split_network(one_layer(), {"c": Cut(vertical=3, order="cyclic")})
    assert_same_values(one_layer(), cut)
    rows = {node.name: node.part.rows[0] for node in cut.nodes if isinstance(node, Mvm) and node.part}
    assert [[rows[f"c/c{copy}/v{step}"] for step in range(3)] for copy in range(3)] == [[0, 1, 2], [1, 2, 0], [2, 0, 1]]


@settings(max_examples=40)
@given(networks(), st.data())
def test_any_layers_of_any_network(network: Network, data: st.DataObject) -> None:
    cuts = {}
    for node in whole_layers(network).values():
        if data.draw(st.booleans()):
            channels = node.bias.size
            run_bytes = node.weights[0].size // node.kernel[0]
            down = data.draw(st.sampled_from([n for n in (1, node.kernel[0]) if n]))
            across = data.draw(st.sampled_from([n for n in range(1, 5) if run_bytes % n == 0]))
            width, vertical = network.tensors[node.output].width, down * across
            cuts[node.name] = Cut(
                copies=data.draw(st.integers(1, min(3, width))),
                vertical=vertical if vertical <= width and gcd(vertical, node.kernel[0]) == down else 1,
                horizontal=data.draw(st.sampled_from([n for n in range(1, 4) if channels % n == 0])),
                order=data.draw(st.sampled_from(["linear", "cyclic"])),
            )
    assert_same_values(network, split_network(network, cuts))


def test_shares_differ_by_one_at_most() -> None:
    assert shares(7, 3) == [(0, 3), (3, 5), (5, 7)]


@pytest.mark.parametrize("columns", [(6, 1), (1, 6), (2, 4, 1)])
@pytest.mark.parametrize("vertical", [1, 3])
def test_copies_have_any_shares_of_the_columns(columns: tuple[int, ...], vertical: int) -> None:
    cut = split_network(one_layer(), {"c": Cut(columns=columns, vertical=vertical)})
    assert_same_values(one_layer(), cut)
    last = [node for node in cut.nodes if isinstance(node, Mvm) and not cut.tensors[node.output].partial]
    assert [cut.tensors[node.output].width for node in last] == list(columns)


@pytest.mark.parametrize("mode", ["max", "average"])
@pytest.mark.parametrize(
    ("kernel", "stride", "pads"), [(3, 2, (1, 1, 1, 1)), (2, 2, (0, 0, 0, 0)), (3, 3, (0, 1, 0, 0))]
)
@pytest.mark.parametrize("columns", [(4, 4, 4), (5, 7), (9, 3)])
def test_a_pooling_behind_copies_is_cut_with_them(
    mode: Literal["max", "average"], kernel: int, stride: int, pads: tuple[int, int, int, int], columns: tuple[int, ...]
) -> None:
    net = Builder(6, 12, 4)
    pool = net.pool("p", net.conv("c", "x", 8), mode, (kernel, kernel), (stride, stride), pads)
    whole = net.finish(net.conv("d", pool, 4))
    cut = split_network(whole, {"c": Cut(columns=columns)})
    assert_same_values(whole, cut)
    pools = [node for node in cut.nodes if isinstance(node, Pool)]
    assert [node.name for node in pools] == [f"p/c{copy}" for copy in range(len(columns))]
    assert [node.name for node in readers(cut, pool)] == ["d"]
    computed = sum(cut.tensors[node.inputs[0]].width for node in pools)
    assert computed <= 12 + (kernel - 1) * (len(columns) - 1)


def test_a_pooling_stays_whole_where_others_read_the_layer_or_a_copy_ends_no_window() -> None:
    net = Builder(6, 8, 4)
    alone = net.finish(net.pool("p", net.conv("c", "x", 4), "max", (3, 3), (2, 2)))
    assert "p" in {node.name for node in split_network(alone, {"c": Cut(columns=(2, 6))}).nodes}
    assert "p" not in {node.name for node in split_network(alone, {"c": Cut(columns=(3, 5))}).nodes}
    net = Builder(6, 8, 4)
    layer = net.conv("c", "x", 4)
    shared = net.finish(net.pool("p", layer, "max", (3, 3), (2, 2)), net.conv("d", layer, 4))
    assert "p" in {node.name for node in split_network(shared, {"c": Cut(2)}).nodes}
    assert_same_values(shared, split_network(shared, {"c": Cut(2)}))


def test_cuts_are_read() -> None:
    assert read_cuts("a:copies=2;b.c:vertical=3,order=cyclic;d:columns=5+2") == {
        "a": Cut(copies=2),
        "b.c": Cut(vertical=3, order="cyclic"),
        "d": Cut(columns=(5, 2)),
    }


def test_cuts_are_written_as_they_are_read() -> None:
    text = "a:copies=2;b.c:vertical=3,order=cyclic;d:columns=5+2"
    assert write_cuts(read_cuts(text)) == text
    assert write_cuts({"a": Cut()}) == ""


@pytest.mark.parametrize(
    "text",
    ["a", "a:copies", "a:copies=0", "a:pieces=2", "a:order=odd", "a:copies=two", "a:copies=1+2", "a:columns=3+0"],
)
def test_unreadable_cuts_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="must be NODE:copies=N"):
        read_cuts(text)


@pytest.mark.parametrize(
    ("cuts", "message"),
    [
        ({"d": Cut(2)}, "option split: test has no layer d; it has c"),
        ({"c": Cut(copies=8)}, "c has rows of 7 pixels, too few for 8 copies"),
        ({"c": Cut(vertical=5)}, "c has 3 kernel rows of 12 bytes, which 5 vertical parts do not divide; 4 or 6 do"),
        ({"c": Cut(horizontal=3)}, "c has 8 output channels, which 3 horizontal parts do not divide; 2 or 4 do"),
        ({"c": Cut(horizontal=9)}, "c has 8 output channels, which 9 horizontal parts do not divide; 8 do"),
        ({"c": Cut(columns=(4, 4))}, "c has rows of 7 pixels, its columns are 4+4"),
        ({"c": Cut(copies=2, columns=(4, 3))}, "c has rows of 7 pixels, its columns are 4+3 and its copies 2"),
    ],
)
def test_cuts_that_do_not_divide_are_refused(cuts: dict[str, Cut], message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        split_network(one_layer(), cuts)
