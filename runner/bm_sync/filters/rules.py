"""Reads gitignore patterns: tells which ones git would never match, and parses ignore files.

Pure; what an empty line or a comment in a manifest means is the caller's business.
"""

from __future__ import annotations

from msgspec import Struct

from bm_sync.filters.pattern import trimmed, understand
from bm_sync.filters.wildmatch import PatternError
from bm_sync.model.config import Origin, Rule


class BadPattern(Struct, frozen=True):
    """A pattern that matches nothing, where it was said and what is wrong with it."""

    origin: Origin
    what: str


def check(pattern: str) -> str | None:
    """Return a sentence that says why git would never match the pattern, None when it may."""
    try:
        understand(pattern).regex()
    except PatternError as e:
        return f"The pattern {e}, so it never matches."
    return None


def parse(text: str, file: str, base: str) -> tuple[tuple[Rule, ...], tuple[BadPattern, ...]]:
    """Read an ignore file whose patterns are relative to the folder `base` ("" is the root).

    `file` is how the file is shown. A byte order mark, CRLF ends and trailing spaces are treated
    as git treats them. A bad pattern is in the second result and not in the first.
    """
    rules: list[Rule] = []
    bad: list[BadPattern] = []
    for number, raw in enumerate(text.removeprefix("\ufeff").split("\n"), 1):
        line = trimmed(raw.removesuffix("\r"))
        if not line or line.startswith("#"):
            continue
        origin = Origin(file, number)
        wrong = check(line)
        if wrong is None:
            rules.append(Rule(line, origin, base))
        else:
            bad.append(BadPattern(origin, wrong))
    return tuple(rules), tuple(bad)
