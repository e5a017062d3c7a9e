"""Kept versions as a person reads them."""

from __future__ import annotations

from collections.abc import Sequence

from bm_sync.cli.render.text import age, columns, count, escape, lines, size
from bm_sync.cli.render.view import View
from bm_sync.model.past import KeptVersion, OldRuns, OldVersions


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
