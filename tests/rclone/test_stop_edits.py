"""Files that are saved again and again while a run replaces, copies and deletes them."""

from __future__ import annotations

import contextlib
import itertools
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import servers
from two_machines import UNGUARDED, Machine, converged, quiet, remote_of

from bm_sync.engine import primitives
from bm_sync.model.config import Policy, Retry

CALM = 40
ROUNDS = 3


class Editor:
    """Saves one file again and again in its own way; `saved` are the contents, one line each.

    `replaced` are the contents that it took away itself.
    """

    def __init__(self, file: Path, aside: Path, who: str) -> None:
        self.file = file
        self.aside = aside
        self.who = who
        self.saved: list[bytes] = []
        self.replaced: set[bytes] = set()
        self.missing = 0

    def content(self, number: int) -> bytes:
        """Return the next content."""
        return f"{self.who} saves {self.file.name} {number}\n".encode()

    def by_rename(self, number: int) -> None:
        """Write aside and swap, as editors do; see what was there before."""
        self.aside.write_bytes(self.content(number))
        with _folder(self.aside) as near, _folder(self.file) as far:
            try:
                primitives.exchange((near, self.aside.name), (far, self.file.name))
            except FileNotFoundError:
                self.missing += 1
                return
        self.saved.append(self.content(number))
        self.replaced.add(self.aside.read_bytes())

    def by_appending(self, number: int) -> None:
        """Append a line in place."""
        with contextlib.suppress(FileNotFoundError), self.file.open("r+b") as file:
            file.seek(0, os.SEEK_END)
            file.write(self.content(number))
            self.saved.append(self.content(number))

    def by_creating_anew(self, number: int) -> None:
        """Take the file away and write a new one."""
        with contextlib.suppress(FileNotFoundError):
            self.file.rename(self.aside)
            self.replaced.add(self.aside.read_bytes())
        with contextlib.suppress(FileExistsError), self.file.open("xb") as file:
            file.write(self.content(number))
            self.saved.append(self.content(number))


@contextlib.contextmanager
def _folder(file: Path) -> Iterator[int]:
    descriptor = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def busy(*works: Callable[[int], None]) -> Iterator[None]:
    """Do each work again and again, each in a thread of its own, until the block ends."""
    ended = threading.Event()

    def go_on(work: Callable[[int], None]) -> None:
        for number in itertools.count():
            if ended.is_set():
                return
            work(number)
            ended.wait(0.001)

    threads = [threading.Thread(target=go_on, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        for thread in threads:
            thread.join()


@pytest.mark.parametrize("kind", ["folder", "serve_s3"])
def test_no_version_saved_during_a_run_is_lost_and_no_live_file_is_ever_missing(
    request: pytest.FixtureRequest, serve_s3: servers.Server, kind: str, tmp_path: Path
) -> None:
    remote = remote_of(request, kind, tmp_path)
    policy = Policy("impatient", guards=UNGUARDED, retry=Retry(attempts=2, max_wait_s=0.1))
    here, there = (Machine(tmp_path / name, remote, policy) for name in ("here", "there"))
    names = ("renamed", "appended", "anew")
    for name in (*names, *(f"calm/{number}" for number in range(CALM))):
        here.write(name, f"first {name}\n")
    converged(here.apply())
    converged(there.apply())
    editors = [Editor(here.folder / n, tmp_path / f"aside-{n}", "here") for n in names]
    works = (editors[0].by_rename, editors[1].by_appending, editors[2].by_creating_anew)
    expected = {content for content in here.files().values() if b"calm" in content}
    for number in range(ROUNDS):
        for name in (*names, *(f"calm/{number}" for number in range(CALM))):
            there.write(name, f"there {name} {number}\n")
        expected |= set(there.files().values())
        there.apply()
        with busy(*works):
            run = here.apply()
        assert {a.path for a in run.actions if a.outcome != "done"} <= set(names)
        assert not [p for p in run.problems if p.path not in names]
    assert editors[0].missing == 0
    for machine in (here, there, here, there):
        converged(machine.apply())
    quiet(here)
    assert here.files() == there.files()

    assert serve_s3.folder is not None
    stored = serve_s3.folder / serve_s3.root / tmp_path.name
    files = [*_everything(tmp_path), *_everything(stored)]
    kept = {line for file in files for line in file.splitlines(keepends=True)}
    assert len(editors[0].saved) > ROUNDS
    gone = {line for e in editors for content in e.replaced for line in content.splitlines(True)}
    assert not {line for editor in editors for line in editor.saved} - gone - kept
    assert not expected - gone - kept


def _everything(place: Path) -> Iterator[bytes]:
    """Yield the content of every file below a folder."""
    for base, _, names in os.walk(place):
        for name in names:
            yield Path(base, name).read_bytes()
