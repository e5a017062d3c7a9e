"""The texts of a systemd service and its timer. Pure.

Directives and quoting are those of systemd.service(5), systemd.exec(5), systemd.timer(5) and
systemd.syntax(7), of versions since 240.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bm_sync.errors import UsageError
from bm_sync.model.schedule import TimerUnit
from bm_sync.schedule.calendar import systemd as on_calendar
from bm_sync.schedule.timer import Timer, TimerHost, prefix

_MARK = "# Made by bm-sync schedule install for "
_TEMPORARY = (Path("/tmp"), Path("/var/tmp"))  # noqa: S108 - the paths that PrivateTmp hides

# Another run holds a project, or a condition was not met: nothing to look at. What waits for a
# person (3) is a failure, so that `systemctl --failed` and OnFailure= tell.
_NO_FAILURE = "5 75"

_SANDBOX = (
    "NoNewPrivileges=yes",
    "ProtectSystem=strict",
    "ProtectControlGroups=yes",
    "ProtectKernelTunables=yes",
    "LockPersonality=yes",
    "RestrictRealtime=yes",
    "RestrictSUIDSGID=yes",
    "RestrictNamespaces=yes",
)
# A service manager of a user has not the right to take these away from a service.
_SANDBOX_OF_SYSTEM = (
    "ProtectKernelModules=yes",
    "ProtectKernelLogs=yes",
    "ProtectClock=yes",
    "ProtectHostname=yes",
    "PrivateDevices=yes",
)
_ENVIRONMENT = (
    "# What the manifest reads from the environment: NAME=value, one a line.",
    "EnvironmentFile=-%E/bm-sync/environment",
)
_STOPPING = (
    "# A stop is told to the program alone, which then stops rclone in good order.",
    "KillMode=mixed",
    "TimeoutStopSec=2min",
    "Nice=10",
)


def mark(manifest: Path) -> str:
    """Return the first line of every unit of a manifest."""
    return _MARK + str(manifest)


def units(timer: Timer, *, system: bool) -> tuple[TimerUnit, TimerUnit]:
    """Return the service and the timer that starts it."""
    return (
        TimerUnit(f"{timer.name}.service", _service(timer, system=system)),
        TimerUnit(f"{timer.name}.timer", _timer(timer)),
    )


def watch_unit(machine: TimerHost, writable: Sequence[Path], *, system: bool) -> TimerUnit:
    """Return the service that goes on by itself; the machine's command is the whole of it.

    It tells when it is ready and that it is alive (`Type=notify`). Started anew, it would find the
    same slip in its command line or manifest (2) and the same other watch (5).
    """
    wanted = "multi-user.target" if system else "default.target"
    lines = [
        f"# Printed by bm-sync watch for {machine.manifest}",
        "[Unit]",
        f"Description={_plain(f'bm-sync watch {machine.manifest}')}",
        *(["Wants=network-online.target", "After=network-online.target"] if system else []),
        "",
        "[Service]",
        "Type=notify",
        "NotifyAccess=main",
        *([f"User={machine.user}"] if system else []),
        f"ExecStart={_command(machine.command)}",
        "ExecReload=kill -HUP $MAINPID",
        *_environment(machine),
        "Restart=on-failure",
        "RestartSec=30s",
        "# A run that was stopped under way (130) is no failure of the service.",
        "SuccessExitStatus=130",
        "RestartPreventExitStatus=2 5",
        "WatchdogSec=5min",
        *_STOPPING,
        *_SANDBOX,
        *(_SANDBOX_OF_SYSTEM if system else ()),
        *_writable(machine, writable),
        "",
        "[Install]",
        f"WantedBy={wanted}",
    ]
    return TimerUnit(f"{prefix(machine.manifest)}watch.service", "\n".join(lines) + "\n")


def quoted(word: str) -> str:
    """Return a word as a unit file takes it, specifiers and quotes escaped."""
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%") + '"'


def _service(timer: Timer, *, system: bool) -> str:
    machine = timer.machine
    lines = [
        mark(machine.manifest),
        "# That command writes it anew; take it away with: bm-sync schedule remove",
        "[Unit]",
        f"Description={_plain(timer.title)}",
        *(["Wants=network-online.target", "After=network-online.target"] if system else []),
        "",
        "[Service]",
        "Type=oneshot",
        *([f"User={machine.user}"] if system else []),
        f"ExecStart={_command(timer.words())}",
        *_environment(machine),
        f"SuccessExitStatus={_NO_FAILURE}",
        *_STOPPING,
        *_SANDBOX,
        *(_SANDBOX_OF_SYSTEM if system else ()),
        *_writable(timer.machine, timer.writable),
    ]
    return "\n".join(lines) + "\n"


def _timer(timer: Timer) -> str:
    schedule = timer.schedule
    calendars = [line for calendar in schedule.calendars for line in on_calendar(calendar)]
    lines = [
        mark(timer.machine.manifest),
        "[Unit]",
        f"Description={_plain(timer.title)}",
        "",
        "[Timer]",
        *(f"OnCalendar={line}" for line in calendars),
        f"RandomizedDelaySec={schedule.jitter_s}s",
        f"Persistent={'true' if schedule.catch_up else 'false'}",
        "AccuracySec=10s",
        "",
        "[Install]",
        "WantedBy=timers.target",
    ]
    return "\n".join(lines) + "\n"


def _command(words: tuple[str, ...]) -> str:
    """Return a command line; in all but its first word a dollar would be a variable."""
    program, *rest = words
    if "$" in program or not program.startswith("/"):
        raise UsageError(
            f"systemd cannot start {program!r}", hint="install it where no path has a $"
        )
    return " ".join([quoted(program), *(quoted(word).replace("$", "$$") for word in rest)])


def _environment(machine: TimerHost) -> list[str]:
    said = [f"Environment={quoted(f'{name}={value}')}" for name, value in machine.env]
    return [*said, *_ENVIRONMENT]


def _writable(machine: TimerHost, writable: Sequence[Path]) -> list[str]:
    """Return the only places that a run may write to.

    A private /tmp would hide projects that lie in the real one.
    """
    places = list(writable)
    involved = (*places, machine.manifest, *(Path(word) for word in machine.command))
    hides = any(path.is_relative_to(top) for path in involved for top in _TEMPORARY)
    lines = [] if hides else ["PrivateTmp=yes"]
    places += list(_TEMPORARY) if hides else []
    shown = dict.fromkeys(quoted(f"-{place}") for place in places)
    return lines + [f"ReadWritePaths={place}" for place in shown]


def _plain(text: str) -> str:
    """Return a text for a line; a backslash at its end would take the next line to it."""
    return text.replace("\\", "\\\\").replace("%", "%%")
