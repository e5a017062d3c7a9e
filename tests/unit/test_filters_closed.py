"""What no run moves: the names of git's own as git guards them, orders, git directories."""

from __future__ import annotations

import pytest

from bm_sync import layout
from bm_sync.filters.closed import is_git, repositories
from bm_sync.filters.matcher import Matcher
from bm_sync.filters.sift import refilter, sift
from bm_sync.model.config import BUILT_IN, FilterSet, Git, OrderPath, Origin, Rule
from bm_sync.model.tree import File, ObjectStamp, Side, Tree

TAKEN_BACK = tuple(Rule(f"!{name}", BUILT_IN) for name in ("**", ".git", "sync.yaml", "*"))


def order(path: str, *, glob: bool = False) -> OrderPath:
    return OrderPath(path, "the manifest", Origin("sync.yaml", 3), glob)


def matcher(*orders: OrderPath, git: Git = Git.SKIP) -> Matcher:
    return Matcher(FilterSet(rules=TAKEN_BACK, orders=orders, git=git))


def tree(*paths: str) -> Tree:
    files = {path: File(ObjectStamp(1, None, None)) for path in paths}
    return sift(files, [], Matcher(FilterSet(git=Git.SYNC)), side=Side.REMOTE, has_folders=False)


# What git's own tests name (t0060-path-utils.sh, "is_ntfs_dotgit", "is_hfs_dotgit").
@pytest.mark.parametrize(
    "name",
    [
        ".git",
        ".GIT",
        ".Git",
        ".git ",
        ".git...",
        ".git. . ",
        ".git::$INDEX_ALLOCATION",
        ".git:x",
        "git~1",
        "GIT~1",
        "git~1. ",
        ".g\u200cit",
        ".\u200dGIT\ufeff",
        "\u206f.git",
        "a\\.git",
        "a\\git~1",
        ".git\\config",
    ],
)
def test_every_name_that_git_takes_for_its_own_is_gits(name: str) -> None:
    assert is_git(name)
    assert matcher().excluded(f"sub/{name}/config", is_dir=False)
    assert matcher().excluded(name, is_dir=False)  # of a work tree beside the repository


@pytest.mark.parametrize(
    "name",
    [".gitignore", ".gitmodules", ".github", "git", "a.git", ".gits", "git~2", ".git_", "g\u200ct"],
)
def test_other_names_are_content(name: str) -> None:
    assert not is_git(name)
    assert not matcher().excluded(f"sub/{name}", is_dir=False)


def test_what_is_gits_is_synced_where_the_filters_say_so() -> None:
    assert not matcher(git=Git.SYNC).excluded(".git/config", is_dir=False)


@pytest.mark.parametrize(
    "path", ["conf/sync.yaml", "conf/Sync.YAML", "CONF/sync.yaml.", "conf/sync\u200d.yaml"]
)
def test_an_order_is_closed_in_every_spelling(path: str) -> None:
    verdict = matcher(order("conf/sync.yaml")).verdict(path, is_dir=False)
    assert verdict.excluded
    assert verdict.order == order("conf/sync.yaml")


def test_normal_forms_of_an_order_are_one_path() -> None:
    assert matcher(order("ca\u0301f/sync.yaml")).excluded("c\u00e1f/sync.yaml", is_dir=False)


def test_no_rule_takes_an_order_back_and_nothing_below_it() -> None:
    closed = matcher(order("conf"))
    assert closed.excluded("conf", is_dir=True)
    assert closed.excluded("conf/deep/a.md", is_dir=False)
    assert not closed.excluded("conf.md", is_dir=False)
    assert not closed.excluded("sub/conf", is_dir=False)


def test_a_pattern_of_an_include_closes_every_name_that_it_may_find() -> None:
    closed = matcher(order("conf.d/*.yaml", glob=True), order("*/x?.yml", glob=True))
    assert closed.excluded("conf.d/new.yaml", is_dir=False)
    assert closed.excluded("CONF.D/NEW.YAML", is_dir=False)
    assert closed.excluded("any/x1.yml", is_dir=False)
    assert not closed.excluded("conf.d/sub/new.yaml", is_dir=False)
    assert not closed.excluded("conf.d/new.md", is_dir=False)
    assert not closed.excluded("x1.yml", is_dir=False)


def test_a_link_to_a_folder_gives_orders_in_it_a_second_name() -> None:
    closed = matcher(order("conf/deep/sync.yaml"), order("conf/*.yaml", glob=True))
    closed.linked("ln", "conf")
    assert closed.excluded("ln/deep/sync.yaml", is_dir=False)
    assert closed.excluded("ln/any.yaml", is_dir=False)
    assert not closed.excluded("ln/deep/any.yaml", is_dir=False)


def test_what_closes_a_path_is_told_below_a_folder_that_a_rule_excludes() -> None:
    closed = Matcher(FilterSet(rules=(Rule("drafts/", BUILT_IN),), orders=(order("drafts/run"),)))
    assert closed.verdict("drafts/run", is_dir=False).order is None  # its folder is excluded
    found = closed.closed.at("drafts/run")
    assert found is not None
    assert found.order == order("drafts/run")
    assert closed.closed.at("drafts/other") is None
    assert closed.closed.at(f"a/{layout.HOME.upper()}/x") is not None


def test_a_git_directory_is_known_by_what_lies_in_it() -> None:
    whole = tree("lib/HEAD", "lib/config", "lib/objects/pack/p", "lib/refs/heads/main", "lib/a.md")
    assert repositories(whole) == {"lib"}
    closed = matcher()
    closed.close_repositories(repositories(whole))
    assert set(refilter(whole, closed).files) == {"lib/a.md"}
    assert closed.take_met().git == {"lib"}


def test_the_root_may_be_a_git_directory() -> None:
    root = tree("HEAD", "objects/x", "refs/heads/main", "note.md")
    closed = matcher()
    closed.close_repositories(repositories(root))
    assert set(refilter(root, closed).files) == {"note.md"}


def test_halves_of_a_git_directory_on_two_sides_are_one() -> None:
    here, there = tree("lib/HEAD", "lib/objects/x", "forehead"), tree("LIB/Refs/heads/main")
    assert repositories(here) == repositories(there) == set()
    assert repositories(here, there) == {"lib"}


def test_a_folder_with_a_file_called_head_is_no_git_directory() -> None:
    assert repositories(tree("a/HEAD", "a/objects/x", "b/refs/x", "ahead", "HEAD")) == set()


def test_a_snapshot_remembers_what_was_closed() -> None:
    first = matcher(order("conf/sync.yaml"), order("conf.d/*.yaml", glob=True))
    first.close_repositories({"lib"})
    again = Matcher.from_snapshot(first.snapshot())
    assert again.snapshot() == first.snapshot()
    for path in ("conf/sync.yaml", "conf.d/a.yaml", "lib/HEAD", ".git"):
        assert again.excluded(path, is_dir=False), path


@pytest.mark.parametrize(("gitignore", "synced"), [("true", False), ("false", True)])
def test_a_snapshot_of_an_older_version_says_of_git_what_that_version_did(
    gitignore: str, *, synced: bool
) -> None:
    old = f'{{"version":1,"gitignore":{gitignore},"links":"skip","max_size":null,"shared":[],'
    before = Matcher.from_snapshot(old + '"ignore_files":{},"rules":[]}')
    assert before.excluded(".git/config", is_dir=False) is not synced
    assert not before.excluded("sync.yaml", is_dir=False)
