"""Compares the two engines of a two-way project: the same work, and people who save meanwhile.

Run it by hand: python benchmarks/bisync.py [changes] [saves]. The figures are in docs/bisync.md.
"""

from __future__ import annotations

import itertools
import os
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from bm_sync.structs import replace

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "tests")]

from counting_proxy import counting  # noqa: E402 - after the path is set
from servers import Server, serve_s3  # noqa: E402
from two_machines import UNGUARDED, Machine, converged  # noqa: E402

from bm_sync.model.config import Engine, FolderRemote, Policy, Remote  # noqa: E402

FILES = 1000
CHANGED = 100
SAVED = 300
ROUNDS = 10


def policy(engine: Engine) -> Policy:
    """Return a two-way policy without guards."""
    return Policy(engine.value, guards=UNGUARDED, engine=engine)


def changes(remotes: Callable[[str], Remote], taken: Callable[[], Counter[str]]) -> None:
    """Print seconds and storage requests of a first run, of changes both ways, of a quiet run."""
    for engine in Engine:
        with tempfile.TemporaryDirectory(prefix="bm-sync-bench-") as folder:
            remote = remotes(engine.value)
            desk = Machine(Path(folder) / "desk", remote, policy(engine))
            far = Machine(Path(folder) / "far", remote)
            far.folder.mkdir(parents=True)
            for number in range(FILES):
                desk.write(f"{number // 100}/{number}.md", os.urandom(1000))
            timed(f"{engine.value}: {FILES} new files up", desk, taken)
            converged(far.apply())
            for number in range(CHANGED):
                desk.write(f"0/{number}.md", os.urandom(1000))
                far.write(f"1/{100 + number}.md", os.urandom(1000))
                (far.folder / f"2/{200 + number}.md").unlink()
            converged(far.apply())
            taken()
            timed(f"{engine.value}: {CHANGED} up, {CHANGED} down, {CHANGED} deleted", desk, taken)
            timed(f"{engine.value}: nothing to do", desk, taken)


def timed(what: str, desk: Machine, taken: Callable[[], Counter[str]]) -> None:
    """Apply and print what it cost; processor seconds are Python's and rclone's together."""
    begun, used = time.perf_counter(), spent()
    converged(desk.apply())
    seconds, cpu = time.perf_counter() - begun, spent() - used
    requests = ", ".join(f"{n} {kind}" for kind, n in sorted(taken().items()))
    print(f"{what}: {seconds:.2f} s, {cpu:.2f} s of processor; {requests or 'no requests'}")


def spent() -> float:
    """Return the processor seconds of this process and of the children it has seen end."""
    return sum(os.times()[:4])


@dataclass
class Editor:
    """Somebody who saves one file again and again, written aside and renamed."""

    file: Path
    saved: list[bytes]
    missing: int = 0
    times: int = 0

    def save(self, number: int) -> None:
        """Save once more; what this replaces is this person's own doing."""
        text = f"{self.file.name} saved {number}\n".encode()
        aside = self.file.with_name(f".{self.file.name}.bmpart")
        aside.write_bytes(text)
        self.missing += not self.file.exists()
        with suppress(FileNotFoundError):
            old = self.file.read_bytes()
            if old in self.saved:
                self.saved.remove(old)
        aside.replace(self.file)
        self.saved.append(text)
        self.times += 1


def saves() -> None:
    """Print how many versions that nobody threw away are nowhere after runs with savers."""
    for engine in Engine:
        lost = missing = times = 0
        for _ in range(ROUNDS):
            with tempfile.TemporaryDirectory(prefix="bm-sync-bench-") as folder:
                editors = raced(Path(folder), engine)
                there = everything(Path(folder))
                lost += sum(text not in there for e in editors for text in e.saved)
                missing += sum(e.missing for e in editors)
                times += sum(e.times for e in editors)
        print(
            f"{engine.value}: {ROUNDS} runs, each replacing {SAVED} files, {times} saves: "
            f"{lost} versions lost, {missing} times a live file was missing"
        )


def raced(top: Path, engine: Engine) -> list[Editor]:
    """Let a run replace files here while they are saved here; then let it settle."""
    shelf = FolderRemote("shelf", top / "shelf")
    desk = Machine(top / "desk", shelf, policy(engine))
    names = [f"{number}.md" for number in range(SAVED)]
    for name in names:
        desk.write(name, f"first {name}\n")
    converged(desk.apply())
    for name in names:
        (shelf.root / "notes" / name).write_text(f"from there {name}\n" * 2000)
    editors = [Editor(desk.folder / name, []) for name in names]
    with busy(editors, desk.folder / ".bm-sync" / "trash"):
        desk.apply()
    for _ in range(3):
        desk.apply()
    return editors


@contextmanager
def busy(editors: list[Editor], trash: Path) -> Iterator[None]:
    """Save in turn until the block ends, from the moment when the first version is kept."""
    ended = threading.Event()

    def go_on() -> None:
        while not (trash.is_dir() and any(trash.rglob("*.md"))):
            if ended.wait(0.0005):
                return
        for number in itertools.count():
            for editor in editors:
                if ended.wait(0.0005):
                    return
                editor.save(number)

    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def everything(top: Path) -> set[bytes]:
    """Return every content below a folder, the trash included."""
    return {file.read_bytes() for file in top.rglob("*") if file.is_file()}


def main(cases: list[str]) -> None:
    """Run the cases that are named, or all."""
    if not cases or "changes" in cases:
        with tempfile.TemporaryDirectory(prefix="bm-sync-bench-") as folder:
            print("folder remote")
            changes(lambda name: FolderRemote("shelf", Path(folder) / name), Counter)
            with serve_s3(Path(folder) / "s3") as server, counting(server.port) as proxy:
                print("rclone serve s3")
                through = by_way_of(server, proxy.port)
                changes(
                    lambda name: through.remote(f"{server.root}/{name}"),
                    lambda: Counter(proxy.take()),
                )
    if not cases or "saves" in cases:
        saves()


def by_way_of(server: Server, port: int) -> Server:
    """Return the same server, reached through a proxy that counts."""
    options = {**dict(server.options), "endpoint": f"http://127.0.0.1:{port}"}
    return replace(server, options=tuple(options.items()), port=port)


if __name__ == "__main__":
    main(sys.argv[1:])
