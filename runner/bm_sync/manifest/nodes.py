"""A manifest as it was written: values with the place where each stands. No meaning is given here.

`Broken` stands where a value was refused: later steps neither use it nor complain about it again.
"""

from __future__ import annotations

from collections.abc import Mapping as AbstractMapping
from typing import NamedTuple, TypeAlias, Union

from msgspec import Struct, field

Plain = str | int | float | bool | None
Document: TypeAlias = Union[Plain, list["Document"], dict[str, "Document"]]  # noqa: UP007 - recursive


class Spot(NamedTuple):
    """A place in the text: lines and columns count from 1, the end is behind the last character.

    `file` is "" for the manifest itself, else the file as messages name it. Line 0 is no text: what
    `file` names said it (`--set notes`).
    """

    line: int
    column: int
    end_line: int
    end_column: int
    file: str = ""

    @property
    def length(self) -> int:
        """Return the width on the first line, at least 1; 1 when it goes on below."""
        if self.end_line != self.line:
            return 1
        return max(self.end_column - self.column, 1)


START = Spot(1, 1, 1, 1)


class Scalar(Struct, frozen=True):
    """A single value.

    `raw` is the text before variables were put in; `quote` is the width of an opening quote in the
    source, None for a block.
    """

    value: Plain
    raw: str
    spot: Spot
    quote: int | None = 0


class Sequence(Struct, frozen=True):
    """A list."""

    items: tuple[Node, ...]
    spot: Spot


class Entry(Struct, frozen=True):
    """A key with its value."""

    key: Scalar
    value: Node


class Mapping(Struct, frozen=True):
    """Keys with values, in the order written."""

    entries: AbstractMapping[str, Entry] = field(default_factory=dict)
    spot: Spot = START

    def get(self, key: str) -> Node | None:
        """Return the value of `key`, None when it is not there."""
        entry = self.entries.get(key)
        return entry.value if entry else None


class Broken(Struct, frozen=True):
    """A value that was refused and reported."""

    spot: Spot


Node = Scalar | Sequence | Mapping | Broken


def plain(node: Node) -> Document:
    """Return a value as JSON has it, without places; raises ValueError where one is broken."""
    match node:
        case Mapping(entries=entries):
            return {name: plain(entry.value) for name, entry in entries.items()}
        case Sequence(items=items):
            return [plain(item) for item in items]
        case Scalar(value=value):
            return value
        case Broken(spot=spot):
            raise ValueError(f"a broken value in line {spot.line} has no plain form")


def kind(node: Node) -> str:
    """Return the JSON type of a value; "" when it is broken.

    A number without a fraction is an `integer`, however it is written (JSON Schema, 6.1.1).
    """
    match node:
        case Mapping():
            return "object"
        case Sequence():
            return "array"
        case Broken():
            return ""
        case Scalar(value=float() as value) if value.is_integer():
            return "integer"
        case Scalar(value=value):
            return _PLAIN[type(value)]


_PLAIN = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
    type(None): "null",
}
