"""Random actors of the vector engine and their firings, with data, words by pyimc.golden and cycles by its timing."""

from __future__ import annotations

import random
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mapping.operators.pairwise import operation
from pyimc.engines.dpu.timing import (
    LATENCY_CYCLES,
    NORMALISE_PAUSE_CYCLES,
    SOFTMAX_PAUSE_CYCLES,
    Timeline,
    Walk,
    timeline,
)
from pyimc.golden import run_node
from pyimc.isa import (
    KERNEL,
    MATRIX,
    OPERATIONS,
    OUTPUT,
    PARAM_0,
    PARAM_1,
    ROW,
    SPACES,
    VECTOR,
    WINDOW,
    engine_entry,
    fire,
)
from pyimc.network import (
    Add,
    Concat,
    Depthwise,
    Extreme,
    Lut,
    Matmul,
    Mul,
    Network,
    Normalise,
    Pads,
    Pairwise,
    Pool,
    Resize,
    Softmax,
    Sub,
    TensorType,
    window_shape,
)  # fmt: skip
from pyimc.tensors import Pair
from tests.rtl.bench import Corners

MEMORY = 1 << 16
MODES = (
    "add", "sub", "mul", "max of two", "min of two", "max", "average", "concat channels", "concat columns", "lut",
    "resize", "depthwise", "matmul", "softmax", "normalise",
)  # fmt: skip
PARAMS_PER_ACTOR = 96  # kernels have up to 20 pixels, depthwise up to 2.5 words of channels
WEIGHTS_PER_ACTOR = 20 * 3 + 3

Node = Pairwise | Pool | Concat | Lut | Resize | Depthwise | Matmul | Softmax | Normalise


@dataclass
class Firing:
    """One FIRE with everything around it."""

    ctx: int
    instr: int
    rings: list[tuple[int, int, int]]  # head, base, size
    memory: dict[int, int]  # the words that it reads
    words: list[int]
    timeline: Timeline


def output_kind(node: Node, inputs: list[TensorType]) -> TensorType:
    """The type of what a node computes."""
    return TensorType(*node.shape(inputs), 1.0, 0)


