"""Troubles of a whole side: what is in the way is told, nothing is lost, a later run goes on."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from pipeline_bench import Bench, everything, texts

from bm_sync.engine import placing
from bm_sync.engine.placing import ChangedError
from bm_sync.model.run import Outcome, Status


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.mark.parametrize("what", ["file", "link", "pipe"])
def test_something_else_in_the_place_of_our_folder_is_told_and_left_alone(
    bench: Bench, what: str
) -> None:
    bench.write("a.md")
    bench.apply()
    bench.write("a.md", text="edited", where=bench.there)
    ours, away = bench.here / ".bm-sync", bench.folder / "away"
    away.mkdir()
    if what == "file":
        ours.write_text("mine")
    elif what == "link":
        ours.symlink_to(away)
    else:
        os.mkfifo(ours)
    before = everything(bench.folder / "away"), everything(bench.there)
    done = bench.apply()
    assert (done.exit, done.status) == (1, Status.FAILED)
    assert ".bm-sync" in (done.message or "")
    assert "bug" not in (done.message or "")
    assert (everything(bench.folder / "away"), everything(bench.there)) == before
    assert texts(bench.here) == {"a.md": "text of a.md\n"}
    ours.unlink()
    assert bench.apply().exit == 0
    assert texts(bench.here) == {"a.md": "edited"}


def test_a_conflict_whose_winner_cannot_be_placed_leaves_two_files_of_their_own(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.write("a.md", text="here")
    bench.write("a.md", text="there", where=bench.there)
    os.utime(bench.here / "a.md", (1, 1))
    real = placing.replace

    def refuse(*_: object) -> None:
        raise ChangedError("an editor holds it")

    monkeypatch.setattr(placing, "replace", refuse)
    done = bench.apply()
    assert (done.exit, done.status) == (1, Status.PARTIAL)
    copy = next(bench.here.glob("a.conflict-*.md"))
    with (bench.here / "a.md").open("a") as file:
        file.write(" and more")
    assert copy.read_text() == "here", "the copy is no second name of the file"
    monkeypatch.setattr(placing, "replace", real)
    os.utime(bench.here / "a.md", (1, 1))
    assert bench.apply().exit == 0
    assert texts(bench.here) == texts(bench.there)
    assert {"here", "here and more", "there"} == set(texts(bench.here).values())


def test_an_edit_between_plan_and_placing_is_not_replaced_and_told(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.write("a.md", "b.md")
    bench.apply()
    bench.write("a.md", "b.md", text="from there", where=bench.there)
    real = placing.replace
    edited = ["a.md"]

    def edit_first(*args: object) -> object:
        while edited:
            bench.write(edited.pop(), text="saved meanwhile")
        return real(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(placing, "replace", edit_first)
    done = bench.apply()
    assert done.exit == 1
    assert {a.path: a.outcome for a in done.actions} == {
        "a.md": Outcome.DROPPED,
        "b.md": Outcome.DONE,
    }
    assert texts(bench.here) == {"a.md": "saved meanwhile", "b.md": "from there"}
    done = bench.apply()
    assert done.exit == 0
    assert set(texts(bench.here).values()) == {"saved meanwhile", "from there"}
    assert len(texts(bench.there)) == 3


def test_what_a_killed_run_left_is_cleared_and_a_swapped_version_is_kept(bench: Bench) -> None:
    bench.write("a.md")
    key = bench.apply().key[:12]
    left = bench.here / ".bm-sync/staging" / f"{key}-20260101T000000Z-dead"
    (left / "in").mkdir(parents=True)
    (left / "in/half.md").write_text("half")
    (left / "swap").write_text("saved in the moment of the kill")
    others = bench.here / ".bm-sync/staging/ffffffffffff-20260101T000000Z-beef"
    others.mkdir()
    (others / "note").write_text("of another project")
    bench.write("b.md", where=bench.there)
    assert bench.apply().exit == 0
    kept = bench.here / ".bm-sync/trash/20260101T000000Z-dead/notes/.swapped"
    assert kept.read_text() == "saved in the moment of the kill"
    assert not left.exists()
    assert (others / "note").read_text() == "of another project"
    assert texts(bench.here) == texts(bench.there)


def test_nothing_of_ours_is_left_when_nothing_was_kept(bench: Bench) -> None:
    bench.write("a.md", "d/b.md")
    assert bench.apply().exit == 0
    assert sorted(p.name for p in bench.here.iterdir()) == ["a.md", "d"]
    assert sorted(p.name for p in (bench.folder / "cloud").iterdir()) == ["notes"]


@pytest.mark.parametrize("there", ["there", "there, and longer"])
def test_a_conflict_whose_winner_never_arrives_gets_one_copy_however_often_it_is_tried(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, there: str
) -> None:
    bench.write("a.md", text="of another size")
    bench.apply()
    bench.write("a.md", text="here!")
    bench.write("a.md", text=there, where=bench.there)
    os.utime(bench.here / "a.md", (1_000_000_000, 1_000_000_000))
    real = placing.replace

    def refuse(*_: object) -> None:
        raise ChangedError("an editor holds it")

    monkeypatch.setattr(placing, "replace", refuse)
    for _ in range(3):
        assert bench.apply().exit == 1
        assert sorted(texts(bench.here).values()) == ["here!", "here!"]
    monkeypatch.setattr(placing, "replace", real)
    assert bench.apply().exit == 0
    assert texts(bench.here) == texts(bench.there)
    assert sorted(texts(bench.here).values()) == ["here!", there]
