"""What bm-sync can do about timers, as functions: the command line calls these.

Like `api`: nothing here prints, asks or exits.
"""

from __future__ import annotations

import os
import pwd
import shlex
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from bm_sync import access, files
from bm_sync.errors import UsageError
from bm_sync.model.config import (
    BackendRemote,
    CloudRemote,
    FolderRemote,
    Manifest,
    Project,
    SecretRef,
)
from bm_sync.model.schedule import ScheduleChange, TimerState, TimerStatus, TimerTarget, TimerUnit
from bm_sync.model.setup import Setup
from bm_sync.paths import cache_dir, home_dir
from bm_sync.schedule import install as installing
from bm_sync.schedule.calendar import upcoming
from bm_sync.schedule.places import TimerService
from bm_sync.schedule.programs import Programs
from bm_sync.schedule.systemd import watch_unit as watching
from bm_sync.schedule.timer import Timer, TimerHost, check_paths, timers
from bm_sync.state.place import prepare
from bm_sync.structs import replace


def shown(
    manifest: Manifest, setup: Setup, launcher: Sequence[str], target: TimerTarget | None
) -> tuple[TimerUnit, ...]:
    """Return what `install` would write; changes nothing.

    `launcher` are the words that start bm-sync, the first an absolute path.
    """
    _, where = _place(manifest, setup, target)
    return installing.shown(where, _timers(manifest, setup, launcher))


def install(
    manifest: Manifest, setup: Setup, launcher: Sequence[str], target: TimerTarget | None
) -> ScheduleChange:
    """Make this machine's timers for a manifest exactly those it declares.

    Raises OthersFileError for files that only count under this `sudo`: no timer runs under it.
    """
    by_itself = {name: value for name, value in setup.env.items() if name != "SUDO_UID"}
    for file in manifest.files[1:] if setup.consent else manifest.files:
        files.check(file, by_itself)
    chosen, where = _place(manifest, setup, target)
    declared = _timers(manifest, setup, launcher)
    prepare(setup.state_dir)  # so that it is there when it is made writable
    cache_dir(setup.env).mkdir(parents=True, exist_ok=True)
    changed = installing.install(chosen, where, declared, _absolute(manifest.file))
    more = (*_missing(manifest, chosen), *_secrets(manifest, chosen))
    return replace(changed, notes=changed.notes + more)


def remove(manifest: Path, setup: Setup, target: TimerTarget | None) -> ScheduleChange:
    """Take away all timers of a manifest, which may be gone itself."""
    programs = Programs(setup.env)
    chosen = target or installing.detected(programs)
    file = _absolute(manifest)
    where = installing.place(chosen, file, programs, os.geteuid())
    return installing.install(chosen, where, (), file)


def status(
    manifest: Manifest,
    setup: Setup,
    launcher: Sequence[str],
    target: TimerTarget | None,
    now: datetime,
) -> tuple[TimerStatus, ...]:
    """Return every timer, declared or found, and when it comes next; `now` is an aware time."""
    from bm_sync.engine import overview
    from bm_sync.state.store import State

    _, where = _place(manifest, setup, target)
    declared = {timer.name: timer for timer in _timers(manifest, setup, launcher)}
    with State.peek(setup.state_dir, tell=setup.tell) as state:
        rows = overview.declared(manifest.projects, state, home_dir(setup.env))
    last = {row.project: row.last_time for row in rows}
    stand = installing.standing(where, tuple(declared.values()), _absolute(manifest.file))
    return tuple(_status(name, how, declared.get(name), last, now) for name, how in stand.items())


def watch_unit(
    manifest: Manifest, setup: Setup, command: Sequence[str], *, system: bool
) -> TimerUnit:
    """Return the service that runs `command`, a whole command line, for as long as it is wanted."""
    machine = replace(_machine(manifest, setup, ()), command=tuple(command))
    places = [place for p in manifest.projects for place in _writable(p, manifest, setup)]
    real = dict.fromkeys(Path(os.path.realpath(place)) for place in places)
    check_paths((*command, *(value for _, value in machine.env), *map(str, real)))
    return watching(machine, tuple(real), system=system)


def named(manifest: Path, setup: Setup) -> tuple[str, ...]:
    """Return the words that make a command line mean the same from everywhere.

    `-f` takes a manifest whoever it belongs to, so it stands there only where it was typed and is
    needed. Raises UsageError for a name that only `-f` makes a manifest.
    """
    file = _absolute(manifest)
    rclone = () if setup.rclone is None else ("--rclone", str(_absolute(setup.rclone)))
    is_plain = file.suffix in {".yaml", ".yml"}
    if not is_plain and not setup.consent:
        what = f"{file} does not end in .yaml, so a timer cannot tell it from a project"
        raise UsageError(what, hint=f"name it: bm-sync plan -f {shlex.quote(str(file))}")
    option = ("-f",) if setup.consent and not (is_plain and _counts(file, setup)) else ()
    return (*option, str(file), "--state-dir", str(setup.state_dir), *rclone)


