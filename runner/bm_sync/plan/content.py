"""What is known about the content and the time of a version; never what to do about it."""

from __future__ import annotations

from bm_sync.model.tree import File, FileStamp, ObjectStamp, Stamp


def same(one: str | None, two: str | None) -> bool | None:
    """Return whether two digests name the same content; None when they cannot tell.

    Digests of different algorithms (`md5:...` and `sha256:...`) cannot be compared.
    """
    if one is None or two is None:
        return None
    if one == two:
        return True
    return False if one.partition(":")[0] == two.partition(":")[0] else None


def known(file: File) -> str | None:
    """Return the digest of a file as far as this observation tells it."""
    if file.content is not None:
        return file.content
    return file.stamp.content if isinstance(file.stamp, ObjectStamp) else None


def mtime_ns(file: File) -> int | None:
    """Return the modification time of a file; None when it was not asked for."""
    if file.mtime_ns is not None:
        return file.mtime_ns
    return file.stamp.mtime_ns


def hashless(stamp: Stamp) -> bool:
    """Return whether reading the content of this version costs a download."""
    return not isinstance(stamp, FileStamp) and stamp.content is None
