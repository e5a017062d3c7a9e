"""What a lease says: which run writes to a place on a remote, and for how long. Pure.

The text lies on the remote, so whoever can write there can write anything into it: it is read with
bounds, and nothing but the wait for an expiry follows from it.
"""

from __future__ import annotations

import json

from msgspec import Struct
from msgspec.structs import asdict

MAX_BYTES = 4096
KEEP_S = 120.0
"""How long a lease holds after its last renewal."""

_KEEP_BETWEEN_S = (1.0, 600.0)
_MOST_CHARS = 200
_MOST = 2**53


class Note(Struct, frozen=True):
    """One holder: `since` is ISO 8601 in UTC, `beat` counts its renewals.

    `keep_s` is how long the lease holds after a renewal.
    """

    run: str
    project: str
    host: str
    pid: int
    since: str
    keep_s: float = KEEP_S
    beat: int = 0

    @property
    def owner(self) -> str:
        """Return the holder in words."""
        return f"process {self.pid} on {self.host} since {self.since} (run {self.run})"


def encode(note: Note) -> bytes:
    """Return a note as it lies on the remote; two notes never have the same bytes."""
    return json.dumps({"bm-sync": "lease", **asdict(note)}, sort_keys=True).encode()


def decode(data: bytes) -> Note | None:
    """Return what a lease says, None for anything that no bm-sync wrote."""
    if len(data) > MAX_BYTES:
        return None
    try:
        value = json.loads(data)
        return Note(
            run=_word(value["run"]),
            project=_word(value["project"]),
            host=_word(value["host"]),
            pid=_whole(value["pid"]),
            since=_word(value["since"]),
            keep_s=_bounded_s(value["keep_s"]),
            beat=_whole(value["beat"]),
        )
    except (ValueError, TypeError, KeyError, RecursionError):
        return None


def _word(value: object) -> str:
    if not isinstance(value, str) or len(value) > _MOST_CHARS:
        raise ValueError("this is no word of a lease")
    return value


def _whole(value: object) -> int:
    if type(value) is not int or abs(value) > _MOST:
        raise ValueError("this is no number of a lease")
    return value


def _bounded_s(value: object) -> float:
    """Return a time that nobody can stretch to block others for good."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= _MOST:
        raise ValueError("this is no time of a lease")
    least, most = _KEEP_BETWEEN_S
    return min(max(float(value), least), most)
