"""Forged and damaged saved plans on a real pair of folders: nothing happens that today's own plan
would not do.

`BM_SYNC_FORGERIES` is how many are tried in each world (60 by default), `BM_SYNC_FORGERY_SEED`
where the counting begins.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from random import Random

import pytest
from pipeline_bench import Bench, everything
from property.forging import Forger

from bm_sync import api
from bm_sync.cli.saved import read_plan, write_plan
from bm_sync.errors import StalePlanError, UsageError
from bm_sync.model.plan import Plan, Wants
from bm_sync.model.report import Selection

TRIES = int(os.environ.get("BM_SYNC_FORGERIES", "60"))
SEED = int(os.environ.get("BM_SYNC_FORGERY_SEED", "0"))
GUARDS = {"max_delete": 6, "max_overwrite": 6}
WORLDS: dict[str, dict[str, object]] = {
    "two-way": {"mode": "two-way"},
    "two-way-trash": {"mode": "two-way", "conflict": {"winner": "remote", "loser": "trash"}},
    "two-way-waiting": {"mode": "two-way", "conflict": {"winner": "stop"}},
    "push": {"mode": "push"},
    "pull": {"mode": "pull"},
    "mirror-up": {"mode": "mirror", "direction": "up"},
    "mirror-down": {"mode": "mirror", "direction": "down"},
    "stopped": {"mode": "two-way"},
}
Tree = Mapping[str, str]


def built(folder: Path, name: str) -> Bench:
    """Make a world that was in sync and has changed on both sides since; always the same one."""
    bench = Bench(folder, policy={**WORLDS[name], "guards": GUARDS}, exclude=(".git/", "*.key"))
    bench.write(*(f"n{number}.md" for number in range(12)), "d/a.md", "d/e/b.md", "x", "old/o.md")
    shutil.copytree(bench.here, bench.there)
    bench.write(".git/hooks/post-checkout.sample", "my.key")
    assert bench.apply().exit == 0
    here, there = bench.here, bench.there
    for side, word in ((here, "here"), (there, "there")):
        bench.write("both.md", "both.txt", text=f"made {word}", where=side)
        bench.write("n0.md", text=f"edited {word}", where=side)
        bench.write(f"new {word}.md", f"fresh/{word}/new.md", text=word, where=side)
    bench.write("n1.md", text="edited here")
    bench.write("n2.md", text="edited there", where=there)
    (here / "n3.md").unlink()
    (there / "n4.md").unlink()
    (here / "n5.md").rename(here / "renamed.md")
    (there / "n6.md").rename(there / "d" / "moved.md")
    (here / "old/o.md").unlink()
    (here / "old").rmdir()
    (there / "x").unlink()
    bench.write("x/y.md", where=there)
    bench.write("x", text="x edited here")
    if name == "stopped":
        for number in range(5, 12):
            (here / f"n{number}.md").unlink(missing_ok=True)
        (here / "renamed.md").unlink()
    for file in folder.rglob("*"):
        if file.is_file() and ".bm-sync" not in file.parts:
            os.utime(file, (1_700_000_000, 1_700_000_000))
    return bench


def tree(bench: Bench) -> Tree:
    """Return every file that the world holds, with its text, but what bm-sync keeps for itself."""
    own = {".bm-sync", "state", "plans"}
    files = (p for p in bench.folder.rglob("*") if p.is_file() and own.isdisjoint(p.parts))
    return {p.relative_to(bench.folder).as_posix(): p.read_text() for p in files}


def versions(bench: Bench) -> set[str]:
    """Return every text that stands on a side or in a trash."""
    return {p.read_text() for side in (bench.here, bench.there.parent) for p in _files(side)}


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


class Ground:
    """One kind of world: a fresh one for each forgery that is believed in part or whole."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        self.name = name
        self.made = 0
        self.bench = self.fresh()
        self.outcomes: dict[Wants, Tree] = {}

    def fresh(self) -> Bench:
        self.made += 1
        (folder := self.folder / str(self.made)).mkdir(parents=True)
        (folder / "plans").mkdir()
        self.bench = built(folder, self.name)
        return self.bench

    def honest(self) -> Plan:
        return asyncio.run(api.plan(self.bench.manifest(), Selection(), self.bench.setup))

    def outcome(self, wants: Wants) -> Tree:
        """Return what today's own plan makes of this world."""
        if wants not in self.outcomes:
            (folder := self.folder / f"twin{len(self.outcomes)}").mkdir()
            twin = built(folder, self.name)
            asyncio.run(
                api.apply(
                    twin.manifest(),
                    Selection(),
                    twin.setup,
                    accept=wants.accept,
                    keep_deleted=wants.keep_deleted,
                )
            )
            self.outcomes[wants] = tree(twin)
        return self.outcomes[wants]

    def believed(self, file: Path) -> str:
        """Apply a plan; return `refused`, `nothing`, `part` or `all` of today's; assert the law."""
        bench = self.bench
        before, kept = tree(bench), versions(bench)
        stamps = everything(bench.here), everything(bench.there)
        try:
            plan = read_plan(file, {})
            asyncio.run(api.apply_saved(bench.manifest(), plan, bench.setup))
        except (StalePlanError, UsageError):
            assert (everything(bench.here), everything(bench.there)) == stamps
            return "refused"
        after, full = tree(bench), self.outcome(plan.wants)
        for path in before.keys() | after.keys() | full.keys():
            assert after.get(path) in (before.get(path), full.get(path)), path
        assert kept <= versions(bench)
        return "nothing" if after == before else "all" if after == full else "part"


@pytest.mark.parametrize("name", WORLDS)
def test_a_forged_plan_does_nothing_that_todays_plan_would_not_do(
    name: str, tmp_path: Path
) -> None:
    ground = Ground(tmp_path, name)
    said: Counter[str] = Counter()
    honest = ground.honest()
    for seed in range(SEED, SEED + TRIES):
        bench = ground.bench
        random = Random(f"{name} {seed}")  # noqa: S311 - a plan can be forged again by its number
        file = bench.folder / "plans" / f"{seed}.plan"
        write_plan(honest, file)
        forger = Forger(bench.here, bench.there, random)
        file.write_text(json.dumps(forger.forged(json.loads(file.read_text()))))
        try:
            outcome = ground.believed(file)
        except BaseException as error:
            error.add_note(f"world {name}, seed {seed}, {file}")
            raise
        said[outcome] += 1
        if outcome != "refused":
            ground.fresh()
            honest = ground.honest()
    print(f"{name}: {TRIES} forged plans: {dict(said)}, 0 believed")  # noqa: T201 - the figures
    assert said["refused"] >= TRIES // 2


@pytest.mark.parametrize("name", WORLDS)
def test_an_honest_plan_does_exactly_what_todays_plan_does(name: str, tmp_path: Path) -> None:
    ground = Ground(tmp_path, name)
    file = ground.bench.folder / "plans" / "honest.plan"
    write_plan(ground.honest(), file)
    assert ground.believed(file) == ("nothing" if name == "stopped" else "all")
