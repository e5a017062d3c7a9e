"""What a file has besides its bytes: new files inherit it, edits, the trash and an undo keep it."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from filesystems.conftest import Ground
from filesystems.test_acts import both, converged, undone

GROUP, OTHER_GROUP = 54321, 54322
ACL, DEFAULT_ACL = "system.posix_acl_access", "system.posix_acl_default"


def attributes(file: Path) -> dict[str, object]:
    """Return mode, owner, group and extended attributes of a file."""
    info = file.lstat()
    found: dict[str, object] = {"mode": oct(info.st_mode), "uid": info.st_uid, "gid": info.st_gid}
    with contextlib.suppress(OSError):
        found |= {name: os.getxattr(file, name) for name in os.listxattr(file)}
    return found


def dress(file: Path) -> dict[str, object]:
    """Give a file a mode, a group, an access list and a note, as far as that is possible."""
    with contextlib.suppress(OSError):
        file.chmod(0o640)
    with contextlib.suppress(OSError):
        os.chown(file, -1, GROUP)
    with contextlib.suppress(OSError):
        os.setxattr(file, "user.note", b"\x00 mine \xff")
    subprocess.run(["setfacl", "-m", "u:65533:rw,g:65532:r", str(file)], check=False, stderr=-3)
    return attributes(file)


@pytest.fixture
def dressed(ground: Ground) -> Ground:
    """Let the folders of the project hand down a group and an access list."""
    for side in (ground.bench.here, ground.bench.there):
        for name in ("deep", "group", "list", "deep/list"):
            (side / name).mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(OSError):
            os.chown(side / "group", -1, OTHER_GROUP)
            (side / "group").chmod(0o2775)
        if shutil.which("setfacl"):
            for name in ("list", "deep/list"):
                words = ["setfacl", "-d", "-m", "u::rwx,g::---,o::---,u:65531:rw", str(side / name)]
                subprocess.run(words, check=False, stderr=-3)
    return ground


def test_a_new_file_has_what_one_has_that_is_made_in_its_folder(dressed: Ground) -> None:
    bench = dressed.bench
    before = os.umask(0o027)
    try:
        names = [f"{f}came.md" for f in ("", "group/", "list/", "deep/", "deep/list/", "group/x/")]
        bench.write(*names, where=bench.there)
        bench.write(*[n.replace("came", "went") for n in names])
        converged(bench.apply())
        for side in (bench.here, bench.there):
            for name in names:
                made = (side / name).with_name("made by open.md")
                made.touch()
                assert attributes(side / name) == attributes(made), name
                went = (side / name).with_name("went.md")
                assert attributes(went) == attributes(made), name
    finally:
        os.umask(before)
    if dressed.can("acl"):
        assert ACL in attributes(bench.here / "list/came.md")
    if dressed.can("owner"):
        assert (bench.here / "group/x/came.md").stat().st_gid == OTHER_GROUP


def test_an_edit_keeps_what_the_file_had_and_so_does_whatever_is_kept_of_it(
    dressed: Ground,
) -> None:
    bench = dressed.bench
    names = ("edited.md", "deleted.md", "list/edited.md", "deep/edited.md", "deep/deleted.md")
    bench.write(*names, "both.md", where=bench.there)
    converged(bench.apply())
    had = {name: dress(bench.here / name) for name in (*names, "both.md")}
    if dressed.can("xattr"):
        assert had["edited.md"]["user.note"] == b"\x00 mine \xff"
    if dressed.can("acl"):
        assert {ACL} <= had["edited.md"].keys()
    for name in names:
        if name.endswith("edited.md"):
            bench.write(name, text="edited there", where=bench.there)
        else:
            (bench.there / name).unlink()
    bench.write("both.md", text="loses")
    os.utime(bench.here / "both.md", (1_700_000_000, 1_700_000_000))
    bench.write("both.md", text="wins", where=bench.there)
    run = bench.apply()
    converged(run)
    assert {n for n in names if (bench.here / n).exists()} == {
        n for n in names if n.endswith("edited.md")
    }
    for name in names:
        if name.endswith("edited.md"):
            assert attributes(bench.here / name) == had[name], name
    (copy,) = bench.here.glob("both.conflict-*.md")
    assert attributes(copy) == had["both.md"]
    for action in run.actions:
        if action.path in names and (action.kept or "").startswith(str(bench.here)):
            assert attributes(Path(action.kept or "")) == had[action.path], action.path
    converged(undone(bench))
    both(bench)
    for name in names:
        assert attributes(bench.here / name) == had[name], name


def test_a_privilege_is_not_kept_by_a_file_whose_bytes_come_from_elsewhere(
    dressed: Ground,
) -> None:
    bench = dressed.bench
    bench.write("tool")
    converged(bench.apply())
    with contextlib.suppress(OSError):
        (bench.here / "tool").chmod(0o6755)
    if not (bench.here / "tool").stat().st_mode & stat.S_ISUID:
        pytest.skip("no set-user-id on this file system")
    bench.write("tool", text="from there", where=bench.there)
    converged(bench.apply())
    assert stat.S_IMODE((bench.here / "tool").stat().st_mode) == 0o755
