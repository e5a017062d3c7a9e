"""A project that is edited on both sides in every way, applied, killed, and applied once more."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import signal
import subprocess
import sysconfig
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import servers
from crash.places import Place, environment
from machine.shores import FolderShore, Shore

from bm_sync import api
from bm_sync.model.report import Selection, Setup
from bm_sync.model.run import ProjectRun

PROGRAM = Path(sysconfig.get_path("scripts")) / "bm-sync"
VICTIMS = ("all", "python", "rclone", "server")
EACH = 4
_SIZE = 12_000
_WITHIN_S = 400.0


def text(what: str, generation: int, number: int) -> bytes:
    """Return a content that is like no other, whose end tells whether it is whole.

    Those of two generations differ in size: a server that tells whole seconds and no hashes
    shows nothing of an edit that keeps size and second.
    """
    told = f"{what} {generation} {number}\n".encode()
    return told.ljust(_SIZE + generation, b".") + what.encode() + b" end\n"


@dataclass
class Due:
    """What must stand in the end: files by name, and the versions that lost a conflict."""

    files: dict[str, bytes] = field(default_factory=dict)
    losers: list[bytes] = field(default_factory=list)


@dataclass
class Desk:
    """The project, and how far it is: each generation of edits is applied and killed once."""

    home: Path
    place: Place
    chance: random.Random
    generation: int = 0
    due: Due = field(default_factory=Due)
    halves: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.here: Shore = FolderShore(self.home / "notes", self.home / "notes")
        self.there = self.place.shore
        self.setup = Setup(
            env=environment(self.home), state_dir=self.home / "state", host=os.uname().nodename
        )

    def declare(self, *, slow: bool) -> None:
        """Write the manifest."""
        off = {"percent": 100}
        policy = {
            "limits": {"bandwidth": "1M", "transfers": 2} if slow else {},
            "guards": {"max_delete": off, "max_overwrite": off},
            "retry": {"attempts": 2, "max_wait": "0.2s"},
        }
        project = {"local": "./notes", "remote": "shelf", "policy": policy}
        declared = {
            "version": 1,
            "remotes": {"shelf": self.place.declared},
            "projects": {"notes": project},
        }
        (self.home / "sync.yaml").write_text(json.dumps(declared))

    def apply(self) -> ProjectRun:
        """Apply once, plainly."""
        self.declare(slow=False)
        time.sleep(servers.REMEMBERED_S)  # as long as a server may tell an old listing
        manifest = api.load(self.home / "sync.yaml", self.setup).manifest
        done = asyncio.run(api.apply(manifest, Selection(), self.setup))
        assert done.run is not None
        return done.run.projects[0]

    def edit(self) -> None:
        """Change both sides in every way; `due` is what must come of it."""
        self.generation += 1
        files = self.due.files
        for n in range(EACH):
            self._write(self.here, f"up/{n}.md", "edited here", n)
            self._write(self.here, f"new/{self.generation}-{n}.md", "new here", n)
            self._write(self.there, f"down/{n}.md", "edited there", n)
            self._write(self.there, f"fresh/{self.generation}-{n}.md", "new there", n)
            self._write(self.here, f"both/{n}.md", "lost", n, age_s=600)
            self.due.losers.append(files[f"both/{n}.md"])
            self._write(self.there, f"both/{n}.md", "won", n)
            if self.generation > 1:
                self._delete(self.here, f"new/{self.generation - 1}-{n}.md")
                self._delete(self.there, f"fresh/{self.generation - 1}-{n}.md")
        self._turn_over()

    def _turn_over(self) -> None:
        """Rename a file, and put a file where a folder was, or the other way round."""
        files, odd = self.due.files, self.generation % 2
        old, new = ("moved/b.md", "moved/a.md") if odd else ("moved/a.md", "moved/b.md")
        if old in files:
            self.here.rename(old, new)
            files[new] = files.pop(old)
        else:
            self._write(self.here, new, "moved", 0)
        gone, come = ("turn", "turn/in.md") if odd else ("turn/in.md", "turn")
        if gone in files:
            self.here.delete("turn")
            del files[gone]
        self._write(self.here, come, "turned", 0)

    def _write(self, side: Shore, name: str, what: str, number: int, *, age_s: float = 0.0) -> None:
        data = text(what, self.generation, number)
        side.write(name, data, time.time() - age_s, aside=True)
        self.due.files[name] = data

    def _delete(self, side: Shore, name: str) -> None:
        side.delete(name)
        del self.due.files[name]

    def killed(self, victim: str, after_s: float) -> bool:
        """Apply slowly and kill `victim` after so long; return whether it was still at work."""
        self.declare(slow=True)
        with self.watching(), self._running() as process:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=after_s)
                return False
            killed = self._kill(victim, process)
            process.wait(timeout=_WITHIN_S)
        if victim == "server" and killed:
            self.place.restart()
        return killed

    @contextlib.contextmanager
    def _running(self) -> Iterator[subprocess.Popen[bytes]]:
        with subprocess.Popen(
            [str(PROGRAM), "apply", "--yes", "--state-dir", str(self.setup.state_dir)],
            cwd=self.home,
            env=environment(self.home),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    def _kill(self, victim: str, process: subprocess.Popen[bytes]) -> bool:
        if victim == "server":
            if self.place.served is None:
                return False
            self.place.served.kill()
            return True
        rclones = children_of(process.pid)
        wanted = {"all": [process.pid, *rclones], "python": [process.pid], "rclone": rclones}
        for pid in wanted[victim]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return bool(wanted[victim])

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Note every file that is seen half, or missing though nobody deleted it."""
        ended = threading.Event()
        watched = [self.home / "notes", *([self.place.seen_at] if self.place.seen_at else [])]
        steady = [f"{folder}/{n}.md" for folder in ("up", "down", "both") for n in range(EACH)]

        def watch() -> None:
            while not ended.is_set():
                for root in watched:
                    self.halves += [f"{root}/{name}: half" for name in _half(root)]
                for root in watched[: 1 + self.place.in_one_step]:
                    self.halves += [f"{root}/{n}: missing" for n in steady if _gone(root / n)]
                ended.wait(0.01)

        thread = threading.Thread(target=watch)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def versions(self) -> set[bytes]:
        """Return every content there is, the trash included."""
        sides = (self.here, self.there)
        return {d for s in sides for d in (*s.view().contents().values(), *s.trash().values())}

    def litter(self) -> list[str]:
        """Return what an unfinished run has left."""
        names = [str(p) for p in self.home.rglob("*")]
        names += [f"trash of the remote: {name}" for name in self.there.trash()]
        names += list(self.there.view().files)
        marks = ("/staging", "/probes", ".bmpart", "staging/", "probes/", "-journal", ".new")
        ours = self.home / "state"
        return [n for n in names if n.endswith(marks) or _inside(n, marks, ours)]


