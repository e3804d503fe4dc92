# SPDX-License-Identifier: Apache-2.0
"""Packings: nothing overlaps, nothing is missing, and how few planes it takes."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from itertools import combinations

import pytest

import mapping.packing.windows as windows_module
from mapping.models import deep_autoencoder, ds_cnn, mobilenet_v1_025, resnet8
from mapping.packing.columns import Packing, least_planes, pack
from mapping.packing.compare import lines
from mapping.packing.rectangles import Place, Size
from mapping.packing.reload import DRAM_PJ, edp_factors, reloaded, resident
from mapping.packing.shapes import Layer, layers_of
from mapping.packing.tiles import Macros, tiling
from mapping.packing.windows import Piece, Windows, pack_windows
from pyimc.errors import CapacityError

PAPER = Macros(rows=256, columns=16, count=4, planes=8)
RESNET8 = layers_of(resnet8.build())


def _apart(one: tuple[Place, Size], other: tuple[Place, Size]) -> bool:
    (p, size), (q, other_size) = one, other
    return (
        p.row + size.rows <= q.row
        or q.row + other_size.rows <= p.row
        or p.column + size.columns <= q.column
        or q.column + other_size.columns <= p.column
    )


def _assert_columns(packing: Packing, macros: Macros) -> None:
    """Every tile of every layer once; supertiles lie apart; no two columns of a macro share a layer."""
    held = Counter[str]()
    for macro in packing.macros:
        assert sum(column.height for column in macro) <= macros.planes
        for one, other in combinations(macro, 2):
            assert not one.layers & other.layers
        for column in macro:
            corners = list(zip(column.places, (each.size for each in column.supertiles), strict=True))
            for place, size in corners:
                assert place.row + size.rows <= macros.rows and place.column + size.columns <= macros.columns
            assert all(_apart(one, other) for one, other in combinations(corners, 2))
            for each in column.supertiles:
                base = each.tiles[0]
                assert all(tile.width <= base.width and tile.depth <= base.depth for tile in each.tiles)
                names = [tile.layer.name for tile in each.tiles]
                assert len(set(names)) == len(names)
                held.update(names)
    assert held == {each.layer.name: each.copies for each in packing.tilings}


def _assert_windows(windows: Windows, layers: Sequence[Layer], macros: Macros, group: int = 1) -> None:
    """Every weight once; windows of a plane lie apart; no macro computes more of a layer than its cycles allow."""
    planes: dict[tuple[int, int], list[tuple[Place, Size]]] = {}
    for piece, (macro, place) in windows.places.items():
        assert place.row + piece.size.rows <= macros.rows and place.column + piece.size.columns <= macros.columns
        assert place.column % group == 0 and piece.size.columns % group == 0
        assert place.plane < windows.heights[macro]
        planes.setdefault((macro, place.plane), []).append((place, piece.size))
    for held in planes.values():
        assert all(_apart(one, other) for one, other in combinations(held, 2))
    cycles = 0
    for layer in layers:
        mine = {piece: at for piece, at in windows.places.items() if piece.layer == layer.name}
        assert sum(_weights(piece, layer, macros) for piece in mine) == layer.weights, layer.name
        cycles += layer.pixels * max(Counter(macro for macro, _ in mine.values()).values())
    assert cycles <= windows.cycles


def _weights(piece: Piece, layer: Layer, macros: Macros) -> int:
    """That a tile holds: blocks of whole groups on its diagonal, or of its last columns those that exist."""
    if layer.groups > 1 and layer.rows <= macros.rows and layer.columns <= macros.columns:
        return piece.size.rows * layer.columns
    return piece.size.rows * min(piece.size.columns, layer.columns - piece.matrix_column % layer.columns)


def test_resnet8_as_published() -> None:
    """D_o 16, D_i 256, D_h 4, D_m 8: no folds beyond the initial ones; a slot per layer would need D_m 14."""
    for exact in (False, True):
        packing = pack(RESNET8, PAPER, exact=exact)
        _assert_columns(packing, PAPER)
        assert packing.heights == (8, 8, 8, 4) and not packing.folds
    assert least_planes(RESNET8, PAPER).heights == (8, 8, 8, 4)


def test_the_quickest_layer_is_folded_until_all_fit() -> None:
    """9 columns twice and 14 once do not share a plane; 14 in two folds of 7 do."""
    layers = [Layer("nine", 18, 16, (1, 1), (2, 2)), Layer("seven", 14, 16, (1, 1), (2, 2))]
    three, two = Macros(16, 16, 1, 3), Macros(16, 16, 1, 2)
    assert pack(layers, three).heights == (3,) and not pack(layers, three).folds
    packing = pack(layers, two)
    _assert_columns(packing, two)
    assert packing.heights == (2,) and packing.folds == {"seven": 1}
    assert packing.cycles == pack(layers, three).cycles + 4


def test_what_never_fits_is_refused() -> None:
    with pytest.raises(CapacityError, match=r"10 layers in .* cells do not fit 4 macros of 4 planes .* folded"):
        pack(RESNET8, Macros(256, 16, 4, 4))


EXPECTED = {  # planes of the largest macro and of all, cycles: of greedy, then of windows
    "resnet8": ((8, 28, 4289), (5, 20, 4225), True),
    "ds_cnn": ((5, 17, 1126), (5, 17, 1126), True),
    "mobilenet_v1_025": ((44, 173, 10747), (31, 122, 10747), False),
    "deep_autoencoder": ((37, 145, 39), (17, 68, 31), True),
}


@pytest.mark.parametrize("model", [resnet8, ds_cnn, mobilenet_v1_025, deep_autoencoder], ids=list(EXPECTED))
def test_windows_beat_columns(model: object) -> None:
    """Fewer planes or cycles; where both are equal, the largest macro is proven to have as few as can be."""
    layers = layers_of(model.build())  # type: ignore[attr-defined]
    greedy, windows = least_planes(layers, PAPER_ANY), pack_windows(layers, PAPER_ANY)
    _assert_columns(greedy, Macros(256, 16, 4, greedy.heights[0]))
    _assert_windows(windows, layers, PAPER_ANY)
    name = model.__name__.rpartition(".")[2]  # type: ignore[attr-defined]
    found = (
        (greedy.heights[0], greedy.planes, greedy.cycles),
        (max(windows.heights), windows.planes, windows.cycles),
        windows.proven,
    )
    assert found == EXPECTED[name]
    assert found[1] <= found[0] and (found[1] < found[0] or windows.proven)


PAPER_ANY = Macros(256, 16, 4, 1 << 20)


@pytest.mark.parametrize("seed", range(8))
def test_random_networks(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windows_module, "PROOF_EFFORT", 0.1)
    rng = random.Random(seed)
    macros = Macros(rng.choice((32, 48, 64)), rng.choice((8, 16, 24)), rng.randint(1, 4), 1 << 20)
    layers = [
        Layer(f"layer{at}", groups * rng.randint(1, 20), groups * rng.randint(1, 12), (k, k), (4, 4), groups)
        for at in range(rng.randint(1, 8))
        for groups in (rng.choice((1, 1, 1, 6)),)
        for k in (rng.choice((1, 3)),)
    ]
    _assert_columns(least_planes(layers, macros), macros)
    for together in (False, True):
        group = rng.choice((1, 4, 8))
        windows = pack_windows(layers, macros, group=group, together=together, exact=seed % 2 == 0)
        _assert_windows(windows, layers, macros, group)
        assert max(windows.heights) >= windows.bound
        if together:
            for layer in layers:
                assert len({at[0] for piece, at in windows.places.items() if piece.layer == layer.name}) == 1


def test_two_squares_do_not_share_a_plane() -> None:
    """The bound of what is too large to lie beside its like, and its proof."""
    layers = [Layer(f"layer{at}", 10, 10, (1, 1), (1, 1)) for at in range(3)]
    windows = pack_windows(layers, Macros(16, 16, 1, 8))
    assert windows.heights == (3,) and windows.proven


def test_proof_finds_what_the_rule_does_not() -> None:
    """Four 5 x 3 and 3 x 5 rectangles turn around a hole of 2 x 2: no straight cut parts them."""
    layers = [
        Layer("wide0", 5, 3, (1, 1), (1, 1)), Layer("tall0", 3, 5, (1, 1), (1, 1)),
        Layer("wide1", 5, 3, (1, 1), (1, 1)), Layer("tall1", 3, 5, (1, 1), (1, 1)),
    ]  # fmt: skip
    windows = pack_windows(layers, Macros(8, 8, 1, 8))
    _assert_windows(windows, layers, Macros(8, 8, 1, 8))
    assert windows.heights == (1,)


def test_comparison() -> None:
    found, resident = lines(RESNET8, PAPER)
    by_name = {line.name: line for line in found}
    assert by_name["one_per_plane"].largest == 14
    assert by_name["flattened"].cycles > by_name["greedy"].cycles
    assert by_name["windows"].bound == by_name["windows"].largest == 5
    assert all(0 < line.use <= 1 for line in found)
    _assert_windows(resident, RESNET8, PAPER)


def test_reloading_by_hand() -> None:
    """One layer of 256 x 16 on one macro: 4096 weights, 9 pixels, 256 rows to write."""
    macros = Macros(256, 16, 1, 1)
    tilings = [tiling(Layer("layer", 16, 256, (1, 1), (3, 3)), macros)]
    kept, loaded = resident(tilings, macros), reloaded(tilings, macros, 3.7)
    assert loaded.energy_pj - kept.energy_pj == pytest.approx(4096 * 8 * (3.7 + 0.095 / 8))
    assert (loaded.delay_ns - kept.delay_ns) / kept.delay_ns == pytest.approx(256 / (9 * 8))


@pytest.mark.parametrize(
    ("model", "near", "far"),
    [(resnet8, 1.7, 9.9), (ds_cnn, 1.4, 5.7), (mobilenet_v1_025, 2.2, 16.1), (deep_autoencoder, 1736, 23177)],
    ids=list(EXPECTED),
)
def test_energy_delay_of_reloading(model: object, near: float, far: float) -> None:
    layers = layers_of(model.build())  # type: ignore[attr-defined]
    found = edp_factors([tiling(layer, PAPER_ANY) for layer in layers], PAPER_ANY)
    assert DRAM_PJ == (3.7, 50.0)
    assert found == pytest.approx((near, far), rel=0.05)
