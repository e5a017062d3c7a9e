"""Several runs at once: on one machine by its locks, on several by a lease on the remote.

All of it through the command line, as processes of their own.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import servers
from cli_outside import START, Said, World, world
from cli_terminal import terminal
from two_machines import files_in, remote_of

from bm_sync.engine.lease_note import Note, encode
from bm_sync.layout import LEASE
from bm_sync.model.config import BackendRemote, FolderRemote, Remote

HOLDS = """
import sys
from pathlib import Path
from bm_sync.state.lock import Owner, hold
owner = Owner(4711, "laptop", "2026-11-22T07:15:00Z", "apply notes", "notes")
with hold(Path(sys.argv[1]), sys.argv[2], owner):
    print("held", flush=True)
    sys.stdin.read()
"""
HELD = "project notes is held by process 4711 on laptop since 2026-11-22T07:15:00Z (apply notes)"


@pytest.fixture
def home(tmp_path: Path) -> World:
    made = world(tmp_path)
    assert made.run("apply").code == 0
    made.write("notes/new.md")
    return made


def key_of(home: World) -> str:
    return next(
        str(project["key"])
        for project in home.run("plan", "--json").json["data"]["projects"]
        if project["project"] == "notes"
    )


@contextlib.contextmanager
def held(home: World) -> Iterator[subprocess.Popen[str]]:
    """Hold the project `notes` in a process of its own while the block lasts."""
    state = home.root / ".local" / "state" / "bm-sync"
    command = [sys.executable, "-c", HOLDS, str(state), key_of(home)]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=home.env
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


def something_to_do(home: World) -> str:
    """Leave an old version, a conflict and an excluded file on the remote; return the run."""
    for path in ("notes/old.md", "notes/both.md", "notes/left.tmp"):
        home.write(path)
    assert home.run("apply", "notes").code == 0
    home.write("notes/old.md", "newer\n")
    home.write("notes/both.md", "here\n")
    home.write("cloud/notes/both.md", "there, too\n")
    return str(home.run("apply", "notes", "--json").json["data"]["id"])


def keep_less(home: World) -> None:
    """Keep no old version any more, and exclude what is on both sides."""
    text = (home.root / "sync.yaml").read_text()
    text = text.replace("mode: two-way,", "mode: two-way, keep_versions: {for: 0s},")
    text = text.replace("defaults: {", "defaults: {filters: [tmp], ")
    home.write("sync.yaml", f'{text}filters: {{tmp: {{exclude: ["*.tmp"]}}}}\n')


def begun(home: World, *words: str) -> subprocess.Popen[str]:
    """Start a command line and leave it running."""
    return subprocess.Popen(
        [*START, *words],
        cwd=home.root,
        env=home.env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def until(process: subprocess.Popen[str], words: str) -> str:
    """Return the first line of standard error that has `words` in it."""
    assert process.stderr is not None
    for line in process.stderr:
        if words in line:
            return line
    raise AssertionError(f"it ended without saying {words!r}")


def test_a_second_apply_is_refused_with_pid_host_and_since(home: World) -> None:
    with held(home):
        said = home.run("apply")
    assert said.code == 5
    assert HELD in said.out
    assert "bm-sync apply --wait" in said.out
    assert "work log  in sync" in said.out, "other projects are synced"
    assert home.run("apply").code == 0


def test_apply_waits_for_the_other_run_says_for_whom_and_then_syncs(home: World) -> None:
    with held(home) as other:
        waiting = begun(home, "apply", "--wait")
        with waiting:
            assert until(waiting, "waiting").strip() == f"notes: waiting: {HELD}"
            other.kill()
            out, _ = waiting.communicate(timeout=120)
    assert waiting.returncode == 0
    assert "1 file moved" in out


def test_all_that_acts_on_a_project_can_wait_for_the_other_run(home: World) -> None:
    run = something_to_do(home)
    for words in (
        ("restore", "notes/old.md", "--at", run),
        ("undo",),
        ("conflicts", "resolve", "notes/both.md", "--keep", "local"),
        ("prune", "notes"),
        ("prune", "--ignored", "notes", "--accept", "delete=1"),
    ):
        if words == ("prune", "notes"):
            keep_less(home)
        with held(home) as other:
            if words[0] == "prune":
                said = home.run(*words)
                assert said.code == 5, said
                typed = f"let this wait: bm-sync {' '.join(words)} --wait"
                assert typed in said.out + said.err
            waiting = begun(home, *words, "--wait")
            with waiting:
                assert until(waiting, "waiting").strip() == f"notes: waiting: {HELD}"
                other.kill()
                out, err = waiting.communicate(timeout=120)
        assert waiting.returncode == 0, out + err


def test_apply_waits_no_longer_than_it_is_told(home: World) -> None:
    with held(home):
        said = home.run("apply", "--wait=0.3s", "notes")
    assert said.code == 5
    assert HELD in said.out
    assert f"notes: waiting: {HELD}" in said.err


def test_ctrl_c_ends_the_waiting(home: World) -> None:
    with held(home):
        waiting = begun(home, "apply", "--wait")
        with waiting:
            until(waiting, "waiting")
            waiting.send_signal(signal.SIGINT)
            _, err = waiting.communicate(timeout=120)
    assert waiting.returncode == 130
    assert "interrupted" in err
    assert home.run("apply").code == 0


def test_a_killed_run_holds_nothing(home: World) -> None:
    with held(home) as other:
        other.kill()
        other.wait()
        said = home.run("apply")
    assert said.code == 0


def test_two_that_start_at_once_never_move_anything_twice(home: World) -> None:
    for number in range(40):
        home.write(f"notes/many/{number}.md", f"{number}\n")
    with (
        begun(home, "apply", "--wait", "--json") as one,
        begun(home, "apply", "--wait", "--json") as two,
    ):
        answers = [json.loads(run.communicate(timeout=240)[0]) for run in (one, two)]
    assert [answer["exit"] for answer in answers] == [0, 0]
    moved = [sum(p["totals"]["up"] for p in answer["data"]["projects"]) for answer in answers]
    assert sorted(moved) == [0, 41]


@pytest.mark.parametrize("word", ["notes", "10", "m", "-5s", "1e3s"])
def test_a_time_to_wait_that_is_none_is_refused_with_the_way_to_say_it(
    home: World, word: str
) -> None:
    said = home.run("apply", f"--wait={word}")
    assert said.code == 2
    assert f"error: --wait: {word!r} is no time such as 10m; say --wait last, or --wait=10m" in (
        said.err
    )


# Who holds what: `unlock`.


def test_unlock_tells_that_nobody_holds_a_project(home: World) -> None:
    said = home.run("unlock", "notes")
    assert (said.code, said.out) == (0, "notes  free\n")


def test_unlock_tells_who_holds_a_project_and_lets_a_living_run_go_on(home: World) -> None:
    with held(home) as other:
        said = home.run("unlock", "notes", "--yes")
        assert other.poll() is None
    assert said.code == 5
    assert "held here by process 4711 on laptop (apply notes)" in said.out
    assert "wait for it:  bm-sync apply notes --wait" in said.out


def leave(home: World, run: str, keep_s: float) -> Path:
    note = Note(run, "notes", "desk\x1btop", 7, "2026-11-22T07:15:00Z", keep_s)
    lease = home.root / "cloud" / "notes" / LEASE
    lease.parent.mkdir(exist_ok=True)
    lease.write_bytes(encode(note))
    return lease


def test_unlock_removes_the_lease_of_a_dead_run_when_it_is_told_to(home: World) -> None:
    manifest = home.root / "sync.yaml"
    manifest.write_text(manifest.read_text().replace("{mode: two-way,", "{lease: remote,"))
    lease = leave(home, "dead", 1.0)
    shown = home.run("unlock", "notes", "--json")
    (holding,) = shown.json["data"]
    assert (shown.code, holding["removed"], holding["lease"]["dead"]) == (0, False, True)
    assert holding["lease"]["run"] == "dead"
    assert lease.exists()
    asked = home.run("unlock", "notes")
    assert "leased by process 7 on desk\\x1btop (run dead)" in asked.out
    assert "remove it:  bm-sync unlock notes --yes" in asked.out
    said = home.run("unlock", "notes", "--yes")
    assert (said.code, lease.exists()) == (0, False)
    assert (
        said.out == "notes  free: the lease of process 7 on desk\\x1btop (run dead) was removed\n"
    )
    assert home.run("apply").code == 0


def test_unlock_asks_on_a_terminal(home: World) -> None:
    lease = leave(home, "dead", 1.0)
    with terminal(home, "unlock", "notes") as screen:
        screen.until("left a lease on shelf:notes and is dead")
        screen.until("Remove it? [y/N]")
        screen.type("n\n")
        assert screen.end() == 0
    assert lease.exists()
    with terminal(home, "unlock", "notes") as screen:
        screen.until("Remove it? [y/N]")
        screen.type("y\n")
        assert screen.end() == 0
    assert not lease.exists()


def test_unlock_leaves_a_lease_that_is_renewed(home: World) -> None:
    lease = leave(home, "living", 30.0)
    watching = begun(home, "unlock", "notes", "--yes")
    with watching:
        said = until(watching, "waiting")
        assert re.search(r"up to 3\d s, whether process 7 on desk\\x1btop since 2026", said), said
        leave(home, "living", 29.0)
        out, _ = watching.communicate(timeout=120)
    assert watching.returncode == 5
    assert "leased by process 7 on desk\\x1btop (run living)" in out
    assert lease.exists()


# Machines that take turns, one of which falls asleep.

SHORT = """
from bm_sync.engine import lease_note
lease_note.KEEP_S = 2.0
from bm_sync.engine import lease_claim
lease_claim.UNSURE_S = 1.0
from bm_sync.cli.main import main
raise SystemExit(main())
"""
MANY = 30


@dataclass(frozen=True)
class Desk:
    """A machine with one project whose runs take turns with those of others."""

    home: Path
    remote: Remote

    @property
    def notes(self) -> Path:
        return self.home / "notes"

    def declare(self) -> None:
        remote: dict[str, object] = {"type": "local"}
        if isinstance(self.remote, FolderRemote):
            remote["root"] = str(self.remote.root)
        else:
            assert isinstance(self.remote, BackendRemote)
            options = dict(self.remote.options)
            remote = {"type": self.remote.type, "options": options, "root": self.remote.root}
        guards = {"max_overwrite": 100_000, "max_delete": 100_000}
        declared = {
            "version": 1,
            "remotes": {"shelf": remote},
            "policies": {"turns": {"lease": "remote", "guards": guards}},
            "defaults": {"remote": "shelf", "policy": "turns"},
            "projects": {"notes": {"local": str(self.notes)}},
        }
        self.notes.mkdir(parents=True)
        (self.home / "sync.yaml").write_text(json.dumps(declared))

    def start(self, *words: str) -> subprocess.Popen[str]:
        env = {"HOME": str(self.home), "PATH": os.environ["PATH"]}
        env["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
        return subprocess.Popen(
            [sys.executable, "-c", SHORT, "apply", "--yes", *words],
            cwd=self.home,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def apply(self, *words: str) -> Said:
        with self.start(*words) as process:
            out, err = process.communicate(timeout=240)
        return Said(process.returncode, out, err)

    def save(self, text: str) -> None:
        for number in range(MANY):
            (self.notes / f"{number:03}.md").write_text(f"{text} {number}\n")


@pytest.mark.parametrize("kind", ["folder", "seaweedfs"])
def test_a_machine_that_slept_too_long_stops_and_no_version_is_lost(
    request: pytest.FixtureRequest, kind: str, tmp_path: Path
) -> None:
    remote = remote_of(request, kind, tmp_path)
    sleeper, other = (Desk(tmp_path / name, remote) for name in ("sleeper", "other"))
    for desk in (sleeper, other):
        desk.declare()
    sleeper.save("first")
    assert (said := sleeper.apply()).code == 0, said
    assert (said := other.apply()).code == 0, said
    sleeper.save("of the sleeper")
    with sleeper.start("--progress", "json") as asleep:
        until(asleep, "project-started")
        asleep.send_signal(signal.SIGSTOP)
        other.save("of the other")
        (other.notes / "more.md").write_text("more\n")
        awake = other.apply("--wait")
        asleep.send_signal(signal.SIGCONT)
        out, _ = asleep.communicate(timeout=240)
    assert awake.code in (0, 1), awake  # files that appeared meanwhile wait for the next run
    assert asleep.returncode == 5, out
    assert "the project stops here" in out
    for desk in (sleeper, other, sleeper):
        assert (said := desk.apply("--wait")).code == 0, said
    assert files_in(sleeper.notes) == files_in(other.notes)
    assert (sleeper.notes / "more.md").read_text() == "more\n"
    stands = set(files_in(sleeper.notes).values())
    for text in ("of the sleeper", "of the other"):
        assert {f"{text} {number}\n".encode() for number in range(MANY)} <= stands


def test_two_machines_that_start_at_once_take_turns(
    seaweedfs: servers.Server, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    remote = remote_of(request, "seaweedfs", tmp_path)
    desks = [Desk(tmp_path / name, remote) for name in ("one", "two", "three")]
    for desk in desks:
        desk.declare()
    for number in range(3):
        for desk in desks:
            (desk.notes / f"{desk.home.name}-{number}.md").write_text(f"{number}\n")
            (desk.notes / "shared.md").write_text(f"{desk.home.name} {number}\n")
        with contextlib.ExitStack() as stack:
            runs = [stack.enter_context(desk.start("--wait")) for desk in desks]
            for run in runs:
                out, err = run.communicate(timeout=240)
                assert run.returncode == 0, f"{out}{err}"
    for desk in (*desks, *desks[:2]):
        assert (said := desk.apply("--wait")).code == 0, said
    shown = [files_in(desk.notes) for desk in desks]
    assert shown[0] == shown[1] == shown[2]
    stands = set(shown[0].values())
    assert {f"{desk.home.name} 2\n".encode() for desk in desks} <= stands
    assert seaweedfs.port
