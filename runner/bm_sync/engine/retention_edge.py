"""Tells whether any kept version may be too old or too much. Light: every run asks."""

from __future__ import annotations

from datetime import datetime, timedelta

from bm_sync.model.config import KeepVersions
from bm_sync.state.past import Past


def oldest_kept(keep: KeepVersions, now: datetime) -> str | None:
    """Return what the id of every run is greater than whose versions are not too old; or None."""
    if keep.for_s is None:
        return None
    try:
        return f"{now - timedelta(seconds=keep.for_s):%Y%m%dT%H%M%SZ}"
    except OverflowError:
        return None


def may_be_due(past: Past, key: str, keep: KeepVersions, now: datetime) -> bool:
    """Return whether something of a project may have to go."""
    edge = oldest_kept(keep, now)
    return keep.at_most is not None or (edge is not None and past.holds_older(key, edge))
