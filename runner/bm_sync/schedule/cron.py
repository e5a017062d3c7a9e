"""The block of a user's crontab that belongs to one manifest. Pure.

The form is that of crontab(5): a line of at most 998 characters, where % is escaped. cron draws
no jitter, so the machine's share of it is slept, and makes up for no run that was missed.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

from bm_sync.errors import UsageError
from bm_sync.schedule.calendar import cron as fields
from bm_sync.schedule.timer import Timer, delay_s

_LONGEST = 990


def first_line(manifest: Path) -> str:
    """Return the line that begins the block of a manifest."""
    return f"# BEGIN bm-sync {manifest}"


def last_line(manifest: Path) -> str:
    """Return the line that ends the block of a manifest."""
    return f"# END bm-sync {manifest}"


def block(timers: Sequence[Timer]) -> str:
    """Return the block of all timers of a manifest, "" without any."""
    if not timers:
        return ""
    manifest = timers[0].machine.manifest
    lines = [
        first_line(manifest),
        "# Made by bm-sync schedule install, which writes it anew; keep your own lines outside.",
    ]
    for timer in timers:
        lines += [f"# {timer.name}: {timer.title}", *_lines(timer)]
    return "\n".join([*lines, last_line(manifest)]) + "\n"


def with_block(crontab: str, manifest: Path, new: str) -> str:
    """Return a crontab with the block of `manifest` replaced by `new`, added, or taken out (`""`).

    All other lines stay as they are. Raises UsageError when a block has no end.
    """
    lines = crontab.splitlines(keepends=True)
    begin, end = _bounds(lines, manifest)
    if begin is None:
        gap = "" if not crontab or crontab.endswith("\n") else "\n"
        return crontab + (f"{gap}{new}" if new else "")
    return "".join([*lines[:begin], new, *lines[end:]])


def block_of(crontab: str, manifest: Path) -> str:
    """Return the block of `manifest`, "" when there is none."""
    lines = crontab.splitlines(keepends=True)
    begin, end = _bounds(lines, manifest)
    return "" if begin is None else "".join(lines[begin:end])


def parts(block: str) -> dict[str, list[str]]:
    """Return the lines of a block by the timers they belong to."""
    found: dict[str, list[str]] = {}
    name = ""
    for line in block.splitlines():
        if line.startswith("# bm-sync-"):
            name = line.removeprefix("# ").partition(":")[0]
            found[name] = []
        elif name and not line.startswith("#"):
            found[name].append(line)
    return found


def _bounds(lines: Sequence[str], manifest: Path) -> tuple[int | None, int]:
    said = [line.rstrip("\n") for line in lines]
    if first_line(manifest) not in said:
        return None, 0
    begin = said.index(first_line(manifest))
    if last_line(manifest) not in said[begin:]:
        raise UsageError(
            f"the crontab has a line '{first_line(manifest)}' without its END",
            hint="remove the block by hand: crontab -e",
        )
    return begin, said.index(last_line(manifest), begin) + 1


def _lines(timer: Timer) -> Iterator[str]:
    """Yield the lines of a timer; schedules whose names do not fit on one have more of them."""
    for calendar in timer.schedule.calendars:
        names = list(timer.names)
        while names:
            number = len(names)
            while number > 1 and len(_line(timer, fields(calendar), names[:number])) > _LONGEST:
                number -= 1
            line = _line(timer, fields(calendar), names[:number])
            if len(line) > _LONGEST:
                raise UsageError("the command is too long for a line of a crontab")
            yield line
            names = names[number:]


def _line(timer: Timer, when: str, names: Sequence[str]) -> str:
    env = "".join(f"{name}={shlex.quote(value)} " for name, value in timer.machine.env)
    command = f"{env}{shlex.join(timer.words(names))}".replace("%", "\\%")
    wait = delay_s(timer)
    return f"{when} {f'sleep {wait}; ' if wait else ''}{command}"
