"""Saved plans from outside: data that chooses nothing, held to today's manifest and files."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cli_outside import Said, World, world

from bm_sync.plan import wire

Json = dict[str, Any]


@pytest.fixture
def here(tmp_path: Path) -> World:
    return world(tmp_path)


def saved(here: World, *words: str) -> Json:
    """Save a plan and return what the file holds."""
    here.run("plan", "--out", "today.plan", *words)
    body: Json = json.loads((here.root / "today.plan").read_text())
    return body


def forge(here: World, body: Json) -> None:
    """Write a plan with a digest that fits."""
    body["digest"] = wire.sealed(wire.read(body)).digest
    (here.root / "today.plan").write_text(json.dumps(body))


def nothing_moved(here: World, said: Said, *words: str) -> None:
    before = here.files("cloud"), here.files("notes"), here.files("work")
    assert said.code == 8, said
    for word in words:
        assert word in said.err
    assert (here.files("cloud"), here.files("notes"), here.files("work")) == before


def test_a_plan_never_chooses_the_manifest(here: World) -> None:
    evil = world(here.root / "evil")
    hook = f"echo ran >{here.root}/ran"
    evil.write(
        "sync.yaml", (here.root / "sync.yaml").read_text() + f"hooks: {{before: ['{hook}']}}\n"
    )
    saved(evil)
    said = here.run("apply", "evil/today.plan", "--yes")
    nothing_moved(here, said, f"{here.root}/evil/sync.yaml", f"not for {here.root}/sync.yaml")
    assert not (here.root / "ran").exists()
    assert here.files("cloud") == {}
    assert here.run("apply", "evil/today.plan", "--dry-run").code == 8
    assert f"plan for {here.root}/evil/sync.yaml" in here.run("show", "evil/today.plan").out


def test_a_plan_is_applied_where_its_manifest_is_found(here: World) -> None:
    saved(here)
    assert here.paste("cd work && bm-sync apply ../today.plan --dry-run").code == 0
    far = here.paste("mkdir far && cd / && bm-sync apply $OLDPWD/today.plan")
    assert (far.code, far.err.splitlines()[0]) == (
        2,
        "error: there is no sync.yaml in / or a folder above it",
    )
    named = here.paste(f"cd / && bm-sync -f {here.root}/sync.yaml plan").out
    again = f"today.plan -f {here.root}/sync.yaml"
    assert f"bm-sync plan --out {again} && bm-sync apply {again}\n" in named


def test_the_same_text_in_another_folder_joins_other_places(here: World) -> None:
    other = world(here.root / "other")
    saved(other)
    said = here.run("apply", "other/today.plan")
    nothing_moved(
        here,
        said,
        "joins other places now than in the plan",
        f"{here.root}/other/sync.yaml, and this is {here.root}/sync.yaml",
    )


def delete_at_the_source(body: Json) -> None:
    copy = body["projects"][0]["actions"][0]
    body["projects"][0]["actions"].append(
        {key: copy[key] for key in ("path", "size", "reason", "local", "remote")}
        | {"kind": "trash", "side": "local", "early": False}
    )


def keep_a_copy_where_git_runs_it(body: Json) -> None:
    copy = body["projects"][0]["actions"][0]
    body["projects"][0]["actions"].append(
        {key: copy[key] for key in ("path", "size", "reason", "local", "remote")}
        | {"kind": "keep-both", "copy_path": ".git/hooks/x", "loser": "local", "gives_way": False}
    )


def another_mode(body: Json) -> None:
    body["projects"][0]["mode"] = "pull"


def a_file_that_never_was(body: Json) -> None:
    body["projects"][0]["actions"][0]["path"] = "never.md"


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (delete_at_the_source, "notes: a.md: today's plan would not delete it on the local side"),
        (
            keep_a_copy_where_git_runs_it,
            "notes: a.md: today's plan would not keep the other version as .git/hooks/x",
        ),
        (another_mode, "notes: its mode is two-way (up), and pull (up) in the plan"),
        (a_file_that_never_was, "notes: never.md: was deleted on the local side since the plan"),
    ],
    ids=lambda value: getattr(value, "__name__", "why"),
)
def test_what_todays_plan_would_not_do_is_refused_and_named(
    here: World, spoil: Callable[[Json], None], why: str
) -> None:
    body = saved(here)
    spoil(body)
    forge(here, body)
    for words in (("--dry-run",), ("--yes",)):
        nothing_moved(here, here.run("apply", "today.plan", *words), why)


def lose_most_notes(here: World) -> None:
    assert here.run("apply").code == 0
    for name in ("a.md", "b c.md", "daily/d.md"):
        (here.root / "notes" / name).unlink()
    here.write("notes/z.md")


def test_the_guards_judge_a_saved_plan_again(here: World) -> None:
    lose_most_notes(here)
    body = saved(here)
    assert body["projects"][0]["stops"]
    assert here.run("apply", "today.plan", "--yes").code == 3
    body["projects"][0]["stops"] = []
    forge(here, body)
    why = "notes: 3 of 3 files on shelf:notes would go, the limit is 2"
    nothing_moved(here, here.run("apply", "today.plan", "--yes"), why)
    trash = [a for a in body["projects"][0]["actions"] if a["kind"] == "trash"]
    body["projects"][0]["actions"].remove(trash[0])  # two deletions would pass by themselves
    forge(here, body)
    nothing_moved(here, here.run("apply", "today.plan", "--yes"), why)


def test_what_was_accepted_counts_as_far_as_the_guards_would_accept_it_today(here: World) -> None:
    lose_most_notes(here)
    body = saved(here, "--accept", "delete=3")
    assert body["wants"]["accept"]["delete"] == 3
    assert "made with --accept delete=3\n" in here.run("show", "today.plan").out
    body["wants"]["accept"]["delete"] = 2
    forge(here, body)
    nothing_moved(here, here.run("apply", "today.plan", "--yes"), "the limit is 2")
    saved(here, "--accept", "delete=3")
    assert here.run("apply", "today.plan", "--yes").code == 0
    assert here.files("cloud/notes") == {"z.md": "text\n"}


def test_deletions_that_are_not_carried_out_stay_so_in_a_saved_plan(here: World) -> None:
    assert here.run("apply").code == 0
    (here.root / "notes/a.md").unlink()
    saved(here, "--keep-deleted")
    assert "made with --keep-deleted\n" in here.run("show", "today.plan").out
    assert here.run("apply", "today.plan", "--yes").code == 0
    assert here.files("notes")["a.md"] == "notes/a.md\n"


def test_what_came_since_is_left_for_the_next_apply(here: World) -> None:
    saved(here)
    here.write("notes/late.md")
    shown = here.run("apply", "today.plan", "--dry-run").out
    assert "1 more change came since the plan was made and is not part of it" in shown
    assert here.run("apply", "today.plan", "--yes").code == 0
    assert "late.md" not in here.files("cloud/notes")
    assert here.files("cloud/notes")["a.md"] == "notes/a.md\n"
    statuses = {p["project"]: p for p in here.run("status", "--json").json["data"]}
    assert statuses["notes"]["converged"] is None
    assert statuses["work log"]["converged"] is not None
    assert here.run("apply").out.startswith("notes     synced   1 up")


def test_a_record_names_the_plan_that_was_carried_out(here: World) -> None:
    body = saved(here)
    run = here.run("apply", "today.plan", "--json", "--yes").json["data"]
    assert run["plan_digest"] == body["digest"]


def test_forged_totals_are_never_shown(here: World) -> None:
    body = saved(here)
    total = "4 files to move, 51 B in 2 projects\n"
    body["projects"][0]["totals"] = dict.fromkeys(body["projects"][0]["totals"], 7)
    forge(here, body)
    assert total in here.run("show", "today.plan").out
    shown = here.run("show", "today.plan", "--json").json["data"]["projects"][0]["totals"]
    assert (shown["up"], shown["delete_local"]) == (3, 0)
    assert total in here.run("apply", "today.plan", "--dry-run").out


def test_nothing_in_a_plan_steers_the_terminal_that_shows_it(here: World) -> None:
    body = saved(here)
    evil = "\x1b[2J\u202e\x9b1m"
    project = body["projects"][0]
    body["author"] = {"user": evil, "host": evil}
    body["manifest"] = f"/{evil}"
    project |= {"local": evil, "remote": evil, "notes": [evil], "failure_hint": evil}
    project["filter_change"] = {"enters": [evil], "leaves": [evil]}
    project["actions"][0]["path"] = evil
    origin = {"file": evil, "line": 1, "column": 1}
    stop = {"guard": "max_delete", "side": "local", "what": evil, "paths": [evil], "hint": evil}
    project["stops"] = [{**stop, "accept": "delete=1", "origin": origin}]
    clash = {"path": evil, "winner": None, "loser": None, "kept": evil, "local": None}
    project["clashes"] = [{**clash, "remote": None, "what": evil}]
    problem = {"path": evil, "side": "local", "kind": "name", "what": evil, "silent_alone": False}
    project["problems"] = [problem]
    forge(here, body)
    for words in (("show",), ("show", "--all-files"), ("show", "--json"), ("apply", "--dry-run")):
        said = here.run(*words, "today.plan")
        assert all(c == "\n" or c.isprintable() or c == "\u2026" for c in said.out + said.err), (
            words
        )
    project["failure"] = evil
    forge(here, body)
    said = here.run("show", "today.plan")
    assert all(c == "\n" or c.isprintable() for c in said.out + said.err)


@pytest.mark.parametrize(
    ("key", "value"),
    [("project", "-f/evil.yaml"), ("project", "a\nb"), ("failure_exit", 99)],
)
def test_names_and_codes_that_no_plan_has_are_refused(here: World, key: str, value: object) -> None:
    body = saved(here)
    body["projects"][0][key] = value
    (here.root / "today.plan").write_text(json.dumps(body))
    said = here.run("show", "today.plan")
    assert said.code == 2
    assert f"projects[0].{key} is not" in said.err


def test_a_pipe_or_an_endless_file_is_not_waited_for(here: World) -> None:
    os.mkfifo(here.root / "pipe.plan")
    for name in ("pipe.plan", "/dev/zero"):
        said = here.run("show", name)
        assert said.code == 2, said
        assert said.err
