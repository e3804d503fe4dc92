# SPDX-License-Identifier: Apache-2.0
"""The unit micro-benchmarks: networks of one to ten nodes, each for one operator or one regime of the machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from mapping.cuts.split import Cut, split_network
from pyimc.arch import Arch
from pyimc.network import Add, Extreme, Mul, Network, Sub
from pyimc.tensors import Pair
from tests.mapping.networks import Builder, moves, small_arch

FAST_ARRAY: Mapping[str, object] = {"crossbar": {"adcs": 32, "dac_bits": 8}}  # converts a row tile in one cycle
SHARED_LINK = "link shared by two actors"
SLOW_ARRAY: Mapping[str, object] = {"crossbar": {"adcs": 2, "dac_bits": 1}}  # in 8 cycles per two columns
SHORT_PACKETS: Mapping[str, object] = {**FAST_ARRAY, "packet_words": 1}  # half of what the link carries is heads
WITH_MEMORY: Mapping[str, object] = {"pus": {"memory": (5,)}}
FEW_PUS: Mapping[str, object] = {
    "mesh": {"columns": 3, "rows": 1, "fifo_depth": 2},
    "dpus": [2],
}  # one crossbar PU, one digital


@dataclass(frozen=True, slots=True)
class Unit:
    """A network, the architecture `tiny` with changes, and what else matters.

    Attributes:
        network: Builds it.
        changes: To the architecture, as `small_arch` takes them.
        slack_rows: Of the rings.
        images: How many run.
        reload: Layers whose weights travel.
        batch: Images that a load serves.
        bound: The step of the pipeline that takes the most cycles per pixel: input, gather, convert, drain or output.
    """

    network: Callable[[], Network]
    changes: Mapping[str, object] = field(default_factory=dict)
    slack_rows: int = 2
    images: int = 3
    bound: str = ""
    reload: str = ""
    batch: int = 1

    def arch(self) -> Arch:
        """The chip."""
        return small_arch(**self.changes)


def conv(
    height: int, width: int, channels: int, out: int, kernel: tuple[int, int] = (3, 3),
    stride: tuple[int, int] = (1, 1), pads: tuple[int, int, int, int] = (1, 1, 1, 1),
) -> Callable[[], Network]:  # fmt: skip
    """One convolution."""

    def build() -> Network:
        net = Builder(height, width, channels)
        return net.finish(net.conv("conv", "x", out, kernel, stride, pads))

    return build


def dense(inputs: int, outputs: int) -> Callable[[], Network]:
    """One fully connected layer."""

    def build() -> Network:
        net = Builder(1, 1, inputs)
        return net.finish(net.dense("dense", "x", outputs))

    return build


def pool(mode: str, kernel: int, stride: int, channels: int, pads: tuple[int, int, int, int]) -> Callable[[], Network]:
    """One pooling."""

    def build() -> Network:
        net = Builder(9, 9, channels)
        same = "max" if mode == "max" else "average"
        return net.finish(net.pool("pool", "x", same, (kernel, kernel), (stride, stride), pads))  # type: ignore[arg-type]

    return build


def deep(
    channels: int, kernel: tuple[int, int], stride: tuple[int, int], pads: tuple[int, int, int, int]
) -> Callable[[], Network]:
    """One depthwise layer."""

    def build() -> Network:
        net = Builder(9, 8, channels)
        return net.finish(net.depthwise("deep", "x", kernel, stride, pads))

    return build


def separable() -> Network:
    """Two blocks of depthwise and pointwise layers around a sum, all that is digital on one unit."""
    net = Builder(8, 8, 11)
    first = net.conv("point0", net.depthwise("deep0", "x"), 19, (1, 1), pads=(0, 0, 0, 0))
    second = net.conv("point1", net.depthwise("deep1", first), 19, (1, 1), pads=(0, 0, 0, 0))
    return net.finish(net.pool("mean", net.add("sum", first, second), "average", (8, 8), (1, 1)))


def pairs(channels: int) -> Callable[[], Network]:
    """All that is computed of two maps, and of a map and a pixel."""

    def build() -> Network:
        net = Builder(5, 6, channels)
        one = net.lut("one", "x")
        value = net.pair("sub", Sub, one, net.pair("mul", Mul, one, "x"))
        for mode in ("max", "min"):
            value = net.pair(mode, Extreme, value, value, mode)
        for name, kind in (("scale", Mul), ("lift", Add), ("lower", Sub)):
            mean = net.pool(f"{name}.mean", value, "average", (5, 6), (1, 1))
            value = net.pair(name, kind, value, mean)
        return net.finish(value)

    return build


def excited() -> Network:
    """Squeeze and excite: what a map's mean says of its channels scales them."""
    net = Builder(6, 7, 12)
    value = net.depthwise("deep", "x")
    inner = net.dense("squeeze", net.pool("mean", value, "average", (6, 7), (1, 1)), 5)
    scale = net.lut("gate", net.dense("excite", inner, 12))
    return net.finish(net.conv("point", net.pair("scale", Mul, value, scale), 9, (1, 1), pads=(0, 0, 0, 0)))


