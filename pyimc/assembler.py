"""Instruction streams as text and back."""

from __future__ import annotations

from collections.abc import Iterable

from pyimc import isa
from pyimc.errors import EncodingError


def disassemble(words: Iterable[int]) -> str:
    """Assembler text of a stream, one instruction per line with its address as a comment.

    Raises:
        EncodingError: an opcode that does not exist, or bits set outside every field.
    """
    lines = []
    for address, word in enumerate(words):
        opcode = isa.OPCODE_LAYOUT.decode(word)["opcode"]
        layout = isa.INSTRUCTIONS.get(opcode)
        if layout is None:
            raise EncodingError(f"instruction {address}: unknown opcode {opcode}; is this a stream of this version?")
        values = layout.decode(word)
        if layout.encode(**values) != word:
            raise EncodingError(f"instruction {address}: bits set outside the fields of {layout.name}")
        operands = " ".join(f"{name}={value}" for name, value in values.items() if name != "opcode")
        lines.append(f"{layout.name} {operands}".strip().ljust(88) + f"; {address}")
    return "".join(line + "\n" for line in lines)


def assemble(text: str) -> list[int]:
    """Instruction words of assembler text (the inverse of `disassemble`; `;` starts a comment).

    Raises:
        EncodingError: the line number and what was not understood in it.
    """
    words = []
    for number, line in enumerate(text.splitlines(), 1):
        tokens = line.split(";")[0].split()
        if not tokens:
            continue
        try:
            operands = {name: int(value, 0) for name, value in (token.split("=", 1) for token in tokens[1:])}
        except ValueError:
            raise EncodingError(f"line {number}: operands are written name=integer, got '{line.strip()}'") from None
        try:
            words.append(isa.instruction(tokens[0], **operands))
        except EncodingError as error:
            raise EncodingError(f"line {number}: {error}") from None
    return words
