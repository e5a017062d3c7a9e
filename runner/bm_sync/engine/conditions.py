"""Tells why a project is not synced now: on battery, on a metered link, out of hours, disk full.

`unmet` decides and is pure; `Look` asks the machine, each thing once and only when it matters.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from msgspec import Struct

from bm_sync.model.conditions import Conditions, Span

_SUPPLIES = Path("/sys/class/power_supply")
_ROUTES = Path("/proc/net/route")
_NMCLI_S = 5.0
_DAY_MIN = 24 * 60


class Machine(Struct, frozen=True):
    """What is found; `free` and `room` are bytes of the file system, None where not asked."""

    now: datetime
    on_battery: bool = False
    metered: bool = False
    free: int | None = None
    room: int | None = None


def unmet(conditions: Conditions, machine: Machine) -> tuple[str, ...]:
    """Return what does not hold, in words; nothing when the project may be synced."""
    said = []
    if conditions.mains and machine.on_battery:
        said.append("on battery")
    if conditions.unmetered and machine.metered:
        said.append("the network is metered")
    if not in_hours(conditions, machine.now):
        said.append(f"out of hours ({_hours(conditions)})")
    if machine.free is not None and machine.room is not None:
        said += _too_full(conditions, machine.free, machine.room)
    return tuple(said)


def in_hours(conditions: Conditions, now: datetime) -> bool:
    """Return whether `now`, in local time, is in one of the spans on one of the days."""
    minute = now.hour * 60 + now.minute
    for span in conditions.hours or (Span(0, 0),):
        if _belongs(span, minute) and _right_day(conditions, span, minute, now.weekday()):
            return True
    return False


def _belongs(span: Span, minute: int) -> bool:
    return (minute - span.begin) % _DAY_MIN < ((span.end - span.begin) % _DAY_MIN or _DAY_MIN)


def _right_day(conditions: Conditions, span: Span, minute: int, weekday: int) -> bool:
    """Return whether the day counts; after midnight it is the one on which the span began."""
    began = weekday if minute >= span.begin else (weekday - 1) % 7
    return not conditions.days or began in conditions.days


def _hours(conditions: Conditions) -> str:
    from bm_sync.model.conditions import WEEKDAYS

    spans = ", ".join(map(str, conditions.hours)) or "any time"
    days = ", ".join(WEEKDAYS[day] for day in conditions.days)
    return f"{spans} on {days}" if days else spans


def _too_full(conditions: Conditions, free: int, room: int) -> list[str]:
    share = 100 * free / room if room else 0.0
    if conditions.free_bytes is not None and free < conditions.free_bytes:
        return [f"only {_mega(free)} are free, {_mega(conditions.free_bytes)} are wanted"]
    if conditions.free_percent is not None and share < conditions.free_percent:
        return [
            f"only {share:.1f} % of the disk are free, {conditions.free_percent:g} % are wanted"
        ]
    return []


def _mega(size: int) -> str:
    return f"{size / 1024**2:,.1f} MB"


def on_battery(supplies: Path) -> bool:
    """Return whether a machine runs on its battery, by a folder as /sys/class/power_supply is.

    Batteries of mice and the like (scope Device) do not count. A machine without a battery, or of
    which nothing is known, is on mains.
    """
    draining = False
    unplugged = False
    for supply in sorted(supplies.glob("*")):
        kind, scope = _word(supply / "type"), _word(supply / "scope")
        if kind == "Battery" and scope != "Device":
            draining |= _word(supply / "status") == "Discharging"
        elif kind in {"Mains", "USB", "Wireless"}:
            if _word(supply / "online") == "1":
                return False
            unplugged |= kind == "Mains"
    return draining or (unplugged and _has_battery(supplies))


def _has_battery(supplies: Path) -> bool:
    found = (s for s in supplies.glob("*") if _word(s / "type") == "Battery")
    return any(_word(supply / "scope") != "Device" for supply in found)


def _word(file: Path) -> str:
    try:
        return file.read_text("ascii", errors="replace").strip()
    except OSError:
        return ""


def default_device(routes: str) -> str | None:
    """Return the device of the default route with the lowest metric, from /proc/net/route."""
    rows = [line.split() for line in routes.splitlines()[1:]]
    found = [(int(row[6]), row[0]) for row in rows if len(row) > 7 and row[1] == row[7] == "0" * 8]  # noqa: PLR2004 - the columns of that file
    return min(found)[1] if found else None


def space(folder: Path) -> tuple[int, int] | None:
    """Return the free bytes and all bytes where a folder lies or would lie; None if unknown."""
    for place in (folder, *folder.parents):
        try:
            found = os.statvfs(place)
        except FileNotFoundError:
            continue
        except OSError:
            return None
        return found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize
    return None


class Look:
    """Looks at the machine for the conditions of one run."""

    def __init__(self, env: Mapping[str, str], now: datetime) -> None:
        self._env = env
        self._now = now
        self._metered: bool | None = None

    async def unmet(self, conditions: Conditions, local: Path | None) -> tuple[str, ...]:
        """Return what does not hold for a project."""
        wants_room = conditions.free_bytes is not None or conditions.free_percent is not None
        found = space(local) if wants_room and local is not None else None
        machine = Machine(
            now=self._now,
            on_battery=conditions.mains and on_battery(_SUPPLIES),
            metered=conditions.unmetered and await self._is_metered(),
            free=found[0] if found else None,
            room=found[1] if found else None,
        )
        return unmet(conditions, machine)

    async def _is_metered(self) -> bool:
        if self._metered is None:
            device = default_device(_word(_ROUTES))
            self._metered = device is not None and await metered(device, self._env)
        return self._metered


async def metered(device: str, env: Mapping[str, str]) -> bool:
    """Return whether NetworkManager takes a device for metered, guesses included.

    Where there is no NetworkManager, or it says nothing in time, it is not.
    """
    words = ("-g", "GENERAL.METERED", "device", "show", device)
    try:
        process = await asyncio.create_subprocess_exec(
            *("nmcli", *words),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={"PATH": env.get("PATH", os.defpath), "LC_ALL": "C"},
        )
    except OSError:
        return False
    try:
        async with asyncio.timeout(_NMCLI_S):
            out, _ = await process.communicate()
    except TimeoutError:
        return False
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return out.decode(errors="replace").strip().startswith("yes")
