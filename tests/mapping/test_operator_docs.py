# SPDX-License-Identifier: Apache-2.0
"""docs/operators.md says what the operators say, and no attribute is passed over in silence."""

import inspect
from pathlib import Path

import pytest

from mapping.importer import fold, lowering, operator_docs
from mapping.importer.operators import OPERATORS


def test_the_file_is_current() -> None:
    assert operator_docs.FILE.read_text() == operator_docs.reference(), "run `make isa`"


@pytest.mark.parametrize("name", OPERATORS)
def test_every_attribute_is_read_or_said_not_to_matter(name: str) -> None:
    operator = OPERATORS[name]
    module = inspect.getmodule(operator.lower)
    assert module is not None
    read = "".join(Path(inspect.getfile(each)).read_text() for each in (module, lowering, fold))
    for attribute in operator_docs.attributes(operator):
        assert f'"{attribute}"' in read or f"{attribute}=" in read or attribute in operator.limits, attribute


def test_every_operator_and_integer_form_is_listed() -> None:
    rows = {line.split(" | ")[0].removeprefix("| "): line for line in operator_docs.reference().splitlines()}
    for name, operator in OPERATORS.items():
        assert all(form in rows[name] for form in operator.quantised)
