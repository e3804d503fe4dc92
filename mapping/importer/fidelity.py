"""The first links of the chain: the given model against the folded one, and that against its integers.

Both float models run in onnxruntime, optimisations off, on the user's inputs. A rewriting that changes an output by
more than a ten-thousandth of its span is left out.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray

from mapping.importer import copying, decompose, exported, fold, norms, relayout, resampling, tokens
from mapping.importer.onnx_model import OPSET, feed, input_type, one_line, session
from mapping.importer.rewriting import Rewriting
from pyimc.errors import ConfigError

LIMIT = 1e-4
"""Of the span of an output: what a rewriting may change by rounding."""

_HALF_LIMITS = {"float16": 1e-2, "bfloat16": 5e-2, "double": LIMIT}  # the given model itself rounds that much
IMAGES = 4  # as many are compared

Images = Sequence[NDArray[np.float32]]
Outputs = list[list[NDArray[np.generic]]]
"""Per image, every output."""


@dataclass(frozen=True, slots=True)
class Link:
    """One step from the given model to the folded one.

    Attributes:
        step: What was done.
        change: The largest change of any output, as a share of its span; None if nothing could be run before.
        kept: Whether the step was taken.
    """

    step: str
    change: float | None
    kept: bool = True


@dataclass(frozen=True, slots=True)
class Faithful:
    """A folded model that computes what the given one computes.

    Attributes:
        model: The folded model, float32.
        links: What was done to the given model.
        answers: The outputs of the given model, for the first few images.
    """

    model: onnx.ModelProto
    links: tuple[Link, ...]
    answers: Outputs


FOLDS: tuple[tuple[str, Callable[[onnx.ModelProto], bool]], ...] = (
    ("constants computed", fold.constants),
    ("sums as additions", fold.sums),
    ("layer normalisations that are written out", norms.layer_norms),
    ("tokens as maps", tokens.tokens),
    ("several as pairs", decompose.several),
    ("norms as sums", decompose.norms),
    ("responses as layers", decompose.responses),
    ("resizing as layers", resampling.resizes),
    ("borders as parts", copying.borders),
    ("channels taken by layers", copying.selections),
    ("copies as layers", copying.copies),
    ("pads into layers", relayout.pads),
    ("orders of channels as layers", relayout.shuffles),
    ("blocks of pixels", relayout.blocks),
    ("slopes per channel", fold.slopes),
    ("means of channels as layers", relayout.channel_means),
    ("Softmax along one axis", fold.softmaxes),
    ("Gemm factors and biases", fold.gemms),
    ("normalisation and factors into layers", fold.affine),
    ("factors of channels as layers", fold.channelwise),
    ("divisions as products", decompose.quotients),
)


def faithful(given: onnx.ModelProto, images: Images, cut: Sequence[str]) -> Faithful:
    """The given model folded, every step checked against the given one.

    Args:
        given: A float model with static shapes.
        images: Inputs, float32 (C, H, W) each.
        cut: Tensors that must stay.

    Raises:
        ConfigError: onnxruntime refuses the model, or a step that the chip needs changes what the model computes.
        UnsupportedOperator: Its opset cannot be converted.
    """
    model, links, answers = _float32(_exposed(given, cut), images)
    reference = _run(model, images)
    for step, fold_graph in FOLDS:
        before = _Structure(model)
        if fold_graph(model):
            Rewriting(model).without_the_unread(constants=False)
            change = deviation(reference, _run(model, images))
            links.append(Link(step, change, kept=change <= LIMIT))
            if change <= LIMIT:
                Rewriting(model).without_the_unread()
                continue
        before.restore()
    del model.graph.output[len(given.graph.output) :]
    return Faithful(model, tuple(links), answers or reference)


class _Structure:
    """A model but for its constants, which a fold only adds to: those of a large network are not copied for each."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self._model = model
        self._nodes = list(map(_copied, model.graph.node))
        self._constants = len(model.graph.initializer)

    def restore(self) -> None:
        """The model is again what it was."""
        graph = self._model.graph
        del graph.node[:], graph.initializer[self._constants :]
        graph.node.extend(self._nodes)


def _copied(node: onnx.NodeProto) -> onnx.NodeProto:
    copy = onnx.NodeProto()
    copy.CopyFrom(node)
    return copy


def _exposed(given: onnx.ModelProto, cut: Sequence[str]) -> onnx.ModelProto:
    """A copy of a model with more outputs, which no rewriting will touch."""
    model = onnx.ModelProto()
    model.CopyFrom(given)
    known = {name for node in model.graph.node for name in node.output}
    missing = [name for name in cut if name not in known]
    if missing:
        raise ConfigError(
            f"--outputs: model {model.graph.name} has no tensor {', '.join(missing)}; among those it has are "
            f"{', '.join(sorted(known)[:5])}"
        )
    present = {value.name for value in model.graph.output}
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in cut if name not in present)
    return model


def _float32(model: onnx.ModelProto, images: Images) -> tuple[onnx.ModelProto, list[Link], Outputs]:
    """The model in float32 and in an opset that can be quantised, and what it computed before, if that is known."""
    links: list[Link] = []
    answers: Outputs = []
    kind, version = exported.other_float(model), exported.opset(model)
    steps: list[tuple[str, Callable[[onnx.ModelProto], onnx.ModelProto], float]] = []
    if kind:
        steps.append((f"{kind} as float32", exported.as_float32, _HALF_LIMITS[kind]))
    if version < exported.OLDEST_OPSET:
        steps.append((f"opset {version} as {OPSET}", exported.modern, LIMIT))
    for step, convert, limit in steps:
        try:
            before = _run(model, images)
        except ConfigError:  # onnxruntime computes Conv in float32 only, and no opset before 7
            before = None
        answers = answers or before or []
        model = convert(model)
        change = None if before is None else deviation(before, _run(model, images))
        if change is not None and change > limit:
            raise ConfigError(
                f"model {model.graph.name}: {step} changes its outputs by {change:.2%} of their span; export it again "
                f"in float32, with opset {exported.OLDEST_OPSET} or later"
            )
        links.append(Link(step, change))
    return model, links, answers


def _run(model: onnx.ModelProto, images: Images) -> Outputs:
    inner = session(model)
    kind = input_type(model)
    try:
        return [inner.run(None, feed(model, image.astype(kind))) for image in images[:IMAGES]]
    except Exception as error:  # onnxruntime raises bare subclasses of Exception
        raise ConfigError(f"model {model.graph.name}: onnxruntime cannot run it ({one_line(error)})") from error


def deviation(before: Outputs, after: Outputs) -> float:
    """The largest change of any floating-point output, as a share of its span over all images; infinite for a shape."""
    worst = 0.0
    for one, other in zip(zip(*before, strict=True), zip(*after, strict=True), strict=True):
        if [each.shape for each in one] != [each.shape for each in other]:
            return np.inf
        old, new = (np.concatenate([np.ravel(each) for each in side]) for side in (one, other))
        if old.dtype.kind != "f" or not old.size:
            continue
        old, new = old.astype(np.float64), new.astype(np.float64)
        finite = np.isfinite(old)
        if not np.array_equal(finite, np.isfinite(new)):
            return np.inf
        if not finite.any():
            continue
        old, new = old[finite], new[finite]
        span = float(np.ptp(old)) or float(np.abs(old).max(initial=0)) or 1.0
        worst = max(worst, float(np.abs(old - new).max(initial=0)) / span)
    return worst
