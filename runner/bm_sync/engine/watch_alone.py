"""Keeps two watches of one manifest from running at the same time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bm_sync.engine.identity import digest_of
from bm_sync.engine.record import iso
from bm_sync.engine.site import utc_now
from bm_sync.errors import LockedError
from bm_sync.model.setup import Setup
from bm_sync.state.lock import Owner, hold, owner_of
from bm_sync.state.place import prepare


@contextmanager
def alone(file: Path, setup: Setup, command: str) -> Iterator[None]:
    """Be the only watch of a manifest; raises LockedError that names the other one."""
    prepare(setup.state_dir)
    key = f"watch-{digest_of([os.path.realpath(file)])}"
    owner = Owner(os.getpid(), setup.host, iso(utc_now()), command)
    with ExitStack() as held:
        try:
            held.enter_context(hold(setup.state_dir, key, owner))
        except LockedError as e:
            raise _refusal(file, owner_of(setup.state_dir, key)) from e
        yield


def _refusal(file: Path, other: Owner | None) -> LockedError:
    what = f"another watch of {file} runs"
    if other is not None:
        what += f": process {other.pid} on {other.host} since {other.since}"
    return LockedError(what, hint="one is enough: it takes a changed manifest by itself")
