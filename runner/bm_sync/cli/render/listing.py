"""Listings and the list of runs.

Kept versions as a person reads them.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo

from bm_sync.cli.render.counts import cells, packed, together
from bm_sync.cli.render.run import status_words
from bm_sync.cli.render.text import age, columns, count, escape, lines, size
from bm_sync.cli.render.view import View
from bm_sync.model.past import KeptVersion, OldRuns, OldVersions
from bm_sync.model.report import Listed, Listing
from bm_sync.model.run import Run, Status


def versions_text(name: str, found: Sequence[KeptVersion], view: View) -> str:
    """Return one line for each version, the newest first, and how to bring one back."""
    if not found:
        return f"no version of {escape(name)} is kept\n"
    rows = [
        (v.run, v.side.value, v.until, age(v.until, view.now), size(v.size), escape(v.label))
        for v in found
    ]
    heads = ("REPLACED BY", "SIDE", "STOOD UNTIL", "", "SIZE", "KEPT AS")
    table = columns([heads, *rows], "<<<<><")
    bring = view.command("restore", name, "--at", found[0].run)
    last = [f"bring one back: {bring}", f"only look at it: {bring} --to -"]
    return lines([view.paint(table[0], "dim"), *table[1:]], last)


def old_text(found: Sequence[OldVersions], *, done: bool, following: str | None = None) -> str:
    """Return what the trash holds that is not to be kept, or what was removed of it."""
    if not found:
        return "every kept version is to be kept\n"
    rows = [
        (
            old.project,
            old.side.value,
            old.run,
            count(old.files, "version"),
            size(old.bytes),
            old.why,
        )
        for old in found
    ]
    files = sum(old.files for old in found)
    verb = "removed for good" if done else "to remove for good"
    total = f"{count(files, 'version')}, {size(sum(old.bytes for old in found))} {verb}"
    return lines(columns(rows, "<<<>><"), [total, *([following] if following else [])])


def old_runs_text(old: OldRuns, *, done: bool, following: str | None = None) -> str:
    """Return which records of runs are not to be kept, or what was removed of them."""
    if old.empty:
        return "every record of a run is to be kept\n"
    first, last = (f"{day[:4]}-{day[4:6]}-{day[6:]}" for day in (old.first, old.last))
    when = f"of {first}" if first == last else f"of {first} to {last}"
    verb = "removed for good" if done else "to remove for good"
    parts = (count(old.records, "record"), count(old.runs, "run"), count(old.logs, "log"))
    said = [f"{parts[0]} of projects, {parts[1]} and {parts[2]} {when} {verb}"]
    if done:
        said.append(f"the state: {size(old.bytes_before)} before, {size(old.bytes_after)} now")
    return lines(said, [following] if following else [])


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
