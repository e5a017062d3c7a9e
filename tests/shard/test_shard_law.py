"""The law of shards: every project has one owner, and few move when their number changes."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bm_sync.model.config import BUILT_IN, FilterSet, Manifest, Policy, Project
from bm_sync.model.shard import MOST, Shard, narrowed, owner, parse

NAMES = st.text(min_size=1, max_size=30)
COUNTS = st.integers(1, 12)


@given(NAMES, COUNTS)
def test_every_project_is_in_exactly_one_shard(name: str, count: int) -> None:
    assert [Shard(i, count).has(name) for i in range(count)].count(True) == 1


@given(NAMES, COUNTS)
def test_another_shard_takes_projects_and_gives_none_to_the_others(name: str, count: int) -> None:
    assert owner(name, count + 1) in (owner(name, count), count)


@pytest.mark.parametrize("count", [1, 2, 5, 9])
def test_another_shard_takes_about_its_part(count: int) -> None:
    names = [f"team-{n}" for n in range(4000)]
    moved = sum(owner(n, count) != owner(n, count + 1) for n in names)
    assert moved == pytest.approx(len(names) / (count + 1), rel=0.12)


def test_shards_are_about_equal() -> None:
    owned = [owner(f"team-{n}", 8) for n in range(8000)]
    assert all(owned.count(i) == pytest.approx(1000, rel=0.12) for i in range(8))


def test_the_owner_of_a_name_is_the_same_in_every_version() -> None:
    names = ("notes", "research", "archive", "team-7", "Größe", "x")
    assert [owner(name, 5) for name in names] == PINNED[5]
    assert [owner(name, 16) for name in names] == PINNED[16]


PINNED = {5: [2, 4, 4, 4, 4, 1], 16: [2, 14, 11, 5, 12, 1]}


@given(st.lists(NAMES, unique=True, max_size=12), COUNTS, st.randoms(use_true_random=False))
def test_the_order_of_the_manifest_decides_nothing(
    names: list[str], count: int, chance: object
) -> None:
    turned = sorted(names, key=lambda _: chance.random())  # type: ignore[attr-defined] # a Random
    for index in range(count):
        one, two = (narrowed(declaring(n), Shard(index, count)) for n in (names, turned))
        assert {p.name for p in one.projects} == {p.name for p in two.projects}
        assert [p.name for p in one.projects] == [n for n in names if owner(n, count) == index]


def test_projects_of_other_shards_are_told_with_their_owner() -> None:
    whole = declaring(["notes", "research", "archive"])
    mine = narrowed(whole, Shard(owner("notes", 3), 3))
    assert "notes" in {p.name for p in mine.projects}
    for other in mine.elsewhere:
        name = other.project.name
        assert other.reason == f"it belongs to shard {owner(name, 3)}/3"
    assert len(mine.projects) + len(mine.elsewhere) == 3


def declaring(names: list[str]) -> Manifest:
    projects = tuple(
        Project(n, Path("/nowhere") / n, None, n, Policy("p"), FilterSet(), (), BUILT_IN)
        for n in names
    )
    return Manifest(Path("sync.yaml"), "", (), projects)


@pytest.mark.parametrize("word", ["", "1", "a/b", "1/2/3", "-1/2", "1 /2", "1/", "²/3", "1.0/2"])
def test_what_is_no_shard_is_told_with_an_example(word: str) -> None:
    with pytest.raises(ValueError, match="is no shard such as 0/4"):
        parse(word)


@pytest.mark.parametrize("word", ["3/3", "4/3", "1/0", "0/0", f"0/{MOST + 1}"])
def test_a_shard_that_cannot_be_is_told_with_those_that_can(word: str) -> None:
    with pytest.raises(ValueError, match=r"they are 0 to 2|there are 1 to 10000 shards"):
        parse(word)


def test_the_whole_is_one_shard() -> None:
    assert parse("0/1") == Shard(0, 1)
    assert str(parse("02/5")) == "2/5"
    assert Shard(0, 1).has("notes")
