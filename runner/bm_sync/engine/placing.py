"""Put files in place, replace and delete them in a folder of this machine, losing nothing.

Every act looks at its target again. What is replaced or deleted stands in the trash before it goes,
in bytes that nobody else can write to; an edit saved in the very moment of the act is noticed and
put back. Nobody sees a missing or a half file. Files to be placed come from a staging folder; where
that is another file system or mount than the target, they are copied beside it first.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress

from msgspec import Struct

from bm_sync.engine import attributes, primitives
from bm_sync.engine.jail import Jail, look, plain_stamp, same_version, stamp_of
from bm_sync.engine.primitives import Place, RefusedError
from bm_sync.model.tree import FileStamp


class ChangedError(Exception):
    """The target is no longer what the plan saw; nothing was done."""


class Spot(Struct, frozen=True):
    """A path in a jail."""

    jail: Jail
    path: str

    @property
    def label(self) -> str:
        """Return the absolute path as a person reads it."""
        return str(self.jail.root / self.path)

    def open(self, *, make: bool = False) -> AbstractContextManager[Place]:
        """Open the folder that holds it; see `Jail.parent`."""
        return self.jail.parent(self.path, make=make)


class _Version(Struct, frozen=True):
    """The version that a plan saw at `spot`."""

    stamp: FileStamp
    spot: Spot

    def require(self, place: Place) -> None:
        """Raise ChangedError unless exactly this version stands at `place`.

        A file with several names may have a new ctime: a name made or removed moves it.
        """
        try:
            info = os.stat(place[1], dir_fd=place[0], follow_symlinks=False)
        except FileNotFoundError as e:
            raise ChangedError("the file has vanished") from e
        seen, relinked = plain_stamp(info), self.spot.jail.relinked
        linked = info.st_nlink > 1 or relinked.get((info.st_dev, info.st_ino)) == seen.ctime_ns
        if seen != self.stamp and not (linked and self.fits(seen)):
            raise ChangedError("the file was changed")

    def fits(self, seen: FileStamp) -> bool:
        """Return whether a stamp is this version's, wherever we have moved it."""
        return same_version(seen, self.stamp)

    def drop(self, place: Place) -> None:
        """Remove one name of this version."""
        with primitives.opened(place) as file:
            os.unlink(place[1], dir_fd=place[0])
            primitives.refresh(file)
            left = os.fstat(file)
        if left.st_nlink:
            self.spot.jail.relinked[left.st_dev, left.st_ino] = left.st_ctime_ns


def place_new(staged: Spot, spot: Spot, *, inherits: bool = True) -> FileStamp:
    """Move the staged file to `spot`, where nothing may stand; return its stamp there.

    It gets what a new file gets in that folder, or keeps what it has.
    """
    with staged.open() as source, spot.open(make=True) as target:
        if inherits:
            with primitives.opened(source) as file:
                attributes.inherit(file, source[0], target[0])
        try:
            return _arrive(source, target)
        except FileExistsError as e:
            raise ChangedError("a file of this name has appeared") from e


def replace(staged: Spot, spot: Spot, expected: FileStamp, trash: Spot | None) -> FileStamp:
    """Put the staged file in the place of the version `expected`, which is kept in `trash` first.

    `trash` is None when the version is kept elsewhere already.
    """
    version = _Version(expected, spot)
    with staged.open() as source, spot.open() as target:
        version.require(target)
        with primitives.opened(source) as new, primitives.opened(target) as old:
            attributes.take_over(new, old)
        if trash is None:
            return _put_over(source, target, version)
        with trash.open(make=True) as kept:
            _keep(target, kept, version)
            try:
                stamp = _put_over(source, target, version)
            except BaseException:
                _forget(kept, target, version)
                raise
            _require_kept(kept, target, version)
            return stamp


def discard(spot: Spot, expected: FileStamp, trash: Spot) -> None:
    """Move the version `expected` into the trash."""
    version = _Version(expected, spot)
    with spot.open() as target, trash.open(make=True) as kept:
        version.require(target)
        _move_away(target, kept, version)


def discard_link(spot: Spot, expected: FileStamp, trash: Spot) -> str:
    """Move a followed link to the version `expected` into the trash; return where that stays.

    The file it leads to is a file of the project by itself.
    """
    seen = spot.jail.look(spot.path)
    if seen is None or not same_version(seen, expected):
        raise ChangedError("the file was changed")
    stays = Spot(spot.jail, spot.jail.resolved(spot.path)).label
    folder, _, name = spot.path.rpartition("/")
    beside = Spot(spot.jail, f"{folder}/." if folder else ".")
    with beside.open() as (here, _), trash.open(make=True) as kept:
        primitives.move_new((here, name), kept)
    return stays


