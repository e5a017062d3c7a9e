"""Awkward names go up, come down on another machine, are edited and deleted, on real servers."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest
import servers
from two_machines import EVERYWHERE, Machine, converged, done, quiet, remote_of

from bm_sync.model.config import BUILT_IN, BackendRemote
from bm_sync.model.run import ProjectRun
from bm_sync.model.tree import ProblemKind

DEEP = "deep/" + "d/" * 200 + "end.md"
NFC, NFD = "caf\u00e9.md", "cafe\u0301.md"
DEL, WIDE_QUOTE, WIDE_BACKSLASH = "del\x7f.md", "\uff02", "\uff3c"
NAMES = (
    *("plain.md", "with space.md", " leading.md", "trailing ", "dot.", " ", "  .md", "\u00a0"),
    *("...", "..two dots", ".hidden", ".bm-syncx", "~", "~tilde", "@at", "(p)", "a+b,c=d;e&f"),
    *("-dash", "--long=1", "-rf", "- rule", "+ rule", "!bang", "# comment", "#hash", ";semi"),
    *("quote'.md", 'double".md', "back`tick", "$HOME ${X}", "%41.md", "%2F", "a%", "&amp;"),
    *("new\nline", "tab\t", "cr\r", "bell\x07", "esc\x1b[31m", DEL, "c1\u0085", "\u2028", "\u202e"),
    *("back\\slash", "\\", "a\\b\\", "star*", "q?", "[br]", "{b}", "<>", "pipe|", "colon:", "C:"),
    *("con", "nul.txt", "aux", "x.partial", "name.rclonelink", "Case.md", "case.md", "\ufeffbom"),
    *("emoji\U0001f600", "\U0001f469\u200d\U0001f4bb", NFC, NFD, "\u65e5\u672c/\u65e5.md"),
    *("\u201bquote", "\u201b", "\uff0f slash", "\uff1a", "\uff0e", "\uff0e\uff0e", "wide/\uff0e/x"),
    *(WIDE_QUOTE, WIDE_BACKSLASH, "\uff0a\uff1f", "\u2400", "\u2421", "\u2423", "\u2424", "\u3000"),
    *("x" * 255, "\u00e9" * 127, "\u65e5" * 85, "y" * 251 + ".tmp"),
    *("d s/in.md", "-d/-f", "d\nn/x\ny", "tr. /tr. ", "#d/#f", "back\\d/f", "\u201bd/x", "s/ /x"),
    *("nfc\u00e9/a", "nfde\u0301/b", "d./f", ".d/.f", DEEP),
)
NOT_ON = {
    # Servers of rclone take NFC and NFD for one (see below); its S3 gateway also keeps names in
    # rclone's own form and does not turn each back
    "serve_s3": {NFD, DEL, WIDE_QUOTE, WIDE_BACKSLASH},
    "serve_sftp": {NFD},
    "serve_webdav": {NFD, DEEP},  # 400 requests to make the folders
}


@pytest.mark.parametrize("kind", EVERYWHERE)
def test_awkward_names_go_up_come_down_are_edited_and_deleted(
    request: pytest.FixtureRequest, kind: str, tmp_path: Path
) -> None:
    remote = remote_of(request, kind, tmp_path)
    here, there = Machine(tmp_path / "here", remote), Machine(tmp_path / "there", remote)
    for number, name in enumerate(sorted(set(NAMES) - NOT_ON.get(kind, set()))):
        here.write(name, f"{number} {name!r}")
    here.write("empty", "")
    first = here.files()
    converged(here.apply())
    quiet(here)
    converged(there.apply())
    assert there.files() == first

    edited, deleted = sorted(first)[::3], sorted(first)[1::3]
    for path in edited:
        there.write(path, f"edited {path!r}")
    for path in deleted:
        (there.folder / path).unlink()
    converged(there.apply())
    run = converged(here.apply())
    assert here.files() == there.files()
    assert here.files().keys() == first.keys() - set(deleted)
    assert _kept(run, "copy") == sorted(first[path] for path in edited)
    assert _kept(run, "trash") == sorted(first[path] for path in deleted)
    quiet(here)


def _kept(run: ProjectRun, kind: str) -> list[bytes]:
    """Return the contents of the versions that a run says it has kept."""
    return sorted(Path(d.kept or "").read_bytes() for d in done(run, kind))


def test_of_two_names_that_a_server_takes_for_one_the_second_stays_here_and_is_told(
    tmp_path: Path,
) -> None:
    with servers.serve_webdav(tmp_path / "served", "--vfs-case-insensitive") as server:
        remote = server.remote("root")
        here, there = Machine(tmp_path / "here", remote), Machine(tmp_path / "there", remote)
        for name in (NFC, NFD, "Case.md", "case.md"):
            here.write(name, name)
        for number in range(120):
            here.write(f"{number}.md", "other")
        before = here.files()
        run = here.apply()
        missed = [a.detail for a in run.actions if a.outcome != "done"]
        assert (run.exit, len(run.actions)) == (1, 124)
        assert missed == ["the remote takes this name for that of another file"] * 2
        run = here.apply()  # by now it is known what the server takes for one
        assert (run.exit, run.actions) == (1, ())
        assert {p.path: p.kind for p in run.problems} == dict.fromkeys(
            (NFC, "case.md"), ProblemKind.CASE
        )
        assert here.files() == before
        converged(there.apply())
        assert there.files() == {k: v for k, v in before.items() if k not in {NFC, "case.md"}}


@pytest.mark.parametrize("kind", ["folder", "seaweedfs", "serve_webdav"])
def test_a_name_that_is_not_utf8_stays_where_it_is_and_the_others_go(
    request: pytest.FixtureRequest, kind: str, tmp_path: Path
) -> None:
    remote = remote_of(request, kind, tmp_path)
    here, there = Machine(tmp_path / "here", remote), Machine(tmp_path / "there", remote)
    bad, folder = os.fsdecode(b"bad\xff.md"), os.fsdecode(b"folder\xfe")
    for name in (bad, f"{folder}/inner.md", "good.md"):
        here.write(name, "content")
    for actions in (1, 0):
        run = here.apply()
        assert (run.exit, len(run.actions)) == (1, actions)
        assert [(p.path, p.kind) for p in run.problems] == [
            (bad, ProblemKind.NAME),
            (folder, ProblemKind.NAME),
        ]
    converged(there.apply())
    assert there.files() == {"good.md": b"content"}
    assert len(here.files()) == 3


@pytest.mark.parametrize("kind", ["folder", "seaweedfs", "serve_webdav"])
def test_the_longest_names_can_be_in_conflict_twice(
    request: pytest.FixtureRequest, kind: str, tmp_path: Path
) -> None:
    remote = remote_of(request, kind, tmp_path)
    here, there = Machine(tmp_path / "here", remote), Machine(tmp_path / "there", remote)
    longest = ("x" * 255, "\u00e9" * 127, "\u65e5" * 85, "y" * 251 + ".tmp", "z" + "." * 254)
    for turn in (1, 2):
        for name in longest:
            there.write(name, f"there {turn}")
            here.write(name, f"here {turn}, and longer")
        converged(there.apply())
        run = converged(here.apply())
        assert len(run.clashes) == len(longest)
        converged(there.apply())
    quiet(here)
    assert here.files() == there.files()
    assert len(here.files()) == 3 * len(longest)
    contents = Counter(here.files().values())
    assert {contents[f"there {t}".encode()] for t in (1, 2)} <= {len(longest), 0}
    assert all(len(os.fsencode(name)) <= 255 for name in here.files())


def test_case_twins_are_told_and_a_rename_by_case_goes_through_where_case_does_not_count(
    tmp_path: Path,
) -> None:
    served = tmp_path / "served"
    served.mkdir()
    option = ("remote", f":local,case_insensitive=true:{served}")
    remote = BackendRemote("store", "alias", (option,), "root", BUILT_IN)
    here = Machine(tmp_path / "here", remote)
    for name in ("Twin.md", "twin.md", "lower.md", "Folder/a", "folder/b"):
        here.write(name, name)
    run = here.apply()
    assert run.exit == 1
    assert {p.kind for p in run.problems} == {ProblemKind.CASE}
    assert {p.path for p in run.problems} == {"Folder/a", "Twin.md", "folder/b", "twin.md"}
    assert here.remote_names() == ["lower.md"]

    (here.folder / "lower.md").rename(here.folder / "LOWER.md")
    (here.folder / "twin.md").unlink()
    (here.folder / "folder/b").unlink()
    (here.folder / "folder").rmdir()
    converged(here.apply())
    assert here.remote_names() == ["Folder/a", "LOWER.md", "Twin.md"]
    quiet(here)
