from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import jsonschema
import pytest
from property.strategies import agree, bucket, folder, intent, local_file, remote_file, seen

from bm_sync.errors import UsageError
from bm_sync.model.config import Direction, Guards, Limit, Mode, Policy
from bm_sync.model.plan import MakeDir, Plan, ProjectPlan, Reason, Totals
from bm_sync.model.tree import FilterChange, Observation, Problem, ProblemKind, Side
from bm_sync.paths import schema_file
from bm_sync.plan import wire
from bm_sync.plan.planner import make
from bm_sync.structs import replace


def rich() -> Plan:
    """Return a plan with every kind of action, a stop, a problem and a filter change."""
    old_l = {p: local_file(p) for p in ("gone", "name", "lost", "touch", "e/f")}
    old_r = {p: remote_file(p) for p in old_l}
    base = agree(old_l, old_r)
    base = replace(base, dirs=frozenset({"e", "old", "was"}))
    local = folder(
        {
            "new": local_file("new"),
            "both": local_file("mine"),
            "named": local_file("name"),
            "touch": local_file("touch", inode=5),
            "x": local_file("file"),
        },
        {"old": False, "made": False, "e": False},
    )
    local = replace(local, problems=(Problem("caf\udce9", Side.LOCAL, ProblemKind.NAME, "no"),))
    remote = bucket(
        {
            "gone": remote_file("gone"),
            "both": remote_file("yours"),
            "name": remote_file("name"),
            "touch": remote_file("touch"),
            "x/y": remote_file("y"),
            "e/f": remote_file("e/f"),
        }
    )
    remote = replace(remote, has_folders=True, dirs={"x": False, "e": False})
    guards = Guards(max_delete=Limit(count=0))
    observation = Observation(local, remote, base, FilterChange(("in",), ("out",)))
    made = make("notes", "k", observation, intent(Policy("p", guards=guards)))
    return _plan(made)


def _plan(made: ProjectPlan) -> Plan:
    return wire.sealed(Plan("2026-11-22T07:15:00Z", "/sync.yaml", "0" * 64, (made,)))


def test_the_sample_holds_every_kind_of_action() -> None:
    kinds = {action.kind for action in rich().projects[0].actions}
    assert kinds == {
        "copy",
        "trash",
        "move",
        "keep-both",
        "adopt",
        "forget",
        "adopt-dir",
        "make-dir",
        "remove-dir",
    }


def test_a_plan_is_what_the_schema_says_and_comes_back_the_same() -> None:
    plan = rich()
    text = json.dumps(wire.to_json(plan))
    assert text.isascii()
    schema = json.loads(schema_file("plan").read_text(encoding="utf-8"))
    jsonschema.Draft7Validator.check_schema(schema)
    jsonschema.Draft7Validator(schema).validate(json.loads(text))
    assert wire.from_json(json.loads(text)) == plan


def test_every_key_of_the_schema_is_described() -> None:
    schema = json.loads(schema_file("plan").read_text(encoding="utf-8"))
    shapes = [schema, *schema["definitions"].values()]
    for shape in shapes:
        assert shape["description"]
        for key, told in shape.get("properties", {}).items():
            assert "$ref" in told or told["description"], key


def _project(obj: Any) -> Any:  # noqa: ANN401 - JSON
    return obj["projects"][0]


def _first(obj: Any, kind: str) -> Any:  # noqa: ANN401 - JSON
    return next(action for action in _project(obj)["actions"] if action["kind"] == kind)


HOSTILE: list[Callable[[Any], object]] = [
    lambda o: o.update(version=2),
    lambda o: o.update(kind="run"),
    lambda o: o.update(extra=1),
    lambda o: o.pop("projects"),
    lambda o: o.update(projects={}),
    lambda o: o.update(digest="0"),
    lambda o: _first(o, "copy").update(path="../x"),
    lambda o: _first(o, "copy").update(path="/etc/passwd"),
    lambda o: _first(o, "copy").update(path="a//b"),
    lambda o: _first(o, "copy").update(path=""),
    lambda o: _first(o, "copy").update(path="a\0b"),
    lambda o: _first(o, "copy").update(path=".bm-sync/trash"),
    lambda o: _first(o, "copy").update(to="both"),
    lambda o: _first(o, "copy").update(size=-1),
    lambda o: _first(o, "copy").update(size=True),
    lambda o: _first(o, "copy").update(size=1.5),
    lambda o: _first(o, "copy").update(size=2**70),
    lambda o: _first(o, "copy").update(local=None, remote=None),
    lambda o: _first(o, "copy").update(kept_as="../x"),
    lambda o: _first(o, "trash").update(local=None, remote=None),
    lambda o: _first(o, "trash").update(kind="shred"),
    lambda o: _first(o, "trash").update(kind=["trash"]),
    lambda o: _first(o, "move").update(old_path="a/../../b"),
    lambda o: _first(o, "adopt").update(local=None),
    lambda o: _first(o, "forget").update(local={}),
    lambda o: _first(o, "keep-both").update(copy_path=7),
    lambda o: _project(o).update(key="x" * 100_000),
    lambda o: _project(o)["totals"].update(up=None),
]


@pytest.mark.parametrize("spoil", HOSTILE, ids=lambda _: "spoilt")
def test_a_spoilt_plan_is_refused(spoil: Callable[[Any], object]) -> None:
    obj = copy.deepcopy(wire.to_json(rich()))
    spoil(obj)
    with pytest.raises(UsageError):
        wire.from_json(obj)


@pytest.mark.parametrize("obj", [None, [], "plan", 1, {}])
def test_what_is_no_plan_is_refused(obj: object) -> None:
    with pytest.raises(UsageError):
        wire.from_json(obj)


def test_a_plan_that_was_edited_is_refused_by_its_digest() -> None:
    obj = wire.to_json(rich())
    _first(obj, "trash")["path"] = "other"
    with pytest.raises(UsageError, match="changed after it was written"):
        wire.from_json(obj)


def test_a_plan_that_makes_a_project_on_the_cloud_comes_back_the_same() -> None:
    actions = (MakeDir("", Side.REMOTE, Reason.FOLDER),)
    made = ProjectPlan("p", "k", Mode.PUSH, Direction.UP, "~/p", "cloud:p", actions)
    made = replace(made, totals=Totals(folders=1))
    plan = _plan(made)
    obj = json.loads(json.dumps(wire.to_json(plan)))
    assert wire.from_json(obj) == plan
    schema = json.loads(schema_file("plan").read_text("utf-8"))
    jsonschema.Draft7Validator(schema).validate(obj)


def test_the_digest_covers_every_stamp() -> None:
    one = make("p", "k", seen({"x": local_file("1")}, {}), intent())
    two = make("p", "k", seen({"x": local_file("1", inode=2)}, {}), intent())
    assert wire.digest((one,)) != wire.digest((two,))
