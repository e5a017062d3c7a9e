"""Shards at one store, killed at random and run again: every project moves exactly once a round.

Exactly once: every project is in one shard, none is left out, and of all records that reach the
store in a round only one tells of any one file that it was moved. What a run moved that was killed
before its record got there is equal on both sides, so the next run finds it and moves it no more.

BM_SYNC_SHARD_ROUNDS=20 does it for many rounds with more projects, and prints what it counted.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import servers
from crash.desk import PROGRAM, children_of
from machine.bucket import Bucket
from shard.yard import Yard, environment

from bm_sync.errors import Exit
from bm_sync.model.run import Outcome, ProjectRun, Run, Status

ROUNDS = int(os.environ.get("BM_SYNC_SHARD_ROUNDS", "0"))
LEASE = "2s"
_WITHIN_S = 300.0
_FILES = 4


@dataclass
class Field:
    """A yard whose projects are edited round by round; `due` is what both sides must hold then."""

    yard: Yard
    chance: random.Random
    due: dict[str, str] = field(default_factory=dict)
    known: dict[str, set[str]] = field(default_factory=dict)
    counted: Counter[str] = field(default_factory=Counter)
    round: int = 0
    pods: int = 0
    took_s: float = 4.0

    def edit(self) -> None:
        """Change each project on both sides: a file edited, one new, one deleted."""
        self.round += 1
        here, there = ("in", "out") if self.round % 2 else ("out", "in")
        with contextlib.closing(Bucket(self.yard.server.port)) as bucket:
            for name in self.yard.names:
                self._put(bucket, here, f"{name}/new-{self.round}.md")
                for n in range(_FILES if self.round == 1 else 1):
                    self._put(bucket, here, f"{name}/{n}.md")
                if self.round > 1:
                    self._put(bucket, there, f"{name}/1.md")
                    gone = f"{name}/new-{self.round - 1}.md"
                    bucket.delete(f"{self.yard.root}/{there}/{gone}")
                    del self.due[gone]

    def _put(self, bucket: Bucket, side: str, path: str) -> None:
        text = f"{path} as of round {self.round} ".ljust(3000, ".")
        bucket.put(f"{self.yard.root}/{side}/{path}", text.encode(), 1_700_000_000.0 + self.round)
        self.due[path] = text

    def reconcile(self, shards: int, strikes: int, *, sleepers: bool = False) -> None:
        """Run every shard at once, strike some at random, and run those again until all are done.

        Who is struck is killed, or put to sleep until another has done its work.
        """
        moments = [self.chance.uniform(0.3, self.took_s) for _ in range(strikes)]
        left = {index: f"{self.round}-{index}" for index in range(shards)}
        asleep: list[subprocess.Popen[bytes]] = []
        deadline = time.monotonic() + _WITHIN_S
        with ExitStack() as stack:
            while left:
                assert time.monotonic() < deadline, f"shards that never end: {left}"
                begun = time.monotonic()
                running = {
                    index: stack.enter_context(self._shard(index, shards, disk))
                    for index, disk in left.items()
                }
                victims = self.chance.sample(sorted(running), min(len(running), len(moments)))
                for index in victims:
                    if self._strike(running[index], moments.pop(), sleepers=sleepers):
                        asleep.append(running.pop(index))
                        left[index] = self._fresh()
                codes = {i: process.wait(timeout=_WITHIN_S) for i, process in running.items()}
                if not victims:
                    self.took_s = time.monotonic() - begun
                for index, code in codes.items():
                    assert code in (0, -signal.SIGKILL), (index, code, self.told(left[index]))
                    if code == 0:
                        del left[index]
                    elif self.chance.random() < 0.5:
                        left[index] = self._fresh()
            for process in asleep:
                for pid in (*children_of(process.pid), process.pid):
                    os.kill(pid, signal.SIGCONT)
                code = process.wait(timeout=_WITHIN_S)
                assert code in (Exit.OK, Exit.LOCKED), code
                self.counted[f"woke up and ended with {code}"] += 1

    def _fresh(self) -> str:
        """Return the disk of another machine, which has nothing."""
        self.pods += 1
        return f"pod-{self.pods}"

    @contextmanager
    def _shard(self, index: int, shards: int, disk: str) -> Iterator[subprocess.Popen[bytes]]:
        home = self.yard.folder / disk
        home.mkdir(exist_ok=True)
        job = {"JOB_COMPLETION_INDEX": str(index), "JOB_COMPLETIONS": str(shards)}
        words = ["-f", str(self.yard.file), "apply", "--yes", "--wait", "120s"]
        with (
            (home / "said").open("ab") as said,
            subprocess.Popen(
                [str(PROGRAM), *words, "--state-dir", str(home / "state")],
                cwd=home,
                env=environment(home) | job,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                start_new_session=True,
            ) as process,
        ):
            try:
                yield process
            finally:
                process.kill()

    def told(self, disk: str) -> str:
        """Return what the runs on a disk said last."""
        return (self.yard.folder / disk / "said").read_text()[-2000:]

    def _strike(self, process: subprocess.Popen[bytes], after_s: float, *, sleepers: bool) -> bool:
        """Kill a run with its rclone, or put it to sleep; return whether it sleeps."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=after_s)
            self.counted["too late"] += 1
            return False
        pids = (process.pid, *children_of(process.pid))
        sleeps = sleepers and self.chance.random() < 0.4
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP if sleeps else signal.SIGKILL)
        self.counted["put to sleep" if sleeps else "killed"] += 1
        return sleeps

    def judge(self, scratch: Path) -> None:
        """Assert that each project converged once, whatever was killed, and nothing is left."""
        for side in ("in", "out"):
            held = {n: self.yard.side(f"{side}/{n}") for n in self.yard.names}
            assert {f"{n}/{p}": text for n in held for p, text in held[n].items()} == self.due
        for name in self.yard.names:
            self._judge_records(name, scratch / f"{self.round}-{name}")
        left = [p for p in self.yard.objects(".bm-sync/state/") if not p.endswith("/state.db")]
        assert left == []

    def _judge_records(self, name: str, scratch: Path) -> None:
        with self.yard.fetched(name, scratch) as state:
            known = self.known.setdefault(name, set())
            runs = [state.run(r.id) for r in state.runs(1000, name) if r.id not in known]
            seen = state.projects()
        records = [_of(name, run) for run in runs if run is not None]
        ended = [r for r in records if r.status in (Status.CHANGED, Status.IN_SYNC)]
        assert ended, f"{name} was left out of round {self.round}"
        moved = Counter(
            (a.kind, a.path) for r in records for a in r.actions if a.outcome is Outcome.DONE
        )
        twice = [what for what, times in moved.items() if times > 1]
        assert not twice, f"{name}: moved twice in round {self.round}: {twice}"
        assert [project.name for project in seen] == [name]
        known |= {run.id for run in runs if run is not None}
        self.counted["projects"] += 1
        self.counted["records"] += len(records)
        self.counted["quiet again"] += len(ended) - 1
        self.counted["files moved"] += moved.total()