def _inside(name: str, marks: tuple[str, ...], state: Path) -> bool:
    return not name.startswith(str(state)) and any(f"{m.strip('/')}/" in name for m in marks[:2])


def _gone(file: Path) -> bool:
    return not os.path.lexists(file)


def _half(root: Path) -> list[str]:
    """Return the files below a folder that do not end as whole ones do."""
    found = []
    for folder, folders, names in os.walk(root):
        if ".bm-sync" in folders:
            folders.remove(".bm-sync")
        for name in names:
            with contextlib.suppress(OSError):
                data = Path(folder, name).read_bytes()
                if not data.endswith(b"end\n") and not name.endswith(".bmpart"):
                    found.append(os.path.relpath(Path(folder, name), root))
    return found


def children_of(pid: int) -> list[int]:
    """Return the processes that a process has started and that still run."""
    found: list[int] = []
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(OSError):
                found += [int(p) for p in (task / "children").read_text().split()]
    return found


def begin(desk: Desk) -> None:
    """Bring both sides together for the first time."""
    for n in range(EACH):
        for folder in ("up", "down", "both", "calm"):
            desk._write(desk.here, f"{folder}/{n}.md", "first", n)
    assert desk.apply().exit == 0


def ends_well(desk: Desk, before: set[bytes]) -> None:
    """Assert that one plain apply ends as if nothing had happened."""
    run = desk.apply()
    assert run.exit == 0, run
    sides = [side.view().contents() for side in (desk.here, desk.there)]
    assert sides[0] == sides[1], _apart(*sides)
    copies = {name: data for name, data in sides[0].items() if ".conflict-" in name}
    plain = {name: data for name, data in sides[0].items() if name not in copies}
    assert plain == desk.due.files, _apart(plain, desk.due.files)
    assert sorted(copies.values()) == sorted(desk.due.losers), _told(copies)
    lost = before - desk.versions()
    assert not lost, f"lost: {[data[:30] for data in lost]}"
    assert not desk.halves, desk.halves[:5]
    left = desk.litter()
    assert not left, left


def _apart(one: dict[str, bytes], two: dict[str, bytes]) -> str:
    """Return the files in which two sides differ, for the message of an assertion."""
    names = sorted(n for n in one.keys() | two.keys() if one.get(n) != two.get(n))
    return f"{_told(one, names)} but {_told(two, names)}"


def _told(files: dict[str, bytes], names: Iterable[str] | None = None) -> dict[str, str]:
    shown = files if names is None else names
    return {n: f"{files[n][:20]!r} of {len(files[n])}" for n in shown if n in files}
