"""Rules that lie in the project itself and travel with it (.gitignore)."""

from __future__ import annotations

from pathlib import Path

import pytest
from pipeline_bench import Bench, texts

from bm_sync.model.run import Status


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path, gitignore=True)


def test_a_rule_that_comes_from_the_other_side_holds_at_once(bench: Bench) -> None:
    bench.write("a.md", "secret.log")
    bench.write(".gitignore", text="*.log\n", where=bench.there)
    assert bench.apply().exit == 0
    assert sorted(texts(bench.there)) == [".gitignore", "a.md"]
    assert sorted(texts(bench.here)) == [".gitignore", "a.md", "secret.log"]
    assert bench.apply().status is Status.IN_SYNC


def test_a_rule_that_hides_synced_files_deletes_nothing(bench: Bench) -> None:
    bench.write("a.md", "b.log", "d/c.log")
    bench.apply()
    bench.write(".gitignore", text="*.log\n")
    assert bench.apply().exit == 0
    assert bench.apply().status is Status.IN_SYNC
    names = [".gitignore", "a.md", "b.log", "d/c.log"]
    assert sorted(texts(bench.here)) == sorted(texts(bench.there)) == names


def test_a_rule_that_leaves_lets_the_files_in_again_and_a_deletion_stays_one(bench: Bench) -> None:
    bench.write("a.md", "b.log", "c.log")
    bench.apply()
    bench.write(".gitignore", text="*.log\n")
    bench.apply()
    (bench.here / "b.log").unlink()
    bench.write("c.log", text="edited")
    assert bench.apply().status is Status.IN_SYNC
    (bench.here / ".gitignore").unlink()
    assert bench.apply().exit == 0
    assert texts(bench.here) == texts(bench.there) == {"a.md": "text of a.md\n", "c.log": "edited"}
    assert bench.apply().status is Status.IN_SYNC


def test_a_rule_edited_on_the_other_side_settles_within_two_runs(bench: Bench) -> None:
    bench.write("a.md", "b.log")
    bench.write(".gitignore", text="*.tmp\n")
    bench.apply()
    bench.write(".gitignore", text="*.log\n", where=bench.there)
    bench.write("c.log", where=bench.there)
    assert bench.apply().exit == 0
    assert bench.apply().exit == 0
    assert bench.apply().status is Status.IN_SYNC
    assert texts(bench.here)["b.log"] == texts(bench.there)["b.log"] == "text of b.log\n"
