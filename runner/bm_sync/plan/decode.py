"""Reads a plan from JSON, held to the shape: nothing is guessed, nothing unknown passes.

Raises UsageError with the place (`projects[0].actions[3].path`). Does not check the digest.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, TypeVar, cast

from bm_sync.errors import UsageError
from bm_sync.model import plan as model
from bm_sync.model.config import Direction, Loser, Mode, Origin
from bm_sync.model.tree import (
    FileStamp,
    FilterChange,
    ObjectStamp,
    Problem,
    ProblemKind,
    Side,
    Stamp,
)

HINT = "make a new one: bm-sync plan --out FILE"
_MAX_TEXT = 65_536
_MAX_ITEMS = 5_000_000
_MAX_NUMBER = 2**63
_DIGEST = re.compile(r"[0-9a-f]{64}")

T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)
Reader = Callable[[object, str], T]


def _off(where: str, what: str) -> UsageError:
    return UsageError(f"the saved plan cannot be used: {where or 'it'} {what}", hint=HINT)


def _text(value: object, where: str) -> str:
    if not isinstance(value, str) or len(value) > _MAX_TEXT:
        raise _off(where, "is not a short text")
    return value


def _path(value: object, where: str) -> str:
    """Read a path below a root; nothing else may reach the engine."""
    path = _text(value, where)
    parts = path.split("/")
    if "\0" in path or any(part in ("", ".", "..") for part in parts) or parts[0] == ".bm-sync":
        raise _off(where, "is not a path inside a project")
    return path


def _problem_path(value: object, where: str) -> str:
    """Read the path of a problem: it is shown, never used, and may be a hostile remote key."""
    return _text(value, where)


def _number(value: object, where: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not abs(value) < _MAX_NUMBER:
        raise _off(where, "is not a whole number")
    return value


def _size(value: object, where: str) -> int:
    if _number(value, where) < 0:
        raise _off(where, "is negative")
    return cast("int", value)


def _flag(value: object, where: str) -> bool:
    if not isinstance(value, bool):
        raise _off(where, "is not true or false")
    return value


def _none(value: object, where: str) -> None:
    if value is not None:
        raise _off(where, "is not null")


def _or_none(read: Reader[T]) -> Reader[T | None]:
    return lambda value, where: None if value is None else read(value, where)


def _word(kind: type[E]) -> Reader[E]:
    def read(value: object, where: str) -> E:
        try:
            return kind(_text(value, where))
        except ValueError as error:
            raise _off(where, "is an unknown word") from error

    return read


def _each(read: Reader[T]) -> Reader[tuple[T, ...]]:
    def read_all(value: object, where: str) -> tuple[T, ...]:
        if not isinstance(value, list) or len(value) > _MAX_ITEMS:
            raise _off(where, "is not a list")
        return tuple(read(item, f"{where}[{place}]") for place, item in enumerate(value))

    return read_all


def _members(value: object, where: str, readers: Mapping[str, Reader[Any]]) -> dict[str, Any]:
    if not isinstance(value, dict) or set(value) != set(readers):
        raise _off(where, f"does not have exactly the keys {', '.join(readers)}")
    dot = f"{where}." if where else ""
    return {key: read(value[key], dot + key) for key, read in readers.items()}


def _record(make: Callable[..., T], **readers: Reader[Any]) -> Reader[T]:
    return lambda value, where: make(**_members(value, where, readers))


def _tagged(readers: Mapping[str, tuple[Callable[..., T], Mapping[str, Reader[Any]]]]) -> Reader[T]:
    """Read one of several shapes, told by its `kind`."""

    def read(value: object, where: str) -> T:
        kind = value.get("kind") if isinstance(value, dict) else None
        if not isinstance(kind, str) or kind not in readers:
            raise _off(where, "is of an unknown kind")
        make, shape = readers[kind]
        found = _members(value, where, {"kind": _text, **shape})
        del found["kind"]
        return make(**found)

    return read


_side = _word(Side)
_reason = _word(model.Reason)
_origin = _record(Origin, file=_text, line=_number, column=_number)
_stamp: Reader[Stamp] = _tagged(
    {
        "file": (
            FileStamp,
            {"size": _size, "mtime_ns": _number, "ctime_ns": _number, "inode": _number},
        ),
        "object": (
            ObjectStamp,
            {"size": _size, "content": _or_none(_text), "mtime_ns": _or_none(_number)},
        ),
    }
)
_maybe_stamp = _or_none(_stamp)
_seen: Mapping[str, Reader[Any]] = {"local": _maybe_stamp, "remote": _maybe_stamp}
_unseen: Mapping[str, Reader[Any]] = {"local": _none, "remote": _none}
_file: Mapping[str, Reader[Any]] = {"path": _path, "size": _size, "reason": _reason}
_folder: Mapping[str, Reader[Any]] = {"path": _path, "reason": _reason}


def _unseen_action(make: Callable[..., T]) -> Callable[..., T]:
    """Leave out `local` and `remote`, which are no arguments of any use where both are null."""

    def build(*, local: None, remote: None, **rest: object) -> T:
        assert local is remote is None  # noqa: S101 - read as null before
        return make(**rest)

    return build


_action: Reader[model.Action] = _tagged(
    {
        "copy": (
            model.Copy,
            {
                **_file,
                **_seen,
                "to": _side,
                "content": _or_none(_text),
                "kept_as": _or_none(_path),
            },
        ),
        "trash": (model.Trash, {**_file, **_seen, "side": _side, "early": _flag}),
        "move": (
            model.Move,
            {
                **_file,
                "local": _stamp,
                "remote": _stamp,
                "side": _side,
                "old_path": _path,
                "content": _or_none(_text),
            },
        ),
        "keep-both": (
            model.KeepBoth,
            {**_file, **_seen, "copy_path": _path, "loser": _side, "gives_way": _flag},
        ),
        "adopt": (
            model.Adopt,
            {**_file, "local": _stamp, "remote": _stamp, "content": _or_none(_text)},
        ),
        "forget": (_unseen_action(model.Forget), {**_folder, **_unseen, "folder": _flag}),
        "adopt-dir": (_unseen_action(model.AdoptDir), {**_folder, **_unseen}),
        "make-dir": (_unseen_action(model.MakeDir), {**_folder, **_unseen, "side": _side}),
        "remove-dir": (
            _unseen_action(model.RemoveDir),
            {**_folder, **_unseen, "side": _side, "early": _flag},
        ),
    }
)


def _whole_action(value: object, where: str) -> model.Action:
    """Read an action and check what its shape cannot say: the version it is about is there."""
    action = _action(value, where)
    match action:
        case model.Copy(to=to) if (action.remote if to is Side.LOCAL else action.local) is None:
            raise _off(where, "copies nothing")
        case model.Trash(side=side) | model.KeepBoth(loser=side):
            if (action.local if side is Side.LOCAL else action.remote) is None:
                raise _off(where, "is about a file that is not there")
        case _:
            pass
    return action


_clash = _record(
    model.Clash,
    path=_path,
    winner=_or_none(_side),
    loser=_or_none(_word(Loser)),
    kept=_or_none(_path),
    local=_maybe_stamp,
    remote=_maybe_stamp,
    what=_text,
)
_problem = _record(
    Problem,
    path=_problem_path,
    side=_side,
    kind=_word(ProblemKind),
    what=_text,
    silent_alone=_flag,
)
_stop = _record(
    model.Stop,
    guard=_word(model.Guard),
    side=_side,
    what=_text,
    paths=_each(_path),
    accept=_or_none(_text),
    origin=_origin,
    hint=_or_none(_text),
)
_COUNTS = ("up", "down", "delete_local", "delete_remote", "move", "conflicts", "folders")
_totals = _record(model.Totals, **dict.fromkeys((*_COUNTS, "bytes_up", "bytes_down"), _size))
_project = _record(
    model.ProjectPlan,
    project=_text,
    key=_text,
    mode=_word(Mode),
    direction=_word(Direction),
    local=_text,
    remote=_text,
    actions=_each(_whole_action),
    clashes=_each(_clash),
    problems=_each(_problem),
    stops=_each(_stop),
    filter_change=_record(FilterChange, enters=_each(_text), leaves=_each(_text)),
    totals=_totals,
    files_local=_size,
    files_remote=_size,
    notes=_each(_text),
    failure=_or_none(_text),
    failure_hint=_or_none(_text),
    failure_exit=_number,
)


def _digest(value: object, where: str) -> str:
    if not _DIGEST.fullmatch(_text(value, where)):
        raise _off(where, "is not a SHA-256 in hex")
    return cast("str", value)


def plan(obj: object, *, version: int) -> model.Plan:
    """Return a plan as it was written, its digest unchecked."""
    found = _members(
        obj,
        "",
        {
            "version": _number,
            "kind": _text,
            "created": _text,
            "manifest": _text,
            "manifest_digest": _text,
            "digest": _digest,
            "projects": _each(_project),
        },
    )
    if found.pop("version") != version or found.pop("kind") != "plan":
        raise _off("", f"is no plan of version {version}")
    return model.Plan(**found)
