# SPDX-License-Identifier: Apache-2.0
"""The first link on random models: each is near the given model, or refused by one line.

    python -m tests.fidelity --count 500

The judge is independent of the product: onnxruntime on the model as given, and a bound that its noisy twin sets.
"""

import argparse
import sys
from collections import Counter
from dataclasses import dataclass

import numpy as np

from pyimc.errors import ImcError
from tests.mapping.judge import judge
from tests.noisy_twin import bounds
from tests.random_given import draw

FACTOR = 3.0
"""Of the bound that the twin shows: over 500 models the largest that was seen is 2.1, the median 0.3."""


@dataclass(frozen=True, slots=True)
class Case:
    """What became of one random model.

    Attributes:
        seed: Of the model.
        verdict: near, refused or wrong.
        said: The message of a refusal, or what is wrong.
        ratio: The largest error of an output over its bound.
    """

    seed: int
    verdict: str
    said: str = ""
    ratio: float = 0.0


def tried(seed: int) -> Case:
    """Take the model of a seed to the golden model; any exception but an ImcError is a fault of the product."""
    model, images = draw(seed)
    try:
        found = judge(model, images)
    except ImcError as error:
        return Case(seed, "refused", str(error))
    worst, said = 0.0, ""
    for name, bound in bounds(model, images, list(found.wanted)).items():
        wanted = found.wanted[name]
        step = (max(wanted.max(), 0) - min(wanted.min(), 0)) / 255
        off = float(np.abs(wanted - found.got[name]).max())
        ratio = off / (bound + step + 1e-6 * float(np.abs(wanted).max()) + 1e-12)
        if ratio > worst:
            worst, said = ratio, f"{name}: error {off:.3g}, bound {bound:.3g}, span {np.ptp(wanted):.3g}"
    return Case(seed, "near" if worst <= FACTOR else "wrong", said, worst)


def main() -> int:
    """Try so many seeds; 1 if a model is wrong."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--first", type=int, default=0)
    parsed = parser.parse_args()
    cases = []
    for seed in range(parsed.first, parsed.first + parsed.count):
        cases.append(tried(seed))
        if cases[-1].verdict == "wrong":
            print(f"seed {seed}: {cases[-1].said}", flush=True)
    counts = Counter(case.verdict for case in cases)
    ratios = [case.ratio for case in cases if case.verdict != "refused"]
    near, refused, wrong = (counts[verdict] for verdict in ("near", "refused", "wrong"))
    print(f"{len(cases)} models: {near} near the given one, {refused} refused, {wrong} wrong")
    print(f"error over its bound: median {np.median(ratios):.2f}, largest {max(ratios):.2f}, allowed {FACTOR:.0f}")
    return 1 if counts["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main())