def _counts(file: Path, setup: Setup) -> bool:
    """Return whether a file would be taken without `-f`."""
    try:
        files.check(file, setup.env)
    except (files.RefusedFileError, OSError):
        return False
    return True


def _status(
    name: str, how: TimerState, timer: Timer | None, last: dict[str, str | None], now: datetime
) -> TimerStatus:
    if timer is None:
        return TimerStatus(name, how, None, (), None, None)
    local = now.astimezone().replace(tzinfo=None)
    moment = upcoming(timer.schedule.calendars, local)
    coming = None if moment is None else f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    waits = how in {TimerState.INSTALLED, TimerState.DIFFERS}
    before = [time for name in timer.projects if (time := last.get(name)) is not None]
    return TimerStatus(
        name,
        how,
        timer.schedule.said,
        timer.projects,
        coming if waits else None,
        max(before, default=None),
    )


def _place(
    manifest: Manifest, setup: Setup, target: TimerTarget | None
) -> tuple[TimerTarget, TimerService]:
    programs = Programs(setup.env)
    chosen = target or installing.detected(programs)
    file = _absolute(manifest.file)
    return chosen, installing.place(chosen, file, programs, os.geteuid())


def _timers(manifest: Manifest, setup: Setup, launcher: Sequence[str]) -> tuple[Timer, ...]:
    machine = _machine(manifest, setup, launcher)
    writable = {
        project.name: [Path(os.path.realpath(f)) for f in _writable(project, manifest, setup)]
        for project in _scheduled(manifest)
    }
    return timers(manifest, machine, writable)


def _machine(manifest: Manifest, setup: Setup, launcher: Sequence[str]) -> TimerHost:
    return TimerHost(
        command=(*launcher, "apply", "-q", "--yes", *named(manifest.file, setup)),
        manifest=_absolute(manifest.file),
        user=pwd.getpwuid(os.geteuid()).pw_name,
        host=setup.host,
        state=setup.state_dir,
        env=tuple((name, setup.env[name]) for name in (files.TRUST,) if setup.env.get(name)),
    )


def _writable(project: Project, manifest: Manifest, setup: Setup) -> Iterator[Path]:
    """Yield the folders that a run writes to: its own, and the local ones of both sides."""
    yield setup.state_dir
    yield cache_dir(setup.env)
    if manifest.metrics is not None:
        yield manifest.metrics.parent
    if manifest.fleet is not None and isinstance(manifest.fleet.remote, FolderRemote):
        yield manifest.fleet.remote.root
    yield from _sides(project)
    if isinstance(project.remote, CloudRemote):
        from bm_sync.paths import basic_memory_dir  # refreshed tokens go back to where they were

        yield basic_memory_dir(setup.env)


def _sides(project: Project) -> Iterator[Path]:
    if project.local is not None:
        yield project.local
    if isinstance(project.remote, FolderRemote):
        yield project.remote.root


def _scheduled(manifest: Manifest) -> tuple[Project, ...]:
    return tuple(project for project in manifest.projects if project.schedule is not None)


def _missing(manifest: Manifest, target: TimerTarget) -> Iterator[str]:
    """Yield the folders that a run could not make, because it may not write above them."""
    sides = {side for project in _scheduled(manifest) for side in _sides(project)}
    if manifest.fleet is not None and isinstance(manifest.fleet.remote, FolderRemote):
        sides.add(manifest.fleet.remote.root)
    gone = sorted(str(side) for side in sides if not access.is_folder(side))
    if gone and target in {TimerTarget.SYSTEMD, TimerTarget.SYSTEMD_SYSTEM}:
        yield f"make these folders first, the timers may not: {shlex.join(gone)}"


def _secrets(manifest: Manifest, target: TimerTarget) -> Iterator[str]:
    """Yield what to do about secrets in environment variables, which no timer has by itself."""
    used = {project.remote for project in _scheduled(manifest)}
    used |= {manifest.fleet.remote} if used and manifest.fleet is not None else set()
    names = sorted(
        value.value
        for remote in used
        if isinstance(remote, BackendRemote)
        for _, value in remote.options
        if isinstance(value, SecretRef) and value.kind == "env"
    )
    if names:
        said = ", ".join(dict.fromkeys(names))
        match target:
            case TimerTarget.SYSTEMD:
                where = "~/.config/bm-sync/environment"
            case TimerTarget.SYSTEMD_SYSTEM:
                where = "/etc/bm-sync/environment"
            case _:
                yield f"timers have no {said} in their environment; use {{file: …}}, {{command: …}}"
                return
        yield f"timers have no {said} in their environment; write NAME=value lines into {where}"


def _absolute(file: Path) -> Path:
    return Path(os.path.abspath(file))  # noqa: PTH100 - without .., symbolic links kept
