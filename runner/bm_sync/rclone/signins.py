"""Keep the user's own rclone signed in: sign-ins that change by use are renewed by it alone.

Many services give a new refresh token at each renewal and take the old one once. Whoever renews
without writing the new one back signs the user out. So a refresh token of rclone.conf never reaches
our rclone, which is given the access token only. When that ends, the user's rclone is asked for
something small: it renews under its own rules (it reads the file again first and writes the new
token at once), and outlives us when we are killed. One process at a time asks, by a lock on the
folder of the file.

By fs/config/oauthutil of rclone 1.75: a token counts as ended 10 s before its time, and one that
has ended is looked up in the configuration again before anything fails.
"""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from msgspec import Struct

from bm_sync.rclone.faults import RcloneError, classify

TOKEN = "token"  # noqa: S105 - the name of an option
ASK_TIMEOUT_S = 120.0
ENDS_EARLY_S = 10.0
"""So long before its time rclone holds a token for ended, and renews it."""
_LATER_S = 8  # ours holds it for ended so much later, when the user's has a new one

_ASKED = "bm-sync-sign-in/token"  # a lookup of it is one small request, whether it is there or not
_FLAGS = ("--retries=1", "--low-level-retries=2", "--contimeout=10s", "--timeout=30s")
_SHOWN_CHARS = 300
_MOST_READ = 1 << 16


class Token(Struct, frozen=True):
    """A token with a refresh token; `ends` is None for one that never does."""

    said: Mapping[str, Any]
    ends: datetime | None

    @property
    def ended(self) -> bool:
        """Return whether rclone would renew it now."""
        return self.left_s() <= 0

    def left_s(self) -> float:
        """Return in how many seconds rclone would renew it."""
        if self.ends is None:
            return float("inf")
        return (self.ends - datetime.now(UTC)).total_seconds() - ENDS_EARLY_S

    def access_only(self) -> str:
        """Return the token without what renews it, as our rclone is given it."""
        said = {k: v for k, v in self.said.items() if k not in {"refresh_token", "expires_in"}}
        if self.ends is not None:
            said["expiry"] = (self.ends + timedelta(seconds=_LATER_S)).isoformat()
        return json.dumps(said)


def read(text: str | None) -> Token | None:
    """Return what an option `token` holds, None when nothing in it can be used once only."""
    try:
        said = json.loads(text or "")
    except ValueError:
        return None
    if not isinstance(said, dict) or not said.get("refresh_token"):
        return None
    return Token(said, _ends(said.get("expiry")))


def _ends(said: object) -> datetime | None:
    try:
        found = datetime.fromisoformat(str(said))
    except ValueError:
        return datetime.min.replace(tzinfo=UTC) if said else None
    if found.tzinfo is None:
        found = found.replace(tzinfo=UTC)
    return None if found.year == 1 else found  # Go's zero time


def renew(name: str, argv0: Path, env: Mapping[str, str], conf: Path) -> str:
    """Let the user's own rclone ask the remote `name`, which renews its sign-in when it has ended.

    Blocks; it is not to be cut short. Returns what rclone said: whether there is a new token only
    the file tells.
    """
    with _alone(conf) as lock:
        return _ask(name, argv0, env, lock)


def keepable(conf: Path) -> bool:
    """Return whether rclone can write what it renews: it makes a new file in the same folder."""
    place = conf.resolve()
    return os.access(place.parent, os.W_OK) and os.access(place, os.W_OK)


@contextmanager
def _alone(conf: Path) -> Iterator[int | None]:
    """Hold the folder of the file locked; where a file system has no locks, go on without."""
    try:
        folder = os.open(conf.resolve().parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        yield None
        return
    try:
        deadline = time.monotonic() + ASK_TIMEOUT_S
        while time.monotonic() < deadline and not _take(folder):
            time.sleep(0.05)
        yield folder
    finally:
        os.close(folder)


def _take(folder: int) -> bool:
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        pass
    return True


def _ask(name: str, argv0: Path, env: Mapping[str, str], lock: int | None) -> str:
    """Run rclone in a session of its own, which holds the lock as long as it lives.

    A pipe would end it when we are killed.
    """
    words = [str(argv0), "lsjson", "--stat", f"{name}:{_ASKED}", "--ask-password=false", *_FLAGS]
    with tempfile.TemporaryFile() as said:
        asking = subprocess.Popen(  # noqa: S603 - the rclone that was found, no shell
            words,
            env=dict(env),
            cwd=os.sep,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=said,
            start_new_session=True,
            pass_fds=() if lock is None else (lock,),
        )
        with suppress(subprocess.TimeoutExpired):
            asking.wait(ASK_TIMEOUT_S)
        said.seek(0)
        return said.read(_MOST_READ).decode(errors="replace")


def refused(name: str, text: str) -> RcloneError:
    """Return what is said when the user's own rclone could not renew a sign-in."""
    why = ascii(" ".join(text.split())[-_SHOWN_CHARS:])[1:-1]
    return RcloneError(
        f"rclone cannot renew the sign-in of {name}: {why}",
        fault=classify(text),
        hint=f"sign in again with: rclone config reconnect {name}:",
    )
