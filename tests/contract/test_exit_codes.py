"""Every exit code is reached from outside, by what a user would meet; the most serious decides."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cli_outside import START, Said, World, world

from bm_sync import manifest
from bm_sync.cli.commands import schema
from bm_sync.cli.main import main
from bm_sync.engine.identity import project_key
from bm_sync.errors import Exit
from bm_sync.paths import schema_file
from bm_sync.state.lock import Owner, hold

OWNER = Owner(4711, "desktop", "2026-11-22T07:15:00Z", "bm-sync apply", "notes")

# Answers every call as rclone 1.60 does the one for its version.
OLD_RCLONE = """\
#!{python}
import http.server, json, socketserver, sys

class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        answer = json.dumps({{"version": "v1.60.1", "decomposed": [1, 60, 1]}}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def address_string(self):
        return ""

    def log_message(self, *_):
        pass

path = next(a for a in sys.argv if a.startswith("--rc-addr=")).partition("unix://")[2]
socketserver.UnixStreamServer(path, Handler).serve_forever()
"""


@pytest.fixture
def here(tmp_path: Path) -> World:
    return world(tmp_path)


def sync(here: World) -> None:
    assert here.run("apply").code == Exit.OK


def lose_most_notes(here: World) -> None:
    """Delete more than the guard of the project allows."""
    for name in ("a.md", "b c.md", "daily/d.md"):
        (here.root / "notes" / name).unlink()
    here.write("notes/z.md")


def put_a_link(here: World, path: str) -> None:
    """Put a symbolic link where the other side has a file."""
    (here.root / path).unlink()
    (here.root / path).symlink_to("/dev/null")


def rewrite(here: World, old: str, new: str) -> None:
    text = (here.root / "sync.yaml").read_text()
    assert old in text
    here.write("sync.yaml", text.replace(old, new))


@contextmanager
def held(here: World, name: str) -> Iterator[None]:
    """Hold a project as another run does."""
    state = here.root / ".local/state/bm-sync"
    loaded = manifest.load(here.root / "sync.yaml", here.env, state_dir=state).manifest
    (project,) = (each for each in loaded.projects if each.name == name)
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    with hold(state, project_key(project), OWNER):
        yield


def converged(here: World) -> Said:
    return here.run("apply")


def a_path_with_a_problem(here: World) -> Said:
    sync(here)
    put_a_link(here, "notes/a.md")
    here.write("notes/new.md")
    said = here.run("apply")
    assert "new.md" in here.files("cloud/notes")
    return said


def a_side_that_is_missing(here: World) -> Said:
    return here.run("check")


def a_wrong_word(here: World) -> Said:
    return here.run("apply", "--frobnicate")


def a_wrong_manifest(here: World) -> Said:
    rewrite(here, "local: ./notes", "lokal: ./notes")
    return here.run("apply")


def a_guard(here: World) -> Said:
    sync(here)
    lose_most_notes(here)
    said = here.run("apply")
    assert len(here.files("cloud/notes")) == 3
    return said


def a_conflict_that_waits(here: World) -> Said:
    rewrite(here, "two-way,", "two-way, conflict: {winner: stop},")
    here.write("cloud/notes/a.md", "another text\n")
    return here.run("apply")


def a_project_that_is_held(here: World) -> Said:
    with held(here, "notes"):
        said = here.run("apply")
    assert here.files("cloud/work") == here.files("work")
    assert here.files("cloud/notes") == {}
    return said


def a_reset_of_a_project_that_is_held(here: World) -> Said:
    with held(here, "notes"):
        return here.run("reset", "notes")


def no_rclone(here: World) -> Said:
    return here.run("apply", BM_SYNC_RCLONE="/nowhere/rclone")


def an_old_rclone(here: World) -> Said:
    script = here.root / "old-rclone"
    script.write_text(OLD_RCLONE.format(python=sys.executable))
    script.chmod(0o755)
    return here.run("apply", "--rclone", str(script))


def a_runtime_directory_of_everybody(here: World) -> Said:
    folder = here.root / "runtime"
    folder.mkdir()
    folder.chmod(0o777)
    return here.run("apply", BM_SYNC_RUNTIME_DIR=str(folder))


def a_plan_that_no_longer_fits(here: World) -> Said:
    assert here.run("plan", "--out", "today.plan").code == Exit.OK
    here.write("notes/a.md", "edited since\n")
    return here.run("apply", "today.plan")


def something_to_do(here: World) -> Said:
    return here.run("plan", "--exit-code")


def a_full_disk(here: World) -> Said:
    """Want more room than any disk has."""
    rewrite(here, "policy: careful}", "policy: careful, conditions: {disk_free: 900000T}}")
    return here.run("apply")


def ctrl_c_without_a_terminal(here: World) -> Said:
    """Interrupt a transfer that would take minutes."""
    rewrite(here, "two-way,", "two-way, limits: {bandwidth: 100K},")
    here.write("notes/big.bin", "x" * 30_000_000)
    process = subprocess.Popen(
        [*START, "apply", "notes"],
        cwd=here.root,
        env=here.env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    assert process.stderr is not None
    first = process.stderr.readline()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert "big.bin" not in here.files("cloud/notes")
    return Said(process.returncode, out, first + err)


def nobody_signed_in(here: World) -> Said:
    return here.run("cloud", "status")


# Exit.BUG is below: nothing that a user does may reach it.
WAYS: tuple[tuple[Exit, Callable[[World], Said], str], ...] = (
    (Exit.OK, converged, "4 files moved"),
    (Exit.FAILED, a_path_with_a_problem, "a.md"),
    (Exit.FAILED, a_side_that_is_missing, "\n2 projects not compared\n"),
    (Exit.USAGE, a_wrong_word, "has no option '--frobnicate'"),
    (Exit.USAGE, a_wrong_manifest, "did you mean 'local'?"),
    (Exit.STOPPED, a_guard, "stopped by max_delete (sync.yaml:5)"),
    (Exit.STOPPED, a_conflict_that_waits, "bm-sync conflicts notes"),
    (Exit.NOT_SIGNED_IN, nobody_signed_in, "sign in with: bm-sync login"),
    (Exit.LOCKED, a_project_that_is_held, OWNER.since),
    (Exit.LOCKED, a_reset_of_a_project_that_is_held, OWNER.since),
    (Exit.RCLONE, no_rclone, "/nowhere/rclone"),
    (Exit.RCLONE, an_old_rclone, "is rclone v1.60.1, older than 1.75.0"),
    (Exit.RCLONE, a_runtime_directory_of_everybody, "can be written by other users"),
    (Exit.STALE, a_plan_that_no_longer_fits, "bm-sync plan --out FILE"),
    (Exit.PENDING, something_to_do, "4 files to move"),
    (Exit.SKIPPED, a_full_disk, "--ignore-conditions"),
    (Exit.INTERRUPTED, ctrl_c_without_a_terminal, "INTERRUPTED"),
)


@pytest.mark.parametrize(("code", "way", "text"), WAYS, ids=[way.__name__ for _, way, _ in WAYS])
def test_a_code_is_reached(
    here: World, code: Exit, way: Callable[[World], Said], text: str
) -> None:
    said = way(here)
    assert said.code == code, said
    assert text in said.out + said.err
    assert "Traceback" not in said.err
    if code is Exit.LOCKED:
        assert "4711 on desktop" in said.out + said.err


def test_the_numbers_are_those_that_scripts_rely_on() -> None:
    numbers = {
        "OK": 0,
        "FAILED": 1,
        "USAGE": 2,
        "STOPPED": 3,
        "NOT_SIGNED_IN": 4,
        "LOCKED": 5,
        "RCLONE": 6,
        "STALE": 8,
        "PENDING": 10,
        "BUG": 70,
        "SKIPPED": 75,
        "INTERRUPTED": 130,
    }
    assert {code.name: code.value for code in Exit} == numbers
    envelope = json.loads(schema_file("envelope").read_text("utf-8"))
    assert envelope["properties"]["exit"]["enum"] == list(numbers.values())


def test_every_code_has_a_way_to_it() -> None:
    assert {code for code, _, _ in WAYS} == set(Exit) - {Exit.BUG}


def test_a_bug_exits_70_with_its_log_in_the_envelope(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object) -> None:
        raise LookupError("a promise was broken")

    monkeypatch.setattr(schema, "run", broken)
    monkeypatch.setenv("BM_SYNC_STATE_DIR", str(tmp_path / "state"))
    assert main(["schema", "--json"]) == Exit.BUG
    said = Said(Exit.BUG, *capfd.readouterr())
    assert (said.json["status"], said.json["exit"], said.err) == ("bug", 70, "")
    (log,) = (tmp_path / "state/logs").iterdir()
    assert str(log) in said.json["errors"][0]["hint"]
    assert "a promise was broken" in log.read_text()


def codes(said: Said) -> dict[str, int]:
    return {project["project"]: project["exit"] for project in said.json["data"]["projects"]}


def test_a_failed_project_is_more_serious_than_a_stopped_one_and_json_has_both(here: World) -> None:
    sync(here)
    lose_most_notes(here)
    put_a_link(here, "work/w.md")
    said = here.run("apply", "--json")
    assert said.code == Exit.FAILED
    assert codes(said) == {"notes": Exit.STOPPED, "work log": Exit.FAILED}
    assert {error["project"] for error in said.json["errors"]} == {"notes", "work log"}


def test_a_stop_is_more_serious_than_a_lock_and_than_something_to_do(here: World) -> None:
    sync(here)
    lose_most_notes(here)
    here.write("work/new.md")
    assert here.run("plan", "--exit-code").code == Exit.STOPPED
    with held(here, "work log"):
        said = here.run("apply", "--json")
    assert said.code == Exit.STOPPED
    assert codes(said) == {"notes": Exit.STOPPED, "work log": Exit.LOCKED}
