"""Which names may be one with two spellings, as data."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bm_sync.model.tree import Agreed, Baseline, File, ObjectStamp, Tree
from bm_sync.plan.spellings import Pair, pairs, renamed, respelt, suspects

NFC = "\u00e9.md"
NFD = unicodedata.normalize("NFD", NFC)
STAMP = ObjectStamp(1, None, None)
NOTHING = Baseline(known=True, files={}, dirs=frozenset())


def tree(*paths: str, dirs: tuple[str, ...] = ()) -> Tree:
    return Tree({path: File(STAMP) for path in paths}, dict.fromkeys(dirs, False))


def agreed(*paths: str) -> Baseline:
    rows = {path: Agreed(None, STAMP, STAMP) for path in paths}
    return Baseline(known=True, files=rows, dirs=frozenset())


def found(
    side: Tree, other: Tree, baseline: Baseline = NOTHING, known: dict[str, str] | None = None
) -> list[tuple[str, str]]:
    return [(pair.listed, pair.other) for pair in pairs(side, other, baseline, known or {})]


def test_names_that_differ_by_form_or_case_on_one_side_each_are_pairs() -> None:
    assert found(tree(NFD, "Note"), tree(NFC, "note")) == [("Note", "note"), (NFD, NFC)]


def test_a_side_that_holds_both_names_tells_them_apart() -> None:
    assert found(tree(NFD, NFC), tree(NFC)) == []


def test_several_candidates_are_none() -> None:
    assert found(tree("NOTE"), tree("Note", "note")) == []


def test_a_rename_by_case_of_an_agreed_file_is_no_pair_but_one_of_form_is() -> None:
    assert found(tree("NOTE"), tree("note"), agreed("note")) == []
    assert found(tree("NOTE"), tree("note"), agreed("note"), {"NOTE": "note"}) == [("NOTE", "note")]
    assert found(tree(NFD), tree(NFC), agreed(NFC)) == [(NFD, NFC)]


def test_a_file_that_the_other_side_deleted_is_paired_with_the_agreed_name() -> None:
    assert found(tree(NFD), tree(), agreed(NFC)) == [(NFD, NFC)]


def test_a_known_pair_stays_one_when_the_other_side_makes_a_twin() -> None:
    known = {NFD: NFC}
    assert found(tree(NFD), tree(NFC, NFD), agreed(NFC), known) == [(NFD, NFC)]


def test_what_lies_below_a_folder_goes_with_it() -> None:
    side, other = tree("A/x", "A/B/y"), tree("a/z", "a/b/y")
    assert found(side, other) == [("A", "a"), ("A/B", "a/b")]
    assert list(respelt(side, {"A": "a", "A/B": "a/b"}, {"case"}).files) == ["a/x", "a/b/y"]


def test_names_that_come_to_a_side_that_may_hold_one_of_them_only_are_suspects() -> None:
    assert suspects(tree("Note"), tree("note")) == {"note": "Note"}
    assert suspects(tree(), tree(NFC, NFD)) == {max(NFC, NFD): min(NFC, NFD)}
    assert suspects(tree("a"), tree("a", "b")) == {}


@pytest.mark.parametrize("known", [False, True])
def test_a_pair_says_whether_it_is_known(*, known: bool) -> None:
    (pair,) = pairs(tree(NFD), tree(NFC), NOTHING, {NFD: NFC} if known else {})
    assert pair == Pair(NFD, NFC, known)


NAMES = st.sampled_from(["a", "A", "b", NFC, NFD, NFC.upper(), NFD.upper()])
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)


@given(st.sets(PATHS, max_size=6), st.sets(PATHS, max_size=6), st.sets(PATHS, max_size=4))
def test_respelling_loses_no_file_and_gives_no_name_twice(
    mine: set[str], theirs: set[str], rows: set[str]
) -> None:
    side, other = tree(*mine), tree(*theirs)
    aliases = dict(found(side, other, agreed(*rows)))
    now = respelt(side, aliases, set())
    assert len(now.files) == len(side.files)
    assert len({renamed(path, aliases) for path in mine}) == len(mine)
