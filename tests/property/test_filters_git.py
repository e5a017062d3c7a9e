"""Law: the matcher says of every path what git says, by the same line of the same file."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from bm_sync.engine.walk import walk
from bm_sync.filters.matcher import Matcher
from bm_sync.filters.rules import parse
from bm_sync.filters.sift import name_fault
from bm_sync.model.config import FilterSet, Links

NAMES = [
    *("a", "b", "c", "A", "ab", "abc", "aab"),
    *("a.b", "a.md", "b.md", ".a", "foo", "foobar", "x-y"),
    *(" ", "a ", " a", "#a", "!a", "\\", "a\\b", "["),
    *("]", "[a]", "{a,b}", "*", "?", "**", "-", "^"),
    *("é", "e\u0301", "é.md", "😀", "a\nb", "a\n"),
    *("\r", "a\r", "\t", "\udcff", "a\udc80b", "9", "_"),
]  # fmt: skip
PIECES = [
    *("a", "b", "c", "foo", "bar", "*", "*"),
    *("**", "***", "?", "??", ".md", "*.md", "a*b", "*a*b*"),
    *("/", "/", "/", "//", "**/", "/**"),
    *("/**/", "/*/", "*/", "\\/", "**\\/", "foo**/", "/foo**"),
    *("[ab]", "[!a]", "[^a]", "[a-c]", "[c-a]"),
    *("[]]", "[!]]", "[]-a]", "[a-]", "[\\]]", "[\\a-\\c]"),
    *("[[:alpha:]]", "[![:alpha:]]", "[[:digit:]_]"),
    *("[[:nope:]]", "[[:]", "[[:a]", "[a[:upper:]-z]"),
    *("[", "[a", "[!", "[]", "[/]", "[a/b]", "[--0]"),
    *("[é]", "[\\", "\\", "\\a", "\\*", "\\[", "\\?"),
    *(" ", "  ", "\\ ", "\t", "\r", "#", "!", "\\#"),
    *("\\!", "{a,b}", "é", "😀", "\udcff", "^", "$", "."),
    *("..", "./", "../", "(", "|", "+", "&"),
    *("~", "a.b", " a", "e\u0301", "\x0b", "\x85", "\xa0"),
]  # fmt: skip
WILD = [
    "*",
    "**",
    "?",
    "[!x]",
    "[^x]",
    "*?",
    "a*",
    "*b",
    "?*",
    "[[:alnum:]]*",
    "**a",
    "[a-z]",
    "*.*",
]

paths = st.lists(st.sampled_from(NAMES), min_size=1, max_size=4).map("/".join)


@st.composite
def pattern_for(draw: st.DrawFn, path: str) -> str:
    """Return a pattern that is likely to match this path or a folder above it."""
    parts = path.split("/")
    start = draw(st.integers(0, len(parts) - 1))
    parts = parts[start : draw(st.integers(start + 1, len(parts)))]
    for n in draw(st.sets(st.integers(0, len(parts) - 1), max_size=2)):
        parts[n] = draw(st.sampled_from(WILD))
    lead = draw(st.sampled_from(["", "", "", "/", "**/", "*/", "***/"]))
    tail = draw(st.sampled_from(["", "", "", "/", "/**", "/*", "**", " ", "\\ "]))
    return lead + "/".join(parts) + tail


@st.composite
def torn(draw: st.DrawFn, path: str) -> str:
    """Return this path with stars for a part of it, wherever that begins and ends."""
    start = draw(st.integers(0, len(path)))
    end = draw(st.integers(start, len(path)))
    stars = st.sampled_from(
        ["**/", "**", "*", "/**/", "**\\/", "***/", "*?", "**/*", "\\", "?", "[!x]", "[^x]"]
    )
    return path[:start] + draw(stars) + path[end:]


def lines(tree: list[str]) -> st.SearchStrategy[str]:
    likely = st.sampled_from(tree).flatmap(pattern_for)
    wild = st.lists(st.sampled_from(PIECES), min_size=1, max_size=5).map("".join)
    tears = st.sampled_from(tree).flatmap(torn)
    pattern = st.one_of(likely, likely, tears, wild)
    return st.builds(str.__add__, st.sampled_from(["", "", "!"]), pattern)


@dataclass(frozen=True)
class Case:
    files: tuple[str, ...]
    ignore_files: dict[str, str]
    shared: str


@st.composite
def cases(draw: st.DrawFn) -> Case:
    tree: list[str] = []
    folders = {""}
    for path in draw(st.lists(paths, min_size=4, max_size=14, unique=True)):
        above = [path[:n] for n, letter in enumerate(path) if letter == "/"]
        if path not in folders and not set(above) & set(tree):
            tree.append(path)
            folders |= set(above)
    read = sorted(folder for folder in folders if not name_fault(f"{folder}/x".lstrip("/")))
    places = draw(st.lists(st.sampled_from(read), min_size=1, max_size=3, unique=True))
    texts = {folder: draw(ignore_text(tree, folder)) for folder in places}
    return Case(tuple(tree), texts, draw(st.one_of(st.just(""), ignore_text(tree, ""))))


def ignore_text(tree: list[str], folder: str) -> st.SearchStrategy[str]:
    prefix = f"{folder}/" if folder else ""
    below = [path.removeprefix(prefix) for path in tree if path.startswith(prefix)]
    said = st.lists(lines(below), min_size=1, max_size=6)
    begins = st.sampled_from(["", "", "", "\ufeff", "# c\n\n"])
    ends = st.sampled_from(["\n", "\n", "\r\n"])
    last = st.sampled_from(["\n", "", "\r\n", "\r"])
    return st.builds(
        lambda head, rows, end, tail: head + end.join(rows) + tail, begins, said, ends, last
    )


class Git:
    """A real git repository without a work tree of its own, blind to the user's settings."""

    def __init__(self, home: Path) -> None:
        self.directory = home / "repo.git"
        self.env = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CEILING_DIRECTORIES": str(home),
            "LC_ALL": "C",
        }
        self.run(["init", "--quiet", "--bare", "--template=", str(self.directory)], home, b"")
        (self.directory / "info").mkdir(exist_ok=True)

    def run(self, command: list[str], where: Path, given: bytes) -> bytes:
        done = subprocess.run(
            ["git", *command],
            cwd=where,
            env=self.env,
            input=given,
            capture_output=True,
            check=False,
        )
        # check-ignore: 1 says that no path is ignored
        assert done.returncode in {0, 1}, done.stderr
        return done.stdout

    def verdicts(self, tree: Path, asked: list[str]) -> dict[str, tuple[bool, str, int]]:
        """Return for each path whether git ignores it, and the file and line that decided."""
        places = [f"--git-dir={self.directory}", f"--work-tree={tree}", "-c", "core.bare=false"]
        command = [*places, "check-ignore", "--no-index", "-v", "-n", "--stdin", "-z"]
        out = self.run(command, tree, os.fsencode("\0".join(asked) + "\0"))
        fields = [os.fsdecode(field) for field in out.split(b"\0")[:-1]]
        assert len(fields) == 4 * len(asked)
        told = zip(fields[::4], fields[1::4], fields[2::4], fields[3::4], strict=True)
        return {
            path: (bool(source) and not pattern.startswith("!"), source, int(line or 0))
            for source, line, pattern, path in told
        }


