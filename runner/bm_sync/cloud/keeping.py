"""Small private files: read within bounds, replaced in one step, changed by one process at a time.

Everything here has mode 0600 from its first byte. A lock is a kernel lock (flock) on a file of its
own, which ends with its process.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import stat
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

from bm_sync import access
from bm_sync.errors import BmSyncError, StateError

MAX_BYTES = 1 << 20
PATIENCE_S = 240.0  # longer than any holder may take: see `calls.Pace` and Retry-After
_LOOK_AGAIN_S = 0.05
_BUSY = {errno.EAGAIN, errno.EACCES}


def read(path: Path) -> bytes | None:
    """Return the content of a small file; None when it is missing.

    Raises StateError when it cannot be read, or is no plain file of a likely size.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as e:
        raise _unusable(path, "read", e) from e
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise StateError(f"{path} is not a plain file", hint="move it away and run this again")
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise StateError(f"{path} is larger than 1 MiB", hint="move it away and run this again")
    return data


def replace(path: Path, data: bytes) -> None:
    """Put a file in place in one step; after a crash it is the old one or the new one.

    A symbolic link stays, and what it points to is replaced. Raises StateError.
    """
    target = Path(os.path.realpath(path))
    try:
        private_folder(target.parent)
        descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(descriptor)
            os.replace(name, target)  # noqa: PTH105 - beside the calls it belongs to
        except OSError:
            with suppress(OSError):
                os.unlink(name)  # noqa: PTH108 - the same
            raise
        _flush(target.parent)
    except OSError as e:
        raise _unusable(path, "write", e) from e


def remove(path: Path) -> bool:
    """Remove a file; return whether it was there."""
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    except OSError as e:
        raise _unusable(path, "remove", e) from e
    return True


@asynccontextmanager
async def locked(path: Path) -> AsyncIterator[None]:
    """Hold the lock `path` while the context lasts, waiting for who has it without blocking."""
    descriptor = _open_lock(path)
    try:
        deadline = time.monotonic() + PATIENCE_S
        while not _take(path, descriptor):
            if time.monotonic() > deadline:
                raise _held(path)
            await asyncio.sleep(_LOOK_AGAIN_S)
        try:
            yield
        finally:
            fcntl.flock(descriptor, fcntl.LOCK_UN)
    finally:
        os.close(descriptor)


@contextmanager
def locked_now(path: Path) -> Iterator[None]:
    """Hold the lock `path` while the context lasts; for holders that do no more than write."""
    descriptor = _open_lock(path)
    try:
        deadline = time.monotonic() + PATIENCE_S
        while not _take(path, descriptor):
            if time.monotonic() > deadline:
                raise _held(path)
            time.sleep(_LOOK_AGAIN_S)
        try:
            yield
        finally:
            fcntl.flock(descriptor, fcntl.LOCK_UN)
    finally:
        os.close(descriptor)


def private_folder(path: Path) -> None:
    """Make a folder and those above it that are missing, for nobody else; raises OSError."""
    missing = []
    while not access.is_folder(path):
        missing.append(path)
        path = path.parent
    for folder in reversed(missing):
        with suppress(FileExistsError):  # another process was faster
            folder.mkdir(0o700)


def _open_lock(path: Path) -> int:
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    try:
        private_folder(path.parent)
        return os.open(path, flags, 0o600)
    except OSError as e:
        raise _unusable(path, "open", e) from e


def _take(path: Path, descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as e:
        if e.errno in _BUSY:
            return False
        raise _unusable(path, "lock", e) from e
    return True


def _flush(folder: Path) -> None:
    """Write the new name to the disk, where the file system can."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _held(path: Path) -> BmSyncError:
    return BmSyncError(
        f"another process holds {path} for {PATIENCE_S:.0f} s",
        hint="end it, or wait until it has ended, then run this again",
    )


def _unusable(path: Path, verb: str, error: OSError) -> StateError:
    hint = access.way_in(path, path.parent) or "bm-sync doctor"
    return StateError(f"cannot {verb} {path}: {error.strerror}", hint=hint)
