"""With `conflict: {winner: merge}` what both sides changed in a text becomes one, on both sides."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from servers import REMEMBERED_S
from two_machines import EVERYWHERE, SERVERS, Machine, converged, quiet, remote_of

from bm_sync import api, past_api
from bm_sync.model.config import Conflict, Winner
from bm_sync.model.past import Undo
from bm_sync.model.report import Selection
from bm_sync.structs import replace

NOTE = "# Title\n\nfirst paragraph\n\nsecond paragraph\n\nthird paragraph\n"
MINE = NOTE.replace("first", "my first")
THEIRS = NOTE.replace("third", "their third")
BOTH = MINE.replace("third", "their third")


@pytest.fixture(params=EVERYWHERE)
def one(request: pytest.FixtureRequest, tmp_path: Path) -> Machine:
    kind: str = request.param
    stale_s = REMEMBERED_S if kind in SERVERS else 0.0
    made = Machine(tmp_path / "one", remote_of(request, kind, tmp_path), stale_s=stale_s)
    made.folder.mkdir(parents=True)
    return replace(made, policy=replace(made.policy, conflict=Conflict(Winner.MERGE)))


def changed(one: Machine, mine: str | bytes, theirs: str | bytes, base: str = NOTE) -> Machine:
    """Let two machines change a note that both agreed on; return the other machine."""
    two = replace(one, home=one.home.parent / "two")
    two.folder.mkdir(parents=True)
    one.write("d/note.md", base)
    converged(one.apply())
    converged(two.apply())
    two.write("d/note.md", theirs)
    converged(two.apply())
    one.write("d/note.md", mine)
    return two


def test_edits_of_different_paragraphs_merge_and_both_old_versions_are_kept(one: Machine) -> None:
    two = changed(one, MINE, THEIRS)
    plan = one.plan()
    assert [(a.kind, a.path, str(a.reason)) for a in plan.moves] == [
        ("restore", "d/note.md", "changed on both sides: merged"),
        ("restore", "d/note.md", "changed on both sides: merged"),
    ]
    assert one.files() == {"d/note.md": MINE.encode()}, "a plan changes nothing"
    run = converged(one.apply())
    assert not run.clashes
    assert one.files() == {"d/note.md": BOTH.encode()}
    assert not (one.folder / ".bm-sync/new").exists()
    quiet(one)
    converged(two.apply())
    assert two.files() == {"d/note.md": BOTH.encode()}
    kept = asyncio.run(past_api.versions(one.manifest.projects[0], "d/note.md", one.setup))
    assert {len(MINE), len(THEIRS)} <= {version.size for version in kept}


def test_edits_that_meet_keep_both_versions(one: Machine) -> None:
    changed(one, NOTE.replace("second", "my"), NOTE.replace("second", "their"))
    run = converged(one.apply())
    (clash,) = run.clashes
    assert "they do not merge" in clash.what
    assert len(one.files()) == 2
    quiet(one)


def test_what_is_no_text_is_not_merged(one: Machine) -> None:
    changed(one, b"\0" + MINE.encode(), THEIRS.encode())
    converged(one.apply())
    assert len(one.files()) == 2


def test_a_merge_can_be_taken_back_and_a_later_one_starts_from_it(one: Machine) -> None:
    two = changed(one, MINE, THEIRS)
    converged(one.apply())
    applied = asyncio.run(past_api.undo(one.manifest, Undo(), one.setup))
    assert applied.run is not None
    converged(applied.run.projects[0])
    assert one.files() == {"d/note.md": MINE.encode()}
    quiet(one)
    converged(two.apply())
    two.write("d/note.md", BOTH)
    converged(two.apply())
    one.write("d/note.md", MINE.replace("# Title", "# New title"))
    converged(one.apply())
    assert one.files() == {"d/note.md": BOTH.replace("# Title", "# New title").encode()}


def test_a_saved_plan_merges_what_it_showed(one: Machine) -> None:
    changed(one, MINE, THEIRS)
    saved = asyncio.run(api.plan(one.manifest, Selection(), one.setup))
    applied = asyncio.run(api.apply_saved(one.manifest, saved, one.setup))
    assert applied.run is not None
    converged(applied.run.projects[0])
    assert one.files() == {"d/note.md": BOTH.encode()}
