"""The folder `layout.HOME` below a side's root: where files arrive before they are put in place.

It lies on the file system of the root, carries a .gitignore of its own, and goes when it is empty.
"""

from __future__ import annotations

import os
import posixpath
import shutil
import stat
from contextlib import suppress
from pathlib import Path

from bm_sync import layout
from bm_sync.engine import primitives
from bm_sync.engine.jail import BlockedError, Jail
from bm_sync.engine.placing import Spot, own
from bm_sync.engine.scope import Scope

_ARRIVALS = "in"
_SWAP = "swap"
_HALF = "half"


class Staging:
    """One project's staging folder in one run, below the side's `base`."""

    def __init__(self, base: Path, scope: Scope) -> None:
        self.home = Jail(base)
        self._scope = scope
        self._arrivals = f"{scope.staging}/{_ARRIVALS}"
        self._opened = False

    @property
    def folder(self) -> Path:
        """Return the folder that rclone copies into."""
        return self.home.root / self._arrivals

    def open(self) -> None:
        """Make the folder when it is missing."""
        self._opened = True
        ignore = f"{layout.HOME}/.gitignore"
        self.home.make_dir(self._arrivals)
        if not self.home.exists(ignore):
            with self.home.parent(ignore) as (folder, name):
                flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
                with os.fdopen(os.open(name, flags, 0o666, dir_fd=folder), "w") as file:
                    file.write("*\n")

    def spot(self, path: str) -> Spot:
        """Return where `path` arrives."""
        return Spot(self.home, f"{self._arrivals}/{path}")

    def for_swap(self, path: str) -> Spot:
        """Move an arrival to the one place from which files are swapped with the live ones.

        After a kill only this place can hold a version that stands nowhere else.
        """
        swap = Spot(self.home, f"{self._scope.staging}/{_SWAP}")
        with self.spot(path).open() as source, swap.open() as target:
            os.replace(source[1], target[1], src_dir_fd=source[0], dst_dir_fd=target[0])
        return swap

    @property
    def half(self) -> Spot:
        """Return where a copy of a file of this side grows until it is whole."""
        return Spot(self.home, f"{self._scope.staging}/{_HALF}")

    def kept(self, path: str) -> Spot:
        """Return where this run keeps a version of `path` that is replaced or deleted."""
        return Spot(self.home, f"{self._scope.trash}/{path}")

    def holds(self, path: str) -> bool:
        """Return whether `path` has arrived as a plain file."""
        with suppress(BlockedError, OSError):
            return self.home.look(f"{self._arrivals}/{path}") is not None
        return False

    def flush(self) -> None:
        """Write what has arrived to the disk."""
        with self.home.parent(f"{self._arrivals}/.") as (folder, _):
            primitives.flush(folder)

    def clear(self) -> None:
        """Remove this run's folder, and the whole home when nothing else lies in it."""
        if not self._opened:
            return
        self._remove(self._scope.staging)
        self._remove_home()

    def recover(self) -> None:
        """Remove what killed runs of this project left; a version caught in a swap is kept."""
        left: list[str] = []
        with (
            suppress(FileNotFoundError, BlockedError),
            self.home.parent(f"{layout.STAGING}/.") as (folder, _),
        ):
            left = [n for n in _names(folder) if n.startswith(self._scope.key[:12])]
        for name in left:
            self._keep_swapped(name)
            self._own_kept(name.partition("-")[2])
            self._remove(f"{layout.STAGING}/{name}")
        if left:
            self._remove_home()

    def _keep_swapped(self, name: str) -> None:
        swap = Spot(self.home, f"{layout.STAGING}/{name}/{_SWAP}")
        run = name.partition("-")[2]
        kept = Spot(self.home, f"{layout.trash(run, self._scope.project)}/.swapped")
        with suppress(FileNotFoundError, FileExistsError), swap.open() as source:
            if os.stat(source[1], dir_fd=source[0], follow_symlinks=False).st_nlink == 1:
                with kept.open(make=True) as target:
                    primitives.move_new(source, target)

    def _own_kept(self, run: str) -> None:
        """Give what a killed run kept of files that it did not come to replace bytes of its own."""
        trash = layout.trash(run, self._scope.project)
        with suppress(FileNotFoundError, BlockedError), self.home.parent(f"{trash}/.") as (top, _):
            for here, _, names, descriptor in os.fwalk(dir_fd=top, follow_symlinks=False):
                for name in names:
                    info = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
                    if stat.S_ISREG(info.st_mode) and info.st_nlink > 1:
                        own(Spot(self.home, posixpath.normpath(f"{trash}/{here}/{name}")))

    def _remove(self, path: str) -> None:
        with suppress(FileNotFoundError, BlockedError), self.home.parent(path) as (folder, name):
            shutil.rmtree(name, dir_fd=folder)

    def _remove_home(self) -> None:
        for path in (layout.STAGING, layout.TRASH):
            with suppress(BlockedError, FileNotFoundError):
                self.home.remove_dir(path)
        with suppress(BlockedError, OSError), self.home.parent(f"{layout.HOME}/.") as (folder, _):
            if _names(folder) == [".gitignore"]:
                os.unlink(".gitignore", dir_fd=folder)
        with suppress(BlockedError, FileNotFoundError):
            self.home.remove_dir(layout.HOME)


def _names(folder: int) -> list[str]:
    return os.listdir(folder)
