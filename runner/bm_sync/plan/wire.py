"""Plans as JSON: what `plan --json` prints and a saved plan holds.

The shape is that of the values in `model.plan`, and `schemas/v1/plan.schema.json` is made from it.
File names that are not UTF-8 travel as lone surrogates: write with `json.dumps(...,
ensure_ascii=True)`. A saved plan is input from outside: nothing unknown passes, and what types
cannot say (a path that stays below its root) is held here.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct

from bm_sync import layout
from bm_sync.errors import Exit, UsageError
from bm_sync.model import action as actions
from bm_sync.model.config import PROJECT_NAME
from bm_sync.model.plan import Action, Clash, Plan, ProjectPlan, Stop
from bm_sync.model.tree import Side
from bm_sync.plan.totals import totals
from bm_sync.structs import replace

VERSION = 1
HEAD_BYTES = 4096
"""How much of a file tells whether it is a saved plan."""

HINT = "make a new one: bm-sync plan --out FILE"

Json = dict[str, Any]
Check = Callable[[str], str | None]
"""Returns what is wrong with a text, None when it is right."""


def to_json(plan: Plan) -> Json:
    """Return a plan as values that JSON can hold."""
    return {
        **_head(plan),
        "digest": plan.digest,
        "projects": msgspec.to_builtins(plan.projects),
    }


def from_json(obj: object) -> Plan:
    """Return the plan that `to_json` wrote, its totals counted anew from its actions.

    Raises UsageError when anything is off: another version, an unknown key, a path that leaves the
    root, a digest that does not fit.
    """
    plan = read(obj)
    if sealed(plan).digest != plan.digest:
        raise UsageError("the saved plan was changed after it was written", hint=HINT)
    return plan


def read(obj: object) -> Plan:
    """Return a plan as it was written but for its totals, its digest unchecked."""
    if not isinstance(obj, dict) or obj.get("version") != VERSION or obj.get("kind") != "plan":
        raise _off("it", f"is not a plan of version {VERSION}")
    inside = {key: value for key, value in obj.items() if key not in ("version", "kind")}
    try:
        plan = msgspec.convert(inside, Plan)
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at `$")
        raise _off(where.strip(".`") or "it", f"is wrong: {what}") from error
    for where, what in _slips(plan):
        raise _off(where, what)
    counted = tuple(
        replace(p, totals=totals(p.actions, conflicts=len(p.clashes))) for p in plan.projects
    )
    return replace(plan, projects=counted)


def looks_saved(head: bytes) -> bool:
    """Return whether a file of which these are the first bytes looks like a saved plan."""
    return head.startswith(b"{") and b'"kind": "plan"' in head


def sealed(plan: Plan) -> Plan:
    """Return a plan with the digest of everything else that it holds."""
    return replace(plan, digest=digest(plan.projects, head=_head(plan)))


def digest(projects: tuple[ProjectPlan, ...], *, head: Json | None = None) -> str:
    """Return the SHA-256 over the canonical JSON of a plan's head and projects, in hex."""
    state = hashlib.sha256()
    for part in (head or {}, *map(msgspec.to_builtins, projects)):
        text = json.dumps(part, sort_keys=True, separators=(",", ":"))
        state.update(text.encode("ascii") + b"\n")
    return state.hexdigest()


def _head(plan: Plan) -> Json:
    """Return what a plan says of itself, beside its projects."""
    wants: Json = msgspec.to_builtins(plan.wants)
    del wants["at"]
    return {
        "version": VERSION,
        "kind": "plan",
        "created": plan.created,
        "author": msgspec.to_builtins(plan.author),
        "manifest": plan.manifest,
        "manifest_digest": plan.manifest_digest,
        "wants": wants,
        "undeclared": msgspec.to_builtins(plan.undeclared),
    }


def _off(where: str, what: str) -> UsageError:
    return UsageError(f"the saved plan cannot be used: {where} {what}", hint=HINT)


def _path(value: str) -> str | None:
    """Hold a path below a root; nothing else may reach the engine."""
    outside = any(part in ("", ".", "..") for part in value.split("/"))
    if outside or "\0" in value or layout.is_ours(value):
        return "is not a path inside a project"
    return None


