"""File systems of this machine, each mounted for the tests and taken away again.

A kind that cannot be had here (no right to mount, no driver, no program) skips its tests.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

_WITHIN_S = 60.0


def run(*words: str | Path) -> str:
    """Run a program and return what it said; skips the test where it cannot be run."""
    try:
        done = subprocess.run([str(w) for w in words], check=True, capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip(f"there is no {words[0]} here")
    except subprocess.CalledProcessError as e:
        pytest.skip(f"{words[0]} cannot be used here: {e.stderr.strip()[:120]}")
    return done.stdout.strip()


def detach(at: Path) -> None:
    """Take away what is mounted at a folder; a driver that is busy for a moment is waited for."""
    due = time.monotonic() + _WITHIN_S
    while subprocess.run(["umount", str(at)], check=False, capture_output=True).returncode:
        if not _is_mounted(at):
            return
        if time.monotonic() > due:
            subprocess.run(["umount", "-l", str(at)], check=False, capture_output=True)
            return
        time.sleep(0.05)


def _is_mounted(at: Path) -> bool:
    """Return whether the kernel lists a mount here; `Path.is_mount` does not see bind mounts."""
    lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
    escaped = str(at.resolve()).replace("\\", "\\134").replace(" ", "\\040")
    return any(line.split(" ")[4] == escaped for line in lines)


@contextlib.contextmanager
def mounted(at: Path, *words: str | Path) -> Iterator[None]:
    """Mount something at a folder while the block lasts; `words` come before the folder's name."""
    at.mkdir(parents=True, exist_ok=True)
    run(*words, at)
    try:
        yield
    finally:
        detach(at)


@contextlib.contextmanager
def image(file: Path, mib: int, *make: str) -> Iterator[Path]:
    """Make a disk image with a file system on it and yield the loop device that shows it."""
    if shutil.which(make[0]) is None:
        pytest.skip(f"there is no {make[0]} here")
    with file.open("wb") as made:
        made.truncate(mib << 20)
    run(*make, file)
    with looped(file) as device:
        yield device


@contextlib.contextmanager
def looped(file: Path) -> Iterator[Path]:
    """Show an image as a block device while the block lasts; others here use the same few."""
    due = time.monotonic() + _WITHIN_S
    while True:
        done = subprocess.run(
            ["losetup", "-f", "--show", str(file)], check=False, capture_output=True, text=True
        )
        if done.returncode == 0:
            break
        if time.monotonic() > due or not Path("/dev/loop-control").exists() or os.geteuid():
            pytest.skip(f"no loop device to be had: {done.stderr.strip()[:80]}")
        time.sleep(0.2)
    device = Path(done.stdout.strip())
    try:
        yield device
    finally:
        subprocess.run(["losetup", "-d", str(device)], check=False, capture_output=True)


@contextlib.contextmanager
def _plain(_scratch: Path, at: Path) -> Iterator[None]:
    at.mkdir(parents=True, exist_ok=True)
    yield


@contextlib.contextmanager
def _tmpfs(_scratch: Path, at: Path) -> Iterator[None]:
    with mounted(at, "mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs"):
        yield


@contextlib.contextmanager
def _xfs(scratch: Path, at: Path) -> Iterator[None]:
    with (
        image(scratch / "xfs", 320, "mkfs.xfs", "-q") as device,
        mounted(at, "mount", "-t", "xfs", device),
    ):
        yield


@contextlib.contextmanager
def _exfat(scratch: Path, at: Path) -> Iterator[None]:
    with (
        image(scratch / "exfat", 64, "mkfs.exfat") as device,
        mounted(at, "mount.exfat-fuse", device),
    ):
        yield


@contextlib.contextmanager
def _vfat(scratch: Path, at: Path) -> Iterator[None]:
    with (
        image(scratch / "vfat", 64, "mkfs.vfat") as device,
        mounted(at, "mount", "-t", "vfat", "-o", "iocharset=utf8", device),
    ):
        yield


@contextlib.contextmanager
def _ntfs(scratch: Path, at: Path) -> Iterator[None]:
    with (
        image(scratch / "ntfs", 64, "mkfs.ntfs", "-Q", "-F", "-q") as device,
        mounted(at, "ntfs-3g", device),
    ):
        yield


@contextlib.contextmanager
def _overlay(scratch: Path, at: Path) -> Iterator[None]:
    base = scratch / "layers"
    with mounted(base, "mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs"):
        for name in ("lower", "upper", "work"):
            (base / name).mkdir()
        layers = f"lowerdir={base}/lower,upperdir={base}/upper,workdir={base}/work"
        with mounted(at, "mount", "-t", "overlay", "-o", layers, "overlay"):
            yield


@contextlib.contextmanager
def _bindfs(scratch: Path, at: Path) -> Iterator[None]:
    (scratch / "behind").mkdir()
    with mounted(at, "bindfs", scratch / "behind"):
        yield


@contextlib.contextmanager
def _access_list(_scratch: Path, at: Path) -> Iterator[None]:
    at.mkdir(parents=True, exist_ok=True)
    run("setfacl", "-m", "u:65533:rwx,d:u:65533:rwx,d:g:65532:r-x,d:m:rwx,d:o:---", at)
    yield


@dataclass(frozen=True)
class Kind:
    """A file system: how it is mounted, and what it is known to refuse.

    `deep` mounts a folder inside the project from elsewhere on the same file system.
    """

    name: str
    mount: Callable[[Path, Path], contextlib.AbstractContextManager[None]]
    refuses: frozenset[str] = frozenset()
    bad_names: tuple[str, ...] = ()
    deep: bool = False
    options: tuple[str, ...] = field(default=())


KINDS = (
    Kind("here", _plain),
    Kind("tmpfs", _tmpfs, frozenset({"reflink"})),
    Kind("xfs", _xfs),
    Kind("overlay", _overlay, frozenset({"reflink"})),
    Kind(
        "exfat-fuse",
        _exfat,
        frozenset(
            {"link", "noreplace", "exchange", "reflink", "case", "mode", "owner", "xattr", "acl"}
        ),
        bad_names=("a:b.md", "why?.md", "a*b.md"),
    ),
    Kind(
        "vfat",
        _vfat,
        frozenset({"link", "exchange", "reflink", "case", "mode", "owner", "xattr", "acl"}),
        bad_names=("a:b.md", "why?.md", "a*b.md"),
    ),
    Kind("ntfs-3g", _ntfs, frozenset({"noreplace", "exchange", "reflink", "mode", "owner", "acl"})),
    Kind("bindfs", _bindfs, frozenset({"noreplace", "exchange", "reflink"})),
    Kind("folder with access lists", _access_list),
    Kind("folder mounted inside", _plain, deep=True),
)