@pytest.fixture(scope="module")
def git(tmp_path_factory: pytest.TempPathFactory) -> Git:
    return Git(tmp_path_factory.mktemp("git"))


def everything_in(tree: Path) -> Iterator[tuple[str, bool]]:
    for folder, folders, files in os.walk(tree):
        above = os.path.relpath(folder, tree)
        for name in (*folders, *files):
            yield (name if above == "." else f"{above}/{name}"), name in folders


def lay_out(tree: Path, case: Case) -> None:
    for path in case.files:
        file = tree / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    for folder, text in case.ignore_files.items():
        (tree / folder / ".gitignore").write_bytes(os.fsencode(text))


def differences(git: Git, tree: Path, shared: str) -> list[str]:
    exclude = git.directory / "info" / "exclude"
    exclude.write_bytes(os.fsencode(shared))
    rules, _ = parse(shared, str(exclude), "")
    matcher = Matcher(FilterSet(gitignore=True, shared=rules))
    walked = walk(tree, matcher, gitignore=True, links=Links.SKIP)
    asked = dict(everything_in(tree))
    told = git.verdicts(tree, list(asked))
    found = []
    for path, is_dir in asked.items():
        verdict = matcher.verdict(path, is_dir=is_dir)
        origin = verdict.rule.origin if verdict.rule is not None else None
        ours = (verdict.excluded, origin.file if origin else "", origin.line if origin else 0)
        if ours != told[path]:
            found.append(f"{path!r} is_dir={is_dir}: git says {told[path]}, we say {ours}")
        if not is_dir and not name_fault(path) and verdict.excluded == (path in walked.tree.files):
            found.append(f"{path!r}: the walk did not do what the verdict says")
    return found


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(case=cases())
def test_the_matcher_says_what_git_says(git: Git, case: Case) -> None:
    tree = Path(tempfile.mkdtemp(prefix="tree-"))
    try:
        lay_out(tree, case)
        found = differences(git, tree, case.shared)
        note("\n".join(found))
        assert not found
    finally:
        shutil.rmtree(tree)