def rename_link(old: Spot, expected: FileStamp, new: Spot, trash: Spot) -> FileStamp:
    """Put a copy of the version that a followed link leads to at `new`; the link goes.

    A link cannot be renamed: elsewhere it may lead to another file.
    """
    version = _Version(expected, old)
    with old.open() as source, new.open(make=True) as target:
        version.require(source)
        with _taken_by(target):
            stamp = _copy_whole(source, target)
    discard_link(old, expected, trash)
    return stamp


def rename(old: Spot, expected: FileStamp, new: Spot) -> FileStamp:
    """Rename the version `expected` to `new`, where nothing may stand; return the stamp there."""
    version = _Version(expected, old)
    with old.open() as source, new.open(make=True) as target:
        version.require(source)
        return _move_checked(source, target, version)


def set_aside(old: Spot, expected: FileStamp, new: Spot) -> FileStamp:
    """Let the version `expected` give way to `new`, where it is kept; return the stamp there."""
    version = _Version(expected, old)
    with old.open() as source, new.open(make=True) as target:
        version.require(source)
        return _move_away(source, target, version)


def duplicate(spot: Spot, expected: FileStamp, copy: Spot, staged: Spot) -> FileStamp:
    """Copy the version `expected` to `copy` by way of `staged`; return the stamp there.

    It is a file of its own, no second name: whoever edits one in place would edit the other. A file
    that stands there already with the same bytes is taken as the copy.
    """
    version = _Version(expected, spot)
    with spot.open() as source, staged.open(make=True) as half, copy.open(make=True) as target:
        primitives.remove(half)
        version.require(source)
        primitives.copy_new(source, half)
        version.require(source)
        try:
            return _arrive(half, target)
        except FileExistsError as e:
            ours = _stamp(target)
            if not _same_bytes(half, target):
                raise ChangedError(f"'{copy.path}' has appeared") from e
            return _placed(target, ours)


def fetch(kept: Spot, staged: Spot) -> FileStamp:
    """Copy a kept version into staging; return its stamp where it is kept."""
    with kept.open() as source, staged.open(make=True) as target:
        stamp = look(source)
        if stamp is None:
            raise FileNotFoundError(errno.ENOENT, "it is not there any more")
        primitives.remove(target)
        primitives.copy_new(source, target)
        return stamp


def own(spot: Spot) -> None:
    """Give a kept version bytes of its own, where it is one of several names of a file."""
    with suppress(FileNotFoundError), spot.open() as kept:
        if _names(kept) > 1:
            half = primitives.beside(kept)
            primitives.remove(half)
            primitives.copy_new(kept, half)
            primitives.replace(half, kept)


def _keep(source: Place, kept: Place, version: _Version) -> None:
    """Keep a version, which is about to go from `source`, under a new name.

    A second name costs nothing and is the only one soon. Where the file has others, by which others
    may write to it, or can have no second one, it is a copy. Raises FileExistsError, or
    ChangedError when it is edited meanwhile.
    """
    if _names(source) == 1:
        try:
            primitives.link_new(source, kept)
        except RefusedError:
            pass
        except OSError as e:
            if not primitives.crosses(e):
                raise
        else:
            return
    primitives.copy_new(source, kept)
    try:
        version.require(source)
    except ChangedError:
        primitives.remove(kept)
        raise


def _forget(kept: Place, target: Place, version: _Version) -> None:
    """Let go of a version that stands where it was, or is edited there under its first name."""
    live, mine = look(target), look(kept)
    if live is None or mine is None:
        return
    if live.inode == mine.inode or version.fits(live):
        primitives.remove(kept)


def _require_kept(kept: Place, target: Place, version: _Version) -> None:
    """Put a version back that was edited in place in the moment it was replaced.

    Its second name shows that where two files cannot be swapped in one step.
    """
    mine = _stamp(kept)
    if mine.inode == version.stamp.inode and not version.fits(mine):
        primitives.replace(kept, target)
        raise ChangedError("the file was changed")


