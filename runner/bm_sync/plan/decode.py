"""Reads a plan from JSON, held to the shape: nothing is guessed, nothing unknown passes.

Raises UsageError with the place (`projects[0].actions[3].path`). Does not check the digest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

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
from bm_sync.plan import reading
from bm_sync.plan.reading import HINT as HINT  # noqa: PLC0414 - told here too
from bm_sync.plan.reading import Reader
from bm_sync.plan.totals import totals

T = TypeVar("T")

_digest = reading.matching(r"[0-9a-f]{64}", "a SHA-256 in hex")
_manifest = reading.matching(r"/[^\0]{0,4095}", "an absolute path")
_name = reading.matching(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,62}", "a name that a project may have")
_accept = reading.matching(r"(?:delete|overwrite|bytes)=\d{1,19}|device", "what --accept takes")
_side = reading.word(Side)
_reason = reading.word(model.Reason)
_origin = reading.record(Origin, file=reading.text, line=reading.number, column=reading.number)
_stamp: Reader[Stamp] = reading.tagged(
    {
        "file": (
            FileStamp,
            {
                "size": reading.size,
                "mtime_ns": reading.number,
                "ctime_ns": reading.number,
                "inode": reading.number,
            },
        ),
        "object": (
            ObjectStamp,
            {
                "size": reading.size,
                "content": reading.or_none(reading.text),
                "mtime_ns": reading.or_none(reading.number),
                "tag": reading.or_none(reading.text),
            },
        ),
    }
)
_maybe_stamp = reading.or_none(_stamp)
_seen: Mapping[str, Reader[Any]] = {"local": _maybe_stamp, "remote": _maybe_stamp}
_unseen: Mapping[str, Reader[Any]] = {"local": reading.none, "remote": reading.none}
_file: Mapping[str, Reader[Any]] = {"path": reading.path, "size": reading.size, "reason": _reason}
_folder: Mapping[str, Reader[Any]] = {"path": reading.path, "reason": _reason}


def _unseen_action(make: Callable[..., T]) -> Callable[..., T]:
    """Leave out `local` and `remote`, which are no arguments of any use where both are null."""

    def build(*, local: None, remote: None, **rest: object) -> T:
        assert local is remote is None  # noqa: S101 - read as null before
        return make(**rest)

    return build


_action: Reader[model.Action] = reading.tagged(
    {
        "copy": (
            model.Copy,
            {
                **_file,
                **_seen,
                "to": _side,
                "content": reading.or_none(reading.text),
                "kept_as": reading.or_none(reading.path),
            },
        ),
        "trash": (model.Trash, {**_file, **_seen, "side": _side, "early": reading.flag}),
        "move": (
            model.Move,
            {
                **_file,
                "local": _stamp,
                "remote": _stamp,
                "side": _side,
                "old_path": reading.path,
                "content": reading.or_none(reading.text),
            },
        ),
        "keep-both": (
            model.KeepBoth,
            {
                **_file,
                **_seen,
                "copy_path": reading.path,
                "loser": _side,
                "gives_way": reading.flag,
            },
        ),
        "restore": (
            model.Restore,
            {
                **_file,
                **_seen,
                "side": _side,
                "keeper": _side,
                "kept": reading.kept,
                "content": reading.or_none(reading.text),
            },
        ),
        "adopt": (
            model.Adopt,
            {**_file, "local": _stamp, "remote": _stamp, "content": reading.or_none(reading.text)},
        ),
        "forget": (_unseen_action(model.Forget), {**_folder, **_unseen, "folder": reading.flag}),
        "adopt-dir": (_unseen_action(model.AdoptDir), {**_folder, **_unseen}),
        "make-dir": (
            _unseen_action(model.MakeDir),
            {**_folder, **_unseen, "path": reading.place, "side": _side},
        ),
        "remove-dir": (
            _unseen_action(model.RemoveDir),
            {**_folder, **_unseen, "side": _side, "early": reading.flag},
        ),
    }
)


def _whole_action(value: object, where: str) -> model.Action:
    """Read an action and check what its shape cannot say: the version it is about is there."""
    action = _action(value, where)
    match action:
        case model.Copy(to=to) if (action.remote if to is Side.LOCAL else action.local) is None:
            raise reading.off(where, "copies nothing")
        case model.Trash(side=side) | model.KeepBoth(loser=side):
            if (action.local if side is Side.LOCAL else action.remote) is None:
                raise reading.off(where, "is about a file that is not there")
        case _:
            pass
    return action


_clash = reading.record(
    model.Clash,
    path=reading.path,
    winner=reading.or_none(_side),
    loser=reading.or_none(reading.word(Loser)),
    kept=reading.or_none(reading.path),
    local=_maybe_stamp,
    remote=_maybe_stamp,
    what=reading.text,
)
_problem = reading.record(
    Problem,
    path=reading.problem_path,
    side=_side,
    kind=reading.word(ProblemKind),
    what=reading.text,
    silent_alone=reading.flag,
)
_stop = reading.record(
    model.Stop,
    guard=reading.word(model.Guard),
    side=_side,
    what=reading.text,
    paths=reading.each(reading.path),
    accept=reading.or_none(_accept),
    origin=_origin,
    hint=reading.or_none(reading.text),
)
_COUNTS = ("up", "down", "delete_local", "delete_remote", "move", "conflicts", "folders")
_totals = reading.record(
    model.Totals, **dict.fromkeys((*_COUNTS, "bytes_up", "bytes_down"), reading.size)
)


def _counted(*, actions: tuple[model.Action, ...], **rest: Any) -> model.ProjectPlan:  # noqa: ANN401
    """Return a project with its totals counted from its actions, whatever the file says."""
    counted = totals(actions, conflicts=len(rest["clashes"]))
    return model.ProjectPlan(**{**rest, "actions": actions, "totals": counted})


_project = reading.record(
    _counted,
    project=_name,
    key=reading.text,
    mode=reading.word(Mode),
    direction=reading.word(Direction),
    local=reading.text,
    remote=reading.text,
    actions=reading.each(_whole_action),
    clashes=reading.each(_clash),
    problems=reading.each(_problem),
    stops=reading.each(_stop),
    filter_change=reading.record(
        FilterChange, enters=reading.each(reading.text), leaves=reading.each(reading.text)
    ),
    totals=_totals,
    files_local=reading.size,
    files_remote=reading.size,
    notes=reading.each(reading.text),
    failure=reading.or_none(reading.text),
    failure_hint=reading.or_none(reading.text),
    failure_exit=reading.code,
)


_author = reading.record(model.Author, user=reading.text, host=reading.text)
_wants = reading.record(
    model.Wants,
    accept=reading.record(
        model.Accept,
        **dict.fromkeys(("delete", "overwrite", "bytes"), reading.or_none(reading.size)),
        device=reading.flag,
    ),
    keep_deleted=reading.flag,
)


def _projects(value: object, where: str) -> tuple[model.ProjectPlan, ...]:
    found = reading.each(_project)(value, where)
    if len({project.project for project in found}) != len(found):
        raise reading.off(where, "names a project twice")
    return found


def plan(obj: object, *, version: int) -> model.Plan:
    """Return a plan as it was written but for its totals, its digest unchecked."""
    if isinstance(obj, dict) and (obj.get("version") != version or obj.get("kind") != "plan"):
        raise reading.off("", f"is not a plan of version {version}")
    found = reading.members(
        obj,
        "",
        {
            "version": reading.number,
            "kind": reading.text,
            "created": reading.moment,
            "author": _author,
            "manifest": _manifest,
            "manifest_digest": _digest,
            "wants": _wants,
            "digest": _digest,
            "projects": _projects,
        },
    )
    del found["version"], found["kind"]
    return model.Plan(**found)