HARD = [
    *("/a[!x]b", "/a[^b]b", "/a?b", "a[!x]b/c"),
    *("*a*ab", "*a*b*a", "/*a*ab", "/**/b/**/b", "**/a/**/b"),
    *("a**/b", "/a**/b", "x/a**b", "a**//b", "a/**", "/a/**/", "**/", "*/", "/*/", "*", "/*", "!a"),
    *("a/b/", "/a\\/b", "a/**\\/b", "**\\/b", "[a-"),
    *("[[:a]", "[a-b-d]", " #a", "#a", "[c-a]", "[]a]", "[^]a]", "a\\", "aab ", "aab\\ "),
]  # fmt: skip
TREE = [
    *("a/b", "a/a/b", "a/b/c", "b/a/b/b", "aab", "aab ", "aabab", "ab/b", "a-b", "c", "x/a/b"),
    *("]", " #a", "#a"),
]  # fmt: skip


def test_the_hard_patterns_are_as_in_git(git: Git, tmp_path: Path) -> None:
    for number, pattern in enumerate(HARD):
        files = tuple(f"{number}/{path}" for path in TREE if path != "a/b")
        lay_out(tmp_path, Case(files, {str(number): f"{pattern}\n"}, ""))
        (tmp_path / f"flat-{number}").mkdir()
        lay_out(tmp_path, Case((f"flat-{number}/a/b",), {f"flat-{number}": f"{pattern}\n"}, ""))
    assert differences(git, tmp_path, "") == []


CLASSES = [
    *("alnum", "alpha", "blank", "cntrl", "digit", "graph"),
    *("lower", "print", "punct", "space", "upper", "xdigit"),
]  # fmt: skip


@pytest.mark.parametrize("name", CLASSES)
def test_a_character_class_holds_the_bytes_that_git_thinks(
    git: Git, tmp_path: Path, name: str
) -> None:
    for number in range(1, 256):
        if chr(number) not in "/.":
            (tmp_path / os.fsdecode(b"x" + bytes([number]))).touch()
    (tmp_path / ".gitignore").write_text(f"?[[:{name}:]]\n")
    assert differences(git, tmp_path, "") == []
    (tmp_path / ".gitignore").write_text(f"/x[![:{name}:]]\n")
    assert differences(git, tmp_path, "") == []
