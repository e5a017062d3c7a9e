"""When projects are synced by themselves: what a manifest may say, and what it comes to."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bm_sync import manifest
from bm_sync.manifest import cron
from bm_sync.model.config import Manifest
from bm_sync.model.schedule import Calendar, Schedule

HEAD = "version: 1\nremotes: {shelf: {type: local, root: ./shelf}}\n"


def load(text: str, tmp_path: Path) -> Manifest:
    file = tmp_path / "sync.yaml"
    file.write_text(HEAD + text)
    env = {"HOME": str(tmp_path)}
    loaded = manifest.load(file, env, state_dir=tmp_path / "state")
    assert loaded.warnings == ()
    return loaded.manifest


def schedules(text: str, tmp_path: Path) -> dict[str, Schedule | None]:
    return {p.name: p.schedule for p in load(text, tmp_path).projects}


def test_a_project_is_stronger_than_its_tags_and_they_than_the_defaults(tmp_path: Path) -> None:
    found = schedules(
        "schedules: {nightly: {at: '03:00'}, weekly: {cron: '@weekly'}}\n"
        "defaults: {remote: shelf, schedule: {every: 15m}}\n"
        "projects:\n"
        "  own: {local: ./own, tags: [nightly], schedule: {every: 1h}}\n"
        "  first: {local: ./first, tags: [other, weekly, nightly]}\n"
        "  second: {local: ./second, tags: [nightly, weekly]}\n"
        "  rest: {local: ./rest, tags: [other]}\n"
        "  never: {local: ./never, tags: [nightly], schedule: null}\n",
        tmp_path,
    )
    said = {name: schedule.said if schedule else None for name, schedule in found.items()}
    assert said == {
        "own": "every 1h",
        "first": "cron @weekly",
        "second": "at 03:00",
        "rest": "every 15m",
        "never": None,
    }


def test_only_projects_with_two_sides_are_synced_by_themselves(tmp_path: Path) -> None:
    found = schedules(
        "schedules: {team: {every: 1h}}\n"
        "defaults: {remote: shelf, schedule: {every: 15m}}\n"
        "projects:\n"
        "  both: {local: ./both}\n"
        "  here: {local: ./here, remote: null, tags: [team]}\n"
        "  there: {tags: [team]}\n",
        tmp_path,
    )
    assert [name for name, schedule in found.items() if schedule is not None] == ["both"]


def test_a_schedule_has_its_jitter_and_says_whether_missed_runs_count(tmp_path: Path) -> None:
    found = schedules(
        "defaults: {remote: shelf}\n"
        "projects:\n"
        "  a: {local: ./a, schedule: {every: 1h, jitter: 90s, catch_up: false}}\n"
        "  b: {local: ./b, schedule: {at: ['19:30', '07:30', '08:00']}}\n",
        tmp_path,
    )
    hourly = (Calendar((0,), None),)
    assert found["a"] == Schedule("", hourly, 90, catch_up=False)
    assert found["b"] == Schedule("", (Calendar((0,), (8,)), Calendar((30,), (7, 19))))


def test_what_means_the_same_is_the_same_schedule(tmp_path: Path) -> None:
    found = schedules(
        "defaults: {remote: shelf}\n"
        "projects:\n"
        "  a: {local: ./a, schedule: {at: '03:00'}}\n"
        "  b: {local: ./b, schedule: {cron: '0 3 * * *'}}\n",
        tmp_path,
    )
    assert found["a"] == found["b"]
    assert len(set(found.values())) == 1


def test_the_file_of_figures_begins_at_the_manifests_folder(tmp_path: Path) -> None:
    assert load("metrics: ./out/bm.prom\nprojects: {}\n", tmp_path).metrics == (
        tmp_path / "out/bm.prom"
    )
    assert load("projects: {}\n", tmp_path).metrics is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1m", Calendar(None, None)),
        ("15m", Calendar((0, 15, 30, 45), None)),
        ("60m", Calendar((0,), None)),
        ("1h", Calendar((0,), None)),
        ("6h", Calendar((0,), (0, 6, 12, 18))),
        ("1d", Calendar((0,), (0,))),
    ],
)
def test_an_interval_is_counted_from_midnight(text: str, expected: Calendar) -> None:
    assert cron.every(text) == expected


@pytest.mark.parametrize("text", ["0m", "7m", "45m", "90m", "5h", "25h", "2d", "9999d"])
def test_an_interval_that_fits_no_hour_and_no_day_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="evenly"):
        cron.every(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("* * * * *", Calendar(None, None)),
        ("*/20 * * * *", Calendar((0, 20, 40), None)),
        ("5/20 3 * * *", Calendar((5, 25, 45), (3,))),
        ("30 7 * * 1-5", Calendar((30,), (7,), None, None, (1, 2, 3, 4, 5))),
        ("30 7 * * MON-fri", Calendar((30,), (7,), None, None, (1, 2, 3, 4, 5))),
        ("0 0 * * 7", Calendar((0,), (0,), None, None, (0,))),
        ("0 0 * * 0-7", Calendar((0,), (0,))),
        ("0 0 1,15 jan,jul 0", Calendar((0,), (0,), (1, 15), (1, 7), (0,))),
        ("0 0 29 2 *", Calendar((0,), (0,), (29,), (2,))),
        ("0 0 30 2 1", Calendar((0,), (0,), (30,), (2,), (1,))),
        ("@Daily", Calendar((0,), (0,))),
        ("  0   3 * * * ", Calendar((0,), (3,))),
    ],
)
def test_a_crontab_line_is_read_as_cron_reads_it(text: str, expected: Calendar) -> None:
    assert cron.cron(text) == expected


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "0 fields"),
        ("* * * *", "4 fields"),
        ("* * * * * *", "6 fields"),
        ("@reboot", "1 fields"),
        ("60 * * * *", "'60' is no minute (0 to 59)"),
        ("* 24 * * *", "'24' is no hour (0 to 23)"),
        ("* * 0 * *", "'0' is no day of the month (1 to 31)"),
        ("* * * 13 *", "'13' is no month (1 to 12 or jan)"),
        ("* * * * 8", "'8' is no day of the week (0 to 7 or sun)"),
        ("* * * * son", "'son' is no day of the week"),
        ("5-1 * * * *", "ends before it begins"),
        ("*/0 * * * *", "a step of 0"),
        ("1,,2 * * * *", "'' is no minute"),
        ("\u0663 * * * *", "is no minute"),
        ("-1 * * * *", "'-1' is no minute"),
        ("0 0 31 4,6 *", "no such day"),
        ("0 0 */2 * 1", "two things"),
        (f"{'0,' * 200}0 * * * *", "longer than"),
    ],
)
def test_what_is_no_crontab_line_is_refused_with_the_field(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=re.escape(why)):
        cron.cron(text)
