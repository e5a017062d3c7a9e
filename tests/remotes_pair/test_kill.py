"""Kill -9 in the middle of a run between two remotes; one plain apply ends it well."""

from __future__ import annotations

import contextlib
import json
import os
import random
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import servers
from crash.desk import Desk, begin, ends_well
from crash.places import Served, place
from machine.bucket import Bucket
from machine.shores import BucketShore
from pipeline_bench import s3

from bm_sync.model.run import Status

KILLS = int(os.environ.get("BM_SYNC_KILLS", "0"))
A_WORLD = 12  # kills before everything begins anew


class PairDesk(Desk):
    """A desk whose notes lie in a bucket, where nobody watches single moments."""

    def between(self, near: servers.Server, bucket: Bucket) -> None:
        """Put the bucket in the place of the folder."""
        self.near = s3(near, "n")
        self.here = BucketShore(bucket, "n/notes", "n")

    def declare(self, *, slow: bool) -> None:
        """Write the manifest."""
        super().declare(slow=slow)
        file = self.home / "sync.yaml"
        declared = json.loads(file.read_text())
        declared["remotes"]["near"] = self.near
        del declared["projects"]["notes"]["local"]
        declared["projects"]["notes"]["from"] = "near:notes"
        file.write_text(json.dumps(declared))

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Watch nothing: a server shows an object when it is whole."""
        yield

    def litter(self) -> list[str]:
        """Return what an unfinished run has left, on its way through this machine included."""
        relayed = (self.home / "state" / "relay").rglob("*")
        return [*super().litter(), *(str(p) for p in relayed if p.is_file())]


@contextlib.contextmanager
def desk_between(kind: str, home: Path, chance: random.Random) -> Iterator[PairDesk]:
    """Yield a desk between a bucket and a remote of a kind."""
    folder = home / "near"
    (folder / servers.BUCKET).mkdir(parents=True)
    served = Served("s3", folder)
    with contextlib.ExitStack() as stack:
        stack.callback(served.kill)
        served.start()
        told = servers.s3_options("Rclone", served.port)
        server = servers.Server("s3", told, served.port, folder)
        bucket = stack.enter_context(contextlib.closing(Bucket(served.port)))
        desk = PairDesk(home, stack.enter_context(place(kind, home)), chance)
        desk.between(server, bucket)
        yield desk


def _killed(desk: PairDesk, victim: str, took_s: float) -> bool:
    desk.edit()
    before = desk.versions()
    killed = desk.killed(victim, desk.chance.uniform(0.05, 0.9) * took_s)
    ends_well(desk, before)
    return killed


def _unhurt_s(desk: PairDesk) -> float:
    """Return how long a slow run takes that nobody kills."""
    desk.edit()
    before = desk.versions()
    began = time.monotonic()
    assert not desk.killed("nobody", 280.0)
    took_s = time.monotonic() - began
    ends_well(desk, before)
    return took_s


def test_one_plain_apply_after_a_kill_between_two_remotes_ends_as_if_nothing_had_happened(
    tmp_path: Path,
) -> None:
    chance = random.Random("s3, all")  # noqa: S311 - a moment, no secret
    with desk_between("s3", tmp_path, chance) as desk:
        begin(desk)
        _killed(desk, "all", _unhurt_s(desk))
        assert desk.apply().status is Status.IN_SYNC


@pytest.mark.skipif(not KILLS, reason="make kills asks for it")
@pytest.mark.timeout(0)
def test_many_kills_between_two_remotes_keep_every_promise(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    counted: Counter[str] = Counter()
    chance = random.Random()  # noqa: S311 - a moment, no secret
    world = 0
    while counted.total() - counted["too late"] < KILLS:
        world += 1
        kind = ("s3", "folder", "webdav", "sftp")[world % 4]
        home = tmp_path / str(world)
        home.mkdir()
        with desk_between(kind, home, chance) as desk:
            begin(desk)
            took_s = _unhurt_s(desk)
            for _ in range(A_WORLD):
                victim = chance.choice(["all", "python", "rclone"])
                killed = _killed(desk, victim, took_s)
                counted[f"{kind}, {victim}" if killed else "too late"] += 1
        with capsys.disabled():
            print(f"\nkills so far: {dict(sorted(counted.items()))}, violations: 0")  # noqa: T201
