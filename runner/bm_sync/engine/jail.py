"""A folder whose inside is reached one component at a time, never through a symbolic link.

Everything that bm-sync writes on this machine goes through here, so that no path, however it came
about, leads outside the declared root.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bm_sync.engine.primitives import Place
from bm_sync.model.config import Links
from bm_sync.model.tree import FileStamp

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_NOT_THROUGH = {errno.ELOOP, errno.ENOTDIR}


class BlockedError(Exception):
    """Something that is no plain file or folder stands in the way; the text says what."""


def stamp_of(info: os.stat_result) -> FileStamp:
    """Return the stamp that an lstat tells."""
    return FileStamp(info.st_size, info.st_mtime_ns, info.st_ctime_ns, info.st_ino)


def same_version(one: FileStamp, two: FileStamp) -> bool:
    """Return whether both are one version; ctime is left out: our own links and renames move it."""
    return (one.inode, one.size, one.mtime_ns) == (two.inode, two.size, two.mtime_ns)


class Jail:
    """The inside of `root` (an absolute path without symbolic links)."""

    def __init__(self, root: Path, *, links: Links = Links.SKIP) -> None:
        self.root = root
        self.follows = links is Links.FOLLOW
        # by device and inode: the ctime of files since one of their names was taken away by us
        self.relinked: dict[tuple[int, int], int] = {}

    @contextmanager
    def parent(self, path: str, *, make: bool = False) -> Iterator[Place]:
        """Open the folder that holds `path`; with `make`, folders that are missing are made.

        Raises BlockedError when a component is no folder, FileNotFoundError when one is missing.
        """
        *folders, name = self.resolved(path).split("/")
        here = os.open(self.root, _FOLDER)
        try:
            for folder in folders:
                below = self._enter(here, folder, path, make=make)
                os.close(here)
                here = below
            yield here, name
        finally:
            os.close(here)

    def look(self, path: str) -> FileStamp | None:
        """Return the stamp of the plain file at `path`, None when nothing is there.

        Raises BlockedError when something else is there or in the way.
        """
        try:
            with self.parent(path) as place:
                return look(place)
        except FileNotFoundError:
            return None

    def open(self, path: str) -> int:
        """Open a plain file for reading and return its descriptor."""
        with self.parent(path) as (folder, name):
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
            return os.open(name, flags, dir_fd=folder)

    def make_dir(self, path: str) -> None:
        """Make the folder `path` and its parents; one that exists is fine."""
        with self.parent(f"{path}/.", make=True):
            pass

    def remove_dir(self, path: str) -> bool:
        """Remove the folder `path` when it is empty; return whether it is gone."""
        try:
            with self.parent(path) as (folder, name):
                os.rmdir(name, dir_fd=folder)
        except FileNotFoundError:
            return True
        except OSError as e:
            if e.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR, errno.EBUSY):
                return False
            raise
        return True

    def exists(self, path: str) -> bool:
        """Return whether anything stands at `path`."""
        try:
            with self.parent(path) as (folder, name):
                os.stat(name, dir_fd=folder, follow_symlinks=False)
        except (FileNotFoundError, BlockedError):
            return False
        return True

    def is_link(self, path: str) -> bool:
        """Return whether `path` is a symbolic link that is followed here."""
        return self.follows and (self.root / path).is_symlink()

    def resolved(self, path: str) -> str:
        """Return where `path` leads, links followed if they are; raises BlockedError."""
        if not self.follows:
            return path
        real = os.path.realpath(self.root / path)
        inside = os.path.relpath(real, self.root)
        if inside == ".." or inside.startswith("../"):
            raise BlockedError("a symbolic link that leaves the project")
        return f"{inside}/." if path.endswith("/.") else inside

    def _enter(self, here: int, folder: str, path: str, *, make: bool) -> int:
        if folder in ("", "..") or "\0" in folder:
            raise BlockedError("not a path inside the project")
        try:
            return os.open(folder, _FOLDER | os.O_NOFOLLOW, dir_fd=here)
        except FileNotFoundError:
            if not make:
                raise
            with suppress(FileExistsError):  # another run was faster
                os.mkdir(folder, dir_fd=here)
            return os.open(folder, _FOLDER | os.O_NOFOLLOW, dir_fd=here)
        except OSError as e:
            if e.errno in _NOT_THROUGH:
                raise BlockedError(f"'{folder}' on the way to '{path}' is no plain folder") from e
            raise


def plain_stamp(info: os.stat_result) -> FileStamp:
    """Return the stamp of a plain file; raise BlockedError for anything else."""
    if not stat.S_ISREG(info.st_mode):
        raise BlockedError("something that is no plain file stands there now")
    return stamp_of(info)


def look(place: Place) -> FileStamp | None:
    """Return the stamp of the plain file at `place`, None when nothing is there."""
    try:
        info = os.stat(place[1], dir_fd=place[0], follow_symlinks=False)
    except FileNotFoundError:
        return None
    return plain_stamp(info)
