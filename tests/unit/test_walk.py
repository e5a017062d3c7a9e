"""A folder is read into a tree, whatever lies in it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from bm_sync.engine.walk import MAX_IGNORE_BYTES, Walked, walk
from bm_sync.filters.matcher import Matcher
from bm_sync.model.config import FilterSet, Git, Links, Origin, Rule
from bm_sync.model.tree import FileStamp, ProblemKind, Root, Side


def make(root: Path, *paths: str) -> None:
    for path in paths:
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(os.fsencode(path))


def matcher(*patterns: str) -> Matcher:
    said = tuple(Rule(p, Origin("m", 1)) for p in patterns)
    return Matcher(FilterSet(gitignore=True, rules=said))


def look(root: Path, *patterns: str, links: Links = Links.SKIP, gitignore: bool = True) -> Walked:
    return walk(root, matcher(*patterns), gitignore=gitignore, links=links)


def kinds(walked: Walked) -> dict[str, ProblemKind]:
    return {p.path: p.kind for p in walked.tree.problems}


def test_files_have_their_stamps_and_folders_are_listed(tmp_path: Path) -> None:
    make(tmp_path, "a.md", "d/e/b.md")
    (tmp_path / "empty").mkdir()
    tree = look(tmp_path).tree
    assert set(tree.files) == {"a.md", "d/e/b.md"}
    assert tree.dirs == {"d": False, "d/e": False, "empty": False}
    found = (tmp_path / "d/e/b.md").stat()
    stamp = FileStamp(8, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)
    assert tree.files["d/e/b.md"].stamp == stamp
    assert tree.files["d/e/b.md"].mtime_ns == found.st_mtime_ns
    assert tree.root is Root.FOLDER
    assert str(os.statvfs(tmp_path).f_fsid) in tree.disks[""].names


def test_what_is_excluded_is_not_entered_and_marks_the_folders_above(tmp_path: Path) -> None:
    make(tmp_path, "a/b/x.log", "a/b/y.md", "c/build/deep/z", "e/f")
    walked = look(tmp_path, "*.log", "build/")
    assert set(walked.tree.files) == {"a/b/y.md", "e/f"}
    assert walked.tree.dirs == {"a": True, "a/b": True, "c": True, "e": False}
    assert walked.excluded == 2


def test_our_own_folder_at_the_root_is_pruned(tmp_path: Path) -> None:
    make(tmp_path, ".bm-sync/trash/x", "a/n.md.1.bmpart", "a/n.md")
    tree = look(tmp_path, "!*").tree
    assert set(tree.files) == {"a/n.md"}
    assert tree.dirs == {"a": True}


def test_ignore_files_speak_before_their_folder_is_judged(tmp_path: Path) -> None:
    make(tmp_path, "a/x.log", "a/keep/x.log", "a/skip/x.log", "b.log")
    (tmp_path / ".gitignore").write_text("*.log\n[\n")
    (tmp_path / "a/keep/.gitignore").write_text("!*.log\n")
    (tmp_path / "a/.gitignore").write_text("skip/\n")
    (tmp_path / "a/skip/.gitignore").write_text("!*\n")
    walked = look(tmp_path)
    assert set(walked.tree.files) == {".gitignore", "a/.gitignore", "a/keep/.gitignore"} | {
        "a/keep/x.log"
    }
    assert walked.ignore_files == {"": "*.log\n[\n", "a": "skip/\n", "a/keep": "!*.log\n"}
    assert [b.origin for b in walked.bad] == [Origin(".gitignore", 2)]


def test_ignore_files_are_ordinary_files_when_they_are_not_asked_for(tmp_path: Path) -> None:
    make(tmp_path, "a.log", ".git/config")
    (tmp_path / ".gitignore").write_text("*.log\n")
    filters = FilterSet(gitignore=False, git=Git.SYNC)
    walked = walk(tmp_path, Matcher(filters), gitignore=False, links=Links.SKIP)
    assert set(walked.tree.files) == {"a.log", ".git/config", ".gitignore"}
    assert walked.ignore_files == {}


def test_an_ignore_file_that_is_a_link_or_a_folder_does_not_speak(tmp_path: Path) -> None:
    make(tmp_path, "rules", "a/x", "b/.gitignore/x")
    (tmp_path / "rules").write_text("*\n")
    (tmp_path / "a/.gitignore").symlink_to("../rules")
    walked = look(tmp_path)
    assert set(walked.tree.files) == {"rules", "a/x", "b/.gitignore/x"}
    assert walked.ignore_files == {}


def test_an_ignore_file_that_is_too_large_is_told(tmp_path: Path) -> None:
    make(tmp_path, "a")
    (tmp_path / ".gitignore").write_text("a\n" * (MAX_IGNORE_BYTES // 2) + "#")
    walked = look(tmp_path)
    assert "a" in walked.tree.files
    assert "1 MiB" in walked.bad[0].what


def test_links_are_skipped_with_a_word(tmp_path: Path) -> None:
    make(tmp_path, "d/x", "y")
    (tmp_path / "to-file").symlink_to("y")
    (tmp_path / "d/to-folder").symlink_to("../d")
    (tmp_path / "broken").symlink_to("nothing")
    walked = look(tmp_path)
    assert set(walked.tree.files) == {"d/x", "y"}
    assert kinds(walked) == dict.fromkeys(["broken", "d/to-folder", "to-file"], ProblemKind.SYMLINK)
    assert all(p.silent_alone and p.side is Side.LOCAL for p in walked.tree.problems)
    assert walked.tree.dirs == {"d": True}


def test_a_link_to_a_folder_is_no_folder_for_a_pattern_as_in_git(tmp_path: Path) -> None:
    make(tmp_path, "d/x")
    (tmp_path / "link").symlink_to("d")
    assert kinds(look(tmp_path, "link/")) == {"link": ProblemKind.SYMLINK}
    assert kinds(look(tmp_path, "link")) == {}


def test_links_inside_the_project_are_followed_when_asked(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    make(root, "d/x", "y")
    make(outside, "secret")
    (root / "to-file").symlink_to("y")
    (root / "to-folder").symlink_to("d")
    (root / "out-file").symlink_to(outside / "secret")
    (root / "out-folder").symlink_to(outside)
    (root / "broken").symlink_to("nothing")
    (root / "sibling").symlink_to(tmp_path / "root-2")
    make(tmp_path, "root-2/z")
    walked = look(root, links=Links.FOLLOW)
    assert set(walked.tree.files) == {"d/x", "y", "to-file", "to-folder/x"}
    assert walked.tree.files["to-file"] == walked.tree.files["y"]
    assert walked.tree.dirs == {"d": False, "to-folder": False}
    assert set(kinds(walked)) == {"out-file", "out-folder", "broken", "sibling"}
    assert all(p.silent_alone for p in walked.tree.problems)


def test_loops_of_links_end(tmp_path: Path) -> None:
    make(tmp_path, "a/x", "b/y")
    (tmp_path / "a/up").symlink_to("..")
    (tmp_path / "a/other").symlink_to("../b")
    (tmp_path / "b/other").symlink_to("../a")
    (tmp_path / "self").symlink_to("self")
    walked = look(tmp_path, links=Links.FOLLOW)
    assert {"a/x", "b/y", "a/other/y", "b/other/x"} == set(walked.tree.files)
    assert {"a/up", "self", "a/other/other", "b/other/other", "b/other/up"} == set(kinds(walked))


def test_folders_that_all_link_to_each_other_are_no_explosion(tmp_path: Path) -> None:
    names = [f"f{n}" for n in range(12)]
    for name in names:
        make(tmp_path, f"{name}/x")
        for other in names:
            (tmp_path / name / f"to-{other}").symlink_to(f"../{other}")
    walked = look(tmp_path, links=Links.FOLLOW)
    assert "f0/to-f1/to-f2/x" in walked.tree.files
    assert kinds(walked)["f0/to-f1/to-f2/to-f3"] is ProblemKind.SYMLINK
    assert len(walked.tree.files) == 12 + 12 * 11 + 12 * 11 * 10


def test_a_followed_link_does_not_lead_into_our_own_folder(tmp_path: Path) -> None:
    make(tmp_path, ".bm-sync/trash/x")
    (tmp_path / "link").symlink_to(".bm-sync/trash")
    assert look(tmp_path, links=Links.FOLLOW).tree.files == {}


def test_sockets_and_pipes_are_skipped_with_a_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # the name of a socket must be short
    os.mkfifo("pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
        walked = look(tmp_path)
    assert kinds(walked) == {"pipe": ProblemKind.SPECIAL, "socket": ProblemKind.SPECIAL}
    assert all(p.silent_alone for p in walked.tree.problems)


def test_a_name_that_is_not_utf8_is_a_problem_and_not_entered(tmp_path: Path) -> None:
    make(tmp_path, os.fsdecode(b"a\xff/x"), os.fsdecode(b"d/\xfe"), "ok")
    walked = look(tmp_path)
    assert set(walked.tree.files) == {"ok"}
    assert walked.tree.dirs == {"d": True}
    assert [(p.path, p.kind) for p in walked.tree.problems] == [
        ("a\udcff", ProblemKind.NAME),
        ("d/\udcfe", ProblemKind.NAME),
    ]
    assert "UTF-8" in walked.tree.problems[0].what
    assert kinds(look(tmp_path, "a?", "d/*")) == {}


def test_what_may_not_be_read_is_a_problem_of_its_own() -> None:
    with tempfile.TemporaryDirectory() as made:
        root = Path(made)
        root.chmod(0o755)
        make(root, "d/no", "d/yes", "shut/x", "blind/x", "blind/.gitignore")
        (root / "d/no").chmod(0)
        (root / "shut").chmod(0)
        (root / "blind").chmod(0o444)
        try:
            seen = as_an_ordinary_user(root)
        finally:
            (root / "shut").chmod(0o755)
            (root / "blind").chmod(0o755)
    assert seen["files"] == ["d/yes"]
    assert seen["dirs"] == {"blind": True, "d": True, "shut": True}
    assert seen["unreadable"] == ["blind", "d/no", "shut"]
    assert seen["silent"] == []
    assert seen["bad"] == []


def test_a_root_that_may_not_be_read_is_an_error() -> None:
    with tempfile.TemporaryDirectory() as made:
        Path(made).chmod(0)
        try:
            seen = as_an_ordinary_user(Path(made))
        finally:
            Path(made).chmod(0o755)
    assert "Permission denied" in seen["error"]


def as_an_ordinary_user(root: Path) -> dict[str, Any]:
    """Walk a folder in a process without root's rights and return what it saw."""
    script = """
import json, os, sys
from pathlib import Path
from bm_sync.engine.walk import walk
from bm_sync.errors import BmSyncError
from bm_sync.filters.matcher import Matcher
from bm_sync.model.config import FilterSet, Links
matcher = Matcher(FilterSet(gitignore=True))
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
try:
    w = walk(Path(sys.argv[1]), matcher, gitignore=True, links=Links.SKIP)
except BmSyncError as e:
    print(json.dumps({"error": e.what}))
else:
    print(json.dumps({
        "files": sorted(w.tree.files),
        "dirs": w.tree.dirs,
        "unreadable": [p.path for p in w.tree.problems if p.kind == "unreadable"],
        "silent": [p.path for p in w.tree.problems if p.silent_alone],
        "bad": [b.origin.file for b in w.bad],
    }))
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(root)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    seen: dict[str, Any] = json.loads(done.stdout)
    return seen


def test_a_root_that_is_missing_or_no_folder_is_told(tmp_path: Path) -> None:
    make(tmp_path, "file")
    (tmp_path / "dangling").symlink_to("nothing")
    assert look(tmp_path / "none").tree.root is Root.MISSING
    assert look(tmp_path / "file" / "below").tree.root is Root.MISSING
    assert look(tmp_path / "file").tree.root is Root.NOT_A_FOLDER
    dangling = look(tmp_path / "dangling")
    assert (dangling.tree.root, dangling.via_link) == (Root.MISSING, True)


def test_a_root_that_is_a_link_to_a_folder_is_read_and_told(tmp_path: Path) -> None:
    make(tmp_path, "real/a")
    (tmp_path / "link").symlink_to("real")
    walked = look(tmp_path / "link", links=Links.FOLLOW)
    assert walked.via_link
    assert set(walked.tree.files) == {"a"}
    assert walked.tree.root is Root.FOLDER
    assert not look(tmp_path / "real").via_link


def test_folders_may_lie_very_deep(tmp_path: Path) -> None:
    deep = "/".join("d" * 400)
    make(tmp_path, f"{deep}/x.md", f"{deep}/x.log")
    tree = look(tmp_path, "*.log").tree
    assert set(tree.files) == {f"{deep}/x.md"}
    assert len(tree.dirs) == 400
    assert all(tree.dirs.values())


def test_the_other_side_has_its_own_problems(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("nothing")
    walked = walk(tmp_path, matcher(), gitignore=True, links=Links.SKIP, side=Side.REMOTE)
    assert [p.side for p in walked.tree.problems] == [Side.REMOTE]
