"""Who holds which project, as a person reads it."""

from __future__ import annotations

from collections.abc import Sequence

from bm_sync.cli.render.groups import commands, labelled
from bm_sync.cli.render.text import age, columns, duration, escape, lines
from bm_sync.cli.render.view import View
from bm_sync.model.holding import Holding, LeaseHolder


def holding_text(holdings: Sequence[Holding], view: View) -> str:
    """Return one line for each project, then what to do about those that are held."""
    rows = [(h.project, _state(h), _since(h, view)) for h in holdings]
    said = [(h.project, words) for h in holdings if (words := _words(h, view))]
    return lines(columns(rows, "<<<"), labelled(said))


def holder_words(holding: Holding) -> str:
    """Return who holds a project."""
    if holding.lock is not None:
        lock = holding.lock
        return f"process {lock.pid} on {escape(lock.host)} ({escape(lock.command)})"
    lease = holding.lease
    if lease is None:
        return "nobody"
    if lease.run is None:
        return "somebody who left no readable name"
    return f"process {lease.pid} on {escape(lease.host or '')} (run {escape(lease.run)})"


def left_behind(lease: LeaseHolder) -> str:
    """Return what is known of the lease of a dead run."""
    owner = holder_words(Holding("", lease=lease))
    return f"{owner} left a lease on {escape(lease.place)} and is dead"


def _state(holding: Holding) -> str:
    if holding.failure is not None:
        return "unknown"
    if holding.lock is not None:
        return f"held here by {holder_words(holding)}"
    if holding.lease is None:
        return "free"
    if holding.removed:
        return f"free: the lease of {holder_words(holding)} was removed"
    return f"leased by {holder_words(holding)}"


def _since(holding: Holding, view: View) -> str:
    since = holding.lock.since if holding.lock else holding.lease.since if holding.lease else None
    if since is None or holding.removed:
        return ""
    try:
        return f"since {age(since, view.now)}"
    except ValueError:  # written by whoever can write to the remote
        return f"since {escape(since)}"


def _words(holding: Holding, view: View) -> list[str]:
    if holding.failure is not None:
        return [escape(text) for text in (holding.failure, holding.hint) if text]
    lease = holding.lease
    wait = commands([("wait for it", view.command("apply", holding.project, "--wait"))])
    if holding.lock is not None:
        return wait
    if lease is None or holding.removed:
        return []
    if lease.dead and not holding.exit:
        ways = [("remove it", view.command("unlock", holding.project, "--yes"))]
        said = "its run is dead; the next apply takes it over by itself"
        return [said, *commands(ways)]
    left = duration(lease.left_s)
    return [f"on {escape(lease.place)}; it ends in {left} unless it is renewed", *wait]