def attention(height: int, width: int, channels: int, groups: int) -> Callable[[], Network]:
    """Every pixel by every other, and by that all pixels: what attention computes, without what limits its weights."""

    def build() -> Network:
        net = Builder(height, width, channels)
        scores = net.matmul("scores", "x", net.transpose("keys", "x"), groups)
        return net.finish(net.matmul("mixed", scores, net.lut("values", "x"), groups))

    return build


def block_of_attention(height: int, width: int, channels: int, groups: int) -> Callable[[], Network]:
    """A transformer's block without its layers: norms, shares of the scores, sums."""

    def build() -> Network:
        net = Builder(height, width, channels)
        tokens = net.normalise("norm", "x")
        scores = net.matmul("scores", tokens, net.transpose("keys", tokens), groups)
        mixed = net.matmul("mixed", net.softmax("shares", scores, groups), tokens, groups)
        return net.finish(net.normalise("last", net.add("sum", "x", mixed)))

    return build


def doubled() -> Network:
    """A map added to itself."""
    net = Builder(5, 7, 11)
    return net.finish(net.add("sum", "x", "x"))


def added() -> Network:
    """The sum of two convolutions that take different times."""
    net = Builder(6, 6, 9)
    return net.finish(net.add("sum", net.conv("near", "x", 12, (1, 1), pads=(0, 0, 0, 0)), net.conv("far", "x", 12)))


def shared_link() -> Network:
    """Two pointwise convolutions whose maps enter the PU of their sum through the same link."""
    net = Builder(8, 8, 8)
    arms = [net.conv(name, "x", 8, (1, 1), pads=(0, 0, 0, 0)) for name in ("left", "right")]
    return net.finish(net.add("sum", *arms))


def skip() -> Network:
    """A residual block: the shortcut waits for two convolutions."""
    net = Builder(8, 8, 8)
    stem = net.conv("stem", "x", 16)
    return net.finish(net.add("sum", net.conv("two", net.conv("one", stem, 16), 16), stem))


def fan_out() -> Network:
    """One map for four consumers, which are outputs too."""
    net = Builder(6, 6, 5)
    stem = net.conv("stem", "x", 24)
    return net.finish(*(net.conv(f"arm{index}", stem, 3 + 5 * index, (1, 1), pads=(0, 0, 0, 0)) for index in range(4)))


def chain(length: int) -> Callable[[], Network]:
    """Convolutions behind each other."""

    def build() -> Network:
        net = Builder(7, 7, 6)
        value = "x"
        for index in range(length):
            value = net.conv(f"layer{index}", value, 10)
        return net.finish(value)

    return build


def joined(axis: Literal["channels", "columns"], channels: int, other: int) -> Callable[[], Network]:
    """Two convolutions of different depths as one map."""

    def build() -> Network:
        net = Builder(4, 5, 6)
        sides = [net.conv(f"side{index}", "x", depth) for index, depth in enumerate((channels, other))]
        return net.finish(net.concat("join", sides[0], sides[1], axis))

    return build


def cut(how: Cut) -> Callable[[], Network]:
    """A convolution in parts, between two others."""

    def build() -> Network:
        net = Builder(6, 7, 8)
        layer = net.conv("layer", net.conv("first", "x", 8), 16)
        return split_network(net.finish(net.conv("last", layer, 8)), {"layer": how})

    return build


def cut_before_pooling() -> Network:
    """A convolution in copies, and the pooling behind it with them."""
    net = Builder(6, 12, 8)
    pool = net.pool("pool", net.conv("layer", "x", 16), "max", (3, 3), (2, 2), (1, 1, 1, 1))
    return split_network(net.finish(net.conv("last", pool, 8)), {"layer": Cut(columns=(4, 3, 5))})


