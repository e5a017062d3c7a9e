"""Makes what is installed what is declared, and tells how the two compare."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import assert_never

from bm_sync.errors import UsageError
from bm_sync.model.schedule import ScheduleChange, TimerState, TimerTarget, TimerUnit
from bm_sync.paths import home_dir
from bm_sync.schedule.places import CronPlace, LaunchdPlace, SystemdPlace, TimerService
from bm_sync.schedule.programs import Programs
from bm_sync.schedule.timer import Timer

_BOOTED = Path("/run/systemd/system")  # sd_booted(3)
_SYSTEM_UNITS = Path("/etc/systemd/system")

_LINGERING = Path("/var/lib/systemd/linger")  # a file for each such user, loginctl(1)

_LINGER = "they run while you are signed in; for always: loginctl enable-linger"
_ASLEEP = "no service manager answers here; the timers are enabled and start with it"
_NO_CATCH_UP = "cron makes up for no run that was missed while the machine was off"
_SHARE = "jitter is this machine's own share of it, the same every time"


def detected(programs: Programs) -> TimerTarget:
    """Return what this machine has to start runs with; raises UsageError without any."""
    if sys.platform == "darwin":
        return TimerTarget.LAUNCHD
    if _BOOTED.is_dir() and programs.has("systemctl"):
        return TimerTarget.SYSTEMD
    if programs.has("crontab"):
        return TimerTarget.CRON
    raise UsageError(
        "this machine has no running systemd, no launchd and no crontab",
        hint="see the units anyway: bm-sync schedule show --target systemd",
    )


def place(target: TimerTarget, manifest: Path, programs: Programs, user: int) -> TimerService:
    """Return where a target keeps its timers; `user` is the number of who runs them."""
    home, config = home_dir(programs.env), programs.env.get("XDG_CONFIG_HOME")
    match target:
        case TimerTarget.SYSTEMD:
            folder = Path(config) if config else home / ".config"
            return SystemdPlace(programs, folder / "systemd/user", system=False)
        case TimerTarget.SYSTEMD_SYSTEM:
            return SystemdPlace(programs, _SYSTEM_UNITS, system=True)
        case TimerTarget.LAUNCHD:
            return LaunchdPlace(programs, home / "Library/LaunchAgents", f"gui/{user}")
        case TimerTarget.CRON:
            return CronPlace(programs, manifest)
        case _:
            assert_never(target)


def install(
    target: TimerTarget, where: TimerService, timers: Sequence[Timer], manifest: Path
) -> ScheduleChange:
    """Make the timers of a manifest exactly these; none takes everything of it away."""
    units, there = where.wanted(timers), where.found(manifest)
    changed = [unit.name for unit in units if there.get(unit.name) != unit.text]
    gone = sorted(there.keys() - {unit.name for unit in units})
    where.put(units, changed, gone)
    return ScheduleChange(
        target,
        written=tuple(changed),
        unchanged=tuple(unit.name for unit in units if unit.name not in changed),
        removed=tuple(gone),
        notes=_notes(where, timers),
    )


def shown(where: TimerService, timers: Sequence[Timer]) -> tuple[TimerUnit, ...]:
    """Return what `install` would write."""
    return where.wanted(timers)


def standing(
    where: TimerService, timers: Sequence[Timer], manifest: Path
) -> Mapping[str, TimerState]:
    """Return how every timer of a manifest stands, declared or found."""
    return where.standing(timers, manifest)


def _notes(where: TimerService, timers: Sequence[Timer]) -> tuple[str, ...]:
    if not timers:
        return ()
    drawn = any(timer.schedule.jitter_s for timer in timers)
    match where:
        case SystemdPlace():
            asleep = () if where.is_awake() else (_ASLEEP,)
            stays = where.system or (_LINGERING / timers[0].machine.user).exists()
            return asleep + (() if stays else (_LINGER,))
        case CronPlace():
            late = any(timer.schedule.catch_up for timer in timers)
            return ((_NO_CATCH_UP,) if late else ()) + ((_SHARE,) if drawn else ())
        case _:
            return (_SHARE,) if drawn else ()
