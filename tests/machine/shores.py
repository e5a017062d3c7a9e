"""The two kinds of side a history is played on: a folder, and a bucket reached by S3 itself.

They are edited and read here without any code of bm-sync.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from machine.bucket import Bucket

HOME = ".bm-sync"


@dataclass(frozen=True)
class Entry:
    """A file as it stands. `stamp` moves with any write; `place` with one that moves no byte."""

    data: bytes
    mtime: float
    stamp: tuple[object, ...]
    place: tuple[object, ...]


@dataclass(frozen=True)
class View:
    """Everything on a side but `.bm-sync`; `pipes` cannot be synced."""

    files: dict[str, Entry]
    dirs: dict[str, tuple[object, ...]] = field(default_factory=dict)
    pipes: dict[str, tuple[object, ...]] = field(default_factory=dict)

    def occupied(self, path: str) -> bool:
        """Return whether anything stands at a path."""
        return path in self.files or path in self.dirs or path in self.pipes

    def contents(self) -> dict[str, bytes]:
        """Return what the files hold."""
        return {p: e.data for p, e in self.files.items()}


class Shore(Protocol):
    """One side of a project."""

    has_folders: bool

    def view(self) -> View:
        """Return everything there is."""

    def trash(self) -> dict[str, bytes]:
        """Return what is kept in `.bm-sync`, by its path as a run's record ends with."""

    def write(self, path: str, data: bytes, mtime: float, *, aside: bool) -> None:
        """Write a file."""

    def delete(self, path: str) -> None:
        """Delete a file or a folder."""

    def rename(self, path: str, to: str) -> None:
        """Rename a file or a folder."""

    def touch(self, path: str, mtime: float) -> None:
        """Set the time of a file."""

    def make_folder(self, path: str) -> None:
        """Make a folder."""

    def block(self, path: str) -> None:
        """Put a pipe at a path."""


def below(path: str, paths: Iterable[str]) -> list[str]:
    """Return those paths that lie below a folder."""
    return [p for p in paths if p.startswith(f"{path}/")]


def ups(path: str) -> list[str]:
    """Return the folders above a path."""
    parts = path.split("/")
    return ["/".join(parts[:n]) for n in range(1, len(parts))]


class FolderShore:
    """A folder of this machine; `home` is where its `.bm-sync` lies."""

    has_folders = True

    def __init__(self, root: Path, home: Path) -> None:
        self.root = root
        self.home = home / HOME
        root.mkdir(parents=True, exist_ok=True)

    def view(self) -> View:
        seen = View({})
        for folder, dirs, names in os.walk(self.root):
            if HOME in dirs:
                dirs.remove(HOME)
            for name in (*dirs, *names):
                full = Path(folder) / name
                self._take(seen, full, str(full.relative_to(self.root)))
        return seen

    def _take(self, seen: View, full: Path, path: str) -> None:
        info = full.lstat()
        place = (info.st_ino, info.st_mtime_ns, info.st_mode)
        stamp = (*place, info.st_ctime_ns)
        if stat.S_ISDIR(info.st_mode):
            seen.dirs[path] = stamp
        elif stat.S_ISREG(info.st_mode):
            seen.files[path] = Entry(full.read_bytes(), info.st_mtime, stamp, place)
        else:
            seen.pipes[path] = stamp

    def trash(self) -> dict[str, bytes]:
        found = self.home.rglob("*") if self.home.exists() else ()
        return {str(p.relative_to(self.home)): p.read_bytes() for p in found if p.is_file()}

    def write(self, path: str, data: bytes, mtime: float, *, aside: bool) -> None:
        full = self.root / path
        full.parent.mkdir(parents=True, exist_ok=True)
        if aside:
            beside = full.with_name(".written-aside")
            beside.write_bytes(data)
            os.utime(beside, (mtime, mtime))
            beside.replace(full)
        else:
            full.write_bytes(data)
            os.utime(full, (mtime, mtime))

    def delete(self, path: str) -> None:
        full = self.root / path
        if full.is_dir():
            shutil.rmtree(full)
        else:
            full.unlink()

    def rename(self, path: str, to: str) -> None:
        full = self.root / to
        full.parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).rename(full)

    def touch(self, path: str, mtime: float) -> None:
        os.utime(self.root / path, (mtime, mtime))

    def make_folder(self, path: str) -> None:
        (self.root / path).mkdir(parents=True)

    def block(self, path: str) -> None:
        full = self.root / path
        full.parent.mkdir(parents=True, exist_ok=True)
        os.mkfifo(full)


class BucketShore:
    """A prefix of a bucket; `home` is the prefix under which `.bm-sync` lies."""

    has_folders = False

    def __init__(self, bucket: Bucket, root: str, home: str) -> None:
        self.bucket = bucket
        self.root = f"{root}/"
        self.home = f"{home}/{HOME}/" if home else f"{HOME}/"

    def view(self) -> View:
        files = {}
        for key, stamp in self.bucket.list(self.root).items():
            data, mtime = self.bucket.get(key)
            files[key.removeprefix(self.root)] = Entry(data, mtime, stamp, stamp)
        return View(files)

    def trash(self) -> dict[str, bytes]:
        return {
            key.removeprefix(self.home): self.bucket.get(key)[0]
            for key in self.bucket.list(self.home)
        }

    def write(self, path: str, data: bytes, mtime: float, *, aside: bool) -> None:
        del aside
        self.bucket.put(self.root + path, data, mtime)

    def delete(self, path: str) -> None:
        for key in self._keys(path):
            self.bucket.delete(key)

    def rename(self, path: str, to: str) -> None:
        for key in self._keys(path):
            data, mtime = self.bucket.get(key)
            self.bucket.put(self.root + to + key.removeprefix(self.root + path), data, mtime)
            self.bucket.delete(key)

    def touch(self, path: str, mtime: float) -> None:
        self.bucket.put(self.root + path, self.bucket.get(self.root + path)[0], mtime)

    def make_folder(self, path: str) -> None:
        """Make nothing: a bucket has no folders."""

    def block(self, path: str) -> None:
        """Block nothing: every object can be read."""

    def _keys(self, path: str) -> list[str]:
        whole = self.root + path
        return [k for k in self.bucket.list(whole) if k == whole or k.startswith(f"{whole}/")]
