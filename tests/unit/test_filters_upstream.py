"""Every pattern that Basic Memory's rclone filters read otherwise has git's meaning here.

Each row is a line of an ignore file with paths that it excludes and paths that it does not. The
same rows are put to `git check-ignore`, so that the table itself is not a matter of opinion.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from bm_sync.engine.walk import walk
from bm_sync.filters.matcher import Matcher
from bm_sync.filters.rules import parse
from bm_sync.model.config import FilterSet, Links

ROWS: dict[str, tuple[str, list[str], list[str]]] = {
    "a plain file name": (".env\nconfig.json", [".env", "a/.env", "config.json"], ["env"]),
    "only what lies inside": (".env/**", ["x"], [".env"]),
    "a folder": ("foo/", ["foo/a", "b/foo/c"], ["c/foo"]),
    "the root alone": ("/build", ["build/a", "build/b/c"], ["a/build"]),
    "a slash inside ties to the root": ("doc/frotz", ["doc/frotz"], ["a/doc/frotz"]),
    "a star does not cross a slash": (
        "docs/*.md",
        ["docs/a.md"],
        ["docs/b/c.md", "b/docs/a.md"],
    ),
    "all below a folder at the root": ("docs/**", ["docs/a", "docs/b/c"], ["b/docs/a"]),
    "at any depth": ("**/docs", ["docs/a", "b/docs/c"], ["doc"]),
    "taken back": ("*.tmp\n!keep.tmp", ["a.tmp", "b/c.tmp"], ["keep.tmp", "b/keep.tmp"]),
    "braces are letters": ("note{1}.md", ["note{1}.md"], ["note1.md"]),
    "a negated class": ("[!a]1.md", ["b1.md"], ["a1.md"]),
    "escapes": ("\\#x\n\\!x\na\\[1\\].md", ["#x", "!x", "a[1].md"], ["x", "a1.md"]),
    "a malformed line excludes nothing": ("foo[\n*.tmp", ["a.tmp"], ["foo[", "foo"]),
    "no regular expressions": ("{{.*}}", ["{{.x}}"], ["a", "b/c"]),
    "the last match decides": ("!a.md\n*.md", ["a.md"], ["a.txt"]),
}
IN_FOLDER = {".env/**": ".env/x"}


def laid(folder: Path, row: tuple[str, list[str], list[str]]) -> tuple[set[str], set[str]]:
    """Make the files of a row; return which are excluded by it, and which are not."""
    text, out, left = row
    out = [IN_FOLDER.get(text, path) for path in out]
    if text == ".env/**":  # one name cannot be a file and a folder at once
        left = []
    for path in (*out, *left):
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("x")
    return set(out), set(left)


@pytest.mark.parametrize("name", ROWS)
def test_a_line_of_an_ignore_file_means_what_it_means_to_git(name: str, tmp_path: Path) -> None:
    text, _, _ = ROWS[name]
    out, left = laid(tmp_path, ROWS[name])
    rules, _ = parse(text, ".bmignore", "")
    matcher = Matcher(FilterSet(shared=rules))
    seen = walk(tmp_path, matcher, gitignore=False, links=Links.SKIP).tree.files
    assert set(seen) == left
    assert {path for path in out if matcher.excluded(path, is_dir=False)} == out


@pytest.mark.parametrize("name", ROWS)
def test_git_itself_says_the_same(name: str, tmp_path: Path) -> None:
    text, _, _ = ROWS[name]
    folder = tmp_path / "tree"
    out, left = laid(folder, ROWS[name])
    (tmp_path / "ignore").write_text(f"{text}\n")
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "GIT_CONFIG_NOSYSTEM": "1"}
    subprocess.run(["git", "init", "-q"], cwd=folder, env=env, check=True)
    asked = subprocess.run(
        ["git", "-c", f"core.excludesFile={tmp_path / 'ignore'}", "check-ignore", "--stdin", "-z"],
        cwd=folder,
        env=env,
        input="\0".join(sorted(out | left)),
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert set(asked.stdout.split("\0")) - {""} == out


def test_a_rule_for_what_lies_inside_lets_a_file_of_that_name_through() -> None:
    rules, _ = parse(".env/**\nmemory.db/**\n", ".bmignore", "")
    matcher = Matcher(FilterSet(shared=rules))
    for name in (".env", "memory.db"):
        assert not matcher.excluded(name, is_dir=False)
        assert matcher.excluded(f"{name}/x", is_dir=False)


def test_the_gitignore_of_a_project_counts_beside_the_global_file(tmp_path: Path) -> None:
    (tmp_path / "private").mkdir()
    (tmp_path / "private/diary.md").write_text("x")
    (tmp_path / "b.md").write_text("x")
    (tmp_path / ".gitignore").write_text("private/\n")
    rules, _ = parse(".*\n", ".bmignore", "")
    matcher = Matcher(FilterSet(gitignore=True, shared=rules))
    assert set(walk(tmp_path, matcher, gitignore=True, links=Links.SKIP).tree.files) == {"b.md"}
