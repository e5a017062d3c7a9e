"""Whatever way an editor saves while a run copies: no other machine ever gets half a file.

What arrives has to have stood on the disk as it is. An editor that saves in several steps may be
kept waiting between two of them for longer than a copy takes; what it left then counts as saved.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from two_machines import UNGUARDED, Machine, converged, files_in, quiet, remote_of

from bm_sync.model.config import Policy, Retry

LINES = 20_000
PIECE = 9_000
ROUNDS = 5
POLICY = Policy("impatient", guards=UNGUARDED, retry=Retry(attempts=2, max_wait_s=0.1))


def version(number: int) -> bytes:
    """Return a content of which every part tells whether the other parts belong to it."""
    return f"{number:08}\n".encode() * LINES


def whole(content: bytes) -> bool:
    """Return whether a content is one version, and all of it."""
    return content == version(int(content[:8] or b"0"))


def whole_or_empty(content: bytes) -> bool:
    """Return whether a content is one version, or what is left before one is written."""
    return not content or whole(content)


def whole_pieces(content: bytes) -> bool:
    """Return whether a content is one version up to the end of a piece, then the one before."""
    if len(content) != 9 * LINES:
        return False
    first, last = version(int(content[:8])), version(int(content[-9:-1]))
    ends = range(0, len(content) + PIECE, PIECE)
    return any(content == first[:end] + last[end:] for end in ends)


def whole_lines(content: bytes) -> bool:
    """Return whether a content ends with a line that was written to its end."""
    return content.startswith(version(0)) and content.endswith(b"\n") and len(content) % 9 == 0


def in_place(file: Path, number: int) -> None:
    with file.open("r+b") as stream:
        stream.write(version(number))


def in_pieces(file: Path, number: int) -> None:
    content = version(number)
    with file.open("r+b", buffering=0) as stream:
        for at in range(0, len(content), PIECE):
            stream.write(content[at : at + PIECE])


def truncated(file: Path, number: int) -> None:
    file.write_bytes(version(number))


def by_rename(file: Path, number: int) -> None:
    aside = file.parent.parent / f"aside-{file.name}"
    aside.write_bytes(version(number))
    aside.replace(file)


def appended(file: Path, number: int) -> None:
    with file.open("ab") as stream:
        stream.write(f"{number:08}\n".encode())


STYLES: dict[str, tuple[Callable[[Path, int], None], Callable[[bytes], bool]]] = {
    "in place.md": (in_place, whole),
    "in pieces.md": (in_pieces, whole_pieces),
    "truncated.md": (truncated, whole_or_empty),
    "by rename.md": (by_rename, whole),
    "appended.md": (appended, whole_lines),
}


@contextlib.contextmanager
def saving(folder: Path, numbers: Iterator[int]) -> Iterator[list[int]]:
    """Save every file again and again in its own way, each in a thread, until the block ends."""
    ended, saved = threading.Event(), [0]

    def go_on(name: str) -> None:
        while not ended.wait(0.003):
            STYLES[name][0](folder / name, next(numbers))
            saved[0] += 1

    threads = [threading.Thread(target=go_on, args=(name,)) for name in STYLES]
    for thread in threads:
        thread.start()
    try:
        yield saved
    finally:
        ended.set()
        for thread in threads:
            thread.join()


@pytest.mark.parametrize("kind", ["folder", "serve_s3", "seaweedfs", "serve_webdav"])
def test_nobody_gets_half_a_file_while_editors_save(
    request: pytest.FixtureRequest, kind: str, tmp_path: Path
) -> None:
    remote = remote_of(request, kind, tmp_path)
    here, there = (Machine(tmp_path / name, remote, POLICY) for name in ("here", "there"))
    for name in STYLES:
        here.write(name, version(0))
    converged(here.apply())
    numbers = itertools.count(1)
    for _ in range(ROUNDS):
        with saving(here.folder, numbers) as saved:
            run = here.apply()
        assert saved[0] > 0
        assert {a.path for a in run.actions if a.outcome != "done"} <= set(STYLES), run
        there.apply()
        arrived = there.files()
        assert set(arrived) == set(STYLES), "no conflict came of one person's edits"
        for name, content in arrived.items():
            assert STYLES[name][1](content), (name, len(content), content[:8], content[-9:])
    converged(here.apply())
    converged(there.apply())
    quiet(here)
    assert here.files() == there.files()
    assert not [p for p in files_in(here.folder / ".bm-sync") if "staging" in os.fspath(p)]
