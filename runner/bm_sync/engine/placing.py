"""Put files in place, replace and delete them in a folder of this machine, losing nothing.

Every act looks at its target again. What is replaced or deleted stands in the trash before it goes;
an edit saved in the very moment of the act is noticed and put back. Nobody sees a missing or a half
file. Files to be placed come from a staging folder on the same file system.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass

from bm_sync import layout
from bm_sync.engine import atomic
from bm_sync.engine.atomic import NotSupportedError, Place
from bm_sync.engine.jail import Jail, look, plain_stamp, same_version, stamp_of
from bm_sync.model.tree import FileStamp

_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EXDEV, errno.EMLINK, errno.ENOSYS}


class ChangedError(Exception):
    """The target is no longer what the plan saw; nothing was done."""


@dataclass(frozen=True, slots=True)
class Spot:
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


def place_new(staged: Spot, spot: Spot) -> FileStamp:
    """Move the staged file to `spot`, where nothing may stand; return its stamp there."""
    with staged.open() as source, spot.open(make=True) as target:
        with _near(source, target) as near:
            ours = _stamp(near)
            try:
                atomic.move_new(near, target)
            except FileExistsError as e:
                raise ChangedError("a file of this name has appeared") from e
        return _placed(target, ours)


def replace(staged: Spot, spot: Spot, expected: FileStamp, trash: Spot | None) -> FileStamp:
    """Put the staged file in the place of the version `expected`, which is kept in `trash` first.

    `trash` is None when the version is kept elsewhere already.
    """
    with staged.open() as source, spot.open() as target:
        require(target, expected)
        _take_after(source, target)
        if trash is not None:
            with trash.open(make=True) as kept:
                keep(target, kept)
        with _near(source, target) as near:
            ours = _stamp(near)
            _swap(near, target, expected)
        return _placed(target, ours)


def discard(spot: Spot, expected: FileStamp, trash: Spot) -> None:
    """Move the version `expected` into the trash."""
    with spot.open() as target, trash.open(make=True) as kept:
        require(target, expected)
        _move_checked(target, kept, expected)


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
        atomic.move_new((here, name), kept)
    return stays


def rename_link(old: Spot, expected: FileStamp, new: Spot, trash: Spot) -> FileStamp:
    """Put a copy of the version that a followed link leads to at `new`; the link goes.

    A link cannot be renamed: elsewhere it may lead to another file.
    """
    with old.open() as source, new.open(make=True) as target:
        require(source, expected)
        _copy(source, target)
        stamp = _stamp(target)
    discard_link(old, expected, trash)
    return stamp


def rename(old: Spot, expected: FileStamp, new: Spot) -> FileStamp:
    """Rename the version `expected` to `new`, where nothing may stand; return the stamp there."""
    with old.open() as source, new.open(make=True) as target:
        require(source, expected)
        return _move_checked(source, target, expected)


def duplicate(spot: Spot, expected: FileStamp, copy: Spot, staged: Spot) -> FileStamp:
    """Copy the version `expected` to `copy` by way of `staged`; return the stamp there.

    It is a file of its own, no second name: whoever edits one in place would edit the other. A file
    that stands there already with the same bytes is taken as the copy.
    """
    with spot.open() as source, staged.open(make=True) as half, copy.open(make=True) as target:
        with suppress(FileNotFoundError):
            os.unlink(half[1], dir_fd=half[0])
        require(source, expected)
        _copy(source, half)
        require(source, expected)
        with _near(half, target) as near:
            ours = _stamp(near)
            try:
                atomic.move_new(near, target)
            except FileExistsError as e:
                ours = _stamp(target)
                if not _same_bytes(near, target):
                    raise ChangedError(f"'{copy.path}' has appeared") from e
        return _placed(target, ours)


def fetch(kept: Spot, staged: Spot) -> FileStamp:
    """Copy a kept version into staging; return its stamp where it is kept."""
    with kept.open() as source, staged.open(make=True) as target:
        stamp = look(source)
        if stamp is None:
            raise FileNotFoundError(errno.ENOENT, "it is not there any more")
        with suppress(FileNotFoundError):
            os.unlink(target[1], dir_fd=target[0])
        _copy(source, target)
        return stamp


def require(place: Place, expected: FileStamp) -> None:
    """Raise ChangedError unless exactly the version `expected` stands at `place`.

    A file with several names may have a new ctime: a link made or removed elsewhere moves it.
    """
    try:
        info = os.stat(place[1], dir_fd=place[0], follow_symlinks=False)
    except FileNotFoundError as e:
        raise ChangedError("the file has vanished") from e
    seen = plain_stamp(info)
    linked = info.st_nlink > 1 and same_version(seen, expected)
    if seen != expected and not linked:
        raise ChangedError("the file was changed")


def keep(source: Place, target: Place) -> None:
    """Keep a version under a new name: a hard link, else a copy. Raises FileExistsError."""
    try:
        atomic.link_new(source, target)
    except OSError as e:
        if e.errno not in _NO_LINKS:
            raise
        _copy(source, target)


def _take_after(staged: Place, live: Place) -> None:
    """Give the staged file the mode of the one it replaces, and its owner as far as we may."""
    old = os.stat(live[1], dir_fd=live[0], follow_symlinks=False)
    new = os.stat(staged[1], dir_fd=staged[0], follow_symlinks=False)
    if (old.st_uid, old.st_gid) != (new.st_uid, new.st_gid):
        with suppress(PermissionError):
            os.chown(staged[1], old.st_uid, old.st_gid, dir_fd=staged[0], follow_symlinks=False)
    mode = old.st_mode & 0o7777
    if mode != new.st_mode & 0o7777:
        os.chmod(staged[1], mode, dir_fd=staged[0])


def _swap(near: Place, target: Place, expected: FileStamp) -> None:
    ours = _stamp(near)
    try:
        atomic.exchange(near, target)
    except FileNotFoundError as e:
        raise ChangedError("the file has vanished") from e
    except NotSupportedError:
        require(target, expected)
        os.replace(near[1], target[1], src_dir_fd=near[0], dst_dir_fd=target[0])
        return
    if not same_version(_stamp(near), expected):
        atomic.exchange(near, target)
        if not same_version(_stamp(near), ours):  # saved again meanwhile: the newest stays
            atomic.exchange(near, target)
        raise ChangedError("the file was changed")
    os.unlink(near[1], dir_fd=near[0])


def _move_checked(source: Place, target: Place, expected: FileStamp) -> FileStamp:
    """Move the version `expected`; return its stamp there."""
    try:
        atomic.move_new(source, target)
    except FileExistsError as e:
        raise ChangedError(f"'{target[1]}' has appeared") from e
    except OSError as e:
        if e.errno != errno.EXDEV:
            raise
        _copy(source, target)
        copied = _stamp(target)
        require(source, expected)
        os.unlink(source[1], dir_fd=source[0])
        return copied
    if not same_version(_stamp(target), expected):
        with suppress(FileExistsError):
            atomic.move_new(target, source)
        raise ChangedError("the file was changed")
    return _placed(target, expected)


@contextmanager
def _near(source: Place, target: Place) -> Iterator[Place]:
    """Yield a place on the target's file system that holds the staged file."""
    if os.fstat(source[0]).st_dev == os.fstat(target[0]).st_dev:
        yield source
        return
    digest = hashlib.sha256(os.fsencode(target[1])).hexdigest()[:16]
    beside = (target[0], f".{digest}{layout.PARTIAL}")
    with suppress(FileNotFoundError):
        os.unlink(beside[1], dir_fd=beside[0])
    _copy(source, beside)
    try:
        yield beside
    finally:
        with suppress(FileNotFoundError):
            os.unlink(beside[1], dir_fd=beside[0])


def _copy(source: Place, target: Place) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    read = os.open(source[1], os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=source[0])
    with os.fdopen(read, "rb") as old:
        info = os.fstat(read)
        made = os.open(target[1], flags, info.st_mode & 0o777, dir_fd=target[0])
        with os.fdopen(made, "wb") as new:
            shutil.copyfileobj(old, new, 1 << 20)
            new.flush()
            os.utime(made, ns=(info.st_atime_ns, info.st_mtime_ns))
            os.fsync(made)


def _same_bytes(one: Place, two: Place) -> bool:
    if look(one) is None or look(two) is None:
        return False
    a = os.open(one[1], os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=one[0])
    b = os.open(two[1], os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=two[0])
    with os.fdopen(a, "rb") as first, os.fdopen(b, "rb") as second:
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
    seen = _stamp(place)
    return seen if same_version(seen, ours) else ours
