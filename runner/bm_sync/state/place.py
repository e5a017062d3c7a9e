"""Makes the state directory private and refuses one that others could tamper with.

File names are private and the state decides what is deleted, so nobody else may read or write it.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path

from bm_sync import access, files
from bm_sync.errors import StateError

_PRIVATE = 0o600
_HINT = "name another directory with --state-dir or BM_SYNC_STATE_DIR"


def prepare(directory: Path) -> None:
    """Make `directory` with mode 0700 whatever the umask, or check one that is there.

    Raises StateError when it cannot be made or used.
    """
    try:
        _make(directory)
        inspect(directory)
        _tighten(directory)
    except OSError as e:
        raise refusal(directory, e) from e


def refusal(directory: Path, error: OSError, name: str = "") -> StateError:
    """Return what the system refuses about a state directory, or a name in it, and what mends it.

    What may not be looked at is never taken for missing.
    """
    subject = f"{name} in the state directory" if name else "the state directory"
    what = f"cannot use {subject} {directory}: {error.strerror or error}"
    return StateError(what, hint=access.way_in(directory / name, directory) or _HINT)


def stands(directory: Path, name: str) -> bool:
    """Return whether a file stands under a name of the state directory, which may be missing.

    Raises StateError when it may not be looked at, or read.
    """
    try:
        found = (directory / name).lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as e:
        raise refusal(directory, e, name) from e
    if stat.S_ISREG(found.st_mode) and not os.access(directory / name, os.R_OK):
        raise refusal(directory, OSError(errno.EACCES, os.strerror(errno.EACCES)), name)
    return True


def inspect(directory: Path) -> None:
    """Check an existing state directory and change nothing.

    Raises StateError when it is not ours, or when others can write it or replace it.
    """
    real = Path(os.path.realpath(directory))
    found = real.stat()
    if not stat.S_ISDIR(found.st_mode):
        raise StateError(f"the state directory {directory} is not a directory", hint=_HINT)
    if found.st_uid != os.geteuid():
        raise _foreign(directory, found, "the state directory ")
    if files.others_write(found, real):
        hint = f"chmod 700 {directory}, or {_HINT}"
        raise StateError(f"others can write the state directory {directory}", hint=hint)
    for parent in (*real.parents, *directory.absolute().parents):
        _inspect_parent(directory, parent)


def private_file(path: Path) -> int:
    """Open a file of ours for reading and writing, made with mode 0600; return its descriptor.

    Raises StateError when something else than a file of ours stands there (a symlink, say).
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    try:
        descriptor = os.open(path, flags, _PRIVATE)
    except OSError as e:
        hint = access.way_in(path, path.parent) or _HINT
        raise StateError(f"cannot open {path}: {e.strerror}", hint=hint) from e
    found = os.fstat(descriptor)
    try:
        _check_ours(path, found, stat.S_ISREG, "file")
    except StateError:
        os.close(descriptor)
        raise
    if stat.S_IMODE(found.st_mode) != _PRIVATE:
        os.fchmod(descriptor, _PRIVATE)
    return descriptor


def check_file(path: Path) -> None:
    """Check that a file is ours and make its mode 0600, without opening it.

    Closing another descriptor of a database would drop the locks that SQLite holds on it in this
    process (POSIX advisory locks).
    """
    found = path.lstat()
    _check_ours(path, found, stat.S_ISREG, "file")
    if stat.S_IMODE(found.st_mode) != _PRIVATE:
        path.chmod(_PRIVATE)


def private_folder(path: Path) -> None:
    """Make folder `path` of the state directory with mode 0700 when it is missing."""
    _make(path)
    _check_ours(path, path.lstat(), stat.S_ISDIR, "folder")


def _check_ours(path: Path, found: os.stat_result, fits: Callable[[int], bool], kind: str) -> None:
    if not fits(found.st_mode):
        raise StateError(f"{path} is not a {kind}", hint="move it away and run this again")
    if found.st_uid != os.geteuid():
        raise _foreign(path, found)


def _foreign(path: Path, found: os.stat_result, subject: str = "") -> StateError:
    """Return that a place of ours belongs to another user, as after a run with sudo."""
    mend = "run this as that user" if os.geteuid() == 0 else access.giving_back(path)
    what = f"{subject}{path} belongs to {access.owner_of(found)}"
    return StateError(what, hint=f"{mend}, or {_HINT}")


def _make(directory: Path) -> None:
    missing = []
    while not os.path.lexists(directory):
        missing.append(directory)
        directory = directory.parent
    for folder in reversed(missing):
        try:
            folder.mkdir(0o700)
        except FileExistsError:  # another run was faster
            continue
        folder.chmod(0o700)


def _tighten(directory: Path) -> None:
    """Take read rights of others away, but only from a directory that is plainly ours."""
    if directory.stat().st_mode & 0o077:
        names = [entry.name for entry in directory.iterdir()]
        if not names or "state.db" in names:
            directory.chmod(0o700)


def _inspect_parent(directory: Path, parent: Path) -> None:
    found = parent.stat()
    if not found.st_mode & stat.S_ISVTX and files.others_write(found, parent, found.st_uid):
        hint = f"chmod go-w {parent}, or {_HINT}"
        raise StateError(f"others can replace the state directory {directory}", hint=hint)
