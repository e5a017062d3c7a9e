"""`bm-sync prune --ignored` from outside: the list, the consent, what it never touches."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cli_outside import World, world
from cli_terminal import terminal
from pasted import commands

from bm_sync.model.run import ProjectRun, Run, Status
from bm_sync.state import history
from bm_sync.state.store import State
from bm_sync.state.values import Seen

MANIFEST = """\
version: 1
remotes: {shelf: {type: local, root: ./cloud}}
filters: {code: {gitignore: true, exclude: ["*.tmp"]}}
defaults: {remote: shelf, filters: [code]}
projects:
  notes: {local: ./notes}
"""


@pytest.fixture
def here(tmp_path: Path) -> World:
    """Make a project two of whose synced files became excluded."""
    made = world(tmp_path)
    made.write("sync.yaml", MANIFEST)
    made.write("notes/.env", "SECRET=1\n")
    assert made.run("apply").code == 0
    made.write("notes/.gitignore", ".env\ndaily/\n")
    return made


def command(text: str, label: str) -> str:
    (line,) = (line for line in text.splitlines() if line.lstrip().startswith(label))
    return line.partition(f"{label}:")[2].strip()


def test_the_plan_names_what_leaves_the_set_and_the_command_that_looks_at_the_remote(
    here: World,
) -> None:
    said = here.run("plan")
    assert "2 paths leave the set, untouched on both sides: .env, daily/d.md" in said.out
    (look,) = [line for line in said.out.splitlines() if "lie on the remote" in line]
    shown = here.paste(look.partition("remote:")[2].strip())
    assert (shown.code, shown.err) == (0, "")
    assert "1 by .env (.gitignore:1)" in shown.out
    assert ".env" in here.files("cloud/notes")


def test_without_a_terminal_the_figure_must_be_accepted_and_the_answer_says_how(
    here: World,
) -> None:
    for words in ((), ("--yes",)):
        assert here.run("prune", "--ignored", *words).code == 3
    said = here.run("prune", "--ignored", "--accept", "delete=1")
    assert said.code == 3
    assert ".env" in here.files("cloud/notes")
    assert "delete=1 was accepted, but the list has 2" in said.out
    offered = command(said.out, "remove exactly these")
    assert commands(offered) == [["prune", "--ignored", "--accept", "delete=2"]]
    done = here.paste(offered)
    assert done.code == 0
    assert done.out.startswith("2 files moved into the trash on the remote\n")
    assert sorted(here.files("cloud/notes")) == ["a.md", "b c.md"]
    assert here.files("notes")[".env"] == "SECRET=1\n"
    assert here.paste(command(done.out, "every file")).code == 0
    assert here.run("prune", "--ignored").code == 0


def test_a_person_sees_the_list_and_is_asked_once(here: World) -> None:
    with terminal(here, "prune", "--ignored") as screen:
        screen.until("Move these into the trash on the remote? [y/N] ")
        assert "daily/d.md" in screen.seen
        screen.type("n\n")
        assert screen.end() == 1
    assert ".env" in here.files("cloud/notes")
    with terminal(here, "prune", "--ignored") as screen:
        screen.until("[y/N] ")
        screen.type("y\n")
        assert screen.end() == 0
    assert ".env" not in here.files("cloud/notes")


def test_ctrl_c_at_the_question_removes_nothing(here: World) -> None:
    with terminal(here, "prune", "--ignored") as screen:
        screen.until("[y/N] ")
        screen.type("\x03")
        assert screen.end() == 130
    assert ".env" in here.files("cloud/notes")


def test_json_is_the_plan_and_then_the_run(here: World) -> None:
    listed = here.run("prune", "--ignored", "--dry-run", "--json").json
    (project,) = listed["data"]["projects"]
    assert [a["path"] for a in project["actions"]] == [".env", "daily/d.md", "daily"]
    refused = here.run("prune", "--ignored", "--json").json
    assert (refused["status"], refused["errors"][0]["hint"]) == (
        "stopped",
        "bm-sync prune --ignored --accept delete=2",
    )
    done = here.run("prune", "--ignored", "--json", "--accept", "delete=2").json
    assert [a["outcome"] for a in done["data"]["projects"][0]["actions"]] == ["done"] * 3


@pytest.mark.parametrize(
    ("declared", "word"),
    [
        ("notes: {local: ./notes, policy: {mode: pull}}", "only reads the remote"),
        ("notes: {local: ./notes, policy: {mode: mirror, direction: down}}", "only reads"),
        ("notes: {}", "the only copy"),
        ("notes: {local: ./notes, remote: null}", "local only"),
    ],
)
def test_where_the_remote_is_not_ours_to_write_nothing_is_removed(
    here: World, declared: str, word: str
) -> None:
    here.write("sync.yaml", MANIFEST.replace("notes: {local: ./notes}", declared))
    before = here.files("cloud")
    said = here.run("prune", "--ignored", "--accept", "delete=2")
    assert said.code == 0
    assert word in said.out
    assert here.files("cloud") == before


def test_rules_that_cannot_be_read_remove_nothing(here: World) -> None:
    before = here.files("cloud")
    (here.root / "notes").rename(here.root / "away")
    said = here.run("prune", "--ignored", "--accept", "delete=2")
    assert said.code == 1
    assert "its rules are not known" in said.out
    assert here.files("cloud") == before


def test_what_is_built_in_stays(here: World) -> None:
    here.write("cloud/notes/.git/config", "[core]\n")
    here.write("cloud/notes/half.abcdef.bmpart")
    said = here.run("prune", "--ignored", "--accept", "delete=2")
    assert said.code == 0
    assert sorted(here.files("cloud/notes")) == [
        ".git/config",
        "a.md",
        "b c.md",
        "half.abcdef.bmpart",
    ]


def test_prune_says_what_it_needs(here: World) -> None:
    said = here.run("prune", "--accept", "delete=1")
    assert (said.code, "--accept is for prune --ignored" in said.err) == (2, True)
    said = here.run("prune", "--ignored", "--accept", "overwrite=1")
    assert said.code == 2


def test_records_of_runs_are_shown_asked_for_and_removed(here: World) -> None:
    now = datetime.now(UTC)
    (seen,) = known(here)
    for days in (500, 40, 40, 2):
        record(here, now - timedelta(days=days), seen)
    shown = here.run("prune", "--history", "--dry-run")
    assert (shown.code, shown.err) == (0, "")
    first = (now - timedelta(days=500)).date()
    last = (now - timedelta(days=40)).date()
    line = f"2 records of projects, 2 runs and 0 logs of {first} to {last}"
    assert f"{line} to remove for good" in shown.out
    assert commands(command(shown.out, "remove them")) == [["prune", "--history"]]
    with terminal(here, "prune", "--history") as screen:
        screen.until("Remove these for good?")
        screen.type("n\n")
        assert screen.end() == 1
    assert here.run("prune", "--history", "--dry-run").out == shown.out
    gone = here.run("prune", "--history", "--yes")
    assert f"{line} removed for good" in gone.out
    assert here.run("prune", "--history").out == "every record of a run is to be kept\n"
    assert len(here.run("history", "--json").json["data"]) == 3
    assert "4 delete" in here.run("undo", "--yes").out  # of the run that synced the files


def test_an_apply_thins_the_records_that_the_manifest_does_not_keep(here: World) -> None:
    (seen,) = known(here)
    for days in (3, 2):
        record(here, datetime.now(UTC) - timedelta(days=days), seen)
    here.write("sync.yaml", f"{MANIFEST}keep_history: {{all: 1d, daily: 0s}}\n")
    assert here.run("apply").code == 0
    assert len(here.run("history", "--json").json["data"]) == 2
    assert here.run("apply", "--json").code == 0


def test_history_is_pruned_for_all_projects_together(here: World) -> None:
    said = here.run("prune", "--history", "notes")
    assert said.code == 2
    assert "--history is for all projects" in said.err


def state_of(here: World) -> Path:
    """Return the state directory of a world."""
    return here.root / ".local" / "state" / "bm-sync"


def known(here: World) -> tuple[Seen, ...]:
    """Return the projects that the state of a world knows."""
    with State.peek(state_of(here)) as state:
        return state.projects()


def record(here: World, at: datetime, seen: Seen) -> None:
    """Write a quiet run of one project into the state, in the past."""
    with State.open(state_of(here)) as state, state._db.writing() as connection:
        found = connection.execute("SELECT last_run, last_time FROM projects").fetchone()
        name, iso = f"{at:%Y%m%dT%H%M%SZ}-{os.urandom(5).hex()}", f"{at:%Y-%m-%dT%H:%M:%SZ}"
        history.begin(connection, Run(name, "apply", iso, "", "h", "s", "", -1, ()))
        one = ProjectRun(seen.name, seen.key, Status.IN_SYNC, iso, 0.1)
        history.end_project(connection, history.Ended(name, one))
        history.end(connection, Run(name, "apply", iso, iso, "h", "s", "", 0, ()))
        connection.execute("UPDATE projects SET last_run = ?, last_time = ?", found)