def curve() -> Network:
    """A table."""
    net = Builder(6, 7, 9)
    return net.finish(net.lut("curve", "x"))


def constants() -> Network:
    """A map, and a pixel and a map that are the same for every image."""
    net = Builder(5, 4, 19)
    lifted = net.pair("lifted", Add, "x", net.stored("pixel", 19))
    places = net.conv("places", net.stored("one", 1, value=1), 19, (5, 4), (1, 1), (4, 3, 4, 3))
    return net.finish(net.add("sum", lifted, places))


def enlarged(channels: int, factor: int) -> Callable[[], Network]:
    """An enlargement."""

    def build() -> Network:
        net = Builder(3, 4, channels)
        return net.finish(net.resize("large", "x", factor))

    return build


def spread(channels: int, block: Pair) -> Callable[[], Network]:
    """Channels as pixels."""

    def build() -> Network:
        net = Builder(3, 4, channels)
        return net.finish(net.depth_to_space("spread", "x", block))

    return build


def cropped(channels: int, start: Pair, step: Pair, size: Pair) -> Callable[[], Network]:
    """Some rows and columns."""

    def build() -> Network:
        net = Builder(7, 8, channels)
        return net.finish(net.crop("crop", "x", start, step, size))

    return build


def digital() -> Network:
    """Four actors of the vector engine behind each other."""
    net = Builder(10, 10, 7)
    value = net.pool("max", net.add("one", "x", "x"), "max", (2, 2), (1, 1))
    return net.finish(net.pool("mean", net.add("two", value, value), "average", (3, 3), (2, 2)))


def two_layers() -> Network:
    """Two convolutions, of four row tiles by two column tiles and of six row tiles."""
    net = Builder(6, 7, 8)
    return net.finish(net.conv("two", net.conv("one", "x", 40), 24))


def block() -> Network:
    """A residual block with a layer on either branch, and a layer before it."""
    net = Builder(5, 6, 8)
    stem = net.conv("stem", "x", 16)
    long = net.conv("second", net.conv("first", stem, 24), 16)
    return net.finish(net.add("sum", long, net.conv("short", stem, 16, (1, 1), pads=(0, 0, 0, 0))))


