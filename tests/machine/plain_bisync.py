"""Plays random histories with plain `rclone bisync` and Basic Memory's flags; counts what breaks.

It is no test: the figures of docs/reliability.md come from `python tests/machine/plain_bisync.py
100`, run from the checkout. The histories are those of our own engine, over two folders.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from bm_sync.structs import replace

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from hypothesis import HealthCheck, Phase, given, settings
from machine import law
from machine.histories import LOCAL, REMOTE, SIDES, Block, Edit, History, OnCopy, histories
from machine.lane import Lane
from machine.shores import FolderShore, View

from bm_sync.rclone.binary import find

FLAGS = ("--resilient", "--conflict-resolve=newer", "--max-delete=25", "--compare=modtime")
"""Those of basic-memory's rclone_commands.py; a first run, and one after a failure, adds --resync.

https://github.com/basicmachines-co/basic-memory
"""
_NEWER = {"winner": "newer", "loser": "copy", "compare": "auto", "verify": "checksum"}


@dataclass
class Bisync:
    """One project that plain bisync keeps in sync."""

    folder: Path
    lane: Lane
    found: Counter[str] = field(default_factory=Counter)
    _resync: bool = True

    def play(self) -> None:
        """Play the history; what a person would have to do after a failure is done and counted."""
        for edits in self.lane.history.rounds:
            for edit in edits:
                self.lane.do(edit)
            self._round()

    def _round(self) -> None:
        before = self.lane.views()
        then = self.lane.sides(before)
        due = law.due(then, self.lane.base, self.lane.history.policy)
        if not self._run_until_it_ends_well():
            return
        after = self.lane.views()
        self._judge(before, after, due)
        law.remember(self.lane.base, self.lane.sides(after), due, self.lane.patterns)
        if self._bisync() != 0 or self._stands() != _stood(after):
            self.found["I2 a second run fails or changes something"] += 1

    def _run_until_it_ends_well(self) -> bool:
        """Run, with what its messages tell people to do after a failure."""
        if self._bisync() == 0:
            return True
        if self._bisync("--force") == 0:
            self.found["(stopped by --max-delete, let through by --force)"] += 1
            return True
        self.found["I5 one run is not enough, a person has to reset"] += 1
        shutil.rmtree(self.folder / "work", ignore_errors=True)
        self._resync = True
        if self._bisync() == 0:
            return True
        self.found["I12 not even a reset helps"] += 1
        self._resync = True
        return False

    def _bisync(self, *more: str) -> int:
        rules = "".join(f"- {p}\n- {p}/**\n" for p in self.lane.patterns)
        (self.folder / "rules").write_text(f"{rules}- .bm-sync/**\n")
        roots = [str(self.folder / side) for side in SIDES]
        first = ("--resync",) if self._resync else ()
        work = ("--workdir", str(self.folder / "work"), "--filter-from", str(self.folder / "rules"))
        ended = subprocess.run(
            [str(find(None, os.environ).path), "bisync", *roots, *FLAGS, *work, *first, *more],
            env={"PATH": os.environ["PATH"], "RCLONE_CONFIG": os.devnull, "HOME": str(self.folder)},
            capture_output=True,
            check=False,
        )
        if ended.returncode == 0:
            self._resync = False
        return ended.returncode

    def _judge(self, before: dict[str, View], after: dict[str, View], due: law.Due) -> None:
        lane, base = self.lane, self.lane.base.files
        now = lane.sides(after)
        stands = {e.data for v in after.values() for e in v.files.values()}
        for side in SIDES:
            other = before[REMOTE if side == LOCAL else LOCAL].files
            for path, entry in before[side].files.items():
                if entry.data not in stands:
                    twice = path in other and other[path].data == entry.data
                    known = twice or base.get(path) == entry.data
                    kind = "I3b an agreed version is gone" if known else "I3a a new version is lost"
                    self.found[kind] += 1
                kept = after[side].files.get(path)
                quiet = kept is not None and kept.data == entry.data
                if quiet and kept is not None and kept.place != entry.place:
                    self.found["I4 a file is written for nothing"] += 1
        if now[LOCAL].files != now[REMOTE].files:
            self.found["I1 both sides differ after exit 0"] += 1
        for side in SIDES:
            plain = {p: c for p, c in now[side].files.items() if ".conflict" not in p}
            wanted = {p: c for p, c in due.files[side].items() if ".conflict" not in p}
            if plain != wanted:
                self.found["P another content than the changes call for"] += 1
                break

    def _stands(self) -> dict[str, dict[str, bytes]]:
        return _stood(self.lane.views())


def _stood(views: dict[str, View]) -> dict[str, dict[str, bytes]]:
    return {side: view.contents() for side, view in views.items()}


def _plain(edits: tuple[Edit, ...]) -> tuple[Edit, ...]:
    return tuple(e for e in edits if not isinstance(e, Block | OnCopy))


def count(number: int) -> tuple[Counter[str], Counter[str]]:
    """Return in how many histories each promise broke, and how often."""
    cases: Counter[str] = Counter()
    findings: Counter[str] = Counter()

    @settings(
        max_examples=number,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(history=histories().filter(lambda h: h.policy.mode == "two-way"))
    def one(history: History) -> None:
        rounds = tuple(_plain(r) for r in history.rounds)
        history = replace(history, policy=replace(history.policy, **_NEWER), rounds=rounds)
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            shores = {s: FolderShore(folder / s, folder / s) for s in SIDES}
            played = Bisync(folder, Lane("p", history, dict(shores)))
            played.play()
        cases.update(["all", *played.found.keys()])
        findings.update(played.found)

    one()
    return cases, findings


def main() -> None:
    """Print the figures."""
    cases, findings = count(int(sys.argv[1]) if len(sys.argv) > 1 else 50)
    told = {kind: [cases[kind], findings[kind]] for kind in sorted(findings)}
    sys.stdout.write(json.dumps({"histories": cases["all"], "cases, findings": told}, indent=1))


if __name__ == "__main__":
    main()
