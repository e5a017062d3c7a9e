"""Merges two changed versions of a text against the version both came from, line by line.

As `git merge-file` does: what only one side changed is taken, what both changed alike is taken
once, and changes that meet or touch are a conflict. Pure. There is no result with markers in it:
either the merge is clean, or there is none. Source of the method: Khanna, Kunal, Pierce, "A Formal
Investigation of Diff3", 2007.
"""

from __future__ import annotations

from collections.abc import Iterator
from difflib import SequenceMatcher

MOST_LINES = 20_000  # comparing takes time with the square of the lines at worst


def merge(base: bytes, one: bytes, two: bytes) -> bytes | None:
    """Return the merged text, None when the changes meet."""
    if two in (one, base):
        return one
    if one == base:
        return two
    lines = [text.splitlines(keepends=True) for text in (base, one, two)]
    if max(map(len, lines)) > MOST_LINES:
        return None
    merged = []
    for chunk in _chunks(*lines):
        taken = _taken(*chunk)
        if taken is None:
            return None
        merged += taken
    return b"".join(merged)


Lines = list[bytes]


def _taken(base: Lines, one: Lines, two: Lines) -> Lines | None:
    """Return what becomes of lines between two places where nobody changed anything."""
    if two in (one, base):
        return one
    return two if one == base else None


def _chunks(base: Lines, one: Lines, two: Lines) -> Iterator[tuple[Lines, Lines, Lines]]:
    """Yield the texts in pieces: what stands in all three, and what lies between."""
    in_one, in_two = _kept(base, one), _kept(base, two)
    at = at_one = at_two = 0
    for number in range(len(base)):
        if number not in in_one or number not in in_two:
            continue
        to_one, to_two = in_one[number], in_two[number]
        yield base[at:number], one[at_one:to_one], two[at_two:to_two]
        yield base[number : number + 1], base[number : number + 1], base[number : number + 1]
        at, at_one, at_two = number + 1, to_one + 1, to_two + 1
    yield base[at:], one[at_one:], two[at_two:]


def _kept(base: Lines, changed: Lines) -> dict[int, int]:
    """Return the lines of `base` that a changed text still has, and where."""
    matcher = SequenceMatcher(None, base, changed, autojunk=False)
    return {
        block.a + offset: block.b + offset
        for block in matcher.get_matching_blocks()
        for offset in range(block.size)
    }
