"""The public schemas are sound in both drafts, and everything the real command line says fits."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from cli_outside import Said, World, world
from jsonschema import Draft7Validator, Draft202012Validator

from bm_sync.cli.catalogue import SUMMARIES
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


@pytest.fixture(scope="module")
def lively(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A world where much has to be done: every kind of change, a conflict, a stop, no folder."""
    here = world(tmp_path_factory.mktemp("world"))
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


@pytest.fixture(scope="module")
def answers(lively: World) -> dict[str, Said]:
    """What each command says, in an order that leaves the next one something to say."""
    said = {"plan": lively.run("plan", "--out", "today.plan", "--json")}
    said["show"] = lively.run("show", "today.plan", "--json")
    said["apply"] = lively.run("apply", "--progress", "json", "--json")
    for words in ("history", "status", "check", "conflicts", "ls notes", "why notes a.md"):
        said[words.split()[0]] = lively.run(*words.split(), "--json")
    run = said["history"].json["data"][0]["id"]
    said["history RUN"] = lively.run("history", run, "--json")
    said["history OLD"] = lively.run("history", said["history"].json["data"][1]["id"], "--json")
    for words in ("doctor", "validate", "init new.yaml", "explain", "schema event", "reset notes"):
        said[words.split()[0]] = lively.run(*words.split(), "--json")
    return said


def test_every_command_answers_in_the_envelope(answers: dict[str, Said]) -> None:
    assert {name.split()[0] for name in answers} == set(SUMMARIES)
    for name, said in answers.items():
        assert slips("envelope", said.json) == [], name


def test_the_plan_that_is_printed_saved_and_shown_is_one_and_fits(
    lively: World, answers: dict[str, Said]
) -> None:
    printed = answers["plan"].json["data"]
    assert slips("plan", printed) == []
    saved = json.loads((lively.root / "today.plan").read_text())
    assert slips("plan", saved) == []
    assert answers["show"].json["data"] == saved
    anywhere = {"manifest": str(lively.root / "sync.yaml")}  # a saved plan is applied from anywhere
    assert saved == {**printed, **anywhere}


def test_the_real_plan_has_every_kind_of_action_and_of_trouble(answers: dict[str, Said]) -> None:
    projects = {each["project"]: each for each in answers["plan"].json["data"]["projects"]}
    kinds = {action["kind"] for action in projects["notes"]["actions"]}
    whole = schema("plan")
    known = {
        target(form, whole)["properties"]["kind"]["enum"][0]
        for form in whole["definitions"]["action"]["oneOf"]
    }
    assert kinds == known
    assert projects["notes"]["clashes"]
    assert projects["work log"]["stops"]
    assert projects["broken"]["failure"] or projects["broken"]["stops"]


def by_name(run: Rule) -> dict[str, Rule]:
    return {project["project"]: project for project in run["projects"]}


def test_runs_fit_when_they_end_and_when_they_are_looked_up(answers: dict[str, Said]) -> None:
    applied = answers["apply"].json["data"]
    assert slips("run", applied) == []
    looked_up = answers["history RUN"].json["data"]
    assert by_name(looked_up) == by_name(applied)
    assert {**looked_up, "projects": []} == {**applied, "projects": []}
    assert slips("run", answers["history OLD"].json["data"]) == []
    assert [slip for run in answers["history"].json["data"] for slip in slips("run", run)] == []


def test_events_fit_and_end_with_what_the_run_records(answers: dict[str, Said]) -> None:
    events = [json.loads(line) for line in answers["apply"].err.splitlines()]
    assert [slip for event in events for slip in slips("event", event)] == []
    kinds = {event["event"] for event in events}
    assert kinds >= {"project-started", "action-ended", "project-ended"}
    ended = {e["run"]["project"]: e["run"] for e in events if e["event"] == "project-ended"}
    assert ended == by_name(answers["apply"].json["data"])


def test_the_schema_command_prints_what_is_shipped(answers: dict[str, Said]) -> None:
    assert answers["schema"].json["data"] == schema("event")


@pytest.mark.parametrize("name", ["plan", "run", "envelope"])
def test_what_does_not_fit_is_refused(answers: dict[str, Said], name: str) -> None:
    answer = answers["apply" if name == "run" else "plan"].json
    value = answer if name == "envelope" else answer["data"]
    assert slips(name, value) == []
    assert slips(name, {**value, "surplus": 1})
    for key in value:
        assert slips(name, {k: v for k, v in value.items() if k != key}), key
        assert key == "data" or slips(name, {**value, key: object()}), key
