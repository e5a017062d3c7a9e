"""Lends rclone what it may read of a folder of this machine, so that nobody else can move it.

rclone opens files by their names. Its root is our own descriptor of the folder (Linux), which stays
the same folder wherever that is moved to. Below a folder that others may write any name can become
a link to anywhere, between two looks: such files are opened here, through the jail, and rclone is
given links to those descriptors in a private folder. Where there are no such links it is given
copies.
"""

from __future__ import annotations

import os
import shutil
import stat
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Protocol, TypeVar

from msgspec import Struct

from bm_sync.engine.jail import BlockedError, Jail, most_open, movable, others_write
from bm_sync.rclone.client import Rclone
from bm_sync.rclone.remotes import Fs, descriptor_path
from bm_sync.structs import replace

_MOST_FILES = 500
_SHARE = 16  # of the descriptors that a process may have: several projects send at once


class Portion(Struct, frozen=True):
    """How much is moved at a time."""

    files: int
    bytes: int


_COPIES = Portion(files=_MOST_FILES, bytes=256 << 20)


class Load(Protocol):
    """A file that is to be moved."""

    @property
    def path(self) -> str:
        """Return its path."""

    @property
    def size(self) -> int:
        """Return its bytes."""


L = TypeVar("L", bound=Load)


def portions(loads: Sequence[L], most: Portion) -> Iterator[list[L]]:
    """Yield the files in order, no more at a time than a portion, but at least one."""
    some: list[L] = []
    size = 0
    for load in loads:
        if some and (len(some) >= most.files or size + load.size > most.bytes):
            yield some
            some, size = [], 0
        some.append(load)
        size += load.size
    if some:
        yield some


class Lending:
    """What rclone reads in a jail, below its folder `inside`."""

    def __init__(self, jail: Jail, rclone: Rclone, inside: str = "") -> None:
        self._jail = jail
        self._rclone = rclone
        self._inside = inside
        self._exposed: dict[str, bool] = {}

    async def portions(self, loads: Sequence[L]) -> list[list[L]]:
        """Return the files in portions, each of which can be lent at once."""
        direct = await self._rclone.sees_descriptors()
        plain: list[L] = []
        apart: list[L] = []
        for load in loads:
            (apart if self._is_exposed(load.path, direct=direct) else plain).append(load)
        most = (
            Portion(max(8, min(_MOST_FILES, most_open() // _SHARE)), sys.maxsize)
            if direct
            else _COPIES
        )
        return [*([plain] if plain else []), *portions(apart, most)]

    @asynccontextmanager
    async def lend(self, paths: Sequence[str]) -> AsyncIterator[Fs]:
        """Lend a root below which rclone finds these files, which are no more than a portion.

        It may find none of a name where the file has vanished, or is no plain file.
        """
        direct = await self._rclone.sees_descriptors()
        if any(self._is_exposed(path, direct=direct) for path in paths):
            with self._apart(paths, direct=direct) as fs:
                yield self._opened_here(fs)
            return
        with self._jail.held() as folder:
            fs = self._rclone.local(self._jail.root, descriptor=folder if direct else None)
            yield self._opened_here(fs.at(self._inside))

    async def content(self, path: str, algorithm: str) -> str | None:
        """Return the content of a file in an algorithm that rclone knows."""
        async with self.lend([path]) as fs:
            features = replace(await self._rclone.features(fs), hash=algorithm)
            found = await self._rclone.list_some(
                fs, [path], features=features, mtime=False, content=True
            )
        return found[path].content if path in found else None

    def _opened_here(self, fs: Fs) -> Fs:
        return replace(fs, opener=lambda path: self._jail.open(self._place(path)))

    def _place(self, path: str) -> str:
        return f"{self._inside}/{path}" if self._inside else path

    @contextmanager
    def _apart(self, paths: Sequence[str], *, direct: bool) -> Iterator[Fs]:
        """Yield a private folder with links to the open files, or with copies of them."""
        with tempfile.TemporaryDirectory(prefix="bm-sync-") as name, ExitStack() as opened:
            folder = Jail(Path(os.path.realpath(name)))
            for path in paths:
                with suppress(OSError, BlockedError):
                    file = self._jail.open(self._place(path))
                    opened.callback(os.close, file)
                    if stat.S_ISREG(os.fstat(file).st_mode):
                        _lay(folder, path, file, direct=direct)
            with folder.held() as descriptor:
                fs = self._rclone.local(
                    folder.root, follow=direct, descriptor=descriptor if direct else None
                )
                yield replace(fs, label=str(self._jail.root))

    def _is_exposed(self, path: str, *, direct: bool) -> bool:
        """Return whether others may write to a folder on the way to a file."""
        if not direct and "" not in self._exposed and movable(self._jail.root):
            self._exposed[""] = True
        folder = self._place(path).rpartition("/")[0]
        if self._jail.follows and self._leads_elsewhere(path):
            return True
        return self._folder_exposed(folder)

    def _leads_elsewhere(self, path: str) -> bool:
        try:
            return self._jail.resolved(path) != path
        except BlockedError:
            return True

    def _folder_exposed(self, folder: str) -> bool:
        known = self._exposed.get(folder)
        if known is None:
            known = bool(folder) and self._folder_exposed(folder.rpartition("/")[0])
            known = known or self._others_write(folder)
            self._exposed[folder] = known
        return known

    def _others_write(self, folder: str) -> bool:
        try:
            with self._jail.parent(f"{folder}/." if folder else ".") as (here, _):
                return others_write(here)
        except (OSError, BlockedError):
            return True  # it is looked at closely when it is opened


def _lay(folder: Jail, path: str, file: int, *, direct: bool) -> None:
    with folder.parent(path, make=True) as (here, name):
        if direct:
            os.symlink(descriptor_path(file), name, dir_fd=here)
            return
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(name, flags, 0o600, dir_fd=here), "wb") as copy:
            with os.fdopen(os.dup(file), "rb") as source:
                shutil.copyfileobj(source, copy, 1 << 20)
            info = os.fstat(file)
            copy.flush()
            os.utime(copy.fileno(), ns=(info.st_atime_ns, info.st_mtime_ns))
