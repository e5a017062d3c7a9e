"""A run is taken back: on both sides, as a run of its own, and only what is still as it left it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from pipeline_bench import Bench, texts

from bm_sync import past_api
from bm_sync.errors import UsageError
from bm_sync.model.past import Undo
from bm_sync.model.plan import Plan
from bm_sync.model.run import ActionEnded, Event, ProjectRun, Status
from bm_sync.structs import replace


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def undone(bench: Bench, wanted: Undo | None = None) -> ProjectRun:
    """Take a run back and return what was done to the one project."""
    done = asyncio.run(past_api.undo(bench.manifest(), wanted or Undo(), bench.setup))
    assert done.run is not None
    return done.run.projects[0]


def planned(bench: Bench, wanted: Undo | None = None) -> Plan:
    """Plan to take a run back."""
    return asyncio.run(past_api.plan_undo(bench.manifest(), wanted or Undo(), bench.setup))


def both(bench: Bench) -> dict[str, str]:
    """Return what stands on both sides, which hold the same."""
    here, there = texts(bench.here), texts(bench.there)
    assert here == there
    return here


def quiet(bench: Bench) -> None:
    """Assert that a plain apply has nothing to do."""
    before = both(bench)
    assert bench.apply().status is Status.IN_SYNC
    assert both(bench) == before


def test_an_edit_that_went_up_goes_back_on_both_sides(bench: Bench) -> None:
    bench.write("a.md", "b.md")
    bench.apply()
    before = both(bench)
    bench.write("a.md", text="edited here")
    bench.apply()
    done = undone(bench)
    assert (done.status, done.exit) == (Status.CHANGED, 0)
    assert both(bench) == before
    assert {Path(a.kept or "").read_text() for a in done.actions} == {"edited here"}
    quiet(bench)


def test_undo_twice_brings_back_what_was(bench: Bench) -> None:
    bench.write("a.md", "d/b.md", "gone.md")
    bench.apply()
    before = both(bench)
    bench.write("a.md", text="edited there", where=bench.there)
    bench.write("new.md", "e/f/new.md")
    (bench.there / "gone.md").unlink()
    (bench.here / "d/b.md").rename(bench.here / "d/c.md")
    bench.apply()
    after = both(bench)
    assert undone(bench).exit == 0
    assert both(bench) == before
    assert not (bench.here / "e").exists()
    assert not (bench.there / "e").exists()
    quiet(bench)
    assert undone(bench).exit == 0
    assert both(bench) == after
    quiet(bench)
    assert undone(bench).exit == 0
    assert both(bench) == before


def test_what_changed_since_is_left_alone_and_named(bench: Bench) -> None:
    bench.write("a.md", "b.md", "c.md")
    bench.apply()
    bench.write("a.md", "b.md", "c.md", text="edited")
    bench.apply()
    bench.write("b.md", text="edited again")
    (bench.there / "c.md").unlink()
    done = undone(bench)
    assert {(p.path, p.what) for p in done.problems} == {
        ("b.md", "it was changed after the run"),
        ("c.md", "it was deleted after the run"),
    }
    assert done.exit == 1
    assert texts(bench.here) == {"a.md": "text of a.md\n", "b.md": "edited again", "c.md": "edited"}
    assert bench.apply().exit == 0
    assert both(bench) == {"a.md": "text of a.md\n", "b.md": "edited again"}


def test_a_plan_of_undo_changes_nothing_and_says_what_it_would_do(bench: Bench) -> None:
    bench.write("a.md")
    bench.apply()
    bench.write("a.md", text="edited")
    bench.write("new.md")
    run = bench.apply()
    before = both(bench)
    plan = planned(bench).projects[0]
    assert both(bench) == before
    assert [(a.kind, a.path) for a in plan.moves] == [
        ("restore", "a.md"),
        ("restore", "a.md"),
        ("trash", "new.md"),
        ("trash", "new.md"),
    ]
    assert plan.notes[0].startswith("takes back run ")
    assert run.exit == 0


def test_only_the_paths_that_are_named_go_back(bench: Bench) -> None:
    bench.write("a.md", "old/b.md", "old/deep/c.md")
    bench.apply()
    bench.write("a.md", "old/b.md", "old/deep/c.md", text="edited")
    bench.apply()
    run = last_run(bench)
    assert undone(bench, Undo(paths=("old/*.md",))).exit == 0
    assert both(bench)["old/b.md"] == "text of old/b.md\n"
    assert both(bench)["old/deep/c.md"] == "edited"
    assert undone(bench, Undo(run=run, paths=("old",))).exit == 0
    assert both(bench) == {**both(bench), "old/deep/c.md": "text of old/deep/c.md\n"}
    assert both(bench)["a.md"] == "edited"
    quiet(bench)


def last_run(bench: Bench) -> str:
    """Return the id of the run that would be taken back."""
    return planned(bench).projects[0].notes[0].split()[3]


def test_a_conflict_goes_back_to_the_version_that_lost(bench: Bench) -> None:
    bench.policy = {"conflict": {"winner": "remote"}}
    bench.write("a.md")
    bench.apply()
    bench.write("a.md", text="mine")
    bench.write("a.md", text="theirs, longer", where=bench.there)
    bench.apply()
    assert len(both(bench)) == 2
    done = undone(bench)
    assert done.exit == 0
    assert both(bench) == {"a.md": "mine"}
    quiet(bench)


def test_a_file_that_took_the_place_of_a_folder_gives_it_back(bench: Bench) -> None:
    bench.write("x/a.md", "x/y/b.md")
    bench.apply()
    before = both(bench)
    for name in ("x/a.md", "x/y/b.md"):
        (bench.there / name).unlink()
    (bench.there / "x/y").rmdir()
    (bench.there / "x").rmdir()
    bench.write("x", where=bench.there)
    bench.apply()
    assert both(bench) == {"x": "text of x\n"}
    assert undone(bench).exit == 0
    assert both(bench) == before
    quiet(bench)
    assert undone(bench).exit == 0
    assert both(bench) == {"x": "text of x\n"}
    quiet(bench)


def test_a_one_way_project_is_taken_back_at_its_destination_only(bench: Bench) -> None:
    bench.policy = {"mode": "mirror", "direction": "up"}
    bench.write("a.md", "b.md")
    bench.apply()
    before = texts(bench.there)
    bench.write("a.md", text="edited")
    (bench.here / "b.md").unlink()
    bench.apply()
    source = texts(bench.here)
    done = undone(bench)
    assert done.exit == 0
    assert texts(bench.there) == before
    assert texts(bench.here) == source
    assert bench.apply().exit == 0
    assert texts(bench.there) == source


@pytest.mark.parametrize("direction", ["up", "down"])
@pytest.mark.parametrize("moved_on", ["", "edited", "deleted", "renamed again", "old name taken"])
def test_a_rename_in_a_mirror_is_taken_back_and_done_again_whatever_the_source_does(
    bench: Bench, direction: str, moved_on: str
) -> None:
    bench.policy = {"mode": "mirror", "direction": direction}
    source, target = (bench.here, bench.there) if direction == "up" else (bench.there, bench.here)
    bench.write("d/a.md", "b.md", where=source)
    assert bench.apply().exit == 0
    before = texts(target)
    (source / "d/a.md").rename(source / "moved.md")
    assert bench.apply().exit == 0
    after = texts(target)
    assert sorted(after) == ["b.md", "moved.md"]
    match moved_on:
        case "edited":
            bench.write("moved.md", text="edited at the source", where=source)
        case "deleted":
            (source / "moved.md").unlink()
        case "renamed again":
            (source / "moved.md").rename(source / "again.md")
        case "old name taken":
            bench.write("d/a.md", text="another file", where=source)
        case _:
            pass
    stands = texts(source)
    for expected in (before, after, before):
        done = undone(bench)
        assert (done.exit, done.problems) == (0, ())
        assert (texts(target), texts(source)) == (expected, stands)
    assert bench.apply().exit == 0
    assert texts(target) == texts(source) == stands


def test_a_guard_stops_an_undo_that_deletes_much(bench: Bench) -> None:
    bench.policy = {"guards": {"max_delete": 2}}
    bench.write("a.md")
    bench.apply()
    bench.write(*(f"{n}.md" for n in range(5)))
    bench.apply()
    before = both(bench)
    done = undone(bench)
    assert (done.status, done.exit) == (Status.STOPPED, 3)
    assert both(bench) == before
    stop = done.stops[0]
    assert stop.accept == "delete=10"
    wanted = Undo(accept=replace(Undo().accept, delete=10))
    assert undone(bench, wanted).exit == 0
    assert both(bench) == {"a.md": "text of a.md\n"}


def test_a_run_that_changed_nothing_is_not_the_last_one(bench: Bench) -> None:
    bench.write("a.md")
    bench.apply()
    bench.write("a.md", text="edited")
    bench.apply()
    bench.apply()
    assert undone(bench).exit == 0
    assert both(bench) == {"a.md": "text of a.md\n"}


def test_there_is_nothing_to_take_back_before_the_first_run(bench: Bench) -> None:
    with pytest.raises(UsageError, match="no run is recorded"):
        planned(bench)
    bench.write("a.md")
    bench.apply()
    with pytest.raises(UsageError, match="no run '2020'"):
        planned(bench, Undo(run="2020"))


def test_a_path_that_the_filters_exclude_now_is_left_alone(bench: Bench) -> None:
    bench.write("a.md", "draft.txt")
    bench.apply()
    bench.write("a.md", "draft.txt", text="edited")
    bench.apply()
    bench.exclude = ("*.txt",)
    done = undone(bench)
    assert [(p.path, p.what) for p in done.problems] == [
        ("draft.txt", "the filters exclude it now")
    ]
    assert both(bench) == {"a.md": "text of a.md\n", "draft.txt": "edited"}


def test_an_undo_that_is_interrupted_leaves_sides_that_an_apply_makes_equal(bench: Bench) -> None:
    names = [f"{number}.md" for number in range(6)]
    bench.write(*names, "gone.md")
    bench.apply()
    before = both(bench)
    bench.write(*names, text="edited")
    bench.write("new.md")
    (bench.there / "gone.md").unlink()
    bench.apply()
    after = both(bench)

    async def stopped() -> ProjectRun:
        ended = 0

        def stop(event: Event) -> None:
            nonlocal ended
            ended += isinstance(event, ActionEnded)
            if ended == 3:
                task.cancel()

        undoing = past_api.undo(bench.manifest(), Undo(), bench.setup, on_event=stop)
        task = asyncio.create_task(undoing)
        done = await task
        assert done.run is not None
        return done.run.projects[0]

    assert asyncio.run(stopped()).status is Status.INTERRUPTED
    assert bench.apply().exit == 0
    now = both(bench)
    assert all(now.get(path) in (before.get(path), after.get(path)) for path in before | after)
    assert now != after
    quiet(bench)
