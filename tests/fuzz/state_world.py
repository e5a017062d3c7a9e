"""A world whose state is spoilt, and every command that reads it.

Commands run in this process: that is the same code, without the start of a Python each time. A
world made to run `outside` starts the real command line.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unicodedata
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random
from types import FrameType
from unittest import mock

from cli_outside import START
from fuzz import state_damage

from bm_sync.cli.main import main
from bm_sync.state.machine import no_machine
from bm_sync.state.portable import Wanted
from bm_sync.state.store import State

_MANIFEST = """\
version: 1
remotes: {far: {type: local, root: ./far}}
policies: {merging: {conflict: {winner: merge}}}
projects:
  notes: {local: ./near/notes, remote: far, policy: merging}
  work: {local: ./near/work, remote: far}
"""
_LOOKS = (
    ("status",),
    ("status", "--max-age", "1h"),
    ("plan",),
    ("history", "--limit", "1000"),
    ("conflicts",),
    ("versions", "notes:a.md"),
    ("report", "--since", "3650d"),
    ("report", "--format", "markdown"),
    ("report", "--html", "-"),
    ("undo", "--dry-run"),
)
_ACTS = (
    ("apply", "--yes"),
    ("status", "--json"),
    ("history", "--json", "--limit", "1000"),
    ("plan", "--json"),
)
_READS = (("status", "--json"), ("history", "--json", "--limit", "1000"))
_BUG = 70
_MOST_S = 60.0
_LATE_S = 600
_HARMLESS = {"\n", "\t", "\u200c", "\u200d"}


@dataclass(frozen=True)
class Answer:
    """What a command line answered."""

    words: tuple[str, ...]
    code: int
    out: str
    err: str

    def judge(self) -> None:
        """Assert that it is no bug and steers no terminal."""
        said = self.out + self.err
        assert self.code != _BUG, said
        assert "Traceback" not in said
        steering = {c for c in said if unicodedata.category(c) in {"Cc", "Cf", "Cs", "Zl", "Zp"}}
        assert steering <= _HARMLESS, (self.words, steering)
        if "--json" in self.words:
            assert self.out.isascii()
            json.loads(self.out)


class World:
    """Two projects that have been synced for a while; nothing of them is ever lost."""

    def __init__(self, *, outside: bool = False, looks: int = len(_LOOKS)) -> None:
        self.looks = looks
        self.acts = True
        self._outside = outside
        self.codes: Counter[int] = Counter()
        self.root = Path(tempfile.mkdtemp(prefix="bm-sync-fuzz-"))
        self._state = self.root / "state"
        (self.root / "home").mkdir()
        self.root.joinpath("sync.yaml").write_text(_MANIFEST)
        self._live()
        self._sides = self._read("near") | self._read("far")
        self._files = {file.name: file.read_bytes() for file in self._state.glob("state.db*")}
        with State.open(self._state) as state:
            self.keys = {seen.name: seen.key for seen in state.projects()}
            self.runs = len(state.runs(1000))
            self._exported = state.export(Wanted(self.keys["notes"]))

    def _live(self) -> None:
        """Let runs of every kind leave their records."""
        near, far = self.root / "near", self.root / "far"
        for name in ("notes", "work"):
            for file in ("a.md", "sub/b.md", "c d.md", "ü.md"):
                self._put(near / name / file, f"{name} {file}\nsecond\nthird\n")
        self._apply()
        for side, line in ((near, "first"), (far, "last")):
            self._put(side / "work/a.md", f"{line} of {side.name}\n")
        self._put(near / "notes/a.md", "edited\n")
        (far / "notes/c d.md").unlink()
        (near / "notes/ü.md").rename(near / "notes/renamed.md")
        self._apply()
        self.run("undo", "--yes", "--project", "notes")
        self._put(near / "notes/new.md", "new\n")
        self._apply()

    def _apply(self) -> None:
        answer = self.run("apply", "--yes")
        assert answer.code in {0, 3}, answer

    @staticmethod
    def _put(file: Path, text: str) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def _read(self, folder: str) -> dict[str, bytes]:
        top = self.root / folder
        return {
            str(file.relative_to(self.root)): file.read_bytes()
            for file in top.rglob("*")
            if file.is_file()
        }

    def run(self, *words: str) -> Answer:
        """Run one command line."""
        env = {
            "HOME": str(self.root / "home"),
            "PATH": os.environ["PATH"],
            "BM_SYNC_STATE_DIR": str(self._state),
        }
        answer = self._started(words, env) if self._outside else self._called(words, env)
        self.codes[answer.code] += 1
        return answer

    def _started(self, words: tuple[str, ...], env: dict[str, str]) -> Answer:
        path = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        done = subprocess.run(
            [*START, *words],
            cwd=self.root,
            env=env | path,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            timeout=_LATE_S,
            check=False,
        )
        return Answer(words, done.returncode, done.stdout, done.stderr)

    def _called(self, words: tuple[str, ...], env: dict[str, str]) -> Answer:
        out, err = _stream(), _stream()
        before = Path.cwd()
        os.chdir(self.root)
        try:
            with (
                mock.patch.dict(os.environ, env, clear=True),
                mock.patch.multiple(sys, stdout=out, stderr=err, argv=["bm-sync", *words]),
                _bounded(words),
            ):
                code = main(words)
        finally:
            os.chdir(before)
        return Answer(words, code, _text(out), _text(err))

    def local(self, seed: int) -> None:
        """Spoil the state of this machine and use it."""
        chance = Random(seed)  # noqa: S311 - odd bytes, no secret
        gently = chance.random() < 0.5
        spoil = state_damage.one_row if gently else state_damage.many
        self._lay(spoil(self._files["state.db"], chance), spare=chance.random() < 0.5)
        self._use(chance, self.runs - 1 if gently else 0)

    def fetched(self, seed: int) -> None:
        """Take in a spoilt state, as of a remote, and use what has come of it."""
        chance = Random(seed)  # noqa: S311 - odd bytes, no secret
        self._lay(self._files["state.db"], spare=False)
        data = state_damage.many(self._exported, chance)
        with State.open(self._state, machine=no_machine) as state:
            before = [seen for seen in state.projects() if seen.name == "work"]
            state.forget(self.keys["notes"])
            with _allowing_newer():
                state.take_in(Wanted(self.keys["notes"], others=("work",)), data)
            assert [seen for seen in state.projects() if seen.key == self.keys["work"]] == before
            assert {seen.key for seen in state.projects()} <= set(self.keys.values())
            state.examine()
            assert state.repaired is None
        self._use(chance, self.runs)

    def _lay(self, data: bytes, *, spare: bool) -> None:
        shutil.rmtree(self._state)
        self._state.mkdir(mode=0o700)
        for name, whole in self._files.items():
            if name == "state.db" or spare:
                self._state.joinpath(name).write_bytes(data if name == "state.db" else whole)

    def _use(self, chance: Random, least_runs: int) -> None:
        looks = chance.sample(_LOOKS, self.looks)
        if not self.acts:
            for words in (*looks, *_READS):
                self.run(*words).judge()
            return
        slow = [("doctor",)] if chance.random() < 0.2 else []
        answers = {words: self.run(*words) for words in (*looks, *slow, *_ACTS)}
        for answer in answers.values():
            answer.judge()
        if least_runs:
            shown = json.loads(answers["history", "--json", "--limit", "1000"].out)["data"]
            assert len(shown) >= least_runs
        told = json.loads(answers["status", "--json"].out)
        if told["data"] is None:
            assert "newer bm-sync" in told["errors"][0]["what"]
        else:
            assert {"notes", "work"} <= {row["project"] for row in told["data"]}
        self._lost_nothing()

    def _lost_nothing(self) -> None:
        """Assert that every content stands somewhere, and begin again from the same files."""
        now = self._read("near") | self._read("far")
        assert set(self._sides.values()) <= set(now.values())
        if now.keys() == self._sides.keys():
            return
        for top in ("near", "far"):
            shutil.rmtree(self.root / top)
        for name, data in self._sides.items():
            file = self.root / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)


@contextmanager
def _allowing_newer() -> Iterator[None]:
    from bm_sync.errors import StateError

    try:
        yield
    except StateError as e:
        assert "newer bm-sync" in e.what  # noqa: PT017 - any other is a fault


@contextmanager
def _bounded(words: tuple[str, ...]) -> Iterator[None]:
    """Fail when a command hangs, or computes for long."""

    def late(_: int, __: FrameType | None) -> None:
        raise AssertionError(f"{words} hangs")

    old = signal.signal(signal.SIGALRM, late)
    signal.alarm(_LATE_S)
    began = time.process_time()
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, old)
    assert time.process_time() - began < _MOST_S, words


def _stream() -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)


def _text(stream: io.TextIOWrapper) -> str:
    stream.flush()
    assert isinstance(stream.buffer, io.BytesIO)
    return stream.buffer.getvalue().decode()


@cache
def world() -> World:
    """Return the world of this process."""
    return World()
