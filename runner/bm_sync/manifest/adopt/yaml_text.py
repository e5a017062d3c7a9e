"""Writes single values and comments of a manifest as YAML. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path

from bm_sync.manifest.shown import escaped

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_-]*|[~/][A-Za-z0-9_./-]+")
_WORDS = frozenset({"true", "false", "yes", "no", "on", "off", "null", "y", "n"})
_BMP = 0xFFFF


def scalar(text: str) -> str:
    """Return a text as a value: plain where that is safe, else in double quotes.

    A dollar is doubled, since `${NAME}` would be filled in.
    """
    if _PLAIN.fullmatch(text) and text.lower() not in _WORDS:
        return text
    body = json.dumps(text.replace("$", "$$"), ensure_ascii=False)
    return "".join(char if char.isprintable() else _code(char) for char in body)


def _code(char: str) -> str:
    number = ord(char)
    return f"\\u{number:04x}" if number <= _BMP else f"\\U{number:08x}"


def flow(texts: Iterable[str]) -> str:
    """Return texts as a list on one line."""
    return f"[{', '.join(scalar(text) for text in texts)}]"


def comments(lines: Iterable[str], indent: str) -> list[str]:
    """Return sentences as comments; none of them can end its line early."""
    return [f"{indent}# {escaped(line)}" for line in lines]


def short_path(path: str, home: Path) -> str:
    """Return an absolute path with the home directory shortened to `~`."""
    place = Path(path)
    if place != home and place.is_relative_to(home):
        return f"~/{place.relative_to(home).as_posix()}"
    return path