def _put_over(source: Place, target: Place, version: _Version) -> FileStamp:
    """Put a file in the place of a version that is kept; return its stamp there."""

    def swap(near: Place) -> FileStamp:
        ours = _stamp(near)
        _swap(near, target, version)
        return _placed(target, ours)

    try:
        return swap(source)
    except OSError as e:
        if not primitives.crosses(e):
            raise
    return _by_copy(source, target, swap)


def _swap(near: Place, target: Place, version: _Version) -> None:
    ours = _stamp(near)
    try:
        primitives.exchange(near, target)
    except FileNotFoundError as e:
        raise ChangedError("the file has vanished") from e
    except RefusedError:
        version.require(target)
        primitives.replace(near, target)
        return
    if not version.fits(_stamp(near)):
        primitives.exchange(near, target)
        if not same_version(_stamp(near), ours):  # saved again meanwhile: the newest stays
            primitives.exchange(near, target)
        raise ChangedError("the file was changed")
    version.drop(near)


def _move_away(source: Place, target: Place, version: _Version) -> FileStamp:
    """Move a version to where it is kept, in bytes of its own; return its stamp there."""
    if _names(source) <= 1:
        return _move_checked(source, target, version)
    aside = primitives.beside(target)
    primitives.remove(aside)
    with _taken_by(target):
        _keep(source, aside, version)
        try:
            primitives.move_new(aside, target)
        finally:
            primitives.remove(aside)
    try:
        _move_checked(source, aside, version)
    except BaseException:
        primitives.remove(target)
        raise
    version.drop(aside)
    primitives.refresh(*target)
    return _stamp(target)


def _move_checked(source: Place, target: Place, version: _Version) -> FileStamp:
    """Move a version; return its stamp there."""
    try:
        with _taken_by(target):
            primitives.move_new(source, target)
    except OSError as e:
        if not primitives.crosses(e):
            raise
        with _taken_by(target):
            copied = _copy_whole(source, target)
        version.require(source)
        version.drop(source)
        return copied
    if not version.fits(_stamp(target)):
        with suppress(FileExistsError):
            primitives.move_new(target, source)
        raise ChangedError("the file was changed")
    return _placed(target, version.stamp)


@contextmanager
def _taken_by(target: Place) -> Iterator[None]:
    """Tell of a name that is taken as a change that nobody planned."""
    try:
        yield
    except FileExistsError as e:
        raise ChangedError(f"'{target[1]}' has appeared") from e


def _arrive(source: Place, target: Place) -> FileStamp:
    """Move our own file to where nothing stands; return its stamp; raises FileExistsError."""
    ours = _stamp(source)
    try:
        primitives.move_new(source, target)
    except OSError as e:
        if not primitives.crosses(e):
            raise
        ours = _copy_whole(source, target)
        primitives.remove(source)
    return _placed(target, ours)


def _copy_whole(source: Place, target: Place) -> FileStamp:
    """Copy a file to a new name at which nobody sees half of it; return the stamp of the copy."""

    def move(near: Place) -> FileStamp:
        ours = _stamp(near)
        primitives.move_new(near, target)
        return _placed(target, ours)

    return _by_copy(source, target, move)


def _by_copy(source: Place, target: Place, act: Callable[[Place], FileStamp]) -> FileStamp:
    """Do `act` with a copy of our file in the folder of the target; it is gone afterwards."""
    near = primitives.beside(target)
    primitives.remove(near)
    primitives.copy_new(source, near)
    try:
        return act(near)
    finally:
        primitives.remove(near)


def _names(place: Place) -> int:
    """Return by how many names a file can be reached; 0 when it is not there."""
    try:
        return os.stat(place[1], dir_fd=place[0], follow_symlinks=False).st_nlink
    except FileNotFoundError:
        return 0


def _same_bytes(one: Place, two: Place) -> bool:
    if look(one) is None or look(two) is None:
        return False
    with (
        primitives.opened(one) as a,
        primitives.opened(two) as b,
        open(a, "rb", closefd=False) as first,
        open(b, "rb", closefd=False) as second,
    ):
        while True:
            left, right = first.read(1 << 20), second.read(1 << 20)
            if left != right:
                return False
            if not left:
                return True


def _stamp(place: Place) -> FileStamp:
    return stamp_of(os.stat(place[1], dir_fd=place[0], follow_symlinks=False))


def _placed(place: Place, ours: FileStamp) -> FileStamp:
    """Return the stamp of our file at `place`.

    When somebody has saved there since, it is that of before: the next run then sees the edit.
    """
    primitives.refresh(*place)
    seen = _stamp(place)
    return seen if same_version(seen, ours) else ours
