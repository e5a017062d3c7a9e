"""Listings and trees without what is excluded, too large or impossible."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from bm_sync.filters.matcher import Matcher
from bm_sync.filters.sift import name_fault, oversize, refilter, sift, without
from bm_sync.model.config import FilterSet, Origin, Rule
from bm_sync.model.tree import File, ObjectStamp, Problem, ProblemKind, Side, Tree


def matcher(*patterns: str) -> Matcher:
    return Matcher(FilterSet(rules=tuple(Rule(p, Origin("m", 1)) for p in patterns)))


def files(*paths: str, size: int = 1) -> dict[str, File]:
    return {path: File(ObjectStamp(size, None, 5)) for path in paths}


def listing(
    paths: Iterable[str], dirs: Iterable[str], *patterns: str, has_folders: bool = True
) -> Tree:
    found = files(*paths)
    return sift(found, dirs, matcher(*patterns), side=Side.REMOTE, has_folders=has_folders)


def test_a_listing_is_filtered_and_its_folders_tell_what_they_hide() -> None:
    tree = listing(["a/b/x.md", "a/b/x.log", "c/y.md"], ["a", "a/b", "c", "e"], "*.log")
    assert set(tree.files) == {"a/b/x.md", "c/y.md"}
    assert tree.dirs == {"a": True, "a/b": True, "c": False, "e": False}
    assert tree.problems == ()


def test_an_excluded_folder_is_no_folder_and_marks_those_above() -> None:
    tree = listing(["a/tmp/x", "a/y"], ["a", "a/tmp"], "tmp/")
    assert set(tree.files) == {"a/y"}
    assert tree.dirs == {"a": True}


def test_a_folder_that_was_not_listed_but_holds_something_counts() -> None:
    tree = listing(["a/b/x", "c/y.log"], [], "*.log")
    assert tree.dirs == {"a": False, "a/b": False, "c": True}


def test_without_folders_there_are_none() -> None:
    tree = listing(["a/b/x", "a/y.log"], ["a"], "*.log", has_folders=False)
    assert set(tree.files) == {"a/b/x"}
    assert tree.dirs == {}
    assert not tree.has_folders


@pytest.mark.parametrize(
    "key", ["a//b", "./x", "a/./b", "../x", "a/../../x", "/etc/x", "a/", "", "x\0y", "..", "."]
)
def test_a_key_that_is_no_path_below_the_root_is_a_problem(key: str) -> None:
    tree = listing([key, "fine"], [])
    assert set(tree.files) == {"fine"}
    (problem,) = tree.problems
    assert (problem.path, problem.side, problem.kind) == (key, Side.REMOTE, ProblemKind.NAME)
    assert not problem.silent_alone


def test_a_name_of_255_bytes_is_fine_and_one_more_is_not() -> None:
    fits, over = "é" * 127 + "x", "é" * 128
    tree = listing([fits, f"d/{over}/1", f"d/{over}/2"], [])
    assert set(tree.files) == {fits}
    (problem,) = tree.problems
    assert problem.path == f"d/{over}"
    assert "256 bytes" in problem.what
    assert tree.dirs == {"d": True}


@pytest.mark.parametrize("key", ["a\udc80", "\ud800b", "d/\udfff/x"])
def test_a_name_that_is_not_utf8_is_a_problem(key: str) -> None:
    (problem,) = listing([key], []).problems
    assert problem.kind is ProblemKind.NAME
    assert "UTF-8" in problem.what


def test_an_impossible_key_that_is_excluded_is_no_problem() -> None:
    tree = listing(["x" * 300, "\udc80.log"], [], "x*", "*.log")
    assert tree.problems == ()
    assert tree.files == {}


def test_names_that_only_look_odd_stay() -> None:
    odd = ["...", "..a", "a..", "-rf", " ", "a\nb", "a\\b", ".a/.b", "a./b.", "\x1b[31m", "e\u0301"]
    assert set(listing(odd, []).files) == set(odd)


def test_a_tree_is_filtered_again_when_rules_are_added() -> None:
    m = matcher()
    problems = (
        Problem("a/junk/s", Side.LOCAL, ProblemKind.SYMLINK, "link"),
        Problem("locked", Side.LOCAL, ProblemKind.UNREADABLE, "no"),
        Problem("a/shut", Side.LOCAL, ProblemKind.UNREADABLE, "no"),
    )
    dirs = {"a": False, "a/junk": True, "b": False, "a/shut": True, "b/junk": False}
    tree = Tree(files("a/junk/x", "a/y", "b/z.log"), dirs, problems)
    assert refilter(tree, m) is tree
    m.add_ignore_file("", "*.log\nshut/\n", ".gitignore")
    m.add_ignore_file("a", "/junk\n", "a/.gitignore")
    again = refilter(tree, m)
    assert set(again.files) == {"a/y"}
    assert again.dirs == {"a": True, "b": True, "b/junk": False}
    assert [p.path for p in again.problems] == ["locked"]


def test_a_path_too_large_on_either_side_leaves_both() -> None:
    local = Tree({**files("a", "d/b", size=10), **files("c", size=11)}, {"d": False})
    remote = Tree({**files("a", "c", size=10), **files("d/b", size=11)}, has_folders=False)
    big = oversize(local, remote, 10)
    assert big == {"c", "d/b"}
    assert set(without(local, big).files) == {"a"}
    assert without(local, big).dirs == {"d": True}
    assert set(without(remote, big).files) == {"a"}
    assert without(remote, big).dirs == {}
    assert oversize(local, remote, None) == frozenset()
    assert without(local, frozenset({"nothing"})) is local


@pytest.mark.parametrize("name", ["\n", ".\n", "a/..\n", "a\n"])
def test_a_name_that_ends_in_a_line_break_is_a_name(name: str) -> None:
    assert name_fault(name) is None
