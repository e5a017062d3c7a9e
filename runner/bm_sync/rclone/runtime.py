"""The private directory in which one rclone daemon lives: its socket, its lists, its log.

A directory that someone else could have planted is refused, never repaired.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from bm_sync.errors import RcloneMissingError

SOCKET_NAME = "rc.sock"
SOCKET_MAX_BYTES = 107  # sun_path of Linux, without its NUL
_PREFIX = "rcd-"
_LEFT_OVER_AFTER_S = 60.0


class PrivateDir(Struct, frozen=True):
    """A fresh 0700 directory; `lock` is held open as long as it is in use."""

    path: Path
    lock: int

    @property
    def socket(self) -> Path:
        """Return where the daemon's socket lies."""
        return self.path / SOCKET_NAME

    def remove(self) -> None:
        """Remove the directory with everything in it."""
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self.lock)


def base_dir(env: Mapping[str, str], state: Path) -> Path:
    """Return where private directories are made.

    BM_SYNC_RUNTIME_DIR, else XDG_RUNTIME_DIR/bm-sync when that one exists, else `<state>/run`.
    """
    if env.get("BM_SYNC_RUNTIME_DIR"):
        return Path(env["BM_SYNC_RUNTIME_DIR"]).expanduser().absolute()
    session = Path(env.get("XDG_RUNTIME_DIR") or "-")
    if session.is_absolute() and os.access(session, os.W_OK | os.X_OK):
        return session / "bm-sync"
    return state / "run"


def make_private(base: Path) -> PrivateDir:
    """Make a fresh private directory below `base`.

    When the socket's path would be too long there it lies in the system's temporary directory.
    Raises RcloneMissingError when `base` cannot be made or is not safe.
    """
    longest = base / f"{_PREFIX}12345678" / SOCKET_NAME
    try:
        if len(os.fsencode(longest)) > SOCKET_MAX_BYTES:
            return _locked(Path(tempfile.mkdtemp(prefix="bm-sync-", dir=_short_temporary())))
        base.mkdir(mode=0o700, parents=True, exist_ok=True)
        _check(base)
        _remove_left_overs(base)
        return _locked(Path(tempfile.mkdtemp(prefix=_PREFIX, dir=base)))
    except OSError as e:
        raise RcloneMissingError(
            f"no runtime directory: {ascii(str(base))[1:-1]}: {e.strerror}",
            hint="set BM_SYNC_RUNTIME_DIR to a directory of your own",
        ) from e


def _short_temporary() -> Path:
    given = Path(tempfile.gettempdir())
    room = SOCKET_MAX_BYTES - len(f"/bm-sync-12345678/{SOCKET_NAME}")
    return given if len(os.fsencode(given)) <= room else Path("/tmp")  # noqa: S108 - mkdtemp in it


def _check(base: Path) -> None:
    found = base.lstat()
    why = None
    if not stat.S_ISDIR(found.st_mode):
        why = "is not a directory of its own"
    elif found.st_uid != os.geteuid():
        why = "belongs to another user"
    elif found.st_mode & 0o022:
        why = "can be written by other users"
    if why:
        raise RcloneMissingError(
            f"the runtime directory {ascii(str(base))[1:-1]} {why}",
            hint="remove it, or set BM_SYNC_RUNTIME_DIR to a directory of your own",
        )


def _locked(path: Path) -> PrivateDir:
    lock = os.open(path / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    return PrivateDir(path, lock)


def _remove_left_overs(base: Path) -> None:
    """Remove directories whose run was killed: nobody holds their lock."""
    for path in base.glob(f"{_PREFIX}*"):
        try:
            if time.time() - path.lstat().st_mtime < _LEFT_OVER_AFTER_S:
                continue
            lock = os.open(path / "lock", os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(path, ignore_errors=True)
        except OSError:
            continue
        finally:
            os.close(lock)
