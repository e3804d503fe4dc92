"""Matmul on the vector engine: a word of factors of the first map, then a pixel of the second for each of them."""

from dataclasses import replace

from mapping.actors.firing import Firing, Pixels, row_words
from mapping.operators.contract import firings, task
from mapping.operators.pitch import map_words, pitch_faults, pixel_pitch
from mapping.operators.rows import held, pixel_runs
from pyimc.arch import Arch
from pyimc.engines.dpu.task import VectorTask
from pyimc.engines.dpu.timing import Walk
from pyimc.isa import OPERATIONS
from pyimc.network import Matmul, Network


@firings.register
def _(node: Matmul, network: Network, arch: Arch, grain: Pixels) -> tuple[Firing, ...]:
    """The whole second map stays until the last firing of the image has read it."""
    walked = pixel_runs(network, node, arch, grain, as_words=False, inputs=1)
    groups = [replace(firing, pixels=firing.pixels * node.groups) for firing in walked]
    return held(groups, map_words(network.sources(node)[1], arch))


@task.register
def _(node: Matmul, network: Network, arch: Arch) -> VectorTask:
    sources = network.sources(node)
    left, right = sources
    inner, run, pitch = node.inner(sources), node.columns(sources), pixel_pitch(right, arch)
    walk = Walk(
        OPERATIONS["MATMUL"],
        run=run,
        step=inner * pitch if node.stacked(sources) else run,
        row_bytes=map_words(right, arch) * arch.lanes,
        repeat=node.groups - 1,
        inner=inner,
        pitch=pitch,
    )
    return VectorTask(
        walk, row_words(left, arch), node.multipliers, 2, node.shift, node.input_zero_points,
        node.output_zero_point, node.clamp, refusals=pitch_faults(right, arch),
    )  # fmt: skip
