"""Reads a plan from JSON, held to the shape of the model: nothing unknown passes.

The shape is that of the values in `model.plan`; what they cannot say (a path that stays below its
root, a figure that is not negative) stands in two tables here. Raises UsageError with the place
(`projects[0].actions[3].path`). Does not check the digest.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from functools import cache
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from bm_sync.model import plan as model
from bm_sync.model.tree import FileStamp, ObjectStamp, Problem, Side
from bm_sync.plan import reading
from bm_sync.plan.reading import HINT as HINT  # noqa: PLC0414 - told here too
from bm_sync.plan.reading import Reader
from bm_sync.plan.totals import totals
from bm_sync.structs import names, replace

KIND_OF_STAMP: Mapping[type, str] = {FileStamp: "file", ObjectStamp: "object"}

_digest = reading.matching(r"[0-9a-f]{64}", "a SHA-256 in hex")
_manifest = reading.matching(r"/[^\0]{0,4095}", "an absolute path")
_name = reading.matching(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,62}", "a name that a project may have")
_accept = reading.matching(
    r"(?:delete|overwrite|bytes|listing)=\d{1,19}|device|empty_side", "what --accept takes"
)
_PLAIN: Mapping[type, Reader[Any]] = {
    str: reading.text,
    int: reading.number,
    bool: reading.flag,
    NoneType: reading.none,
}
_BY_NAME: Mapping[str, Reader[Any]] = {
    **dict.fromkeys(("path", "paths", "old_path", "copy_path", "kept", "kept_as"), reading.path),
    **dict.fromkeys(("size", "files", "files_local", "files_remote"), reading.size),
    **dict.fromkeys(("delete", "overwrite", "bytes", "listing"), reading.size),
    "devices": reading.path,
    "project": _name,
    "failure_exit": reading.code,
}
_OF_A_VALUE: Mapping[tuple[type, str], Reader[Any]] = {
    (model.MakeDir, "path"): reading.place,
    (model.Restore, "kept"): reading.kept,
    (model.Stop, "accept"): _accept,
    (Problem, "path"): reading.problem_path,
    **{(model.Totals, name): reading.size for name in model.Totals.__struct_fields__},
}


def plan(obj: object, *, version: int) -> model.Plan:
    """Return a plan as it was written but for its totals, its digest unchecked."""
    if isinstance(obj, dict) and (obj.get("version") != version or obj.get("kind") != "plan"):
        raise reading.off("", f"is not a plan of version {version}")
    found = reading.members(obj, "", _whole())
    del found["version"], found["kind"]
    return model.Plan(**found)


@cache
def _whole() -> Mapping[str, Reader[Any]]:
    return {
        "version": reading.number,
        "kind": reading.text,
        "created": reading.moment,
        "author": _reader(model.Author),
        "manifest": _manifest,
        "manifest_digest": _digest,
        "wants": reading.record(
            model.Wants, accept=_reader(model.Accept), keep_deleted=reading.flag
        ),
        "undeclared": reading.each(_reader(model.Undeclared)),
        "digest": _digest,
        "projects": _projects,
    }


def _projects(value: object, where: str) -> tuple[model.ProjectPlan, ...]:
    """Read the projects, their totals counted from their actions whatever the file says."""
    found: tuple[model.ProjectPlan, ...] = _all_projects()(value, where)
    if len({project.project for project in found}) != len(found):
        raise reading.off(where, "names a project twice")
    for number, project in enumerate(found):
        for place, action in enumerate(project.actions):
            for slip in _slips(action):
                raise reading.off(f"{where}[{number}].actions[{place}]", slip)
    return tuple(replace(p, totals=totals(p.actions, conflicts=len(p.clashes))) for p in found)


def _slips(action: model.Action) -> Iterator[str]:
    """Say what the shape of an action cannot: the version it is about is there."""
    match action:
        case model.Copy(to=to) if (action.remote if to is Side.LOCAL else action.local) is None:
            yield "copies nothing"
        case model.Trash(side=side) | model.KeepBoth(loser=side):
            if (action.local if side is Side.LOCAL else action.remote) is None:
                yield "is about a file that is not there"
        case _:
            pass


@cache
def _all_projects() -> Reader[tuple[model.ProjectPlan, ...]]:
    return reading.each(_reader(model.ProjectPlan))


def _reader(kind: Any, leaf: Reader[Any] | None = None) -> Reader[Any]:  # noqa: ANN401 - a type
    """Return what reads values of a type; `leaf` reads the texts and figures in it."""
    inner = get_args(kind)
    if get_origin(kind) is tuple:
        return reading.each(_reader(inner[0], leaf))
    if get_origin(kind) in (Union, UnionType):
        some = [each for each in inner if each is not NoneType]
        read = _reader(some[0], leaf) if len(some) == 1 else reading.tagged(_tagged(some))
        return read if len(some) == len(inner) else reading.or_none(read)
    if kind in _PLAIN:
        return leaf if leaf is not None and kind in (str, int) else _PLAIN[kind]
    if issubclass(kind, StrEnum):
        return reading.word(kind)
    return reading.record(kind, **_members(kind))


def _tagged(kinds: list[Any]) -> Mapping[str, tuple[Any, Mapping[str, Reader[Any]]]]:
    return {KIND_OF_STAMP.get(kind) or kind.kind: (kind, _members(kind)) for kind in kinds}


def _members(kind: Any) -> Mapping[str, Reader[Any]]:  # noqa: ANN401 - a type
    hints = get_type_hints(kind)
    return {
        name: _reader(hints[name], _OF_A_VALUE.get((kind, name), _BY_NAME.get(name)))
        for name in names(kind) or ()
    }
