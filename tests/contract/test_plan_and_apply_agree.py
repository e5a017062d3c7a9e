"""`plan` tells beforehand the exit code that `apply` ends with, for all there is to know."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from cli_outside import World, world
from cli_samples import ARCHIVE, FAILED, NOTES, PROBLEMS, RESEARCH, plan

from bm_sync.cli.verdict import plan_exit
from bm_sync.errors import Exit
from bm_sync.model.plan import Clash, Guard, ProjectPlan, Stop
from bm_sync.model.tree import Problem, ProblemKind, Side
from bm_sync.structs import replace

MANIFEST = """\
version: 1
remotes:
  shelf: {type: local, root: ./cloud}
  nowhere: {type: sftp, options: {host: 127.0.0.1, port: "1", user: me}}
  keyless: {type: s3, options: {provider: Other, access_key_id: {env: NO_SUCH_KEY}}}
  fileless: {type: sftp, options: {host: 127.0.0.1, user: me, pass: {file: ./no-such-file}}}
  wordless: {type: sftp, options: {host: 127.0.0.1, user: me, pass: {command: "exit 7"}}}
  unknown: {rclone: no-such-remote}
  cloud: {type: basic-memory-cloud}
projects:
  notes: {local: ./notes, remote: %(remote)s, policy: {%(policy)s}}
