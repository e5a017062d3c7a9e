"""Plans as JSON: what `plan --json` prints and a saved plan holds.

The shape is `schemas/v1/plan.schema.json`. File names that are not UTF-8 travel as lone surrogates:
write with `json.dumps(..., ensure_ascii=True)`. A saved plan is input from outside: `decode` holds
what is read.
"""

from __future__ import annotations

import hashlib
import json
from enum import Enum
from typing import Any

from msgspec import Struct

from bm_sync.errors import UsageError
from bm_sync.model.plan import Action, Plan, ProjectPlan
from bm_sync.model.tree import FileStamp, ObjectStamp
from bm_sync.plan import decode
from bm_sync.structs import names, replace

VERSION = 1
HEAD_BYTES = 4096
"""How much of a file tells whether it is a saved plan."""

Json = dict[str, Any]


def to_json(plan: Plan) -> Json:
    """Return a plan as values that JSON can hold."""
    return {
        **_head(plan),
        "digest": plan.digest,
        "projects": [_project(project) for project in plan.projects],
    }


def from_json(obj: object) -> Plan:
    """Return the plan that `to_json` wrote, its totals counted anew from its actions.

    Raises UsageError when anything is off: another version, an unknown key, a path that leaves the
    root, a digest that does not fit.
    """
    plan = decode.plan(obj, version=VERSION)
    if sealed(plan).digest != plan.digest:
        raise UsageError("the saved plan was changed after it was written", hint=decode.HINT)
    return plan


def looks_saved(head: bytes) -> bool:
    """Return whether a file of which these are the first bytes looks like a saved plan."""
    return head.startswith(b"{") and b'"kind": "plan"' in head


def sealed(plan: Plan) -> Plan:
    """Return a plan with the digest of everything else that it holds."""
    return replace(plan, digest=digest(plan.projects, head=_head(plan)))


def digest(projects: tuple[ProjectPlan, ...], *, head: Json | None = None) -> str:
    """Return the SHA-256 over the canonical JSON of a plan's head and projects, in hex."""
    state = hashlib.sha256()
    for part in (head or {}, *map(_project, projects)):
        text = json.dumps(part, sort_keys=True, separators=(",", ":"))
        state.update(text.encode("ascii") + b"\n")
    return state.hexdigest()


def _head(plan: Plan) -> Json:
    """Return what a plan says of itself, beside its projects."""
    return {
        "version": VERSION,
        "kind": "plan",
        "created": plan.created,
        "author": _fields(plan.author),
        "manifest": plan.manifest,
        "manifest_digest": plan.manifest_digest,
        "wants": {
            "accept": _fields(plan.wants.accept),
            "keep_deleted": plan.wants.keep_deleted,
        },
        "undeclared": [_fields(each) for each in plan.undeclared],
    }


def _project(project: ProjectPlan) -> Json:
    found = _fields(project)
    found["actions"] = [_action(action) for action in project.actions]
    return found


def _action(action: Action) -> Json:
    return {"kind": action.kind, **_fields(action)}


def _fields(value: Any) -> Json:  # noqa: ANN401 - any frozen value of the model
    return {name: _value(getattr(value, name)) for name in names(type(value)) or ()}


def _value(value: Any) -> Any:  # noqa: ANN401 - JSON has no narrower type
    match value:
        case Enum():
            found = value.value
        case FileStamp() | ObjectStamp():
            found = {"kind": decode.KIND_OF_STAMP[type(value)], **value._asdict()}
        case tuple():
            found = [_value(item) for item in value]
        case Struct():
            found = _fields(value)
        case _:
            found = value
    return found
