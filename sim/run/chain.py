"""What a run claims of the network that was given: the links from the file to the golden model.

file = folded = quantised = golden: measured here, on the calibration images. golden = Program = cycle = RTL: exact.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # it would import ONNX
    from mapping.importer.signal import Fidelity

LIMIT_DB = 10.0
"""An output below this is not the given network's any more: a third of its amplitude is noise."""

Report = dict[str, Any]
"""As `result.json` has it under `given`."""


def report(found: Fidelity, hosted: dict[str, tuple[str, ...]]) -> Report:
    """What was found, as plain data."""
    return asdict(found) | {"host": {name: list(each) for name, each in hosted.items()}}


def lines(chain: Report) -> Iterator[str]:
    """What was done to the model, what the host does, how near the integers are to the model that was given."""
    for link in chain["links"]:
        change = "not measured, onnxruntime cannot run what was given" if link["change"] is None else link["change"]
        said = change if isinstance(change, str) else f"changes the outputs by {change:.1e} of their span"
        yield f"folded: {link['step']}: {said}{'' if link['kept'] else ', so it is left out'}"
    for name, operators in chain["host"].items():
        if operators:
            yield f"left to the host: {name}: {', '.join(operators)}"
    if not chain["outputs"]:
        yield "the given model is int8: its integers are the network"
    for output in chain["outputs"]:
        yield f"given model against golden, {chain['images']} images: {_output(output, chain['images'])}"


def _output(output: Report, images: int) -> str:
    parts = []
    if output["ratio_db"] is not None:
        parts.append(f"{output['ratio_db']:.1f} dB")
    if output["changed"] is not None:
        parts.append(f"the same answer in {images - output['changed']} of {images}")
    return f"{output['name']}: {', '.join(parts) or 'its shape changes, not compared'}"


def doubt(chain: Report, tolerate: int) -> str:
    """One sentence if the integers are not the given network any more, otherwise nothing.

    Args:
        chain: Of the run.
        tolerate: In so many images may the answer change.
    """
    lost = [each for each in chain["outputs"] if each["ratio_db"] is not None and each["ratio_db"] < LIMIT_DB]
    other = [each for each in chain["outputs"] if each["changed"] is not None and each["changed"] > tolerate]
    if not (lost or other):
        return ""
    why = [f"output {each['name']} has {each['ratio_db']:.1f} dB, at least {LIMIT_DB:.0f} are needed" for each in lost]
    why += [
        f"output {each['name']} has another answer in {each['changed']} of {chain['images']} images, {tolerate} are "
        "tolerated"
        for each in other
    ]
    layer = max(chain["layers"], key=lambda each: each["lost_db"])
    clipped = f", where {layer['clipped']:.1%} of the values are clipped" if layer["clipped"] else ""
    return (
        f"the quantised network is not the given one: {'; '.join(why)}; most is lost at {layer['node']} "
        f"({layer['lost_db']:.1f} dB, to {layer['ratio_db']:.1f}){clipped}; calibrate it on inputs like its own, or "
        "give a model that was trained for int8"
    )