"""


def declared(here: World, policy: str = "mode: two-way", remote: str = "shelf") -> None:
    here.write("sync.yaml", MANIFEST % {"policy": policy, "remote": remote})


def synced(here: World, policy: str = "mode: two-way") -> None:
    declared(here, policy)
    assert here.run("apply", "--yes").code == 0


def nothing(here: World) -> None:
    synced(here)


def something(here: World) -> None:
    declared(here)


def a_word_of_warning(here: World) -> None:
    """Have a symbolic link that nobody else knows of: a note, and no failure."""
    synced(here)
    (here.root / "notes/link.md").symlink_to("nowhere")
    here.write("notes/new.md")


def a_deletion_too_many(here: World) -> None:
    synced(here, "mode: two-way, guards: {max_delete: 0}")
    (here.root / "notes/a.md").unlink()


def a_replacement_too_many(here: World) -> None:
    synced(here, "mode: two-way, guards: {max_overwrite: 0}")
    here.write("notes/a.md", "edited\n")


def too_many_bytes(here: World) -> None:
    declared(here, "mode: two-way, guards: {max_bytes: 10B}")


def an_emptied_side(here: World) -> None:
    synced(here)
    shutil.rmtree(here.root / "notes")
    (here.root / "notes").mkdir()


def a_missing_side(here: World) -> None:
    synced(here)
    shutil.rmtree(here.root / "cloud/notes")


def a_missing_source(here: World) -> None:
    synced(here, "mode: push")
    shutil.rmtree(here.root / "notes")


def a_missing_source_of_a_pull(here: World) -> None:
    declared(here, "mode: pull")
    shutil.copytree(here.root / "notes", here.root / "cloud/notes")
    assert here.run("apply", "--yes").code == 0
    shutil.rmtree(here.root / "cloud/notes")


def a_missing_source_of_a_mirror(here: World) -> None:
    synced(here, "mode: mirror, direction: up")
    shutil.rmtree(here.root / "notes")


def a_root_that_is_a_file(here: World) -> None:
    synced(here)
    shutil.rmtree(here.root / "notes")
    here.write("notes", "a file")


def a_conflict_that_waits(here: World) -> None:
    synced(here, "mode: two-way, conflict: {winner: stop}")
    here.write("notes/a.md", "here\n")
    here.write("cloud/notes/a.md", "there, too\n")
    here.write("notes/new.md")


def a_conflict_that_is_decided(here: World) -> None:
    synced(here)
    here.write("notes/a.md", "here\n")
    here.write("cloud/notes/a.md", "there, too\n")


def what_a_push_may_not_replace(here: World) -> None:
    synced(here, "mode: push")
    here.write("notes/a.md", "here\n")
    here.write("cloud/notes/a.md", "there, too\n")


def a_pipe_in_the_place_of_a_file(here: World) -> None:
    synced(here)
    (here.root / "notes/a.md").unlink()
    os.mkfifo(here.root / "notes/a.md")


def a_pipe_and_something_to_do(here: World) -> None:
    a_pipe_in_the_place_of_a_file(here)
    here.write("notes/new.md")


def a_link_in_the_place_of_a_folder(here: World) -> None:
    synced(here)
    shutil.rmtree(here.root / "notes/daily")
    (here.root / "notes/daily").symlink_to("/")


def a_remote_that_cannot_be_reached(here: World) -> None:
    declared(here, "mode: two-way, retry: {attempts: 1}", remote="nowhere")


def a_secret_that_is_not_set(here: World) -> None:
    declared(here, remote="keyless")


def a_secret_whose_file_is_missing(here: World) -> None:
    declared(here, remote="fileless")


def a_secret_whose_command_fails(here: World) -> None:
    declared(here, remote="wordless")


def a_remote_that_rclone_does_not_know(here: World) -> None:
    declared(here, remote="unknown")


def nobody_signed_in(here: World) -> None:
    declared(here, remote="cloud")


def a_file_against_a_folder(here: World) -> None:
    synced(here)
    here.write("notes/thing")
    here.write("cloud/notes/thing/inside.md")


def a_file_of_another_user_that_may_not_be_read(here: World) -> None:
    synced(here)
    here.write("notes/closed.md")
    (here.root / "notes/closed.md").chmod(0)
    if os.access(here.root / "notes/closed.md", os.R_OK):
        pytest.skip("root reads every file")


def a_project_that_is_local_only(here: World) -> None:
    here.write("sync.yaml", "version: 1\nprojects: {notes: {local: ./gone, remote: null}}\n")


def a_project_that_is_cloud_only(here: World) -> None:
    declared(here)
    text = (here.root / "sync.yaml").read_text().replace("local: ./notes, ", "")
    here.write("sync.yaml", text)


def a_project_of_another_machine(here: World) -> None:
    declared(here)
    text = (here.root / "sync.yaml").read_text().replace("{local:", "{hosts: [other], local:")
    here.write("sync.yaml", text)


REASONS: tuple[tuple[Callable[[World], None], Exit, bool], ...] = (
    (nothing, Exit.OK, False),
    (something, Exit.OK, True),
    (a_word_of_warning, Exit.OK, True),
    (a_deletion_too_many, Exit.STOPPED, True),
    (a_replacement_too_many, Exit.STOPPED, True),
    (too_many_bytes, Exit.STOPPED, True),
    (an_emptied_side, Exit.STOPPED, True),
    (a_missing_side, Exit.STOPPED, True),
    (a_missing_source, Exit.STOPPED, True),
    (a_missing_source_of_a_pull, Exit.STOPPED, True),
    (a_missing_source_of_a_mirror, Exit.STOPPED, True),
    (a_root_that_is_a_file, Exit.STOPPED, True),
    (a_conflict_that_waits, Exit.STOPPED, True),
    (a_conflict_that_is_decided, Exit.OK, True),
    (what_a_push_may_not_replace, Exit.STOPPED, True),
    (a_pipe_in_the_place_of_a_file, Exit.FAILED, True),
    (a_pipe_and_something_to_do, Exit.FAILED, True),
    (a_link_in_the_place_of_a_folder, Exit.FAILED, True),
    (a_remote_that_cannot_be_reached, Exit.FAILED, True),
    (a_secret_that_is_not_set, Exit.USAGE, True),
    (a_secret_whose_file_is_missing, Exit.USAGE, True),
    (a_secret_whose_command_fails, Exit.USAGE, True),
    (a_remote_that_rclone_does_not_know, Exit.USAGE, True),
    (nobody_signed_in, Exit.NOT_SIGNED_IN, True),
    (a_file_against_a_folder, Exit.OK, True),
    (a_file_of_another_user_that_may_not_be_read, Exit.FAILED, True),
    (a_project_that_is_local_only, Exit.OK, False),
    (a_project_that_is_cloud_only, Exit.OK, True),
    (a_project_of_another_machine, Exit.OK, False),
)


@pytest.mark.parametrize(
    ("reason", "code", "work"), REASONS, ids=lambda v: getattr(v, "__name__", "")
)
def test_a_plan_exits_as_the_apply_will(
    tmp_path: Path, reason: Callable[[World], None], code: Exit, *, work: bool
) -> None:
    here = world(tmp_path)
    reason(here)
    planned = here.run("plan", "--json")
    asked = here.run("plan", "--exit-code", "--out", "today.plan")
    shown = here.run("show", "today.plan")
    dry = here.run("apply", "today.plan", "--dry-run")
    done = here.run("apply", "--yes", "--json")
    assert (planned.code, done.code) == (code, code), (planned, done)
    assert asked.code == (Exit.PENDING if code is Exit.OK and work else code), asked
    unseen = bool(planned.json["data"]["projects"]) and bool(
        planned.json["data"]["projects"][0]["failure"]
    )  # there is nothing to hold the plan to
    assert (shown.code, dry.code) == (code, Exit.STALE if unseen else code), (shown, dry)
    assert bool(planned.json["errors"]) == bool(done.json["errors"])


@pytest.mark.parametrize("guard", Guard)
def test_every_guard_exits_3(guard: Guard) -> None:
    stopped = with_stop(guard)
    assert (stopped.exit, plan_exit(plan(stopped), pending=True)) == (Exit.STOPPED, Exit.STOPPED)


def with_stop(guard: Guard) -> ProjectPlan:
    return replace(RESEARCH, stops=(Stop(guard, Side.LOCAL, "no"),))


@pytest.mark.parametrize("kind", ProblemKind)
def test_every_problem_has_a_code(kind: ProblemKind) -> None:
    made = replace(RESEARCH, problems=(Problem("x", Side.LOCAL, kind, "what"),))
    waits = kind in {ProblemKind.UNDELETABLE, ProblemKind.DEVICE}
    assert made.exit is (Exit.STOPPED if waits else Exit.FAILED)
    assert plan_exit(plan(made), pending=True) is made.exit


def test_the_most_serious_project_decides() -> None:
    waits = replace(RESEARCH, clashes=(Clash("a", None, None, None, None, None, "waits"),))
    assert plan(NOTES, RESEARCH).exit is Exit.OK
    assert plan(NOTES, waits).exit is Exit.STOPPED
    assert plan(ARCHIVE, PROBLEMS, waits).exit is Exit.FAILED
    lost = replace(FAILED, failure_exit=int(Exit.RCLONE))
    assert plan(ARCHIVE, PROBLEMS, lost).exit is Exit.RCLONE
    assert replace(FAILED, failure_exit=0).exit is Exit.FAILED


@pytest.mark.parametrize("rclone", ["missing", "old"])
def test_a_plan_without_an_rclone_exits_as_the_apply_will(tmp_path: Path, rclone: str) -> None:
    here = world(tmp_path)
    declared(here, remote="shelf" if rclone == "missing" else "nowhere")
    program = tmp_path / "rclone"
    if rclone == "old":
        program.write_text("#!/bin/sh\necho rclone v1.60.0\n")
        program.chmod(0o755)
    given = ("--rclone", str(program))
    planned, done = here.run(*given, "plan"), here.run(*given, "apply", "--yes")
    assert (planned.code, done.code) == (6, 6), (planned, done)
