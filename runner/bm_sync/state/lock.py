"""Keeps two runs from working on one project at the same time.

A kernel lock (flock) on a file per project: it ends with its process, however that ends, so a dead
run never blocks. The note in the file only tells the next one who holds it.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct
from msgspec.structs import asdict

from bm_sync.errors import LockedError, StateError
from bm_sync.state import place
from bm_sync.state.codec import build
from bm_sync.structs import replace

_KEY = re.compile(r"[A-Za-z0-9_-]{1,128}")
_NOTE_BYTES = 4096
_SHOWN = 300  # characters of the command in the note
_CAN_WAIT = frozenset({"apply", "undo", "restore", "prune", "conflicts"})


class Owner(Struct, frozen=True):
    """Who holds a project: `since` is ISO 8601 in UTC, `command` is what was typed, redacted."""

    pid: int
    host: str
    since: str
    command: str
    project: str = ""


@contextmanager
def hold(state_dir: Path, key: str, note: Owner) -> Iterator[None]:
    """Hold the project `key` while the context lasts.

    Raises LockedError at once when another run holds it, naming that run. The state directory must
    exist.
    """
    if not _KEY.fullmatch(key):
        raise ValueError(f"{key!r} is no key of a project")
    folder = state_dir / "locks"
    descriptor = _open(folder, key)
    try:
        _take(descriptor, note)
        _write(descriptor, json.dumps(asdict(replace(note, command=note.command[:_SHOWN]))))
        try:
            yield
        finally:
            _write(descriptor, "")
            # Not left to close: a child that is just being started shares the descriptor until
            # its exec.
            fcntl.flock(descriptor, fcntl.LOCK_UN)
    finally:
        os.close(descriptor)


def owner_of(state_dir: Path, key: str) -> Owner | None:
    """Return the last note about who holds the project; a killed run leaves its own.

    Raises StateError when it may not be read.
    """
    path = state_dir / "locks" / f"{key}.lock"
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as e:
        raise place.refusal(state_dir, e, f"locks/{path.name}") from e
    try:
        return _read(descriptor)
    finally:
        os.close(descriptor)


def _open(folder: Path, key: str) -> int:
    try:
        place.private_folder(folder)
    except OSError as e:
        raise place.refusal(folder.parent, e, folder.name) from e
    return place.private_file(folder / f"{key}.lock")


def _take(descriptor: int, note: Owner) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as e:
        raise _refusal(note, _read(descriptor)) from e
    except OSError as e:
        what = f"the state directory cannot be locked: {e.strerror}"
        raise StateError(what, hint="put it on a local disk with --state-dir") from e


def _refusal(note: Owner, owner: Owner | None) -> LockedError:
    subject = f"project {note.project}" if note.project else "the project"
    hint = "wait until it has ended"
    if note.command.split(" ")[0] in _CAN_WAIT and "--wait" not in note.command:
        hint = f"{hint}, or let this wait: bm-sync {note.command} --wait"
    if owner is None:
        return LockedError(f"{subject} is held by another run that is just starting", hint=hint)
    return LockedError(
        f"{subject} is held by process {owner.pid} on {owner.host} since {owner.since}"
        f" ({owner.command})",
        hint=hint,
    )


def _write(descriptor: int, text: str) -> None:
    """Write the note; a full disk must not keep a run from beginning."""
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, text.encode(), 0)
    except OSError:
        return


def _read(descriptor: int) -> Owner | None:
    """Return the note of the holder; None while it has not written one."""
    try:
        return build(Owner, json.loads(os.pread(descriptor, _NOTE_BYTES, 0)))
    except (OSError, ValueError, TypeError, RecursionError):
        return None
