"""The matcher: precedence, ancestors, ignore files, snapshots."""

from __future__ import annotations

import json

import pytest

from bm_sync.filters.matcher import Matcher
from bm_sync.model.config import BUILT_IN, FilterSet, Git, Links, Origin, Rule


def rules(*patterns: str, base: str = "", file: str = "sync.yaml") -> tuple[Rule, ...]:
    return tuple(Rule(p, Origin(file, n), base) for n, p in enumerate(patterns, 1))


def matcher(*patterns: str, gitignore: bool = True, shared: tuple[str, ...] = ()) -> Matcher:
    return Matcher(FilterSet(gitignore=gitignore, shared=rules(*shared), rules=rules(*patterns)))


def test_the_last_match_of_one_place_decides() -> None:
    m = matcher("*.log", "!keep.log", "/keep.log")
    assert m.excluded("a.log", is_dir=False)
    assert m.excluded("keep.log", is_dir=False)
    assert not m.excluded("sub/keep.log", is_dir=False)


def test_the_manifest_beats_the_ignore_files_and_they_beat_the_shared_rules() -> None:
    m = matcher("!c", shared=("a", "b", "c"))
    m.add_ignore_file("", "!b\n!a\n", ".gitignore")
    m.add_ignore_file("sub", "a\n", "sub/.gitignore")
    assert not m.excluded("a", is_dir=False)
    assert m.excluded("sub/a", is_dir=False)
    assert not m.excluded("sub/b", is_dir=False)
    assert not m.excluded("c", is_dir=False)


def test_a_deeper_ignore_file_beats_a_higher_one() -> None:
    m = matcher()
    m.add_ignore_file("", "*.txt\n", ".gitignore")
    m.add_ignore_file("a/b", "!*.txt\n", "a/b/.gitignore")
    assert m.excluded("a/x.txt", is_dir=False)
    assert not m.excluded("a/b/x.txt", is_dir=False)
    assert not m.excluded("a/b/c/x.txt", is_dir=False)
    assert m.excluded("a/bb/x.txt", is_dir=False)


def test_nothing_below_an_excluded_folder_comes_back() -> None:
    m = matcher("build/", "!build/keep.txt", "!keep.txt")
    assert m.excluded("build/keep.txt", is_dir=False)
    assert m.excluded("a/build/x/y/keep.txt", is_dir=False)
    assert not m.excluded("build", is_dir=False)


def test_a_verdict_names_the_rule_that_excludes_the_folder_above() -> None:
    m = matcher("*.md", "drafts/")
    verdict = m.verdict("drafts/a/b.md", is_dir=False)
    assert verdict.excluded
    assert verdict.rule == Rule("drafts/", Origin("sync.yaml", 2))


def test_a_verdict_names_the_rule_that_takes_a_path_back() -> None:
    verdict = matcher("*", "!*.md").verdict("a.md", is_dir=False)
    assert not verdict.excluded
    assert verdict.rule is not None
    assert verdict.rule.pattern == "!*.md"


def test_a_path_that_no_rule_names_has_no_rule() -> None:
    verdict = matcher("*.log").verdict("a.md", is_dir=False)
    assert not verdict.excluded
    assert verdict.rule is None


@pytest.mark.parametrize("path", [".bm-sync/trash/x", "a/.bm-sync", "note.md.1f.bmpart", ".git"])
def test_what_is_built_in_cannot_be_taken_back(path: str) -> None:
    m = matcher("!.bm-sync", "!*.bmpart", "!.git", "!**")
    verdict = m.verdict(path, is_dir=False)
    assert verdict.excluded
    assert verdict.rule is not None
    assert verdict.rule.origin == BUILT_IN


@pytest.mark.parametrize("gitignore", [True, False])
def test_what_is_gits_belongs_to_a_project_only_when_it_says_so(gitignore: bool) -> None:  # noqa: FBT001
    assert matcher(gitignore=gitignore).excluded(".git/config", is_dir=False)
    told = Matcher(FilterSet(gitignore=gitignore, git=Git.SYNC))
    assert not told.excluded(".git/config", is_dir=False)


