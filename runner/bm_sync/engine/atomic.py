"""The system calls that put a file in place without a moment in which it is missing.

`renameat2` is Linux (3.15); where the kernel or the file system lacks it the callers fall back to
a second look and a plain rename. Source: man 2 renameat2, man 2 syncfs.
"""

from __future__ import annotations

import ctypes
import errno
import os
import sys
from functools import cache

_NOREPLACE = 1
_EXCHANGE = 2
_LACKING = {errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP}

Place = tuple[int, str]  # an open folder and a name in it


class NotSupportedError(OSError):
    """This kernel or file system cannot do it in one step."""


@cache
def _libc() -> ctypes.CDLL | None:
    return ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def _renameat2(source: Place, target: Place, flags: int) -> None:
    libc = _libc()
    if libc is None or not hasattr(libc, "renameat2"):
        raise NotSupportedError(errno.ENOSYS, "renameat2")
    done = libc.renameat2(
        source[0], os.fsencode(source[1]), target[0], os.fsencode(target[1]), flags
    )
    if done == 0:
        return
    code = ctypes.get_errno()
    if code in _LACKING:
        raise NotSupportedError(code, os.strerror(code))
    raise OSError(code, os.strerror(code), target[1])


def exchange(one: Place, two: Place) -> None:
    """Swap two files in one step; raise NotSupportedError where that is not possible."""
    _renameat2(one, two, _EXCHANGE)


def move_new(source: Place, target: Place) -> None:
    """Rename, never over something: raise FileExistsError when `target` exists.

    Without renameat2 a hard link and an unlink do the same; raises OSError (EXDEV) across file
    systems.
    """
    try:
        _renameat2(source, target, _NOREPLACE)
    except NotSupportedError:
        link_new(source, target)
        os.unlink(source[1], dir_fd=source[0])


def link_new(source: Place, target: Place) -> None:
    """Give a file a second name; raise FileExistsError when `target` exists."""
    os.link(
        source[1],
        target[1],
        src_dir_fd=source[0],
        dst_dir_fd=target[0],
        follow_symlinks=False,
    )


def flush(folder: int) -> None:
    """Write everything of the file system that holds the open folder to the disk."""
    libc = _libc()
    if libc is None or not hasattr(libc, "syncfs") or libc.syncfs(folder) != 0:
        os.sync()