UNITS: dict[str, Unit] = {
    # What bounds the crossbar engine: the three steps of its pipeline, and its surroundings.
    "gather bound": Unit(conv(8, 8, 17, 8, (5, 5), pads=(2, 2, 2, 2)), FAST_ARRAY, bound="gather"),
    "conversion bound": Unit(conv(6, 6, 2, 30), SLOW_ARRAY, bound="convert"),
    "drain bound": Unit(conv(8, 8, 8, 9, (1, 1), pads=(0, 0, 0, 0)), FAST_ARRAY, bound="drain"),
    "output bound": Unit(conv(8, 8, 8, 32, (1, 1), pads=(0, 0, 0, 0)), SHORT_PACKETS, bound="output"),
    "input bound": Unit(conv(8, 8, 32, 1, (1, 1), pads=(0, 0, 0, 0)), SHORT_PACKETS, bound="input"),
    SHARED_LINK: Unit(shared_link, SHORT_PACKETS),
    # Tiles.
    "one tile, full": Unit(dense(64, 32)),
    "row tiles": Unit(conv(5, 5, 29, 7)),
    "column tiles": Unit(conv(5, 4, 3, 125)),
    "row and column tiles": Unit(conv(4, 4, 23, 77)),
    "tiles, gather bound": Unit(conv(4, 4, 23, 77), FAST_ARRAY, bound="gather"),
    "tiles, conversion bound": Unit(conv(3, 3, 23, 77), SLOW_ARRAY, bound="convert"),
    "wide accumulators": Unit(dense(300, 128)),
    "row and column tiles, ADCs that round": Unit(
        conv(4, 4, 23, 77), {"crossbar": {"adc": {"bits": 6, "range": "max"}}}
    ),
    # Windows.
    "pointwise": Unit(conv(6, 6, 13, 21, (1, 1), pads=(0, 0, 0, 0))),
    "stride": Unit(conv(11, 11, 5, 9, (3, 3), (2, 2), (1, 1, 1, 1))),
    "stride that skips rows": Unit(conv(13, 13, 5, 9, (2, 2), (4, 3), (0, 0, 0, 0))),
    "wide padding": Unit(conv(4, 4, 6, 9, (5, 5), pads=(4, 4, 4, 4))),
    "one-sided padding": Unit(conv(7, 7, 6, 9, (3, 3), (2, 2), (0, 0, 2, 2))),
    "tall kernel": Unit(conv(9, 5, 4, 6, (5, 1), pads=(0, 0, 0, 0))),
    "flat kernel": Unit(conv(5, 9, 4, 6, (1, 5), pads=(0, 0, 0, 0))),
    "one pixel": Unit(conv(1, 1, 3, 4)),
    "long row": Unit(conv(2, 60, 7, 5)),
    # Fully connected.
    "dense": Unit(dense(37, 10)),
    "dense on a map": Unit(conv(4, 4, 20, 10, (4, 4), pads=(0, 0, 0, 0))),
    # Vector engine.
    "add": Unit(added),
    "add to itself": Unit(doubled),
    "max pool": Unit(pool("max", 2, 2, 16, (0, 0, 0, 0))),
    "max pool, overlapping, padded": Unit(pool("max", 3, 2, 19, (1, 1, 1, 1))),
    "average pool": Unit(pool("average", 3, 3, 8, (0, 0, 0, 0))),
    "average pool, padded": Unit(pool("average", 3, 1, 5, (1, 1, 1, 1))),
    "global average pool": Unit(pool("average", 9, 1, 33, (0, 0, 0, 0))),
    "table": Unit(curve),
    "depthwise": Unit(deep(16, (3, 3), (1, 1), (1, 1, 1, 1))),
    "depthwise, words straddle": Unit(deep(21, (3, 3), (2, 2), (0, 0, 1, 1))),
    "depthwise, wide padding": Unit(deep(5, (4, 5), (1, 3), (3, 4, 2, 3))),
    "depthwise, one-word packets": Unit(deep(40, (3, 2), (1, 1), (1, 0, 1, 1)), {"packet_words": 1}, slack_rows=0),
    "two maps, whole words": Unit(pairs(16), {"activation_words": 4096, "contexts": 16}),
    "two maps, words straddle": Unit(pairs(21), {"activation_words": 4096, "contexts": 16}),
    "squeeze and excite": Unit(excited),
    "squeeze and excite on one digital PU": Unit(excited, FEW_PUS, slack_rows=0),
    "matrices, whole words": Unit(attention(4, 4, 16, 1), {"activation_words": 4096}),
    "matrices of groups, words straddle": Unit(attention(1, 7, 15, 3), {"activation_words": 4096, "packet_words": 1}),
    "matrices of a column": Unit(attention(9, 1, 10, 2), {"activation_words": 4096, **FEW_PUS}, slack_rows=0),
    "softmax and normalise, whole words": Unit(block_of_attention(4, 4, 16, 1), {"activation_words": 4096}),
    "softmax and normalise, words straddle, one digital PU": Unit(
        block_of_attention(7, 1, 15, 3),
        {"activation_words": 4096, **FEW_PUS, "contexts": 16, "packet_words": 1},
        slack_rows=0,
    ),
    "separable blocks on one digital PU": Unit(separable, FEW_PUS),
    "concat of channels, whole words": Unit(joined("channels", 16, 8)),
    "concat of channels": Unit(joined("channels", 11, 5)),
    "concat of columns": Unit(joined("columns", 9, 9)),
    "resize, whole words": Unit(enlarged(16, 2)),
    "resize": Unit(enlarged(5, 3)),
    "channels as pixels, whole words": Unit(spread(64, (2, 2))),
    "channels as pixels": Unit(spread(30, (3, 2))),
    "constants": Unit(constants),
    "constants without slack": Unit(constants, {**FEW_PUS, "packet_words": 1}, slack_rows=0, images=2),
    "part of a map": Unit(cropped(11, (2, 3), (1, 1), (3, 4))),
    "every other pixel": Unit(cropped(8, (1, 0), (2, 3), (2, 3))),
    # Several actors.
    "chain": Unit(chain(4)),
    "fan-out": Unit(fan_out, slack_rows=1),
    "skip": Unit(skip),
    "skip without slack": Unit(skip, slack_rows=0),
    "several actors on one crossbar PU": Unit(chain(6), FEW_PUS),
    "several actors on one digital PU": Unit(digital, FEW_PUS),
    "all vector operations on one digital PU": Unit(moves, {**FEW_PUS, "host_words": 128}),
    "all vector operations, one-word packets": Unit(moves, {"packet_words": 1, "host_words": 128}, slack_rows=0),
    "both on one PU of each kind": Unit(skip, FEW_PUS, slack_rows=0),
    # Parts of a layer.
    "copies": Unit(cut(Cut(columns=(4, 3)))),
    "copies and their pooling": Unit(cut_before_pooling),
    "vertical parts": Unit(cut(Cut(vertical=3))),
    "vertical parts, one-word packets": Unit(cut(Cut(vertical=2)), SHORT_PACKETS, slack_rows=0),
    "vertical parts, cyclic": Unit(cut(Cut(vertical=2, order="cyclic"))),
    "vertical parts, cyclic, on one crossbar PU": Unit(cut(Cut(vertical=2, order="cyclic")), FEW_PUS),
    "horizontal parts": Unit(cut(Cut(horizontal=2))),
    # Weights that travel.
    "a layer's weights travel": Unit(two_layers, WITH_MEMORY, reload="two"),
    "starved of weights, one crossbar PU": Unit(
        two_layers,
        {**WITH_MEMORY, **FEW_PUS, "dpus": (), "pus": {"memory": (2,)}, "memory": {"interval": 5, "latency": 40}},
        slack_rows=0,
        reload="one;two",
    ),
    "a row takes long to write": Unit(
        two_layers, {**WITH_MEMORY, "memory": {"row_cycles": 37, "latency": 3}}, reload="two"
    ),
    "two layers in the same planes in turn": Unit(two_layers, WITH_MEMORY, reload="one,two"),
    "branches in turn, in two windows, starved": Unit(
        block,
        {**WITH_MEMORY, "memory": {"interval": 3, "latency": 20, "row_cycles": 16}},
        reload="stem,second;first,short",
    ),
    "a block in one window, one crossbar PU": Unit(
        block,
        {**WITH_MEMORY, "mesh": {"columns": 2, "rows": 2, "fifo_depth": 2}, "dpus": [1], "pus": {"memory": (3,)}},
        slack_rows=0,
        reload="stem,first,second,short",
    ),
    "a layer's next weights come while it computes": Unit(two_layers, WITH_MEMORY, reload="two*2", images=4),
    "three windows for two layers, starved": Unit(
        two_layers,
        {**WITH_MEMORY, "memory": {"interval": 2, "latency": 40, "row_cycles": 9}},
        slack_rows=0,
        reload="one,two*3",
        images=5,
    ),
    "a block in two windows, one crossbar PU": Unit(
        block,
        {**WITH_MEMORY, "mesh": {"columns": 2, "rows": 2, "fifo_depth": 2}, "dpus": [1], "pus": {"memory": (3,)}},
        reload="stem,first,second*2",
    ),
    "weights for two images, in one window": Unit(two_layers, WITH_MEMORY, reload="one,two", batch=2, images=4),
    "weights for two images, in two windows, one crossbar PU": Unit(
        block,
        {
            **WITH_MEMORY,
            "mesh": {"columns": 2, "rows": 2, "fifo_depth": 2},
            "dpus": [1],
            "pus": {"memory": (3,)},
            "memory": {"interval": 3},
        },
        reload="stem,first,second*2",
        batch=2,
        images=4,
    ),
    "parts that hand on sums, in one window": Unit(
        cut(Cut(vertical=3)), WITH_MEMORY, reload="layer/v0,layer/v1,layer/v2"
    ),
    "parts that hand on sums, for two images, starved": Unit(
        cut(Cut(vertical=2, horizontal=2)),
        {**WITH_MEMORY, "memory": {"interval": 2, "latency": 30}},
        reload="layer/h0/v0,layer/h1/v0*2;layer/h0/v1,layer/h1/v1",
        batch=2,
        images=4,
    ),
    "weights in slices and differences travel": Unit(
        two_layers,
        {**WITH_MEMORY, "crossbar": {"cell_bits": 4, "weights": "differential", "columns": 128, "rows_per_read": 8}},
        reload="one,two",
    ),
    # Flow.
    "a single image": Unit(chain(3), images=1),
    "many images": Unit(chain(2), images=12),
    "rings without slack": Unit(chain(4), slack_rows=0),
    "longest packets": Unit(chain(3), {"packet_words": 64}),
    "shortest fifos and packets": Unit(skip, {"packet_words": 1, "mesh": {"columns": 3, "rows": 2, "fifo_depth": 2}}),
    "slow result buffer": Unit(conv(8, 8, 8, 32), {**FAST_ARRAY, "host_words": 32}, slack_rows=0),
}
