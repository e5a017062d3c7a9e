"""The same acts on every local file system that can be mounted here."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from filesystems.conftest import Ground
from pipeline_bench import Bench, texts

from bm_sync import past_api
from bm_sync.model.past import Undo
from bm_sync.model.run import Outcome, ProjectRun, Status

LONG = "é" * 100 + "l" * 52 + ".md"
NAMES = (
    "spaces in it .md",
    "-dash, #hash; 'quote' & $HOME.md",
    "emoji \N{BOOKS} and \u202e.md",
    "\u00e9 composed.md",
    ".leading dot",
    LONG,
    "/".join("d" * 40 for _ in range(12)) + "/deep down.md",
)


def undone(bench: Bench) -> ProjectRun:
    """Take the last run back."""
    done = asyncio.run(past_api.undo(bench.manifest(), Undo(), bench.setup))
    assert done.run is not None
    return done.run.projects[0]


def missed(run: ProjectRun) -> dict[str, str]:
    """Return what was said of everything that was not done or could not be synced."""
    said = {a.path: a.detail or "" for a in run.actions if a.outcome is not Outcome.DONE}
    return said | {p.path: p.what for p in run.problems}


def both(bench: Bench) -> dict[str, str]:
    """Return what stands on both sides, which hold the same; nothing half lies about."""
    here, there = texts(bench.here), texts(bench.there)
    assert here == there
    for side in (bench.here, bench.there):
        assert not list(side.rglob("*.bmpart"))
    assert not list(bench.folder.rglob(".bm-sync/staging"))
    return here


def converged(run: ProjectRun) -> None:
    assert (run.exit, missed(run)) == (0, {}), run.message


def quiet(bench: Bench) -> None:
    before = both(bench)
    run = bench.apply()
    assert run.status is Status.IN_SYNC, run
    assert both(bench) == before


def test_every_change_goes_both_ways_and_is_taken_back(ground: Ground) -> None:
    bench = ground.bench
    acts = ("edit", "delete", "rename", "both", "calm")
    for where, side in (("h", bench.here), ("t", bench.there)):
        for folder in ("", "deep/"):
            bench.write(*(f"{folder}{act}-{where}.md" for act in acts), where=side)
            bench.write(*(f"{folder}names-{where}/{name}" for name in NAMES), where=side)
            bench.write(f"{folder}empty-{where}.md", where=side)
            (side / f"{folder}empty-{where}.md").write_bytes(b"")
        (side / f"deep/no file in it {where}").mkdir()
    converged(bench.apply())
    before = both(bench)
    assert len(before) == 4 * (len(acts) + len(NAMES) + 1)
    assert (bench.here / "deep/no file in it t").is_dir()
    quiet(bench)

    for where, side, other in (("h", bench.here, bench.there), ("t", bench.there, bench.here)):
        for folder in ("", "deep/"):
            bench.write(f"{folder}edit-{where}.md", text=f"edited {where}", where=side)
            bench.write(f"{folder}new-{where}.md", where=side)
            bench.write(f"{folder}names-{where}/{LONG}", text="edited, longer", where=side)
            (side / f"{folder}delete-{where}.md").unlink()
            (side / f"{folder}rename-{where}.md").rename(side / f"{folder}renamed {where}.md")
            bench.write(f"{folder}both-{where}.md", text="loses", where=side)
            bench.write(f"{folder}both-{where}.md", text="wins, by its time", where=other)
            os.utime(side / f"{folder}both-{where}.md", (1_700_000_000, 1_700_000_000))
    run = bench.apply()
    converged(run)
    after = both(bench)
    for where in "ht":
        for folder in ("", "deep/"):
            assert after[f"{folder}edit-{where}.md"] == f"edited {where}"
            assert after[f"{folder}names-{where}/{LONG}"] == "edited, longer"
            assert after[f"{folder}both-{where}.md"] == "wins, by its time"
            assert f"{folder}delete-{where}.md" not in after
            assert after[f"{folder}renamed {where}.md"] == before[f"{folder}rename-{where}.md"]
    assert sum(text == "loses" for text in after.values()) == 4
    places = [(a.path, a.kept or "") for a in run.actions]
    kept = {path: Path(where).read_text() for path, where in places if where.startswith("/")}
    for path in (
        "edit-h.md",
        "delete-h.md",
        f"names-h/{LONG}",
        "deep/edit-t.md",
        "deep/delete-t.md",
    ):
        assert kept[path] == before[path]
    quiet(bench)

    converged(undone(bench))
    assert both(bench) == before | {path: "loses" for path in before if "both-" in path}
    quiet(bench)
