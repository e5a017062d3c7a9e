"""Builds conditions: what has to hold for a project to be synced. Its words are checked before."""

from __future__ import annotations

from bm_sync.manifest.nodes import Mapping, Node
from bm_sync.manifest.values import Surroundings, size, text, words
from bm_sync.model.conditions import WEEKDAYS, Conditions, Span


def conditions(node: Node | None, around: Surroundings) -> Conditions | None:
    """Return the conditions that a `conditions` key says; None when it says none."""
    if not isinstance(node, Mapping) or not node.entries:
        return None
    free = text(node, "disk_free")
    share = free is not None and free.endswith("%")
    first = next(iter(node.entries.values())).key.spot
    return Conditions(
        mains=text(node, "power") == "mains",
        unmetered=text(node, "network") == "unmetered",
        hours=tuple(_span(str(item.value)) for item in words(node, "hours")),
        days=tuple(sorted({WEEKDAYS.index(str(item.value)) for item in words(node, "days")})),
        free_bytes=size(free) if free is not None and not share else None,
        free_percent=float(free[:-1]) if free is not None and share else None,
        origin=around.origin(first),
    )


def _span(said: str) -> Span:
    """Return `22:00-06:00` in minutes."""
    begin, end = (int(time[:2]) * 60 + int(time[3:]) for time in said.split("-"))
    return Span(begin, end)
