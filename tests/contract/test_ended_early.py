"""A run that ends before it has a plan is told to everybody who watches, as any failure is."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_outside import START, World, world
from notice_server import NoticeServer, listening

from bm_sync.errors import Exit
from bm_sync.paths import state_dir


@pytest.fixture
def server() -> Iterator[NoticeServer]:
    with listening() as found:
        yield found


@pytest.fixture
def here(tmp_path: Path, server: NoticeServer) -> World:
    """A world that is watched in every way, after a run that went well."""
    made = world(tmp_path)
    text = (tmp_path / "sync.yaml").read_text()
    text = text.replace("remotes:\n", "remotes:\n  far: {type: local, root: ./far}\n")
    text += (
        "metrics: ./out.prom\nfleet: far:bm\n"
        f"notify: [{{type: webhook, url: '{server.url}/hook', tags: [daily]}}]\n"
    )
    made.write("sync.yaml", text)
    (tmp_path / "far").mkdir()
    said = made.run("apply")
    assert said.code == 0, said
    assert server.take() == []
    return made


def heard(here: World, server: NoticeServer, code: int) -> list[str]:
    """Return what the hook heard, after looking at what the monitors read."""
    status = json.loads((state_dir(here.env) / "status.json").read_text())
    assert status["exit"] == code
    assert {row["project"] for row in status["projects"]} == {"notes", "work log"}
    assert f"bm_sync_last_run_exit {code}\n" in (here.root / "out.prom").read_text()
    (note,) = (here.root / "far").rglob("*.json")
    assert json.loads(note.read_text())["exit"] == code
    (run, *_) = here.run("history", "--json").json["data"]
    assert run["exit"] == code
    return [each.body for each in server.take()]


def test_a_manifest_that_is_not_valid_is_told_once_and_then_that_it_is_well_again(
    here: World, server: NoticeServer
) -> None:
    good = (here.root / "sync.yaml").read_text()
    here.write("sync.yaml", good.replace("policy: careful", "polisy: careful"))
    assert here.run("apply", "-q", "--yes").code == Exit.USAGE
    (said,) = heard(here, server, 2)
    assert "polisy" in said
    assert "sync.yaml" in said
    assert here.run("apply", "-q", "--yes").code == Exit.USAGE
    assert server.take() == []
    here.write("sync.yaml", good)
    assert here.run("apply", "-q", "--yes").code == 0
    (said,) = heard(here, server, 0)
    assert "in sync again" in said


def test_a_project_that_is_not_declared_any_more_is_told(here: World, server: NoticeServer) -> None:
    assert here.run("apply", "-q", "--yes", "nots").code == Exit.USAGE
    (said,) = heard(here, server, 2)
    assert "no project 'nots'" in said


def test_an_rclone_that_is_missing_is_told(here: World, server: NoticeServer) -> None:
    here.write("notes/new.md", "new")
    missing = str(here.root / "no-rclone")
    assert here.run("apply", "-q", "--yes", BM_SYNC_RCLONE=missing).code == Exit.RCLONE
    (said,) = heard(here, server, 6)
    assert "no-rclone" in said


def test_that_nobody_is_signed_in_is_told(here: World, server: NoticeServer) -> None:
    text = (here.root / "sync.yaml").read_text()
    text = text.replace("remotes:\n", "remotes:\n  cloud: {type: basic-memory-cloud}\n")
    here.write("sync.yaml", text.replace("local: ./notes,", "local: ./notes, remote: cloud,"))
    assert here.run("apply", "-q", "--yes").code == Exit.NOT_SIGNED_IN
    (said,) = heard(here, server, 4)
    assert "sign" in said


def test_a_bug_is_told(here: World, server: NoticeServer) -> None:
    broken = "import bm_sync.engine.reconcile as run; run.Patience = None\n"
    done = subprocess.run(
        [sys.executable, "-c", broken + START[2], "apply", "-q", "--yes"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        cwd=here.root,
        env=here.env,
        timeout=120,
        check=False,
    )
    assert done.returncode == Exit.BUG, done
    (said,) = heard(here, server, 70)
    assert "this is a bug in bm-sync" in said


def test_an_invalid_list_of_targets_leaves_what_can_be_read(
    here: World, server: NoticeServer
) -> None:
    text = (here.root / "sync.yaml").read_text()
    here.write("sync.yaml", text.replace("/hook'", "/hook', nonsense: 1"))
    assert here.run("apply", "-q", "--yes").code == Exit.USAGE
    assert server.take() == []
    status = json.loads((state_dir(here.env) / "status.json").read_text())
    assert status["exit"] == 0  # nothing of the manifest can be believed


def test_a_dry_run_and_a_plan_tell_nobody(here: World, server: NoticeServer) -> None:
    here.write("sync.yaml", "version: 1\nprojects: {a: {nonsense: 1}}\n")
    for words in (("plan",), ("apply", "--dry-run"), ("validate",)):
        assert here.run(*words).code == Exit.USAGE
    assert server.take() == []
