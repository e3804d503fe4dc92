"""The ONNX operators that can be imported: one module per family, with a tuple `OPERATORS` if it has some of its own.

A new operator is a new module here; nothing else changes.
"""

import importlib
import pkgutil

from mapping.importer.operators.pairwise import PAIRS
from mapping.importer.values import Operator, Role


def _discover() -> dict[str, Operator]:
    found: dict[str, Operator] = {}
    for module in sorted(pkgutil.iter_modules(__path__), key=lambda entry: entry.name):
        for operator in getattr(importlib.import_module(f"{__name__}.{module.name}"), "OPERATORS", ()):
            assert operator.op_type not in found, f"two modules import {operator.op_type}"
            found[operator.op_type] = operator
    return found


OPERATORS: dict[str, Operator] = _discover()
"""Every float operator, by ONNX op type."""

QUANTISED: dict[str, Operator] = {form: operator for operator in OPERATORS.values() for form in operator.quantised}
"""The operator behind every QOperator form, such as QLinearConv."""


def role(op_type: str, *, with_constant: bool, of_one: bool = True) -> Role:
    """What an operator is to our quantiser.

    Args:
        op_type: The operator.
        with_constant: One of its inputs is one constant value: an Add of that is a function of one value.
        of_one: Both inputs are functions of one activation, so what it makes of them is one, too.
    """
    if op_type in PAIRS and not with_constant and (op_type == "Add" or not of_one):
        return "layer"
    return "function" if op_type == "Add" else OPERATORS[op_type].role
