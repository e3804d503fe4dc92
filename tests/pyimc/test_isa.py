"""Bit layouts, assembler and generated files."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyimc import isa, isa_files
from pyimc.assembler import assemble, disassemble
from pyimc.errors import EncodingError
from pyimc.layout import Field, Layout, field_range

ROOT = Path(__file__).resolve().parents[2]


@st.composite
def instructions(draw: st.DrawFn) -> int:
    """Any valid instruction word."""
    layout = isa.INSTRUCTIONS[draw(st.sampled_from(sorted(isa.INSTRUCTIONS)))]
    values = {field.name: draw(st.integers(*field_range(field))) for field in layout.fields if field != isa.OPCODE}
    return isa.instruction(layout.name, **values)


@given(st.lists(instructions()))
def test_assembler_text_round_trips(words: list[int]) -> None:
    assert assemble(disassemble(words)) == words


@given(st.sampled_from(isa.LAYOUTS), st.data())
def test_layouts_round_trip(layout: Layout, data: st.DataObject) -> None:
    values = {field.name: data.draw(st.integers(*field_range(field))) for field in layout.fields}
    word = layout.encode(**values)
    assert 0 <= word < 1 << layout.bits
    assert layout.decode(word) == values


@pytest.mark.parametrize("layout", isa.LAYOUTS, ids=lambda layout: layout.name)
def test_fields_are_apart_and_fit(layout: Layout) -> None:
    taken = 0
    for field, low in layout.positions():
        bits = ((1 << field.bits) - 1) << low
        assert not taken & bits
        taken |= bits
    assert taken < 1 << layout.bits
    assert len({field.name for field in layout.fields}) == len(layout.fields)


def test_layout_that_is_too_narrow_is_a_programming_error() -> None:
    layout = Layout("NARROW", 3, "", (Field("wide", 4, "", ""),))
    with pytest.raises(AssertionError, match="layout NARROW needs 4 bits, has 3"):
        layout.encode(wide=1)


def test_first_field_is_lowest_and_signed_fields_are_twos_complement() -> None:
    assert isa.fire([1], []) == 1 | 1 << 4
    assert isa.FIRE.decode(isa.instruction("FIRE", x0=-3))["x0"] == -3
    assert isa.PARAM_0.encode(bias=-1) == (1 << 32) - 1


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"need_0": 65536}, r"FIRE.need_0: 65536 does not fit 16 bits \(0..65535 words\)"),
        ({"need_0": -1}, r"FIRE.need_0: -1 does not fit"),
        ({"x0": 1 << 17}, r"FIRE.x0: 131072 does not fit 18 bits \(-131072..131071 bytes\)"),
        ({"needs": 1}, r"FIRE: no field 'needs'; the fields are free_0, free_1, free_2, need_0,"),
    ],
)
def test_encoding_errors(values: dict[str, int], message: str) -> None:
    with pytest.raises(EncodingError, match=message):
        isa.instruction("FIRE", **values)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("\nJUMP x=1", "line 2: unknown instruction 'JUMP'; known: FIRE, HALT, LOOP"),
        ("FIRE need", "line 1: operands are written name=integer, got 'FIRE need'"),
        ("FIRE need=ten", "line 1: operands are written name=integer"),
        ("HALT ; fine\nFIRE need_0=-1", "line 2: FIRE.need_0: -1 does not fit"),
    ],
)
def test_assembler_errors(text: str, message: str) -> None:
    with pytest.raises(EncodingError, match=message):
        assemble(text)


def test_assembler_reads_comments_and_other_bases() -> None:
    assert assemble("; nothing\n\nLOOP count=0x10 target=2 ; back\n") == [isa.instruction("LOOP", count=16, target=2)]


def test_disassembler_errors() -> None:
    with pytest.raises(EncodingError, match="instruction 1: unknown opcode 15"):
        disassemble([0, 15])
    with pytest.raises(EncodingError, match="instruction 0: bits set outside the fields of HALT"):
        disassemble([1 << 100])


def test_generated_files_are_current() -> None:
    remedy = "run `python -m pyimc.isa`"
    assert (ROOT / "rtl" / "imc_isa.vh").read_text() == isa_files.verilog_header(), remedy
    assert (ROOT / "docs" / "isa.md").read_text() == isa_files.reference(), remedy
