"""What a file system of this machine is asked to do, and what stands in where it refuses.

The answer of the call decides, never a guess at what kind of file system it may be: exFAT, FAT,
vboxsf, 9p, SMB and FUSE know no hard links, no exchange, or no rename that replaces nothing. The
whole table is docs/file-systems.md. Sources: man 2 renameat2 (Linux 3.15), man 2 link, man 2
ioctl_ficlone, man 2 syncfs.
"""

from __future__ import annotations

import ctypes
import errno
import hashlib
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache

from bm_sync import layout
from bm_sync.engine import attributes

_NOREPLACE = 1
_EXCHANGE = 2
_FORCE_SYNC, _NO_FOLLOW, _EMPTY_PATH, _BASIC = 0x2000, 0x100, 0x1000, 0x7FF  # linux/stat.h
_CLONE = 0x40049409  # FICLONE, linux/fs.h
_REFUSALS = frozenset(
    {
        errno.EPERM,
        errno.EINVAL,
        errno.ENOTSUP,
        errno.EOPNOTSUPP,
        errno.ENOSYS,
        errno.EMLINK,
        errno.ENOTTY,
    }
)

Place = tuple[int, str]  # an open folder and a name in it


class RefusedError(OSError):
    """This kernel or file system does not do that; another way leads there."""


def exchange(one: Place, two: Place) -> None:
    """Swap two files in one step; raise RefusedError where that is not possible.

    Raises OSError (EXDEV) across file systems, as the others here do.
    """
    _renameat2(one, two, _EXCHANGE)


def move_new(source: Place, target: Place, *, reserve: bool = False) -> None:
    """Rename, never over something: raise FileExistsError when `target` exists.

    Where renames always replace, a second name and the end of the first do it; where there are no
    second names, a look right before. With `reserve` the name is then taken by an empty file first,
    so that of several who come at once exactly one gets it. Another spelling of the very same file
    (`a` to `A` where case does not count) is no other file.
    """
    try:
        _renameat2(source, target, _NOREPLACE)
    except RefusedError:
        _move_by_link(source, target, reserve=reserve)
    except FileExistsError:
        if not _one_file(source, target):
            raise
        _rename(source, target)


def link_new(source: Place, target: Place) -> None:
    """Give a file a second name; raise FileExistsError when `target` exists.

    Raises RefusedError where a file has one name only.
    """
    try:
        os.link(
            source[1],
            target[1],
            src_dir_fd=source[0],
            dst_dir_fd=target[0],
            follow_symlinks=False,
        )
    except FileExistsError:
        raise
    except OSError as e:
        raise _told(e) from e


def copy_new(source: Place, target: Place) -> None:
    """Copy a file with its times and attributes; raise FileExistsError when `target` exists.

    It shares the blocks where the file system can. It is on the disk when this returns; half a copy
    is removed.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with opened(source) as old:
        new = os.open(target[1], flags, 0o600, dir_fd=target[0])
        try:
            _fill(old, new)
        except BaseException:
            with suppress(OSError):
                os.unlink(target[1], dir_fd=target[0])
            raise
        finally:
            os.close(new)


def replace(source: Place, target: Place) -> None:
    """Rename over whatever file is at `target`."""
    os.replace(source[1], target[1], src_dir_fd=source[0], dst_dir_fd=target[0])


def remove(place: Place) -> None:
    """Remove a name; one that is gone is fine."""
    with suppress(FileNotFoundError):
        os.unlink(place[1], dir_fd=place[0])


@contextmanager
def opened(place: Place) -> Iterator[int]:
    """Open a plain file for reading while the context lasts."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    file = os.open(place[1], flags, dir_fd=place[0])
    try:
        yield file
    finally:
        os.close(file)


def beside(place: Place) -> Place:
    """Return where our own half-made file for `place` lies; the filters always hide its name."""
    digest = hashlib.sha256(os.fsencode(place[1])).hexdigest()[:16]
    return place[0], f".{digest}{layout.PARTIAL}"


def crosses(error: OSError) -> bool:
    """Return whether a call failed because it would lead to another file system or mount."""
    return error.errno == errno.EXDEV


def refresh(folder: int, name: str = "") -> None:
    """Ask the file system for the attributes of a file anew; without a name, of an open one.

    FUSE and NFS answer from memory for a while, and after a rename with a ctime that the kernel
    made up. Source: man 2 statx.
    """
    libc = _libc()
    if libc is not None and hasattr(libc, "statx"):
        flags = _FORCE_SYNC | (_NO_FOLLOW if name else _EMPTY_PATH)
        libc.statx(folder, os.fsencode(name), flags, _BASIC, ctypes.create_string_buffer(256))


def flush(folder: int) -> None:
    """Write everything of the file system that holds the open folder to the disk."""
    libc = _libc()
    if libc is None or not hasattr(libc, "syncfs") or libc.syncfs(folder) != 0:
        os.sync()


def _move_by_link(source: Place, target: Place, *, reserve: bool) -> None:
    try:
        link_new(source, target)
    except RefusedError:
        _move_by_look(source, target, reserve=reserve)
    except FileExistsError:
        if not _one_file(source, target):
            raise
        _rename(source, target)
    else:
        os.unlink(source[1], dir_fd=source[0])


def _move_by_look(source: Place, target: Place, *, reserve: bool) -> None:
    if reserve:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        os.close(os.open(target[1], flags, 0o600, dir_fd=target[0]))
    elif _identity(target) is not None and not _one_file(source, target):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), target[1])
    try:
        _rename(source, target)
    except OSError:
        if reserve:
            remove(target)
        raise


def _rename(source: Place, target: Place) -> None:
    os.rename(source[1], target[1], src_dir_fd=source[0], dst_dir_fd=target[0])


def _one_file(source: Place, target: Place) -> bool:
    """Return whether both are one file under one name that is spelt differently."""
    here = _identity(source)
    return here is not None and here == _identity(target) and here[2] == 1


def _identity(place: Place) -> tuple[int, int, int] | None:
    try:
        info = os.stat(place[1], dir_fd=place[0], follow_symlinks=False)
    except FileNotFoundError:
        return None
    return info.st_dev, info.st_ino, info.st_nlink


def _fill(old: int, new: int) -> None:
    info = os.fstat(old)
    if not _cloned(old, new):
        with open(old, "rb", closefd=False) as source, open(new, "wb", closefd=False) as target:
            shutil.copyfileobj(source, target, 1 << 20)
    attributes.give(new, attributes.of(old))
    os.utime(new, ns=(info.st_atime_ns, info.st_mtime_ns))
    os.fsync(new)


def _cloned(old: int, new: int) -> bool:
    """Return whether `new` shares the blocks of `old` now; each goes its own way from here."""
    if sys.platform != "linux":
        return False
    import fcntl

    try:
        fcntl.ioctl(new, _CLONE, old)
    except OSError:  # whatever the reason, the bytes are copied then
        return False
    return True


@cache
def _libc() -> ctypes.CDLL | None:
    return ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def _renameat2(source: Place, target: Place, flags: int) -> None:
    libc = _libc()
    if libc is None or not hasattr(libc, "renameat2"):
        raise RefusedError(errno.ENOSYS, "renameat2")
    done = libc.renameat2(
        source[0], os.fsencode(source[1]), target[0], os.fsencode(target[1]), flags
    )
    if done != 0:
        code = ctypes.get_errno()
        raise _told(OSError(code, os.strerror(code), target[1]))


def _told(error: OSError) -> OSError:
    """Return an error as those above expect it."""
    if error.errno in _REFUSALS:
        return RefusedError(error.errno, error.strerror, error.filename)
    return error
