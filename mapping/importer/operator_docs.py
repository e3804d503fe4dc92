"""docs/operators.md: every ONNX operator that can be imported, from the operators themselves.

python -m mapping.importer.operator_docs
"""

import inspect
from pathlib import Path

import onnx

from mapping.importer.fidelity import FOLDS
from mapping.importer.onnx_model import OPSET
from mapping.importer.operators import OPERATORS
from mapping.importer.values import Operator, Role

FILE = Path(__file__).parents[2] / "docs" / "operators.md"

BECOMES: dict[Role, str] = {
    "layer": "a node of its own",
    "copy": "a copy, or part, of what it reads",
    "shape": "a view: costs nothing",
    "limit": "the clamp of what is before it",
    "function": "a table of 256 entries, with the functions around it",
}


def attributes(operator: Operator) -> list[str]:
    """Names of an operator's attributes in the newest opset that is written."""
    return sorted(onnx.defs.get_schema(operator.op_type, OPSET).attributes)


def reference() -> str:
    """The text of docs/operators.md."""
    lines = [
        "# Operators",
        "",
        "Generated from `mapping/importer/` by `make isa`. A map is (1, C, H, W), a row (1, C, W), which is a map of "
        "one row, a vector (1, N).",
        "What stands behind the last layer, and at most a hundredth of all multiply-accumulates, may be any operator "
        "of ONNX: the host computes it.",
        "",
        "## On the chip",
        "",
        "| operator | attributes | becomes | limits | as integers |",
        "|---|---|---|---|---|",
    ]
    for name in sorted(OPERATORS):
        each = OPERATORS[name]
        cells = (name, ", ".join(attributes(each)), BECOMES[each.role], each.limits, ", ".join(each.quantised))
        lines.append(f"| {' | '.join(cell or '-' for cell in cells)} |")
    lines += [
        "",
        "Integers come as QDQ (QuantizeLinear, DequantizeLinear around operators) or as the operators of the last "
        "column. Activations are int8 or uint8 with one scale; weights int8 or uint8 with any zero point, and one "
        "scale or one per output channel.",
        "",
        "## Rewritten before, in float models",
        "",
        "| step | what it does |",
        "|---|---|",
    ]
    lines += [f"| {step} | {_first_line(function)} |" for step, function in FOLDS]
    return "\n".join(lines) + "\n"


def _first_line(function: object) -> str:
    return (inspect.getdoc(function) or "").partition("\n")[0]


if __name__ == "__main__":
    FILE.write_text(reference())
