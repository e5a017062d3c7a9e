"""Remembers, for one project, which leases this machine took and which foreign one it saw when.

A lease that a killed run of ours left is free for our next run, which holds the project's lock. A
foreign one is dead when it stayed the same for as long as it holds, by our own clock.
"""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from pathlib import Path

from msgspec import Struct
from msgspec.structs import asdict

from bm_sync.errors import StateError
from bm_sync.state import place
from bm_sync.structs import replace

_MAX_BYTES = 4096
_MOST_RUNS = 8


class _Kept(Struct, frozen=True):
    runs: tuple[str, ...] = ()
    seen: str = ""
    seen_at: float = 0.0


class LeaseMemory:
    """The memory of the project `key`; only who holds the project's lock may write to it."""

    def __init__(self, state_dir: Path, key: str) -> None:
        self._file = state_dir / "locks" / f"{key}.lease"

    def take_over(self, former: str) -> None:
        """Know what was remembered under the former key, unless something is known already."""
        old = self._file.with_name(f"{former}.lease")
        if old.exists() and not self._file.exists():
            with suppress(OSError):  # then a lease that a killed run left is waited for
                old.rename(self._file)

    def ours(self) -> frozenset[str]:
        """Return the runs of this machine that may have left a lease."""
        return frozenset(self._read().runs)

    def taking(self, run: str) -> None:
        """Note that `run` is about to take the lease, before it does."""
        kept = self._read()
        self._write(replace(kept, runs=(*kept.runs, run)[-_MOST_RUNS:]))

    def holding(self, run: str) -> None:
        """Note that `run` and no other of ours holds the lease."""
        self._write(_Kept(runs=(run,)))

    def given_back(self, run: str) -> None:
        """Note that `run` left no lease behind."""
        kept = self._read()
        self._write(replace(kept, runs=tuple(r for r in kept.runs if r != run)))

    def unchanged_s(self, data: bytes, now: float) -> float:
        """Return for how long a foreign lease has been just this, as far as we saw.

        `now` are seconds of a clock that never goes back while the machine runs and starts from 0
        with it, so that a restart in between only makes the answer smaller.
        """
        kept, digest = self._read(), hashlib.sha256(data).hexdigest()
        if kept.seen == digest and kept.seen_at <= now:
            return now - kept.seen_at
        self._write(replace(kept, seen=digest, seen_at=now))
        return 0.0

    def _read(self) -> _Kept:
        try:
            descriptor = os.open(self._file, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError):
            return _Kept()
        except OSError as e:
            raise self._refusal(e) from e
        with os.fdopen(descriptor, "rb") as file:
            return _decoded(file.read(_MAX_BYTES))

    def _write(self, kept: _Kept) -> None:
        new = self._file.with_suffix(".lease-new")
        try:
            place.private_folder(self._file.parent)
            if kept == _Kept():
                self._file.unlink(missing_ok=True)
                return
            with os.fdopen(place.private_file(new), "wb") as file:
                file.truncate()
                file.write(json.dumps(asdict(kept)).encode())
                file.flush()
                os.fsync(file.fileno())
            new.replace(self._file)
        except OSError as e:
            raise self._refusal(e) from e

    def _refusal(self, error: OSError) -> StateError:
        return place.refusal(self._file.parent.parent, error, f"locks/{self._file.name}")


def _decoded(data: bytes) -> _Kept:
    """Return what was written; what is damaged is as good as nothing: a wait for the expiry."""
    try:
        value = json.loads(data)
        runs = tuple(str(run) for run in value["runs"])
        return _Kept(runs, str(value["seen"]), float(value["seen_at"]))
    except (ValueError, TypeError, KeyError, RecursionError):
        return _Kept()
