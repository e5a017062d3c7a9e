"""Listings and the list of runs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo

from bm_sync.cli.render.counts import cells, packed, together
from bm_sync.cli.render.run import status_words
from bm_sync.cli.render.text import age, columns, count, escape, lines, size
from bm_sync.cli.render.view import View
from bm_sync.model.report import Listed, Listing
from bm_sync.model.run import Run, Status

_NS = 1_000_000_000


def listing_text(listing: Listing, *, zone: tzinfo | None = None) -> str:
    """Return one line for each entry: bytes, time where it is known, path; then the total.

    `zone` None is the zone of this machine.
    """
    rows = [
        ("-" if entry.is_dir else f"{entry.size:,}", _time(entry, zone), _name(entry))
        for entry in listing.entries
    ]
    files = [entry for entry in listing.entries if not entry.is_dir]
    total = (
        f"{count(len(files), 'file')}, {size(sum(entry.size for entry in files))}"
        f" on {escape(listing.root)}"
    )
    problems = [
        f"left alone: {escape(problem.path)}: {escape(problem.what)}"
        for problem in listing.problems
    ]
    return lines(columns(rows, "><<"), problems, [total])


def _name(entry: Listed) -> str:
    return escape(entry.path) + ("/" if entry.is_dir else "")


def _time(entry: Listed, zone: tzinfo | None) -> str:
    if entry.mtime_ns is None:
        return ""
    try:
        moment = datetime.fromtimestamp(entry.mtime_ns // _NS, UTC).astimezone(zone)
    except (OverflowError, ValueError, OSError):
        return "?"
    return f"{moment:%Y-%m-%d %H:%M}"


def history_text(runs: Sequence[Run], view: View) -> str:
    """Return one line for each run, the newest first."""
    if not runs:
        return "no run is recorded\n"
    counts = packed([cells(together([p.totals for p in run.projects])) for run in runs])
    rows = [
        (run.id, age(run.started, view.now), _verb(run), _ended(run), _names(run), shown)
        for run, shown in zip(runs, counts, strict=True)
    ]
    last = f"one run with all its actions: {view.command('history', runs[0].id)}"
    return lines(columns(rows, "<<<<<<"), [last])


def _verb(run: Run) -> str:
    return escape(run.command.partition(" ")[0])


def _ended(run: Run) -> str:
    if not run.ended:
        return "did not end"
    bad = [project.status for project in run.projects if not project.status.good]
    if bad:
        return status_words(bad[0])
    return "synced" if any(p.status is Status.CHANGED for p in run.projects) else "in sync"


def _names(run: Run) -> str:
    names = [project.project for project in run.projects]
    if len(names) <= 2:  # noqa: PLR2004 - two names fit in a line
        return ", ".join(names)
    return f"{names[0]} and {len(names) - 1} more"
