"""Every single fault of a few kinds that can be put into a Verilog-2005 file.

    operator    `+` for `-`, `&&` for `||`, `<` for `<=`, a dropped `!`, and so on
    constant    one more (modulo its width)
    condition   of an `if`: always, never, the opposite
    dropped     an assignment or a call in a block does nothing
    swapped     the two sides of a `?:`, the bodies of two neighbouring arms of a `case`

What is left alone: ports, parameters, localparams, ranges, the guards against illegal parameters (tests of their
own), loop headers, whatever stands between `ifdef and `endif, and wires called `unused`. A small recursive-descent
parser finds the statements; expressions are looked at token by token.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

TOKEN = re.compile(
    r"""
    (?P<skip>\s+|//[^\n]*|/\*.*?\*/|`ifdef\b.*?`endif\b|`define\b(?:[^\n]*\\\n)*[^\n]*
        |`(?:default_nettype|include|undef|timescale)[^\n]*)
    |(?P<string>"[^"\n]*")
    |(?P<number>\d*'s?[bodhBODH][0-9a-fA-F_xzXZ?]+|\d+)
    |(?P<word>[`$]?[A-Za-z_][\w$]*)
    |(?P<operator><<<|>>>|===|!==|&&|\|\||==|!=|<=|>=|<<|>>|\+:|-:|~\^|~&|~\||.)
    """,
    re.VERBOSE | re.DOTALL,
)
BINARY = {
    "+": "-", "-": "+", "*": "+", "/": "*", "%": "/", "&&": "||", "||": "&&", "&": "|", "|": "&", "^": "~^",
    "==": "!=", "!=": "==", "<": "<=", "<=": "<", ">": ">=", ">=": ">", "<<": ">>", ">>": "<<", ">>>": ">>",
}  # fmt: skip
UNARY = {"!": "", "~": "", "-": "", "&": "|", "|": "&", "^": "~^"}
OPEN, CLOSE = {"(": ")", "[": "]", "{": "}"}, {")", "]", "}"}
DECLARATIONS = {"reg", "wire", "integer", "input", "output", "inout"}
UNTOUCHED = {"localparam", "parameter", "genvar", "defparam"}


@dataclass(frozen=True, slots=True)
class Token:
    """A word, number, string or operator; `start` and `end` are places in the text."""

    kind: str
    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True, order=True)
class Mutant:
    """In the file, what stands from `start` to `end` becomes `new`."""

    file: str
    start: int
    end: int
    new: str
    kind: str

    def apply(self, text: str) -> str:
        """The broken text of the file."""
        return text[: self.start] + self.new + text[self.end :]

    def line(self, text: str) -> int:
        """The line where it begins, from 1."""
        return text.count("\n", 0, self.start) + 1

    def change(self, text: str) -> tuple[str, str]:
        """The lines concerned before and after, blanks squeezed: what the fault is, wherever in the file it stands."""
        begin = text.rfind("\n", 0, self.start) + 1
        end = text.find("\n", self.end) % (len(text) + 1)
        old, new = text[begin:end], text[begin : self.start] + self.new + text[self.end : end]
        return " ".join(old.split()), " ".join(new.split())


def mutants(file: str, text: str) -> list[Mutant]:
    """All of them, in the order of the text.

    Raises:
        SyntaxError: The text is not what the parser understands.
    """
    return sorted(set(_Parser(file, text).module()))


def _tokens(text: str) -> list[Token]:
    return [
        Token(str(match.lastgroup), match[0], match.start(), match.end())
        for match in TOKEN.finditer(text)
        if match.lastgroup != "skip"
    ]


class _Parser:
    """Walks the tokens; `at` is the next one."""

    def __init__(self, file: str, text: str) -> None:
        self.file, self.text, self.tokens, self.at = file, text, _tokens(text), 0

    # ------------------------------------------------------------------------------------------------ movement
    def _now(self) -> str:
        if self.at >= len(self.tokens):
            raise SyntaxError(f"{self.file}: ends too early")
        return self.tokens[self.at].text

    def _take(self, text: str) -> None:
        if self._now() != text:
            line = self.text.count("\n", 0, self.tokens[self.at].start) + 1
            raise SyntaxError(f"{self.file}:{line}: {self._now()!r}, expected {text!r}")
        self.at += 1

    def _group(self) -> tuple[int, int]:
        """Passes a bracketed group; gives the tokens inside."""
        begin = self.at + 1
        depth = 0
        while True:
            depth += (self._now() in OPEN) - (self._now() in CLOSE)
            self.at += 1
            if depth == 0:
                return begin, self.at - 1

    def _until(self, *stops: str) -> tuple[int, int]:
        """Passes tokens up to one of `stops` outside of brackets; gives them."""
        begin = self.at
        while self._now() not in stops:
            if self._now() in OPEN:
                self._group()
            else:
                self.at += 1
        return begin, self.at

    def _mutant(self, first: int, last: int, new: str, kind: str) -> Mutant:
        return Mutant(self.file, self.tokens[first].start, self.tokens[last].end, new, kind)

    def _text(self, first: int, end: int) -> str:
        return self.text[self.tokens[first].start : self.tokens[end - 1].end]

    # ------------------------------------------------------------------------------------------------- modules
    def module(self) -> Iterator[Mutant]:
        """The one module of the file."""
        self._take("module")
        self._until(";")
        while self._now() != "endmodule":
            yield from self._item()

    def _item(self) -> Iterator[Mutant]:
        word = self._now()
        if word in UNTOUCHED:
            self._until(";")
        elif word in DECLARATIONS:
            yield from self._declaration()
        elif word == "assign":
            self.at += 1
            while self._now() != ";":
                yield from self._expression(*self._until("="))
                yield from self._expression(*self._until(",", ";"))
                self.at += self._now() == ","
        elif word in ("always", "initial"):
            self.at += 1
            if self._now() == "@":
                self.at += 1
                if self._now() == "(":
                    self._group()
                else:
                    self.at += 1
            yield from self._statement()
        elif word in ("function", "task"):
            self._until(";")
            while self._now() not in ("endfunction", "endtask"):
                yield from self._statement()
            self.at += 1
        elif word in ("if", "for"):
            self.at += 1
            self._group()
        elif word == "begin":
            self.at += 1
            if self._now() == ":":
                self.at += 2
        elif word in ("generate", "endgenerate", "end", "else", ";"):
            self.at += 1
        else:
            yield from self._instance()

    def _declaration(self) -> Iterator[Mutant]:
        """Values of wires; names, ranges and memories stay."""
        self.at += 1
        while self._now() != ";":
            first, end = self._until("=", ",", ";")
            if self._now() == "=":
                value = self._until(",", ";")
                if self.tokens[end - 1].text != "unused" and first < end:
                    yield from self._expression(*value)
            self.at += self._now() == ","

    def _instance(self) -> Iterator[Mutant]:
        self.at += 1
        if self._now() == "#":
            self.at += 1
            self._group()
        name = self._now()
        self._until("(")
        begin, end = self._group()
        if name != "u_error":
            yield from self._expression(begin, end)
        self._take(";")

    # ---------------------------------------------------------------------------------------------- statements
    def _statement(self) -> Iterator[Mutant]:
        word = self._now()
        if word == ";":
            self.at += 1
        elif word == "begin":
            self.at += 1
            if self._now() == ":":
                self.at += 2
            while self._now() != "end":
                yield from self._statement()
            self.at += 1
        elif word in ("if", "while"):
            self.at += 1
            first, end = self._group()
            yield from self._expression(first, end)
            if word == "if":
                for new in ("1'b1", "1'b0", f"!({self._text(first, end)})"):
                    yield self._mutant(first, end - 1, new, "condition")
            yield from self._statement()
            if word == "if" and self._now() == "else":
                self.at += 1
                yield from self._statement()
        elif word == "case":
            yield from self._case()
        elif word in ("for", "repeat"):
            self.at += 1
            self._group()
            yield from self._statement()
        elif word in DECLARATIONS or word in UNTOUCHED:
            self._until(";")
            self.at += 1
        else:
            begin = self.at
            yield from self._expression(*self._until("=", "<=", ";"))
            if self._now() != ";":
                self.at += 1
                yield from self._expression(*self._until(";"))
            self._take(";")
            yield self._mutant(begin, self.at - 1, ";", "dropped")

    def _case(self) -> Iterator[Mutant]:
        self.at += 1
        yield from self._expression(*self._group())
        bodies = []
        while self._now() != "endcase":
            self._until(":")
            self.at += 1
            begin = self.at
            yield from self._statement()
            bodies.append((begin, self.at))
        self.at += 1
        for (first, first_end), (second, second_end) in pairwise(bodies):
            new = "".join(
                (self._text(second, second_end), self.text[self.tokens[first_end - 1].end : self.tokens[second].start],
                 self._text(first, first_end))
            )  # fmt: skip
            yield self._mutant(first, second_end - 1, new, "swapped")

    # --------------------------------------------------------------------------------------------- expressions
    def _expression(self, begin: int, end: int) -> Iterator[Mutant]:
        fixed = self._fixed(begin, end)
        for at in range(begin, end):
            token = self.tokens[at]
            if at in fixed:
                continue
            if token.text == "?":
                yield from self._arms(at, begin, end)
            elif token.kind == "number":
                new = _more(token.text)
                if new is not None:
                    yield self._mutant(at, at, new, "constant")
            elif token.kind == "operator":
                before = self.tokens[at - 1] if at > begin else None
                binary = before is not None and (before.kind in ("word", "number") or before.text in CLOSE)
                new = (BINARY if binary else UNARY).get(token.text)
                if new is not None:
                    yield self._mutant(at, at, new, "operator")

    def _fixed(self, begin: int, end: int) -> set[int]:
        """Tokens that must be constants: ranges, widths of part selects, counts of replications."""
        fixed: set[int] = set()
        opened: list[int] = []
        for at in range(begin, end):
            text = self.tokens[at].text
            if text in OPEN:
                if text == "{" and opened and self.tokens[opened[-1]].text == "{":
                    between = self.tokens[opened[-1] + 1 : at]
                    if between and not {token.text for token in between} & {",", "{", "}"}:
                        fixed.update(range(opened[-1] + 1, at))
                opened.append(at)
            elif text in CLOSE:
                inside = range(opened.pop() + 1, at)
                if text == "]":
                    colons = [n for n in inside if self.tokens[n].text in (":", "+:", "-:")]
                    select = [n for n in colons if self.tokens[n].text != ":"]
                    plain = colons and not select and not any(self.tokens[n].text == "?" for n in inside)
                    fixed.update(inside if plain else range(select[-1], at) if select else ())
        return fixed

    def _arms(self, question: int, begin: int, end: int) -> Iterator[Mutant]:
        """`a ? b : c` becomes `a ? c : b`."""
        colon = self._stop(question + 1, end, (":",), nested=True)
        stop = self._stop(colon + 1, end, (",", ":"), nested=False)
        if colon < end and stop > colon + 1:
            swapped = f"({self._text(colon + 1, stop)}) : ({self._text(question + 1, colon)})"
            yield self._mutant(question + 1, stop - 1, swapped, "swapped")

    def _stop(self, at: int, end: int, stops: tuple[str, ...], *, nested: bool) -> int:
        """The first of `stops` from `at` on that belongs to this level of brackets and to this `?`."""
        depth = questions = 0
        while at < end:
            text = self.tokens[at].text
            if depth == 0 and text in stops and questions == 0:
                return at
            if depth == 0 and text in CLOSE:
                return at
            depth += (text in OPEN) - (text in CLOSE)
            if depth == 0:
                questions += (text == "?") - (text == ":")
            at += 1
        return end


def _more(number: str) -> str | None:
    """One more; None for what has undefined bits."""
    if "'" not in number:
        return str(int(number) + 1)
    width, rest = number.split("'")
    sign = "s" if rest[0] in "sS" else ""
    base, digits = rest[len(sign)].lower(), rest[len(sign) + 1 :].replace("_", "")
    radix = {"b": 2, "o": 8, "d": 10, "h": 16}[base]
    if re.search(r"[xzXZ?]", digits):
        return None
    value = (int(digits, radix) + 1) % (1 << int(width or 32))
    return f"{width}'{sign}{base}{value:{ {'b': 'b', 'o': 'o', 'd': 'd', 'h': 'x'}[base] }}"
