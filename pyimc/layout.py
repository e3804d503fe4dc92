"""Bit layouts: words made of named fields, packed and unpacked by name."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from pyimc.errors import EncodingError

ENTRY_BITS = 64  # of a table entry


@dataclass(frozen=True, slots=True)
class Field:
    """One named bit field; `unit` is what it counts, `text` what it means."""

    name: str
    bits: int
    unit: str
    text: str
    signed: bool = False


@dataclass(frozen=True, slots=True)
class Layout:
    """A word of `bits` bits made of fields.

    Attributes:
        name: In capitals; the prefix of its macros in Verilog.
        bits: Width of the word.
        text: What the word is.
        fields: The first in the lowest bits, unless `lows` says otherwise.
        family: Layouts of one family and one width have the fields that they share at the same places.
        lows: The lowest bit of every field.
    """

    name: str
    bits: int
    text: str
    fields: tuple[Field, ...]
    family: str = ""
    lows: tuple[int, ...] = ()

    def positions(self) -> Iterator[tuple[Field, int]]:
        """Yields every field with its lowest bit."""
        if self.lows:
            yield from zip(self.fields, self.lows, strict=True)
            return
        low = 0
        for field in self.fields:
            yield field, low
            low += field.bits
        if low > self.bits:
            raise AssertionError(f"layout {self.name} needs {low} bits, has {self.bits}")

    def encode(self, **values: int) -> int:
        """Packs one value per field; absent fields are 0.

        Raises:
            EncodingError: an unknown field, or a value that its field cannot hold.
        """
        word = 0
        known = {field.name for field in self.fields}
        for name in values:
            if name not in known:
                raise EncodingError(f"{self.name}: no field '{name}'; the fields are {', '.join(sorted(known))}")
        for field, low in self.positions():
            value = int(values.get(field.name, 0))
            least, most = field_range(field)
            if not least <= value <= most:
                raise EncodingError(
                    f"{self.name}.{field.name}: {value} does not fit {field.bits} bits ({least}..{most} {field.unit})"
                )
            word |= (value & ((1 << field.bits) - 1)) << low
        return word

    def decode(self, word: int) -> dict[str, int]:
        """Unpacks every field of `word`."""
        values = {}
        for field, low in self.positions():
            value = word >> low & ((1 << field.bits) - 1)
            if field.signed and value >> (field.bits - 1):
                value -= 1 << field.bits
            values[field.name] = value
        return values


def field_range(field: Field) -> tuple[int, int]:
    """The least and the greatest value that a field holds."""
    if field.signed:
        return -(1 << (field.bits - 1)), (1 << (field.bits - 1)) - 1
    return 0, (1 << field.bits) - 1


def permuted(layouts: Iterable[Layout], seed: int) -> list[Layout]:
    """The same layouts with every field at another place, gaps included; what a family shares stays shared.

    Whoever takes positions from elsewhere than from the layouts does not work with these.
    """
    draw = random.Random(seed)
    layouts = list(layouts)
    families: dict[str, list[Layout]] = {}
    for layout in layouts:
        families.setdefault(layout.family or layout.name, []).append(layout)
    places: dict[tuple[str, str], int] = {}
    for members in families.values():
        shared = [field for field in members[0].fields if all(field in member.fields for member in members)]
        ceiling = min(member.bits for member in members)
        draw.shuffle(shared)
        for field in shared if len(members) > 1 else []:
            ceiling -= field.bits
            places.update({(member.name, field.name): ceiling for member in members})
        for member in members:
            rest = [field for field in member.fields if (member.name, field.name) not in places]
            draw.shuffle(rest)
            top = ceiling if len(members) > 1 else member.bits
            gap = top - sum(field.bits for field in rest)
            for field in rest:
                skip = draw.randint(0, gap)
                gap -= skip
                top -= skip + field.bits
                places[member.name, field.name] = top
    return [
        replace(layout, lows=tuple(places[layout.name, field.name] for field in layout.fields)) for layout in layouts
    ]
