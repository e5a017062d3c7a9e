"""The property list of a launchd agent. Pure.

Keys are those of launchd.plist(5). launchd draws no jitter, so the machine's share of it is slept;
a run that was missed asleep is made up for on waking, whatever the manifest says.
"""

from __future__ import annotations

import plistlib
import shlex
from pathlib import Path

from bm_sync.errors import UsageError
from bm_sync.model.schedule import TimerUnit
from bm_sync.schedule.calendar import launchd as entries
from bm_sync.schedule.timer import Timer, delay_s

MANIFEST = "BM_SYNC_MANIFEST"
_MOST_ENTRIES = 1500


def unit(timer: Timer) -> TimerUnit:
    """Return the agent; raises UsageError when its times are too many for launchd."""
    when = [entry for calendar in timer.schedule.calendars for entry in entries(calendar)]
    if len(when) > _MOST_ENTRIES:
        raise UsageError(
            f"'{timer.schedule.said}' is {len(when)} entries for launchd, too many",
            hint="write a simpler schedule, or use --target cron",
        )
    machine = timer.machine
    said = {
        "Label": timer.name,
        "ProgramArguments": _program(timer),
        "StartCalendarInterval": when,
        "EnvironmentVariables": {MANIFEST: str(machine.manifest), **dict(machine.env)},
        "ProcessType": "Background",
        "LowPriorityIO": True,
        "StandardOutPath": str(machine.state / "schedule.out"),
        "StandardErrorPath": str(machine.state / "schedule.out"),
    }
    return TimerUnit(f"{timer.name}.plist", plistlib.dumps(said, sort_keys=False).decode())


def manifest_of(text: str) -> Path | None:
    """Return the manifest that an agent is for, None when it is no agent of ours."""
    try:
        said = plistlib.loads(text.encode())
    except (ValueError, plistlib.InvalidFileException):
        return None
    found = said.get("EnvironmentVariables") if isinstance(said, dict) else None
    named = found.get(MANIFEST) if isinstance(found, dict) else None
    return Path(named) if isinstance(named, str) else None


def _program(timer: Timer) -> list[str]:
    wait = delay_s(timer)
    words = list(timer.words())
    return ["/bin/sh", "-c", f"sleep {wait}; exec {shlex.join(words)}"] if wait else words
