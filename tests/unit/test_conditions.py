"""When a project may be synced: power, network, hours, room; with folders as /sys has them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import pytest

from bm_sync.engine.conditions import (
    Machine,
    default_device,
    in_hours,
    metered,
    on_battery,
    space,
    unmet,
)
from bm_sync.model.conditions import Conditions, Span

MONDAY = datetime(2026, 11, 23)  # noqa: DTZ001 - hours are of local time
NIGHT = Conditions(hours=(Span(22 * 60, 6 * 60),), days=(0,))
DAY = Conditions(hours=(Span(8 * 60, 12 * 60), Span(13 * 60, 18 * 60)))


@pytest.mark.parametrize(
    ("conditions", "day", "hour", "minute", "expected"),
    [
        (DAY, 0, 7, 59, False),
        (DAY, 0, 8, 0, True),
        (DAY, 0, 11, 59, True),
        (DAY, 0, 12, 0, False),
        (DAY, 5, 13, 0, True),
        (NIGHT, 0, 21, 59, False),
        (NIGHT, 0, 22, 0, True),
        (NIGHT, 1, 5, 59, True),  # of Monday's night
        (NIGHT, 1, 6, 0, False),
        (NIGHT, 1, 22, 0, False),
        (NIGHT, 0, 3, 0, False),  # of Sunday's night
        (Conditions(days=(0, 6)), 0, 3, 0, True),
        (Conditions(days=(0, 6)), 1, 3, 0, False),
        (Conditions(hours=(Span(60, 60),)), 2, 0, 0, True),  # the whole day
        (Conditions(), 2, 0, 0, True),
    ],
)
def test_hours_and_days(
    conditions: Conditions, day: int, hour: int, minute: int, *, expected: bool
) -> None:
    now = MONDAY.replace(day=MONDAY.day + day, hour=hour, minute=minute)
    assert in_hours(conditions, now) is expected


def supplies(folder: Path, said: Mapping[str, Mapping[str, str]]) -> Path:
    for name, facts in said.items():
        (folder / name).mkdir(parents=True)
        for fact, value in facts.items():
            (folder / name / fact).write_text(f"{value}\n")
    return folder


AC_ON = {"type": "Mains", "online": "1"}
AC_OFF = {"type": "Mains", "online": "0"}
DRAINING = {"type": "Battery", "status": "Discharging"}
FULL = {"type": "Battery", "status": "Full"}
MOUSE = {"type": "Battery", "status": "Discharging", "scope": "Device"}


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({}, False),
        ({"AC": AC_ON, "BAT0": FULL}, False),
        ({"AC": AC_OFF, "BAT0": DRAINING}, True),
        ({"AC": AC_OFF, "BAT0": FULL}, True),
        ({"BAT0": DRAINING}, True),
        ({"BAT0": DRAINING, "usb": {"type": "USB", "online": "1"}}, False),
        ({"hid": MOUSE}, False),
        ({"AC": AC_OFF, "hid": MOUSE}, False),
        ({"AC": AC_OFF}, False),
    ],
)
def test_a_machine_is_on_battery_only_when_its_own_one_is_used(
    tmp_path: Path, said: dict[str, dict[str, str]], *, expected: bool
) -> None:
    assert on_battery(supplies(tmp_path / "power_supply", said)) is expected


def test_each_condition_is_told_when_it_does_not_hold() -> None:
    wanted = Conditions(mains=True, unmetered=True, hours=DAY.hours, free_bytes=2 * 1024**3)
    bad = Machine(MONDAY, on_battery=True, metered=True, free=1024**3, room=100 * 1024**3)
    assert unmet(wanted, bad) == (
        "on battery",
        "the network is metered",
        "out of hours (08:00-12:00, 13:00-18:00)",
        "only 1,024.0 MB are free, 2,048.0 MB are wanted",
    )
    good = Machine(MONDAY.replace(hour=9), free=3 * 1024**3, room=100 * 1024**3)
    assert unmet(wanted, good) == ()
    assert unmet(Conditions(), bad) == ()
    share = Conditions(free_percent=5)
    assert unmet(share, bad) == ("only 1.0 % of the disk are free, 5 % are wanted",)
    assert unmet(share, Machine(MONDAY, free=5, room=100)) == ()


ROUTES = (
    "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
    "wlan0\t00000000\t0102A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0\n"
    "wwan0\t00000000\t0102A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n"
    "eth0\t0002A8C0\t00000000\t0001\t0\t0\t1\t00FFFFFF\t0\t0\t0\n"
)


def test_the_default_route_with_the_lowest_metric_counts() -> None:
    assert default_device(ROUTES) == "wwan0"
    assert default_device(ROUTES.splitlines()[0]) is None
    assert default_device("") is None


@pytest.mark.parametrize(
    ("said", "expected"),
    [("yes", True), ("yes (guessed)", True), ("no (guessed)", False), ("unknown", False)],
)
def test_a_device_is_metered_when_networkmanager_says_or_guesses_so(
    tmp_path: Path, said: str, *, expected: bool
) -> None:
    program = tmp_path / "nmcli"
    program.write_text(
        f'#!/bin/sh\n[ "$*" = "-g GENERAL.METERED device show wwan0" ] && echo "{said}"\n'
    )
    program.chmod(0o755)
    env = {"PATH": f"{tmp_path}:{os.defpath}"}
    assert asyncio.run(metered("wwan0", env)) is expected


def test_without_networkmanager_no_device_is_metered(tmp_path: Path) -> None:
    assert asyncio.run(metered("eth0", {"PATH": str(tmp_path)})) is False


def test_room_is_told_of_where_a_folder_would_lie(tmp_path: Path) -> None:
    there, missing = space(tmp_path), space(tmp_path / "no/such/folder")
    assert there is not None
    assert missing is not None
    assert there[1] == missing[1] > 0
