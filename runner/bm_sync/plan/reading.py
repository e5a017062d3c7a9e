"""Reads values from JSON, held to their shape: nothing is guessed, nothing unknown passes.

Raises UsageError with the place (`projects[0].actions[3].path`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeVar, cast

from bm_sync import layout
from bm_sync.errors import Exit, UsageError

HINT = "make a new one: bm-sync plan --out FILE"
_MAX_TEXT = 65_536
_MAX_ITEMS = 5_000_000
_MAX_NUMBER = 2**63

T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)
Reader = Callable[[object, str], T]


def off(where: str, what: str) -> UsageError:
    """Return the error for a value that is off."""
    return UsageError(f"the saved plan cannot be used: {where or 'it'} {what}", hint=HINT)


def text(value: object, where: str) -> str:
    """Read a text that is not too long."""
    if not isinstance(value, str) or len(value) > _MAX_TEXT:
        raise off(where, "is not a short text")
    return value


def path(value: object, where: str) -> str:
    """Read a path below a root; nothing else may reach the engine."""
    found = text(value, where)
    parts = found.split("/")
    if "\0" in found or any(part in ("", ".", "..") for part in parts) or layout.is_ours(found):
        raise off(where, "is not a path inside a project")
    return found


def place(value: object, where: str) -> str:
    """Read a path below a root, or the root itself, which is the empty text."""
    return "" if value == "" else path(value, where)


def kept(value: object, where: str) -> str:
    """Read where a version is kept: in the trash, or in a conflict copy."""
    found = text(value, where)
    for top in (f"{layout.TRASH}/", f"{layout.NEW}/"):
        if found.startswith(top):
            path(found.removeprefix(top), where)
            return found
    return path(found, where)


def problem_path(value: object, where: str) -> str:
    """Read the path of a problem: it is shown, never used, and may be a hostile remote key."""
    return text(value, where)


def number(value: object, where: str) -> int:
    """Read a whole number of 64 bits."""
    if not isinstance(value, int) or isinstance(value, bool) or not abs(value) < _MAX_NUMBER:
        raise off(where, "is not a whole number")
    return value


def matching(pattern: str, what: str) -> Reader[str]:
    """Read a text that is all of a pattern; `what` says what it should be."""
    form = re.compile(pattern, re.ASCII)

    def read(value: object, where: str) -> str:
        found = text(value, where)
        if not form.fullmatch(found):
            raise off(where, f"is not {what}")
        return found

    return read


_moment = matching(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "a time such as 2026-11-22T07:15:00Z")


def moment(value: object, where: str) -> str:
    """Read a time in UTC as records write it, to the second."""
    found = _moment(value, where)
    try:
        datetime.fromisoformat(found)
    except ValueError as error:
        raise off(where, "is not a day of the calendar") from error
    return found


def size(value: object, where: str) -> int:
    """Read a number of bytes or files."""
    if number(value, where) < 0:
        raise off(where, "is negative")
    return cast("int", value)


def flag(value: object, where: str) -> bool:
    """Read true or false."""
    if not isinstance(value, bool):
        raise off(where, "is not true or false")
    return value


def none(value: object, where: str) -> None:
    """Read null."""
    if value is not None:
        raise off(where, "is not null")


def or_none(read: Reader[T]) -> Reader[T | None]:
    """Read null, or what `read` reads."""
    return lambda value, where: None if value is None else read(value, where)


def code(value: object, where: str) -> int:
    """Read an exit code of this program."""
    found = number(value, where)
    if found not in set(Exit):
        raise off(where, "is not an exit code")
    return found


def word(kind: type[E]) -> Reader[E]:
    """Read a word of an enumeration."""

    def read(value: object, where: str) -> E:
        try:
            return kind(text(value, where))
        except ValueError as error:
            raise off(where, "is an unknown word") from error

    return read


def each(read: Reader[T]) -> Reader[tuple[T, ...]]:
    """Read a list."""

    def read_all(value: object, where: str) -> tuple[T, ...]:
        if not isinstance(value, list) or len(value) > _MAX_ITEMS:
            raise off(where, "is not a list")
        return tuple(read(item, f"{where}[{place}]") for place, item in enumerate(value))

    return read_all


def members(value: object, where: str, readers: Mapping[str, Reader[Any]]) -> dict[str, Any]:
    """Read an object that has exactly these keys."""
    if not isinstance(value, dict) or set(value) != set(readers):
        raise off(where, f"does not have exactly the keys {', '.join(readers)}")
    dot = f"{where}." if where else ""
    return {key: read(value[key], dot + key) for key, read in readers.items()}


def record(make: Callable[..., T], **readers: Reader[Any]) -> Reader[T]:
    """Read an object into a value."""
    return lambda value, where: make(**members(value, where, readers))


def tagged(readers: Mapping[str, tuple[Callable[..., T], Mapping[str, Reader[Any]]]]) -> Reader[T]:
    """Read one of several shapes, told by its `kind`."""

    def read(value: object, where: str) -> T:
        kind = value.get("kind") if isinstance(value, dict) else None
        if not isinstance(kind, str) or kind not in readers:
            raise off(where, "is of an unknown kind")
        make, shape = readers[kind]
        found = members(value, where, {"kind": text, **shape})
        del found["kind"]
        return make(**found)

    return read
