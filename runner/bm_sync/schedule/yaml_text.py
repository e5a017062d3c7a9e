"""Writes plain values as YAML that every reader takes for the same. Pure.

Texts are quoted unless nothing could take them for a number or a word; those of several lines are
blocks where that loses nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

Value: TypeAlias = "str | int | bool | Sequence[Value] | Mapping[str, Value] | None"


class Verbatim(str):
    """A text that Ansible takes as it is, whatever looks like a template in it (`!unsafe`)."""

    __slots__ = ()


_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9._/-]*")
_WORDS = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})
_NAMED = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}
_BLOCK = re.compile(r"[^\n\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff\ud800-\udfff]*")


def document(value: Mapping[str, Value], comments: Sequence[str] = ()) -> str:
    """Return a mapping as a document, `comments` above it."""
    return "".join(f"{line}\n" for line in [*_comments(comments), *_lines(value, "")])


def listing(items: Sequence[Value], comments: Sequence[str] = ()) -> str:
    """Return a list as a document, `comments` above it."""
    return "".join(f"{line}\n" for line in ["---", *_comments(comments), *_items(items, "")])


def _comments(said: Sequence[str]) -> Iterator[str]:
    for line in said:
        yield f"# {''.join(c if c.isprintable() else _char(c) for c in line)}".rstrip()


def _lines(value: Mapping[str, Value], indent: str) -> Iterator[str]:
    for key, inside in value.items():
        yield from _entry(f"{indent}{_word(key)}:", inside, indent)


def _entry(head: str, value: Value, indent: str) -> Iterator[str]:
    match value:
        case Verbatim():
            yield f"{head} {_flow(value)}"
        case str() if "\n" in value and _fits_block(value):
            yield f"{head} |{'' if value.endswith(chr(10)) else '-'}"
            for line in value.removesuffix("\n").split("\n"):
                yield f"{indent}  {line}".rstrip(" ") if not line else f"{indent}  {line}"
        case Mapping() if value:
            yield head
            yield from _lines(value, f"{indent}  ")
        case Sequence() if value and not isinstance(value, str):
            yield head
            yield from _items(value, f"{indent}  ")
        case _:
            yield f"{head} {_flow(value)}"


def _items(items: Sequence[Value], indent: str) -> Iterator[str]:
    for item in items:
        if isinstance(item, Mapping) and item:
            first, *rest = _lines(item, f"{indent}  ")
            yield f"{indent}- {first[len(indent) + 2 :]}"
            yield from rest
        else:
            yield f"{indent}- {_flow(item)}"


def _fits_block(text: str) -> bool:
    """Return whether a block keeps a text as it is."""
    lines = text.removesuffix("\n").split("\n")
    return (
        all(_BLOCK.fullmatch(line) for line in lines)
        and not lines[0].startswith((" ", "\t"))
        and bool(lines[0])
        and bool(lines[-1])
        and not any(line.isspace() for line in lines)
    )


def _flow(value: Value) -> str:
    match value:
        case Verbatim():
            return f"!unsafe {_quoted(value)}"
        case str():
            return _word(value)
        case Mapping():
            return "{" + ", ".join(f"{_word(k)}: {_flow(v)}" for k, v in value.items()) + "}"
        case Sequence():
            return "[" + ", ".join(_flow(item) for item in value) + "]"
        case _:
            return json.dumps(value)


def _word(text: str) -> str:
    if _PLAIN.fullmatch(text) and text.casefold() not in _WORDS:
        return text
    return _quoted(text)


def _quoted(text: str) -> str:
    return f'"{"".join(map(_char, text))}"'


def _char(char: str) -> str:
    """Return a character as it stands between double quotes (YAML 1.2, 5.7)."""
    if char in '"\\':
        return f"\\{char}"
    if char.isprintable():
        return char
    return f"\\U{ord(char):08x}" if char not in _NAMED else _NAMED[char]
