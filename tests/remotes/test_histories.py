"""Random histories over remotes that build on others, with runs killed in the middle of them.

BM_SYNC_HISTORIES=40 plays so many on each kind, each hour others; BM_SYNC_SEED=7 plays that one.
"""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

import pytest
from remotes.kinds import Kind, RcloneFar, kind_of
from remotes.test_acts import killed, together
from two_machines import Machine, converged, files_in

from bm_sync.model.plan import Guard

_MORE = int(os.environ.get("BM_SYNC_HISTORIES", "0"))
_SEED = os.environ.get("BM_SYNC_SEED")
KINDS = ("crypt", "union", "combine", "chunker", "compress", "hasher", "crypt on S3")
NAMES = ("a.md", "b.md", "d/c.md", "d/e/ö ä.md", "d/e/f.md", "sp ace.md", "A.md", "-x.md")
ROUNDS = 3


def seeds() -> list[int]:
    if _SEED is not None:
        return [int(_SEED)]
    hour = int(time.time()) // 3600  # every worker of one test run collects the same
    return [hour * 1000 + number for number in range(_MORE)] or [1]


class History:
    """One machine, somebody else on the remote, and every content that either ever wrote."""

    def __init__(self, kind: Kind, seed: int) -> None:
        assert isinstance(kind.far, RcloneFar)
        self.one = kind.new("one")
        self.far = kind.far
        self.chance = random.Random(seed)  # noqa: S311 - a history, not a secret
        self.written = 0
        self.one.write("first.md", self.text())
        together(self.one, kind)

    def text(self) -> bytes:
        self.written += 1
        return f"version {self.written} ".encode() * self.chance.choice((1, 1, 3, 40))

    def here(self) -> None:
        """Edit, delete or rename a file of the machine."""
        there = sorted(self.one.files())
        name = self.chance.choice(NAMES)
        match self.chance.choice(("write", "write", "write", "delete", "rename")):
            case "delete" if there:
                (self.one.folder / self.chance.choice(there)).unlink()
            case "rename" if there and name not in there:
                target = self.one.folder / name
                target.parent.mkdir(parents=True, exist_ok=True)
                (self.one.folder / self.chance.choice(there)).rename(target)
            case _:
                self.one.write(name, self.text())

    def there(self, known: list[str]) -> None:
        """Edit or delete a file of the remote, as another program does."""
        if known and self.chance.random() < 0.25:
            self.far.drop(known.pop(self.chance.randrange(len(known))))
        else:
            self.far.put(self.chance.choice(NAMES), self.text())

    def round(self) -> None:
        for _ in range(self.chance.randint(1, 4)):
            self.here()
        known = sorted(self.far.files())
        for _ in range(self.chance.randint(0, 2)):
            self.there(known)
        before = {*self.one.files().values(), *self.far.files().values()}
        if self.chance.random() < 0.4:
            killed(self.one, self.chance.randint(1, 5), surely=False)
        converged(self.one.apply())
        together(self.one, Kind(lambda _: self.one, self.far))
        assert before <= {*self.one.files().values(), *kept(self.one, self.far)}


def kept(machine: Machine, far: RcloneFar) -> set[bytes]:
    """Return every version in the trash of either side."""
    here = files_in(machine.folder / ".bm-sync/trash")
    return {*here.values(), *far.trash().values()}


@pytest.mark.parametrize("seed", seeds())
@pytest.mark.parametrize("name", KINDS)
def test_histories_over_layers_lose_nothing_and_need_nobody(
    name: str, seed: int, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    with kind_of(name, tmp_path, request) as kind:
        history = History(kind, seed)
        for _ in range(ROUNDS):
            history.round()


def test_a_file_that_lost_a_chunk_there_is_not_deleted_here(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """rclone's chunker leaves such a file out of its listings without a word."""
    with kind_of("chunker", tmp_path, request) as kind:
        one = kind.new("one")
        one.write("big.md", b"b" * 350)
        one.write("small.md", b"s")
        together(one, kind)
        (chunk,) = (tmp_path / "raw/sub/notes").glob("big.md.*.002")
        chunk.unlink()
        run = one.apply()
        assert (run.exit, [stop.guard for stop in run.stops]) == (3, [Guard.LISTING])
        assert one.files()["big.md"] == b"b" * 350
        for rest in (tmp_path / "raw/sub/notes").glob("big.md*"):
            rest.unlink()
        converged(one.apply())
        assert set(one.files()) == {"small.md"}
