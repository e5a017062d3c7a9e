"""Ctrl-C, SIGTERM and kill -9 in the middle of a transfer, through the command line."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sysconfig
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from two_machines import EVERYWHERE, Machine, converged, remote_of

from bm_sync.model.config import BackendRemote, FolderRemote, Remote

BIG = os.urandom(1 << 20) * 12
SMALL = {f"{number}.md": f"small {number}".encode() for number in range(3)}
PROGRAM = Path(sysconfig.get_path("scripts")) / "bm-sync"


@dataclass(frozen=True)
class Desk:
    """A machine that is driven through the command line."""

    home: Path
    remote: Remote

    @property
    def notes(self) -> Path:
        """Return the project's folder."""
        return self.home / "notes"

    @property
    def env(self) -> dict[str, str]:
        """Return the environment of the command."""
        return {"HOME": str(self.home), "PATH": os.environ["PATH"]}

    def declare(self, *, slow: bool) -> None:
        """Write the manifest."""
        remote: dict[str, object] = {"type": "local"}
        if isinstance(self.remote, FolderRemote):
            remote["root"] = str(self.remote.root)
        else:
            assert isinstance(self.remote, BackendRemote)
            options = dict(self.remote.options)
            remote = {"type": self.remote.type, "options": options, "root": self.remote.root}
        declared = {
            "version": 1,
            "remotes": {"shelf": remote},
            "policies": {"chosen": {"limits": {"bandwidth": "3M"} if slow else {}}},
            "defaults": {"remote": "shelf", "policy": "chosen"},
            "projects": {"notes": {"local": str(self.notes)}},
        }
        (self.home / "sync.yaml").write_text(json.dumps(declared))

    @contextlib.contextmanager
    def applying(self) -> Iterator[subprocess.Popen[str]]:
        """Apply slowly, and go on when a quarter of the big file has moved."""
        self.declare(slow=True)
        command = [str(PROGRAM), "apply", "--yes", "--progress", "json"]
        with subprocess.Popen(
            command,
            cwd=self.home,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
            text=True,
        ) as process:
            assert process.stderr is not None
            for line in process.stderr:
                if '"transferring"' in line and json.loads(line)["bytes"] > len(BIG) // 4:
                    break
            yield process

    def json(self, *words: str) -> tuple[int, Any]:
        """Run a command and return its exit code and data."""
        ended = subprocess.run(
            [str(PROGRAM), *words, "--json"],
            cwd=self.home,
            env=self.env,
            capture_output=True,
            text=True,
            check=False,
        )
        return ended.returncode, json.loads(ended.stdout)["data"]


def rclone_of(process: subprocess.Popen[str]) -> int:
    """Return the process id of the rclone that a run has started."""
    tasks = Path(f"/proc/{process.pid}/task").iterdir()
    (pid,) = (int(pid) for task in tasks for pid in (task / "children").read_text().split())
    return pid


def runs(pid: int) -> bool:
    """Return whether a process is there and not only waiting to be buried."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def eventually(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true"
        time.sleep(0.01)


def litter(folder: Path) -> list[Path]:
    """Return everything of an unfinished transfer below a folder."""
    return [*folder.rglob("*.bmpart"), *folder.rglob("staging")]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """Return a desk whose remote is a folder."""
    (tmp_path / "here").mkdir()
    return Desk(tmp_path / "here", FolderRemote("shelf", tmp_path / "shelf"))


def filled(desk: Desk, way: str) -> Machine:
    """Put the files where they start from; return another machine with the same remote."""
    far = Machine(desk.home.parent / "far", desk.remote)
    start = desk.notes if way == "up" else far.folder
    start.mkdir(parents=True)
    for name, content in (SMALL | {"zbig": BIG}).items():
        (start / name).write_bytes(content)
    if way == "down":
        converged(far.apply())
    return far


def ends_well(desk: Desk, far: Machine) -> None:
    """Assert that one plain apply converges and leaves nothing behind."""
    desk.declare(slow=False)
    assert desk.json("apply", "--yes")[0] == 0
    assert not litter(desk.home.parent)
    code, data = desk.json("apply", "--yes")
    assert (code, data["projects"][0]["actions"]) == (0, [])
    converged(far.apply())
    whole = SMALL | {"zbig": BIG}
    assert far.files() == whole
    assert {p.name: p.read_bytes() for p in desk.notes.iterdir()} == whole


@pytest.mark.parametrize(
    ("kind", "way"),
    [*((kind, "up") for kind in EVERYWHERE), ("folder", "down"), ("serve_s3", "down")],
)
def test_ctrl_c_stops_cleanly_and_records_what_was_done(
    request: pytest.FixtureRequest, desk: Desk, kind: str, way: str
) -> None:
    desk = Desk(desk.home, remote_of(request, kind, desk.home.parent))
    far = filled(desk, way)
    with desk.applying() as process:
        rclone = rclone_of(process)
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(timeout=20) == 130
    assert not runs(rclone)
    assert not litter(desk.home.parent)
    assert [p.name for p in desk.notes.iterdir() if p.name == "zbig"] == ["zbig"] * (way == "up")
    assert ("zbig" in far.remote_names()) is (way == "down")
    _, data = desk.json("history")
    (last,) = data
    _, data = desk.json("history", last["id"])
    (project,) = data["projects"]
    assert (last["exit"], project["status"]) == (130, "interrupted")
    done = {a["path"] for a in project["actions"] if a["outcome"] == "done"}
    stand = set(far.remote_names()) if way == "up" else {p.name for p in desk.notes.iterdir()}
    assert done == stand
    assert done <= set(SMALL)
    ends_well(desk, far)


def test_a_sigterm_to_the_process_alone_stops_it_as_well(desk: Desk) -> None:
    far = filled(desk, "up")
    with desk.applying() as process:
        rclone = rclone_of(process)
        os.kill(process.pid, signal.SIGTERM)
        assert process.wait(timeout=20) == 130
    assert not runs(rclone)
    assert not litter(desk.home.parent)
    ends_well(desk, far)


@pytest.mark.parametrize(
    ("kind", "way"),
    [("folder", "down"), ("serve_s3", "up"), ("serve_webdav", "up"), ("serve_sftp", "up")],
)
def test_after_kill_9_no_rclone_goes_on_and_one_plain_apply_ends_it(
    request: pytest.FixtureRequest, desk: Desk, kind: str, way: str
) -> None:
    desk = Desk(desk.home, remote_of(request, kind, desk.home.parent))
    far = filled(desk, way)
    with desk.applying() as process:
        rclone = rclone_of(process)
        os.kill(process.pid, signal.SIGKILL)
        process.wait(timeout=20)
    eventually(lambda: not runs(rclone))
    assert ("zbig" in far.remote_names()) is (way == "down")
    ends_well(desk, far)
    assert not [name for name in far.remote_names() if name.endswith(".bmpart")]