def test_the_first_ignore_file_said_for_a_folder_stays() -> None:
    m = matcher()
    m.add_ignore_file("", "", ".gitignore")
    m.add_ignore_file("", "*\n", "remote .gitignore")
    assert not m.excluded("a", is_dir=False)


def test_an_ignore_file_changes_verdicts_given_before() -> None:
    m = matcher()
    assert not m.excluded("a/b/c", is_dir=False)
    m.add_ignore_file("a", "b/\n", "a/.gitignore")
    assert m.excluded("a/b/c", is_dir=False)


def test_a_rule_with_a_base_speaks_only_below_it() -> None:
    m = Matcher(FilterSet(rules=rules("/x", base="a/b")))
    assert m.excluded("a/b/x", is_dir=False)
    assert not m.excluded("x", is_dir=False)
    assert not m.excluded("a/b", is_dir=True)
    assert not m.excluded("a/bx/x", is_dir=False)


def test_case_always_counts() -> None:
    m = matcher("*.LOG", "Readme")
    assert not m.excluded("a.log", is_dir=False)
    assert not m.excluded("README", is_dir=False)
    assert m.excluded("Readme", is_dir=False)


def test_bad_patterns_are_told_with_their_place_and_match_nothing() -> None:
    m = matcher("a[", "*.log")
    bad = m.add_ignore_file("sub", "ok\nnot\\\n", "sub/.gitignore")
    assert [b.origin for b in m.bad] == [Origin("sync.yaml", 1), Origin("sub/.gitignore", 2)]
    assert bad == m.bad[1:]
    assert not m.excluded("a[", is_dir=False)
    assert m.excluded("sub/ok", is_dir=False)


def test_a_snapshot_gives_the_same_verdicts_and_the_same_snapshot() -> None:
    m = Matcher(
        FilterSet(
            gitignore=True,
            shared=rules("*.tmp", "é?"),
            rules=rules("!x.tmp", base="deep"),
            max_size=7,
            links=Links.FOLLOW,
        )
    )
    m.add_ignore_file("d\udc80", "!y.tmp\nz\udc81\n", "d/.gitignore")
    again = Matcher.from_snapshot(m.snapshot())
    assert again.snapshot() == m.snapshot()
    assert again.digest == m.digest
    assert again.filters.max_size == 7
    assert again.filters.links is Links.FOLLOW
    for path in ("a.tmp", "x.tmp", "deep/x.tmp", "d\udc80/y.tmp", "d\udc80/z\udc81", ".git"):
        assert again.excluded(path, is_dir=False) == m.excluded(path, is_dir=False), path


def test_a_snapshot_does_not_depend_on_lines_or_on_the_order_of_ignore_files() -> None:
    one, two = matcher("a"), Matcher(FilterSet(gitignore=True, rules=rules("x", "a")[1:]))
    one.add_ignore_file("a", "p\n", "a/.gitignore")
    one.add_ignore_file("b", "q\n", "b/.gitignore")
    two.add_ignore_file("b", "# why\n\nq\n", "b/.gitignore")
    two.add_ignore_file("a", "p\n", "a/.gitignore")
    assert one.digest == two.digest
    assert one.digest != matcher("a").digest


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"version":2}', '{"version":1,"links":"?"}'])
def test_a_damaged_snapshot_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Matcher.from_snapshot(text)


def test_a_snapshot_with_a_field_of_the_wrong_kind_is_a_value_error() -> None:
    told = json.loads(matcher("a").snapshot())
    told["rules"] = [["", 5]]
    with pytest.raises(ValueError, match="snapshot"):
        Matcher.from_snapshot(json.dumps(told))


def test_folders_of_any_depth_are_judged() -> None:
    m = matcher("deepest/")
    path = "d/" * 2000 + "deepest"
    assert m.excluded(path + "/x", is_dir=False)
    assert not m.excluded(path, is_dir=False)