def _of(name: str, run: Run) -> ProjectRun:
    (record,) = (r for r in run.projects if r.project == name)
    return record


def test_shards_that_are_killed_and_run_again_move_every_project_exactly_once(
    seaweedfs: servers.Server, tmp_path: Path
) -> None:
    names = tuple(f"team-{n}" for n in range(6))
    field = Field(Yard(tmp_path / "yard", seaweedfs, names, LEASE), random.Random(7))  # noqa: S311 - moments
    for shards, kills in ((3, 1), (2, 1)):
        field.edit()
        field.reconcile(shards, kills)
        field.judge(tmp_path)
    assert field.counted["projects"] == 2 * len(names)


@pytest.mark.skipif(not ROUNDS, reason="make shards asks for it")
@pytest.mark.timeout(0)
def test_many_rounds_of_many_shards_move_every_project_exactly_once(
    seaweedfs: servers.Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = tuple(f"team-{n}" for n in range(24))
    chance = random.Random()  # noqa: S311 - moments, no secret
    field = Field(Yard(tmp_path / "yard", seaweedfs, names, LEASE), chance)
    for _ in range(ROUNDS):
        field.edit()
        shards = chance.choice((3, 4, 5))
        field.reconcile(shards, chance.randrange(1, 2 * shards), sleepers=True)
        field.judge(tmp_path)
        with capsys.disabled():
            told = dict(sorted(field.counted.items()))
            print(f"\nround {field.round}, {shards} shards, so far: {told}")  # noqa: T201
