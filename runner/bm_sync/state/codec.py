"""Turns the frozen values of the model into plain JSON values and back, by their type hints.

Pure. Knows Structs, named tuples, enums, tuples of one type, optional values and unions of
records (told apart by the names of their fields), which is all the model uses.
"""

from __future__ import annotations

import types
import typing
from enum import Enum

import msgspec

from bm_sync.structs import names

_T = typing.TypeVar("_T")


def flatten(value: object) -> object:
    """Return `value` as dicts, lists, texts, numbers, booleans and None."""
    if isinstance(value, Enum):
        return value.value
    if _is_record(type(value)):
        return {name: flatten(getattr(value, name)) for name in _names(type(value))}
    if isinstance(value, tuple):
        return [flatten(item) for item in value]
    return value


def _is_record(kind: type) -> bool:
    return names(kind) is not None


def _names(kind: type) -> dict[str, bool]:
    """Return the fields of a record and whether each must be given."""
    if issubclass(kind, msgspec.Struct):
        return {f.name: f.required for f in msgspec.structs.fields(kind)}
    return {name: name not in kind._field_defaults for name in kind._fields}  # type: ignore[attr-defined]


def build(kind: type[_T], value: object) -> _T:
    """Return the `kind` that `flatten` made `value` of.

    A field that is missing takes its default. Raises TypeError or ValueError when it does not fit.
    """
    return typing.cast("_T", _build(kind, value))


def _build(kind: object, value: object) -> object:
    if typing.get_origin(kind) in (types.UnionType, typing.Union):
        return _build(_member(typing.get_args(kind), value), value)
    if typing.get_origin(kind) is tuple:
        if not isinstance(value, list):
            raise TypeError(f"a list is expected, not {type(value).__name__}")
        return tuple(_build(typing.get_args(kind)[0], item) for item in value)
    if not isinstance(kind, type):
        raise TypeError(f"no rule for {kind}")
    if _is_record(kind):
        return _record(kind, value)
    if issubclass(kind, Enum):
        return kind(value)
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not kind:
        raise TypeError(f"{kind.__name__} is expected, not {type(value).__name__}")
    return value


def _record(kind: type, value: object) -> object:
    if not isinstance(value, dict):
        raise TypeError(f"{kind.__name__} is expected, not {type(value).__name__}")
    hints = typing.get_type_hints(kind)
    named = {name: _build(hints[name], value[name]) for name in hints if name in value}
    return kind(**named)


def _member(kinds: tuple[object, ...], value: object) -> object:
    """Return which of `kinds` the value was."""
    for kind in kinds:
        if _could_be(kind, value):
            return kind
    raise TypeError(f"{type(value).__name__} is none of the expected kinds")


def _could_be(kind: object, value: object) -> bool:
    if not isinstance(kind, type):
        return False
    if _is_record(kind):
        if not isinstance(value, dict):
            return False
        names = _names(kind)
        return {n for n, needed in names.items() if needed} <= value.keys() <= names.keys()
    if issubclass(kind, Enum):
        return isinstance(value, str)
    return type(value) is kind
