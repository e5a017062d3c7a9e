"""How words from a manifest are shown to a person: escaped, quoted, shortened. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

from bm_sync.masking import without_secrets

_HOSTILE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
_LONGEST = 60
_LOOKED_AT = 2000  # of a value; more of it is not shown anyway
_LONGEST_GUESS = 64


def escaped(text: str) -> str:
    r"""Return `text` with every character that could act on a terminal written as `\xNN`."""
    return _HOSTILE.sub(_code, text)


def quoted(value: object) -> str:
    """Return a value as an error message names it: 'in quotes', escaped and not too long."""
    text = without_secrets(str(value)[:_LOOKED_AT])
    short = cut(text)
    ellipsis = "" if short == text else "…"
    return f"'{escaped(short)}{ellipsis}'"


def cut(text: str) -> str:
    """Return as much of a text as a message shows."""
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1]


def listed(words: Iterable[str], last: str = "or") -> str:
    """Return words as a sentence lists them: `a, b or c`."""
    *most, end = words
    return f"{', '.join(most)} {last} {end}" if most else end


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that was probably meant, None when none is near."""
    if len(word) > _LONGEST_GUESS:
        return None
    from difflib import get_close_matches

    folded = {k.casefold(): k for k in known}
    near = get_close_matches(word.casefold(), folded, n=1, cutoff=0.6)
    return folded[near[0]] if near else None


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """Return a hint that names the nearest known word, None when none is near."""
    near = nearest(word, known)
    return f"did you mean {quoted(near)}?" if near else None


def _code(match: re.Match[str]) -> str:
    number = ord(match[0])
    return f"\\x{number:02x}" if number <= 0xFF else f"\\u{number:04x}"  # noqa: PLR2004