class Actor:
    """A random node in one context; makes random firings of it."""

    def __init__(
        self, ctx: int, lanes: int, parameters: int, weights: int, rng: random.Random, corners: Corners, mode: str
    ) -> None:
        self.ctx, self.lanes, self.rng, self.corners, self.mode = ctx, lanes, rng, corners, mode
        self.values = (0, 255, *range(256)) if rng.random() < 0.5 else (0, 255, rng.randint(0, 255))
        self.weights = weights + rng.randint(0, 3)
        self.parameters = parameters + (rng.choice((0, lanes)) if mode == "depthwise" else rng.randint(0, lanes))
        low, high = sorted((rng.randint(0, 255), rng.randint(0, 255))) if rng.random() < 0.5 else (0, 255)
        zero_point = rng.randint(0, 255)
        sizes = (1, 3, lanes // 2, lanes - 3, lanes, lanes + 3, 2 * lanes, 2 * lanes + lanes // 2)
        self.channels, self.other_channels = rng.choice(sizes), rng.choice(sizes)
        self.width, self.other_width = rng.randint(1, 7), rng.randint(1, 7)
        self.zero_points = (rng.randint(0, 255), rng.randint(0, 255))
        self.node: Node
        self.broadcast = False
        if mode in ("add", "sub", "mul", "max of two", "min of two", "concat channels", "concat columns"):
            shift = rng.choice((1, 20, 30, 31, 36, 62))
            top = min(2**shift, 2**31 - 1)
            self.multipliers = [rng.randint(0, top), rng.randint(0, top)]
            pair = (self.multipliers[0], self.multipliers[1])
            scales = (pair, shift, self.zero_points, zero_point, (low, high))
            self.broadcast = not mode.startswith("concat") and rng.random() < 0.5
            if mode == "add":
                self.node = Add("node", ("a", "b"), "y", *scales)
            elif mode == "sub":
                self.node = Sub("node", ("a", "b"), "y", *scales)
            elif mode == "mul":
                shift = rng.choice((1, 30, 38, 40, 62))
                self.multipliers = [0, rng.randint(0, min(2 ** max(1, shift - 7), 2**31 - 1))]
                scales = ((0, self.multipliers[1]), shift, self.zero_points, zero_point, (low, high))
                self.node = Mul("node", ("a", "b"), "y", *scales)
            elif mode in ("max of two", "min of two"):
                self.zero_points = (self.zero_points[0],) * 2
                scales = (pair, shift, self.zero_points, zero_point, (low, high))
                self.node = Extreme("node", ("a", "b"), "y", *scales, "max" if mode == "max of two" else "min")
            elif mode == "concat channels":
                self.node = Concat("node", ("a", "b"), "y", "channels", *scales)
            else:
                self.node = Concat("node", ("a", "b"), "y", "columns", *scales)
            return
        if mode == "matmul":
            self.node = self._matmul(zero_point, (low, high))
            return
        if mode in ("softmax", "normalise"):
            self.node = self._row(zero_point, (low, high))
            return
        if mode == "lut":
            self.node = Lut("node", ("x",), "y", np.array([rng.randint(0, 255) for _ in range(256)], np.uint8))
            self.multipliers = [rng.randint(0, 2**31 - 1), 1]
            return
        if mode == "resize":
            self.node = Resize("node", ("x",), "y", rng.choice((2, 2, 3, 5)))
            self.multipliers = [rng.randint(0, 2**31 - 1), 2]
            return
        kernel = rng.choice(((1, 1), (2, 2), (3, 3), (3, 2), (1, 4), (4, 5)))
        self.height, self.width = kernel[0] + rng.randint(0, 4), kernel[1] + rng.randint(0, 6)
        down, across = kernel[0] - 1, kernel[1] - 1
        pads = (rng.randint(0, down), rng.randint(0, across), rng.randint(0, down), rng.randint(0, across))
        if mode == "depthwise":
            self.node = self._depthwise(kernel, pads, zero_point, (low, high))
            return
        shift = rng.choice((1, 24, 30, 35))
        top = min(2 ** (shift + 1), 2**31 - 1)
        size = kernel[0] * kernel[1] + 1
        scale = [0, *(max(1, top // (n if mode == "average" else 1)) for n in range(1, size))]
        self.multipliers = [rng.randint(0, most) for most in scale]
        self.node = Pool(
            "node",
            ("x",),
            "y",
            "max" if mode == "max" else "average",
            kernel,
            (rng.randint(1, 3), rng.randint(1, 3)),
            pads,
            np.array(self.multipliers, np.int32),
            shift,
            self.zero_points[0],
            zero_point,
            (low, high),
        )

    def _depthwise(self, kernel: Pair, pads: Pads, zero_point: int, clamp: Pair) -> Depthwise:
        """Small sums with large scales, or all bits of an accumulator."""
        rng, channels, taps = self.rng, self.channels, kernel[0] * kernel[1]
        extreme = rng.random() < 0.3
        values = (-128, 127) if extreme else range(-128, 128)
        room = 2**31 - 1 - 255 * 128 * taps  # beside what the kernel adds up
        most = room if extreme else 5000
        shifts = [rng.choice((1, 62)) if extreme else rng.randint(18, 24) for _ in range(channels)]
        self.multipliers = [rng.randint(0, 2**31 - 1 if extreme else 2 ** (shift - 6)) for shift in shifts]
        self.corners.hit("depthwise: large accumulators", extreme)
        return Depthwise(
            "node", ("x",), "y", kernel, (rng.randint(1, 3), rng.randint(1, 3)), pads,
            np.array([rng.choice(values) for _ in range(channels * taps)], np.int8).reshape(channels, *kernel),
            np.array([rng.randint(-most, most) for _ in range(channels)], np.int32),
            np.array(self.multipliers, np.int32), np.array(shifts, np.uint8), self.zero_points[0], zero_point, clamp,
        )  # fmt: skip

    def _matmul(self, zero_point: int, clamp: Pair) -> Matmul:
        """One to three groups, with pixels of the second map of their own or in common, at times further apart."""
        rng, lanes = self.rng, self.lanes
        groups, self.inner = rng.choice((1, 1, 2, 3)), rng.choice((1, lanes - 1, lanes, lanes + 3, lanes + 3))
        self.stacked = rng.random() < 0.5
        self.channels, self.width = groups * self.inner, rng.randint(1, 2)
        self.second = TensorType(
            1,
            self.inner * (groups if self.stacked else 1),
            self.other_channels * (1 if self.stacked else groups),
            1.0,
            0,
        )
        self.pitch = self.second.channels + rng.choice((0, 0, rng.randint(1, lanes)))
        shift = rng.choice((1, 30, 38, 40, 62))
        self.multipliers = [rng.randint(0, 2**31 - 1), rng.randint(0, min(2 ** max(1, shift - 7), 2**31 - 1))]
        self.corners.hit("matmul: groups in common pixels", groups > 1 and not self.stacked and self.inner > 1)
        self.corners.hit("matmul: groups of pixels", groups > 1 and self.stacked)
        self.corners.hit(
            "matmul: factors straddle words", groups > 1 and self.inner % lanes != 0 and self.inner > lanes
        )
        self.corners.hit("matmul: several chunks of several words", self.inner > lanes and self.other_channels > lanes)
        pair = (self.multipliers[0], self.multipliers[1])
        return Matmul("node", ("a", "b"), "y", groups, pair, shift, self.zero_points, zero_point, clamp)

    def _row(self, zero_point: int, clamp: Pair) -> Softmax | Normalise:
        """One to three rows a pixel; shares of any scale, or values within some deviations."""
        rng = self.rng
        if self.mode == "softmax":
            groups = rng.choice((1, 1, 2, 3))
            self.corners.hit("softmax: groups", groups > 1)
            exponent = rng.choice((0, 300, 3000, 20000, 2**20 - 1, rng.getrandbits(20)))
            self.multipliers, shift = (
                [rng.randint(0, 2**31 - 1), rng.randint(2**28, 2**31 - 1)],
                rng.choice((38, 42, 44)),
            )
            pair = (self.multipliers[0], self.multipliers[1])
            self.channels *= groups
            return Softmax("node", ("x",), "y", groups, exponent, pair, shift, zero_point, clamp)
        epsilon = rng.choice((0, 1, 1000, 2**32 - 1))
        self.multipliers, shift = [rng.randint(0, 2**31 - 1), rng.randint(2**28, 2**31 - 1)], rng.choice((20, 27, 33))
        pair = (self.multipliers[0], self.multipliers[1])
        self.corners.hit("normalise: no variance", len(set(self.values)) > 1 and self.channels == 1)
        return Normalise("node", ("x",), "y", epsilon, pair, shift, zero_point, clamp)

    def _kernel_tables(self, node: Depthwise) -> list[tuple[int, int, int]]:
        """What depthwise has besides; lanes behind the last channel are random."""
        lanes, pixel = self.lanes, -(-self.channels // self.lanes)
        kernel = KERNEL.encode(weights=self.weights, row=node.kernel[1] * pixel, pixel=pixel)
        entries = [(SPACES["ENGINE"], engine_entry(self.ctx, KERNEL), kernel)]
        place = self.weights * lanes // 8
        for row in range(node.kernel[0]):
            for column in range(node.kernel[1]):
                rest = [self.rng.randint(-128, 127) for _ in range(pixel * lanes - self.channels)]
                data = np.array([*node.weights[:, row, column].tolist(), *rest], np.int8).tobytes()
                for at in range(0, len(data), 8):
                    entries.append((SPACES["WEIGHT"], place, int.from_bytes(data[at : at + 8], "little")))
                    place += 1
        for channel in range(pixel * lanes):
            bias, shift, multiplier = 0, 1, 0
            if channel < self.channels:
                bias, shift = int(node.unpadded_bias()[channel]), int(node.shift[channel])
                multiplier = self.multipliers[channel]
            at = 2 * (self.parameters + channel)
            entries.append((SPACES["PARAMETER"], at, PARAM_0.encode(bias=bias, shift=shift)))
            entries.append((SPACES["PARAMETER"], at + 1, PARAM_1.encode(multiplier=multiplier)))
        return entries

    def tables(self) -> list[tuple[int, int, int]]:
        """Space, address and data of every table entry."""
        node, engine, ctx, walk = self.node, SPACES["ENGINE"], self.ctx, self.walk()
        shift, zero_points, zero_point, (low, high) = 1, (0, 0), 0, (0, 255)
        if not isinstance(node, Lut | Resize):
            shift, zero_points, zero_point, (low, high) = (
                self.rng.getrandbits(6) if isinstance(node, Depthwise) else node.shift,
                self.zero_points,
                node.output_zero_point,
                node.clamp,
            )
        output = OUTPUT.encode(parameters=self.parameters, zero_point=zero_point, low=low, high=high)
        vector = VECTOR.encode(
            operation=walk.operation,
            zero_point_0=zero_points[0],
            zero_point_1=zero_points[1],
            shift=shift,
            kernel_columns=walk.kernel_columns,
            repeat=walk.repeat,
            broadcast=walk.broadcast,
        )
        windowed = isinstance(node, Pool | Depthwise)
        row_words = -(-walk.row_bytes // self.lanes) if windowed else self.rng.getrandbits(16)
        window = WINDOW.encode(run=walk.run, step=walk.step, row_bytes=walk.row_bytes, row_words=row_words)
        entries = [
            (engine, engine_entry(ctx, layout), entry)
            for layout, entry in ((WINDOW, window), (VECTOR, vector), (OUTPUT, output))
        ]
        entries += [
            (SPACES["PARAMETER"], 2 * (self.parameters + n) + 1, PARAM_1.encode(multiplier=m))
            for n, m in enumerate(() if isinstance(node, Depthwise) else self.multipliers)
        ]
        if isinstance(node, Depthwise):
            entries += self._kernel_tables(node)
        if isinstance(node, Matmul):
            entries.append((engine, engine_entry(ctx, MATRIX), MATRIX.encode(inner=walk.inner, pitch=walk.pitch)))
        if isinstance(node, Softmax | Normalise):
            exponent = node.exponent if isinstance(node, Softmax) else self.rng.getrandbits(20)
            epsilon = node.epsilon if isinstance(node, Normalise) else self.rng.getrandbits(32)
            row = ROW.encode(exponent=exponent, pause=walk.pause, epsilon=epsilon)
            entries.append((engine, engine_entry(ctx, ROW), row))
        table = node.table.tobytes() if isinstance(node, Lut) else b""
        entries += [
            (SPACES["LUT"], self.ctx * 32 + n // 8, int.from_bytes(table[n : n + 8], "little"))
            for n in range(0, len(table), 8)
        ]
        return entries

    def walk(self) -> Walk:
        """What WINDOW and VECTOR say of its reads; fields that an operation does not use are random."""
        node, pixel, row = self.node, self.channels, self.width * self.channels
        match node:
            case Pairwise():
                run = self.channels if self.broadcast else self.lanes
                return Walk(operation(node), run, run, self.width * run, 2, broadcast=self.broadcast)
            case Concat():
                inputs = self._inputs()
                rows = [kind.width * kind.channels for kind in inputs]
                run, other = [kind.channels for kind in inputs] if node.axis == "channels" else rows
                return Walk(OPERATIONS["CONCAT"], run, other, max(rows), repeat=self.rng.getrandbits(8))
            case Lut():
                return Walk(OPERATIONS["LUT"], self.lanes, self.lanes, self.width * self.lanes)
            case Resize():
                return Walk(OPERATIONS["MAX"], pixel, pixel, row, repeat=node.factor - 1)
            case Matmul():
                step = self.inner * self.pitch if self.stacked else self.other_channels
                length = self.second.width * self.pitch
                return Walk(
                    OPERATIONS["MATMUL"], self.other_channels, step, length, self.rng.getrandbits(8),
                    node.groups - 1, inner=self.inner, pitch=self.pitch,
                )  # fmt: skip
            case Softmax():
                return Walk(
                    OPERATIONS["SOFTMAX"], pixel // node.groups, pixel // node.groups, row, repeat=2,
                    pause=SOFTMAX_PAUSE_CYCLES,
                )  # fmt: skip
            case Normalise():
                return Walk(OPERATIONS["NORMALISE"], pixel, pixel, row, repeat=1, pause=NORMALISE_PAUSE_CYCLES)
        name = "DEPTHWISE" if isinstance(node, Depthwise) else node.mode.upper()
        return Walk(OPERATIONS[name], pixel, node.stride[1] * pixel, row, node.kernel[1])

    def _inputs(self) -> list[TensorType]:
        """One row of each input of a node without a window; add and lut read whole words."""
        whole = isinstance(self.node, Pairwise | Lut) and not self.broadcast
        width, channels = self.width, self.lanes if whole else self.channels
        kinds = [TensorType(1, width, channels, 1.0, 0)]
        if isinstance(self.node, Concat):
            wider = self.node.axis == "columns"
            shape = (self.other_width, channels) if wider else (width, self.other_channels)
            kinds.append(TensorType(1, *shape, 1.0, 0))
        elif isinstance(self.node, Matmul):
            kinds.append(self.second)
        elif isinstance(self.node, Pairwise):
            kinds.append(TensorType(1, 1, channels, 1.0, 0) if self.broadcast else kinds[0])
        return kinds

    def fire(self) -> Firing:
        """A random firing with random data."""
        self.corners.hit(self.mode)
        firing = self._fire_window(self.node) if isinstance(self.node, Pool | Depthwise) else self._fire_row()
        self.corners.hit("flush", firing.timeline.words[-1] - firing.timeline.slots > LATENCY_CYCLES)
        return firing

    def _ring(self, base: int, words: int) -> tuple[int, int, int]:
        size = words + self.rng.randint(0, 5)
        if base != 300 and self.rng.random() < 0.2:
            base = MEMORY - size
            self.corners.hit("last word of memory", True)
        head = base + self.rng.randrange(size)
        self.corners.hit("ring wraps", head + words > base + size)
        return head, base, size

    def _data(self, count: int) -> NDArray[np.uint8]:
        return np.array([self.rng.choice(self.values) for _ in range(count)], np.uint8)

    def _golden(self, *inputs: NDArray[np.uint8], shape: tuple[int, int, int]) -> NDArray[np.uint8]:
        """The node's output; counts where its range of values was met."""
        kind = TensorType(*shape, 1.0, 0)
        network = Network("test", "x", ("y",), {"y": kind}, (self.node,))
        out = run_node(network, self.node, inputs)
        if isinstance(self.node, Lut | Resize):
            return out
        low, high = self.node.clamp
        self.corners.hit("clamped low", low > 0 and bool((out == low).any()))
        self.corners.hit("clamped high", high < 255 and bool((out == high).any()))
        self.corners.hit("not clamped", bool(((out > low) & (out < high)).any()))
        self.corners.hit("negative product", bool((out < min(self.node.output_zero_point, high)).any()))
        return out

    def _fire_row(self) -> Firing:
        """A whole row of every input; concat of channels and resize may leave their last pixels out."""
        lanes, corners, node, kinds, walk = self.lanes, self.corners, self.node, self._inputs(), self.walk()
        data = [self._data(kind.width * kind.channels).reshape(kind.shape) for kind in kinds]
        stored = list(data)
        if isinstance(node, Matmul):
            stored[1] = self._data(self.second.width * self.pitch).reshape(1, -1, self.pitch)
            stored[1][:, :, : self.second.channels] = data[1]
        lengths = [-(-values.size // lanes) for values in stored]
        rings = [self._ring(100 + 200 * port, words) for port, words in enumerate(lengths)]
        memory: dict[int, int] = {}
        for ring, values in zip(rings, stored, strict=True):
            memory.update(_place(values, *ring, lanes, self.rng))
        kind = output_kind(node, kinds)
        row = self._golden(*data, shape=kind.shape)[0]
        first, pixels = 0, 1 if isinstance(node, Concat) else kinds[0].width
        if isinstance(node, Resize):
            first = self.rng.randrange(kinds[0].width)
            pixels = self.rng.randint(1, (kinds[0].width - first) * node.factor)
            row = row[first * node.factor :][:pixels]
            corners.hit("resize: part of a row", first > 0)
            corners.hit("resize: another window in the same pixel's place", pixels > node.factor)
        elif isinstance(node, Concat):
            if node.axis == "channels":
                pixels = self.rng.randint(1, kinds[0].width)
                row = row[:pixels]
                reads = [
                    (pixel * walk.step + chunk) % lanes + min(lanes, walk.step - chunk) > lanes
                    for pixel in range(pixels)
                    for chunk in range(0, walk.step, lanes)
                ]
                corners.hit("concat: two-word read of input 1", any(reads))
            corners.hit("concat: several chunks of input 1", walk.step > lanes)
            corners.hit("concat: inputs of one size", walk.step == walk.run)
            corners.hit("concat: output chunks straddle", walk.run % lanes != 0)
        elif isinstance(node, Matmul):
            pixels *= node.groups
        elif isinstance(node, Softmax | Normalise):
            pixels *= (walk.repeat + 1) * (node.groups if isinstance(node, Softmax) else 1)
            corners.hit("row: several chunks", walk.run > lanes)
            corners.hit("row: two-word read", walk.run % lanes != 0 and pixels > walk.repeat + 1)
        corners.hit("broadcast", self.broadcast)
        corners.hit("broadcast: two-word read", self.broadcast and kinds[0].channels % lanes != 0 and pixels > 1)
        corners.hit("row ends within a word", data[0].size % lanes != 0)
        at = first * kinds[0].channels
        words = _words(row, lanes)
        instr = fire(lengths, lengths, produce=len(words), pixels=pixels, x0=at, rows=1)
        return Firing(self.ctx, instr, rings, memory, words, timeline(walk, lanes, pixels=pixels, x0=at))

    def _fire_window(self, node: Pool | Depthwise) -> Firing:
        lanes, channels, corners = self.lanes, self.channels, self.corners
        out_height, out_width = window_shape((self.height, self.width), node.kernel, node.stride, node.pads)
        image = self._data(self.height * self.width * channels).reshape(self.height, self.width, channels)
        out = self._golden(image, shape=(out_height, out_width, channels))
        y, first = self.rng.randrange(out_height), self.rng.randrange(out_width)
        pixels = self.rng.randint(1, out_width - first)
        upper = y * node.stride[0] - node.pads[0]
        top = max(0, -upper)
        rows = min(node.kernel[0] - top, self.height - max(0, upper))
        row_words = -(-self.width * channels // lanes)
        head, base, size = self._ring(600, rows * row_words)
        memory: dict[int, int] = {}
        for row in range(rows):
            at = base + (head - base + row * row_words) % size
            corners.hit("row wraps", at + row_words > base + size)
            memory.update(_place(image[max(0, upper) + row].reshape(-1), at, base, size, lanes, self.rng))
        left = first * node.stride[1] - node.pads[1]
        window = {"x0": left * channels, "pixels": pixels, "rows": rows}
        times = timeline(self.walk(), lanes, **window)
        values = _words(out[y, first : first + pixels].reshape(-1), lanes)
        corners.hit("left padding", left < 0)
        corners.hit("right padding", left + (pixels - 1) * node.stride[1] + node.kernel[1] > self.width)
        corners.hit("top padding", top > 0)
        corners.hit("depthwise: top padding", top > 0 and isinstance(node, Depthwise))
        corners.hit("bottom padding", top + rows < node.kernel[0])
        corners.hit("partial chunk", channels % lanes != 0)
        corners.hit("several chunks", channels > lanes)
        taps = pixels * -(-channels // lanes) * rows * node.kernel[1]
        corners.hit("two-word read", times.slots > taps)
        offset = self.rng.randint(0, max(0, left * channels) // lanes)  # released before: no window reads it
        corners.hit("part of a row released", offset > 0)
        head = base + (head - base + offset) % size
        instr = fire(
            [rows * row_words - offset],
            [row_words],
            offset=offset,
            produce=len(values),
            top=top,
            **window,
        )
        return Firing(self.ctx, instr, [(head, base, size)], memory, values, times)


def _words(values: NDArray[np.uint8], lanes: int) -> list[int]:
    flat = values.reshape(-1).tobytes()
    flat += bytes(-len(flat) % lanes)
    return [int.from_bytes(flat[at : at + lanes], "little") for at in range(0, len(flat), lanes)]


def _place(
    values: NDArray[np.uint8], head: int, base: int, size: int, lanes: int, rng: random.Random
) -> dict[int, int]:
    """A row in a ring, by address; what fills its last word is random."""
    rest = np.array([rng.randint(0, 255) for _ in range(-values.size % lanes)], np.uint8)
    words = _words(np.concatenate([values.reshape(-1), rest]), lanes)
    return {base + (head - base + n) % size: word for n, word in enumerate(words)}
