"""The public schemas are sound in both drafts; plans, runs and events of a lively world fit.

That every command answers in the envelope is in test_cli_outside.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cli_outside import World, world
from jsonschema import Draft7Validator, Draft202012Validator

from bm_sync.cli.commands.schema import NAMES
from bm_sync.paths import schema_file

DRAFTS = (Draft7Validator, Draft202012Validator)
ANNOTATIONS = {"title", "description", "default", "examples"}

# What means the same in draft-07 and in 2020-12. `definitions` is in the meta-schemas of both, so
# that what stands in it is judged by both; `$defs` is nothing to draft-07.
SHARED = ANNOTATIONS | {
    "$schema",
    "$id",
    "$ref",
    "additionalProperties",
    "anyOf",
    "const",
    "definitions",
    "enum",
    "items",
    "maximum",
    "minLength",
    "minimum",
    "oneOf",
    "pattern",
    "properties",
    "propertyNames",
    "required",
    "type",
}

Rule = dict[str, Any]


def schema(name: str) -> Rule:
    loaded: Rule = json.loads(schema_file(name).read_text("utf-8"))
    return loaded


def rules(rule: Rule) -> Iterator[Rule]:
    """Yield every schema inside a schema, itself first."""
    yield rule
    for key in ("properties", "definitions"):
        for inside in rule.get(key, {}).values():
            yield from rules(inside)
    for key in ("additionalProperties", "propertyNames", "items"):
        if isinstance(rule.get(key), dict):
            yield from rules(rule[key])
    for key in ("anyOf", "oneOf"):
        for inside in rule.get(key, ()):
            yield from rules(inside)


def target(rule: Rule, whole: Rule) -> Rule:
    """Return what a rule refers to, or the rule itself."""
    if "$ref" not in rule:
        return rule
    head, kind, name = rule["$ref"].split("/")
    assert (head, kind) == ("#", "definitions")
    found: Rule = whole["definitions"][name]
    return found


def slips(name: str, value: object) -> list[str]:
    """Return what is wrong with an instance by either draft."""
    return [error.message for draft in DRAFTS for error in draft(schema(name)).iter_errors(value)]


def test_every_shipped_schema_can_be_printed() -> None:
    shipped = {file.name.split(".")[0] for file in schema_file("plan").parent.iterdir()}
    assert shipped == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_schema_says_which_draft_it_is_and_is_valid_in_both(name: str) -> None:
    whole = schema(name)
    assert whole["$schema"] == "http://json-schema.org/draft-07/schema#"
    for draft in DRAFTS:
        draft.check_schema(whole)


@pytest.mark.parametrize("name", NAMES)
def test_a_schema_uses_only_what_both_drafts_understand_alike(name: str) -> None:
    for rule in rules(schema(name)):
        assert set(rule) <= SHARED
        assert isinstance(rule.get("items", {}), dict)
        if "$ref" in rule:  # draft-07 ignores what stands beside it
            assert set(rule) - {"$ref"} <= ANNOTATIONS


@pytest.mark.parametrize("name", NAMES)
def test_every_property_is_described_itself_or_where_it_points(name: str) -> None:
    whole = schema(name)
    for rule in rules(whole):
        for key, inside in rule.get("properties", {}).items():
            said = inside.get("description") or target(inside, whole).get("description", "")
            assert said.endswith("."), key


@pytest.mark.parametrize("name", NAMES)
def test_every_object_is_closed_and_every_definition_is_used(name: str) -> None:
    whole = schema(name)
    used = {rule["$ref"].rpartition("/")[2] for rule in rules(whole) if "$ref" in rule}
    assert used == set(whole.get("definitions", {}))
    for rule in rules(whole):
        if rule.get("type") == "object":
            assert "additionalProperties" in rule
            assert set(rule.get("required", ())) <= set(rule.get("properties", {}))


@pytest.fixture
def lively(tmp_path: Path) -> World:
    """A world where much has to be done: every kind of change, a conflict, a stop, no folder."""
    here = world(tmp_path)
    for name in ("moved.md", "gone.md", "forgotten.md", "edited.md", "both.md"):
        here.write(f"notes/{name}", f"the text of {name}\n")
    here.write("work/more.md")
    notes, cloud = here.root / "notes", here.root / "cloud/notes"
    (notes / "empty").mkdir()
    assert here.run("apply").code == 0
    (notes / "moved.md").rename(notes / "renamed.md")
    (cloud / "gone.md").unlink()
    here.write("notes/edited.md", "edited\n")
    here.write("notes/both.md", "mine\n")
    here.write("cloud/notes/both.md", "theirs, longer\n")
    (notes / "empty").rmdir()
    (notes / "made").mkdir()
    for side in (notes, cloud):
        (side / "forgotten.md").unlink()
        (side / "twice.md").write_text("written on both sides\n")
        (side / "shared").mkdir()
    for file in (here.root / "work").glob("*.md"):
        file.unlink()
    here.write("plain", "no folder\n")
    manifest = (here.root / "sync.yaml").read_text()
    here.write("sync.yaml", f"{manifest}  broken: {{local: ./plain}}\n")
    return here


def misfits(value: Rule) -> Iterator[Rule]:
    """Yield the value with one key too many, and without each of its keys."""
    yield {**value, "surplus": 1}
    yield from ({k: v for k, v in value.items() if k != key} for key in value)


def assert_fits(name: str, value: Rule) -> None:
    assert slips(name, value) == []
    assert all(slips(name, misfit) for misfit in misfits(value))


def by_name(value: Rule) -> dict[str, Rule]:
    return {project["project"]: project for project in value["projects"]}


def test_a_plan_with_every_kind_of_action_fits_printed_saved_and_shown(lively: World) -> None:
    said = lively.run("plan", "--out", "today.plan", "--json").json
    assert_fits("envelope", said)
    printed = said["data"]
    assert_fits("plan", printed)
    saved = json.loads((lively.root / "today.plan").read_text())
    assert saved == printed
    assert saved["manifest"] == str(lively.root / "sync.yaml")
    assert lively.run("show", "today.plan", "--json").json["data"] == saved

    projects, whole = by_name(printed), schema("plan")
    forms = [
        target(form, whole)
        for form in whole["definitions"]["project"]["properties"]["actions"]["items"]["oneOf"]
    ]
    known = {form["properties"]["kind"]["enum"][0] for form in forms}
    taken_back = {"restore"}  # only a plan of undo has it, see test_undo
    assert {action["kind"] for action in projects["notes"]["actions"]} == known - taken_back
    assert projects["notes"]["clashes"]
    assert projects["work log"]["stops"]
    assert projects["broken"]["stops"]


def test_a_run_fits_when_it_ends_and_when_it_is_looked_up_and_so_do_its_events(
    lively: World,
) -> None:
    said = lively.run("apply", "--progress", "json", "--json")
    applied = said.json["data"]
    assert_fits("run", applied)
    listed = lively.run("history", "--json").json["data"]
    assert [slip for run in listed for slip in slips("run", run)] == []
    looked_up = lively.run("history", applied["id"], "--json").json["data"]
    assert slips("run", looked_up) == []
    assert by_name(looked_up) == by_name(applied)
    assert {**looked_up, "projects": []} == {**applied, "projects": []}

    events = [json.loads(line) for line in said.err.splitlines()]
    assert [slip for event in events for slip in slips("event", event)] == []
    kinds = {event["event"] for event in events}
    assert kinds >= {"project-started", "action-ended", "project-ended"}
    ended = {e["run"]["project"]: e["run"] for e in events if e["event"] == "project-ended"}
    assert ended == by_name(applied)


def test_the_schema_command_prints_what_is_shipped(tmp_path: Path) -> None:
    here = world(tmp_path)
    for name in ("manifest", "event"):
        assert json.loads(here.run("schema", name).out) == schema(name)
