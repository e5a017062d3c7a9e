"""What docs/file-systems.md says of each file system is what its calls answer."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from filesystems.kinds import Kind

from bm_sync.engine import primitives

DOCS = Path(__file__).parents[2] / "docs" / "file-systems.md"
COLUMNS = ("link", "noreplace", "exchange", "reflink", "case", "mode", "owner", "xattr", "acl")
ROWS = {
    "xfs": "XFS",
    "tmpfs": "tmpfs",
    "overlay": "overlay",
    "exfat-fuse": "exFAT (FUSE driver)",
    "vfat": "FAT (kernel driver)",
    "ntfs-3g": "NTFS (ntfs-3g)",
    "bindfs": "bindfs",
}
NOBODY = "ffffffff"
ACL = bytes.fromhex(
    f"02000000 01000600{NOBODY} 02000600fdff0000 04000000{NOBODY} 10000600{NOBODY} 20000000{NOBODY}"
)


def answers(folder: Path) -> set[str]:
    """Return what a file system does of all that is asked."""
    found = set()
    one, two, new = folder / "one", folder / "two", folder / "new"
    for file in (one, two):
        file.write_text(file.name)
    here = os.open(folder, os.O_RDONLY)
    try:
        asked: dict[str, Callable[[], object]] = {
            "link": lambda: primitives.link_new((here, "one"), (here, "new")),
            "noreplace": lambda: primitives._renameat2((here, "one"), (here, "moved"), 1),
            "exchange": lambda: primitives.exchange((here, "two"), (here, "three")),
        }
        for what, ask in asked.items():
            (folder / "three").write_text("three")
            with contextlib.suppress(primitives.RefusedError):
                ask()
                found.add(what)
    finally:
        os.close(here)
    file = new if "link" in found else two
    file.write_text("now")
    with file.open("rb") as old, (folder / "clone").open("wb") as clone:
        shares = primitives._cloned(old.fileno(), clone.fileno())
    with contextlib.suppress(OSError):
        file.chmod(0o640)
    with contextlib.suppress(OSError):
        os.chown(file, 1, 1)
    info = file.stat()
    facts = {
        "reflink": shares,
        "case": not (folder / file.name.upper()).exists(),
        "mode": info.st_mode & 0o777 == 0o640,
        "owner": (info.st_uid, info.st_gid) == (1, 1),
        "xattr": keeps(file, "user.note", b"mine"),
        "acl": keeps(file, "system.posix_acl_access", ACL),
    }
    return found | {what for what, does in facts.items() if does}


def keeps(file: Path, name: str, value: bytes) -> bool:
    """Return whether a file takes an attribute and tells it again."""
    with contextlib.suppress(OSError):
        os.setxattr(file, name, value)
        return os.getxattr(file, name) == value
    return False


def told(row: str) -> set[str]:
    """Return what the page says."""
    lines = [line for line in DOCS.read_text().splitlines() if line.startswith(f"| {row} | ")]
    (cells,) = [[cell.strip() for cell in line.split("|")[2:-1]] for line in lines]
    return {what for what, cell in zip(COLUMNS, cells, strict=True) if cell == "yes"}


def test_the_page_says_what_a_file_system_answers(disk: tuple[Kind, Path]) -> None:
    kind, at = disk
    if os.geteuid():
        pytest.skip("only root may give files away")
    folder = at / "table"
    folder.mkdir()
    found = answers(folder)
    refused = set(COLUMNS) - found
    if kind.name in ROWS:
        assert told(ROWS[kind.name]) == found
        assert kind.refuses == refused
