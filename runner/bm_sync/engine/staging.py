"""The folder `layout.HOME` below a side's root: where files arrive before they are put in place.

It lies on the file system of the root, carries a .gitignore of its own, and goes when it is empty.
What arrives lies in a folder that is this user's alone from its making on; it and the trash are
held open, so that they stay the same wherever others move them. Where others could reach into it,
files arrive in the state directory.
"""

from __future__ import annotations

import errno
import os
import posixpath
import shutil
import stat
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

from bm_sync import layout
from bm_sync.engine import primitives
from bm_sync.engine.jail import BlockedError, Jail, movable, others_write, replaced
from bm_sync.engine.placing import Spot, own
from bm_sync.engine.scope import Scope
from bm_sync.errors import BmSyncError
from bm_sync.model.tree import Side
from bm_sync.rclone.remotes import Fs

_ASIDE = "staging"
_ARRIVALS = "in"
_SWAP = "swap"
_HALF = "half"
_PRIVATE = 0o700
_TRIES = 3


class Staging:
    """One project's staging folder in one run, below the side's `home`.

    `side` is None for a folder in the state directory itself.
    """

    def __init__(self, home: Jail, scope: Scope, side: Side | None) -> None:
        self.home = home
        self._scope = scope
        self._name = scope.staging.rpartition("/")[2]
        self._aside = Jail(scope.site.setup.state_dir / _ASIDE / side.value) if side else None
        self._forget()

    def _forget(self) -> None:
        self._own = self.home.below(layout.HOME)
        self._kept = self._own.below(self._scope.trash.removeprefix(f"{layout.HOME}/"))
        self._opened: _Opened | None = None

    async def open(self) -> None:
        """Make the folder when it is missing."""
        if self._opened is not None:
            return
        direct = await self._scope.rclone.sees_descriptors()
        for _ in range(_TRIES):
            with suppress(FileNotFoundError):  # another run has just removed it, as it was empty
                self._opened = self._made(direct=direct)
                return
            self._forget()
        self._opened = self._made(direct=direct)

    async def fs(self) -> Fs:
        """Return the folder that rclone copies into."""
        await self.open()
        direct = await self._scope.rclone.sees_descriptors()
        with self._at.arrivals.held() as folder:
            root = self._at.arrivals.root
            return self._scope.rclone.local(root, descriptor=folder if direct else None)

    def spot(self, path: str) -> Spot:
        """Return where `path` arrives."""
        return Spot(self._at.arrivals, path)

    def for_swap(self, path: str) -> Spot:
        """Move an arrival to the one place from which files are swapped with the live ones.

        After a kill only this place can hold a version that stands nowhere else.
        """
        swap = Spot(self._at.run, _SWAP)
        with self.spot(path).open() as source, swap.open() as target:
            os.replace(source[1], target[1], src_dir_fd=source[0], dst_dir_fd=target[0])
        return swap

    @property
    def half(self) -> Spot:
        """Return where a copy of a file of this side grows until it is whole."""
        return Spot(self._at.run, _HALF)

    def kept(self, path: str) -> Spot:
        """Return where this run keeps a version of `path` that is replaced or deleted."""
        return Spot(self._kept, path)

    def holds(self, path: str) -> bool:
        """Return whether `path` has arrived as a plain file."""
        with suppress(BlockedError, OSError):
            return self._at.arrivals.look(path) is not None
        return False

    def flush(self) -> None:
        """Write what has arrived to the disk."""
        with self._at.arrivals.held() as folder:
            primitives.flush(folder)

    def check(self) -> None:
        """Raise BmSyncError when somebody has moved the side or the folder of ours meanwhile."""
        if not self.home.stands():
            raise replaced(self.home.root)
        if self._own.stands():
            return
        with self._own.held() as folder:
            where = f"it is {_now_at(folder) or 'somewhere else'} now"
        raise BmSyncError(
            f"the folder {ascii(str(self._own.root))[1:-1]} was moved away while the run went on",
            hint=f"{where}, with the versions that this run keeps: move it back, and see who can"
            f" write to {ascii(str(self.home.root))[1:-1]}",
        )

    def clear(self) -> None:
        """Remove this run's folder, and the whole home when nothing else lies in it."""
        opened = self._opened
        if opened is not None:
            _remove(opened.above, self._name)
            if opened.above is self._aside:
                with suppress(OSError):  # another project's files lie in it
                    self._aside.root.rmdir()
            self._forget()
            self._remove_home()

    def release(self) -> None:
        """Close every folder that is held."""
        self.home.release()
        if self._aside is not None:
            self._aside.release()

    def recover(self) -> None:
        """Remove what killed runs of this project left; a version caught in a swap is kept."""
        found = False
        places = [self.home.below(layout.STAGING)]
        for place in [*places, self._aside] if self._aside is not None else places:
            for name in self._left(place):
                found = True
                run = name.partition("-")[2]
                self._keep_swapped(Spot(place, f"{name}/{_SWAP}"), run)
                self._own_kept(run)
                _remove(place, name)
        if found:
            self._remove_home()

    @property
    def _at(self) -> _Opened:
        assert self._opened is not None  # noqa: S101 - whoever stages has opened it
        return self._opened

    def _made(self, *, direct: bool) -> _Opened:
        """Make this run's folder below the side, or aside where others could reach into that."""
        place = self._own.below(layout.STAGING.removeprefix(f"{layout.HOME}/"), _PRIVATE)
        if self._aside is None:
            return self._made_in(place)
        try:
            place.make_root()
            if _is_ours(place) and (direct or not movable(place.root)):
                return self._made_in(place)
        except PermissionError:  # another user's
            pass
        self._aside.root.mkdir(parents=True, exist_ok=True, mode=_PRIVATE)
        return self._made_in(self._aside)

    def _made_in(self, above: Jail) -> _Opened:
        run = above.below(self._name, _PRIVATE)
        arrivals = run.below(_ARRIVALS, _PRIVATE)
        arrivals.make_root()
        if above is not self._aside:
            self._ignore()
        return _Opened(above, run, arrivals)

    def _ignore(self) -> None:
        """Have git leave the folder of ours alone."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with self._own.held() as folder, suppress(FileExistsError):
            ignore = os.open(".gitignore", flags, 0o666, dir_fd=folder)
            try:
                os.write(ignore, b"*\n")
            finally:
                os.close(ignore)

    def _left(self, place: Jail) -> list[str]:
        """Return the names of what runs of this project left in a staging folder."""
        with suppress(OSError, BlockedError), place.held() as folder:
            names = _names(folder)
            return [name for name in names if self._scope.is_own(name)]
        return []

    def _keep_swapped(self, swap: Spot, run: str) -> None:
        kept = Spot(self.home, f"{layout.trash(run, self._scope.project)}/.swapped")
        try:
            with swap.open() as source:
                if os.stat(source[1], dir_fd=source[0], follow_symlinks=False).st_nlink == 1:
                    with kept.open(make=True) as target:
                        primitives.move_new(source, target)
        except (FileNotFoundError, FileExistsError):
            pass
        except OSError as e:
            if e.errno != errno.EXDEV:  # on another file system nothing is ever swapped
                raise

    def _own_kept(self, run: str) -> None:
        """Give what a killed run kept of files that it did not come to replace bytes of its own."""
        trash = layout.trash(run, self._scope.project)
        with suppress(FileNotFoundError, BlockedError), self.home.parent(f"{trash}/.") as (top, _):
            for here, _, names, descriptor in os.fwalk(dir_fd=top, follow_symlinks=False):
                for name in names:
                    info = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
                    if stat.S_ISREG(info.st_mode) and info.st_nlink > 1:
                        own(Spot(self.home, posixpath.normpath(f"{trash}/{here}/{name}")))

    def _remove_home(self) -> None:
        for path in (layout.STAGING, layout.TRASH):
            with suppress(BlockedError, FileNotFoundError):
                self.home.remove_dir(path)
        with suppress(BlockedError, OSError), self.home.parent(f"{layout.HOME}/.") as (folder, _):
            if _names(folder) == [".gitignore"]:
                os.unlink(".gitignore", dir_fd=folder)
        with suppress(BlockedError, FileNotFoundError):
            self.home.remove_dir(layout.HOME)


class _Opened(Struct, frozen=True):
    """Where one run stages: its own folder in `above`, and in that the folder of arrivals."""

    above: Jail
    run: Jail
    arrivals: Jail


def _is_ours(place: Jail) -> bool:
    """Return whether nobody else may write to a staging folder; an open one of ours is closed."""
    with place.held() as folder:
        if others_write(folder):
            with suppress(OSError):
                os.fchmod(folder, _PRIVATE)
        return not others_write(folder)


def _now_at(folder: int) -> str | None:
    """Return where an open folder lies now, as a person reads it (Linux)."""
    with suppress(OSError):
        return ascii(str(Path(f"/proc/self/fd/{folder}").readlink()))[1:-1]
    return None


def _names(folder: int) -> list[str]:
    with os.scandir(folder) as found:
        return [entry.name for entry in found]


def _remove(above: Jail, name: str) -> None:
    with suppress(FileNotFoundError, BlockedError), above.parent(name) as (folder, _):
        shutil.rmtree(name, dir_fd=folder)
