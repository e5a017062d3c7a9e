"""Small words: escaped names, sizes, ages, counts and aligned columns; the same in every locale."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from unicodedata import category, combining, east_asian_width

_UNITS = ("B", "KB", "MB", "GB", "TB", "PB", "EB")
_UNPRINTABLE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_JOINERS = frozenset("\u200c\u200d")  # part of ordinary words and emoji, and harmless
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_BYTE = 0xFF
_SURROGATE_BYTES = range(0xDC80, 0xDD00)
_BMP = 0xFFFF
_FULL_STEP = 1000  # a figure of four digits is said in the next unit
_WHOLE = 100


def escape(name: str) -> str:
    r"""Return `name` so that it is one line and cannot steer a terminal or turn the reading order.

    Control and format characters (C0, C1, bidirectional marks, line separators) become `\xNN`,
    `\uNNNN` or `\UNNNNNNNN`, bytes that are not UTF-8 (surrogateescape) `\xNN`.
    """
    if name.isprintable():
        return name
    return "".join(_shown(char) for char in name)


_COLOUR = re.compile(r"(\x1b\[(?:[012]|3[123])m)")


def tame(text: str, *, coloured: bool = False) -> str:
    r"""Return a whole text in which nothing steers a terminal, whatever it was made of.

    The last look before something is printed: renderers escape names where they stand. Line ends
    and tabs stay, and our own colours where there are some.
    """
    if text.isascii() and not _CONTROL.search(text):
        return text
    return "\n".join(_tamed(line, coloured=coloured) for line in text.split("\n"))


def _tamed(line: str, *, coloured: bool) -> str:
    parts = _COLOUR.split(line) if coloured else [line]
    shown = [
        part if n % 2 else "\t".join(map(escape, part.split("\t"))) for n, part in enumerate(parts)
    ]
    return "".join(shown)


def _shown(char: str) -> str:
    if category(char) not in _UNPRINTABLE or char in _JOINERS:
        return char
    code = ord(char)
    if code in _SURROGATE_BYTES:
        code -= _SURROGATE_BYTES.start - 0x80
    if code <= _BYTE:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= _BMP else f"\\U{code:08x}"


def size(count: int) -> str:
    """Return a number of bytes as rclone says it, in powers of 1024: `512 B`, `4.1 MB`."""
    if count < _FULL_STEP:
        return f"{count} B"
    value, unit = float(count), 0
    while value >= _FULL_STEP and unit < len(_UNITS) - 1:
        value, unit = value / 1024, unit + 1
    shown = f"{value:.0f}" if value >= _WHOLE else f"{value:.1f}"
    return f"{shown} {_UNITS[unit]}"


def count(number: int, one: str, many: str | None = None) -> str:
    """Return a number with its noun: `1 file`, `3 files`."""
    return f"{number} {one if number == 1 else many or one + 's'}"


_AGES = ((60, 1, "s"), (3600, 60, "min"), (86400, 3600, "h"), (86400 * 60, 86400, "days"))


def age(then: str, now: datetime) -> str:
    """Return how long ago the ISO time `then` was: `now`, `3 min ago`, `5 days ago`, or the day."""
    moment = datetime.fromisoformat(then)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    seconds = int((now - moment).total_seconds())
    if seconds < 0:
        return f"{moment:%Y-%m-%d %H:%M}Z"
    if seconds < 1:
        return "now"
    for below, unit, word in _AGES:
        if seconds < below:
            number = seconds // unit
            return f"{number} {'day' if word == 'days' and number == 1 else word} ago"
    return f"{moment:%Y-%m-%d}"


def duration(seconds: float) -> str:
    """Return a duration in two figures at most: `0.4 s`, `12 s`, `3 min 5 s`, `2 h 4 min`."""
    whole = int(seconds)
    if seconds < 10:  # noqa: PLR2004 - below ten seconds the tenths matter
        return f"{seconds:.1f} s"
    if whole < 60:  # noqa: PLR2004
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:  # noqa: PLR2004
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def width(text: str) -> int:
    """Return how many cells of a terminal `text` fills; combining marks fill none, CJK two."""
    if text.isascii():
        return len(text)
    return sum(
        0 if combining(char) or char in _JOINERS else 1 + (east_asian_width(char) in "WF")
        for char in text
    )


def left(text: str, cells: int) -> str:
    """Return `text` padded on its right."""
    return text + " " * (cells - width(text))


def right(text: str, cells: int) -> str:
    """Return `text` padded on its left."""
    return " " * (cells - width(text)) + text


def columns(rows: Sequence[Sequence[str]], align: str, *, gap: str = "  ") -> list[str]:
    """Return one line for each row; `align` holds `<` or `>` for each column.

    Nothing is padded at the end of a line.
    """
    widths = [max((width(row[i]) for row in rows), default=0) for i in range(len(align))]
    used = [i for i in range(len(align)) if widths[i]]
    return [
        gap.join(
            right(row[i], widths[i]) if align[i] == ">" else left(row[i], widths[i]) for i in used
        ).rstrip()
        for row in rows
    ]


def lines(*blocks: Sequence[str]) -> str:
    """Return blocks of lines as one text, an empty line between those that hold something."""
    return "\n".join("".join(f"{line}\n" for line in block) for block in blocks if block)