def _place(value: str) -> str | None:
    """Hold a path below a root, or the root itself, which is the empty text."""
    return None if value == "" else _path(value)


def _kept(value: str) -> str | None:
    """Hold where a version is kept: in the trash, or in a conflict copy."""
    for top in (f"{layout.TRASH}/", f"{layout.NEW}/"):
        if value.startswith(top):
            return _path(value.removeprefix(top))
    return _path(value)


def _matching(pattern: str, what: str) -> Check:
    """Hold a text to all of a pattern; `what` says what it should be."""
    form = re.compile(pattern, re.ASCII)
    return lambda value: None if form.fullmatch(value) else f"is not {what}"


_MOMENT = _matching(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "a time such as 2026-11-22T07:15:00Z")


def _moment(value: str) -> str | None:
    """Hold a time in UTC as records write it, to the second."""
    if slip := _MOMENT(value):
        return slip
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return "is not a day of the calendar"
    return None


_SHA256 = _matching(r"[0-9a-f]{64}", "a SHA-256 in hex")
_HEAD: Mapping[str, Check] = {
    "created": _moment,
    "manifest": _matching(r"/[^\0]{0,4095}", "an absolute path"),
    "manifest_digest": _SHA256,
    "digest": _SHA256,
}
_NAME = _matching(PROJECT_NAME, "a name that a project may have")
_ACCEPT = _matching(
    r"(?:delete|overwrite|bytes|listing)=\d{1,19}|device|empty_side", "what --accept takes"
)
_PATHS: Mapping[str, Check] = dict.fromkeys(("path", "old_path", "copy_path", "kept_as"), _path)
_TEXTS: Mapping[type[Struct], Mapping[str, Check]] = {
    **{
        kind: {name: _PATHS[name] for name in kind.__struct_fields__ if name in _PATHS}
        for kind in actions.ALL
    },
    actions.MakeDir: {"path": _place},
    actions.Restore: {"path": _path, "kept": _kept},
    Clash: {"path": _path, "kept": _path},
    Stop: {"accept": _ACCEPT},
}


def _slips(plan: Plan) -> Iterator[tuple[str, str]]:
    """Say what the shape of a plan cannot, and where in it."""
    for name, check in _HEAD.items():
        if slip := check(getattr(plan, name)):
            yield name, slip
    if plan.wants.at is not None:
        yield "it", "holds what is not written into plans"
    yield from _of_paths("wants.accept.devices", plan.wants.accept.devices)
    if len({project.project for project in plan.projects}) != len(plan.projects):
        yield "projects", "names a project twice"
    for number, project in enumerate(plan.projects):
        for where, what in _of_project(project):
            yield f"projects[{number}].{where}", what


def _of_project(project: ProjectPlan) -> Iterator[tuple[str, str]]:
    if slip := _NAME(project.project):
        yield "project", slip
    if project.failure_exit not in set(Exit):
        yield "failure_exit", "is not an exit code"
    values: Mapping[str, tuple[Struct, ...]] = {
        "actions": project.actions,
        "clashes": project.clashes,
        "stops": project.stops,
    }
    for key, those in values.items():
        for number, value in enumerate(those):
            for name, check in _TEXTS[type(value)].items():
                text = getattr(value, name)
                if text is not None and (slip := check(text)):
                    yield f"{key}[{number}].{name}", slip
    for number, stop in enumerate(project.stops):
        yield from _of_paths(f"stops[{number}].paths", stop.paths)
    for number, action in enumerate(project.actions):
        if slip := _about_nothing(action):
            yield f"actions[{number}]", slip


def _of_paths(where: str, paths: Iterable[str]) -> Iterator[tuple[str, str]]:
    for number, path in enumerate(paths):
        if slip := _path(path):
            yield f"{where}[{number}]", slip


def _about_nothing(action: Action) -> str | None:
    """Say that the version which an action is about is not there."""
    match action:
        case actions.Copy(to=to) if (action.remote if to is Side.LOCAL else action.local) is None:
            return "copies nothing"
        case actions.Trash(side=side) | actions.KeepBoth(loser=side):
            gone = (action.local if side is Side.LOCAL else action.remote) is None
            return "is about a file that is not there" if gone else None
        case _:
            return None
