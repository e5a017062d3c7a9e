"""The texts of timers: what they say, and what the programs that read them make of them."""

from __future__ import annotations

import plistlib
import re
import shlex
import subprocess
from datetime import datetime
from pathlib import Path

import pytest
from timers import machine, needs_systemd, timer, values, verified, words

from bm_sync.errors import UsageError
from bm_sync.manifest.cron import cron as read_cron
from bm_sync.model.config import FilterSet, Manifest, Policy, Project
from bm_sync.model.origin import BUILT_IN
from bm_sync.model.schedule import Calendar, Schedule
from bm_sync.schedule import cron, launchd, systemd
from bm_sync.schedule.calendar import cron as cron_fields
from bm_sync.schedule.calendar import launchd as launchd_entries
from bm_sync.schedule.calendar import systemd as on_calendar
from bm_sync.schedule.calendar import upcoming
from bm_sync.schedule.timer import delay_s, prefix, timers
from bm_sync.structs import replace

LINES = (
    "* * * * *",
    "*/15 * * * *",
    "7 */6 * * *",
    "0 0 * * *",
    "30 7 * * 1-5",
    "0 12 * * 0",
    "15 3 1 * *",
    "0 0 29 2 *",
    "0 0 31 * *",
    "5,50 8-10 * 1,12 *",
    "0 6 1,15 * mon",
    "0 0 13 * 5",
)
HOSTILE = '/srv/a b/100%/it\'s "x"/$HOME/\\n/;#'


def project(name: str, schedule: Schedule | None) -> Project:
    policy = Policy("built-in")
    return Project(name, Path("/n"), None, "", policy, FilterSet(), (), BUILT_IN, schedule)


@pytest.mark.parametrize("line", LINES)
def test_a_calendar_becomes_the_crontab_line_it_was(line: str) -> None:
    calendar = read_cron(line)
    assert read_cron(cron_fields(calendar)) == calendar


def next_by_systemd(calendar: Calendar, base: datetime, number: int) -> list[datetime]:
    """Return the next points in time as systemd itself finds them."""
    done = subprocess.run(
        [
            *("systemd-analyze", "calendar", f"--base-time={base:%Y-%m-%d %H:%M:%S}"),
            *(f"--iterations={number}", *on_calendar(calendar)),
        ],
        capture_output=True,
        encoding="utf-8",
        env={"PATH": "/usr/bin:/bin", "TZ": "UTC", "LC_ALL": "C.UTF-8"},
        timeout=120,
        check=True,
    )
    found = re.findall(
        r"(?:Next elapse|Iter\. #\d+|Iteration #\d+): \w+ ([-\d]+ [:\d]+)", done.stdout
    )
    assert len(found) >= number
    return sorted({datetime.fromisoformat(moment) for moment in found})[:number]


@needs_systemd
@pytest.mark.parametrize("line", LINES)
def test_systemd_elapses_when_the_calendar_says(line: str) -> None:
    calendar = read_cron(line)
    base = datetime(2026, 11, 22, 7, 15, 30)  # noqa: DTZ001 - a local time
    ours, moment = [], base
    for _ in range(5):
        following = upcoming((calendar,), moment)
        assert following is not None
        ours.append(following)
        moment = following
    assert ours == next_by_systemd(calendar, base, 5)


@pytest.mark.parametrize("line", LINES)
def test_launchd_starts_when_the_calendar_says(line: str) -> None:
    calendar = read_cron(line)
    entries = launchd_entries(calendar)
    moment = datetime(2026, 11, 22, 7, 15, 30)  # noqa: DTZ001 - a local time
    for _ in range(3):
        following = upcoming((calendar,), moment)
        assert following is not None
        now = {
            "Minute": following.minute,
            "Hour": following.hour,
            "Day": following.day,
            "Month": following.month,
            "Weekday": following.isoweekday() % 7,
        }
        assert any(entry.items() <= now.items() for entry in entries)
        moment = following
    both = {"Day", "Weekday"}
    assert not any(both <= entry.keys() for entry in entries)


def test_of_several_calendars_the_first_to_come_is_next() -> None:
    evening, morning = Calendar((30,), (19,)), Calendar((0,), (7,))
    noon = datetime(2026, 12, 31, 12)  # noqa: DTZ001 - a local time
    assert upcoming((morning, evening), noon) == noon.replace(hour=19, minute=30)
    assert upcoming((morning,), noon) == datetime(2027, 1, 1, 7)  # noqa: DTZ001 - the same
    assert upcoming((), noon) is None


def test_projects_of_one_schedule_share_a_timer(tmp_path: Path) -> None:
    often = Schedule("every 15m", (Calendar((0, 15, 30, 45), None),))
    same = Schedule("cron */15 * * * *", often.calendars)
    lazy = replace(often, catch_up=False)
    declared = [("a", often), ("b", lazy), ("c", None), ("d", same)]
    projects = tuple(project(name, schedule) for name, schedule in declared)
    folders = {"a": [Path("/s"), Path("/a")], "b": [Path("/s")], "d": [Path("/s"), Path("/d")]}
    made = timers(Manifest(Path("sync.yaml"), "", (), projects), machine(tmp_path), folders)
    assert [t.writable for t in made] == [(Path("/s"), Path("/a"), Path("/d")), (Path("/s"),)]
    assert [t.projects for t in made] == [("a", "d"), ("b",)]
    names = [t.name for t in made]
    assert len(set(names)) == 2
    assert all(re.fullmatch(r"bm-sync-[0-9a-f]{8}-every-15m-[0-9a-f]{4}", name) for name in names)
    assert all(name.startswith(prefix(tmp_path / "sync.yaml")) for name in names)


def test_manifests_have_names_of_their_own(tmp_path: Path) -> None:
    assert prefix(tmp_path / "a/sync.yaml") != prefix(tmp_path / "b/sync.yaml")


def test_a_project_that_is_named_like_a_file_is_still_taken_for_a_project(tmp_path: Path) -> None:
    one = timer(tmp_path, projects=("notes.yaml", "a.PLAN", "work log"))
    assert one.project_words()[-3:] == ("notes.yam[l]", "a.PLA[N]", "work log")


@pytest.mark.parametrize("path", ["/a\nExecStart=/bin/sh", "/a\x1b[31m", "/a\u2028b", "/a\udce9"])
def test_a_path_that_would_break_a_unit_is_refused(path: str, tmp_path: Path) -> None:
    schedule = Schedule("every 1h", (Calendar((0,), None),))
    manifest = Manifest(Path("sync.yaml"), "", (), (project("a", schedule),))
    with pytest.raises(UsageError, match="no timer can name the path"):
        timers(manifest, machine(tmp_path), {"a": [Path(path)]})
    with pytest.raises(UsageError, match="no timer can name the path"):
        timers(manifest, machine(Path(path)), {"a": []})


@needs_systemd
@pytest.mark.parametrize("system", [False, True])
@pytest.mark.parametrize("root", ["/srv/notes", HOSTILE])
def test_systemd_finds_nothing_wrong_with_the_units(
    tmp_path: Path, root: str, *, system: bool
) -> None:
    when = [read_cron(line) for line in LINES]
    one = timer(Path(root), *when, jitter_s=120, catch_up=False)
    pair = systemd.units(one, system=system)
    for unit in pair:
        (tmp_path / unit.name).write_text(unit.text)
    assert verified(tmp_path, *(unit.name for unit in pair), user=not system) == ""


@needs_systemd
def test_the_check_by_systemd_sees_a_slip(tmp_path: Path) -> None:
    service, _ = systemd.units(timer(tmp_path), system=False)
    (tmp_path / service.name).write_text(service.text.replace("oneshot", "oneshoot"))
    assert "oneshoot" in verified(tmp_path, service.name, user=True)


@pytest.mark.parametrize("system", [False, True])
def test_the_service_starts_exactly_the_command_whatever_the_paths(*, system: bool) -> None:
    one = timer(Path(HOSTILE))
    service, _ = systemd.units(one, system=system)
    (line,) = values(service.text, "ExecStart")
    assert words(line) == list(one.words())
    assert values(service.text, "User") == (["root"] if system else [])
    assert values(service.text, "SuccessExitStatus") == ["5 75"]
    assert service.text.startswith(f"{systemd.mark(Path(HOSTILE) / 'sync.yaml')}\n")


def test_only_what_a_run_writes_is_writable() -> None:
    service, _ = systemd.units(timer(Path("/srv/a b")), system=False)
    assert values(service.text, "ProtectSystem") == ["strict"]
    assert values(service.text, "PrivateTmp") == ["yes"]
    assert values(service.text, "ReadWritePaths") == ['"-/srv/a b/state"', '"-/srv/a b/notes"']


def test_a_project_in_the_temporary_folder_stays_visible() -> None:
    service, _ = systemd.units(timer(Path("/tmp/x")), system=False)  # noqa: S108 - no file is made
    assert values(service.text, "PrivateTmp") == []
    assert '"-/tmp"' in values(service.text, "ReadWritePaths")


def test_the_timer_knows_jitter_and_missed_runs(tmp_path: Path) -> None:
    _, unit = systemd.units(timer(tmp_path, jitter_s=90), system=False)
    assert values(unit.text, "RandomizedDelaySec") == ["90s"]
    assert values(unit.text, "Persistent") == ["true"]
    _, unit = systemd.units(timer(tmp_path, catch_up=False), system=False)
    assert values(unit.text, "Persistent") == ["false"]


def test_systemd_cannot_start_a_program_with_a_dollar_in_its_path(tmp_path: Path) -> None:
    odd = replace(machine(tmp_path), command=("/opt/$x/python", "-m", "bm_sync.cli"))
    with pytest.raises(UsageError, match="cannot start"):
        systemd.units(replace(timer(tmp_path), machine=odd), system=False)


def test_the_agent_of_launchd_is_a_property_list_with_the_command() -> None:
    one = timer(Path(HOSTILE), Calendar((0, 30), None), Calendar((5,), (3,)))
    said = plistlib.loads(launchd.unit(one).text.encode())
    assert said["Label"] == one.name
    assert said["ProgramArguments"] == list(one.words())
    assert said["StartCalendarInterval"] == [
        {"Minute": 0},
        {"Minute": 30},
        {"Hour": 3, "Minute": 5},
    ]
    assert launchd.manifest_of(launchd.unit(one).text) == Path(HOSTILE) / "sync.yaml"


@pytest.mark.parametrize("text", ["", "<plist/>", "no list", plistlib.dumps({}).decode()])
def test_what_is_no_agent_of_ours_is_left_alone(text: str) -> None:
    assert launchd.manifest_of(text) is None


def test_a_schedule_that_launchd_cannot_hold_is_refused(tmp_path: Path) -> None:
    odd = Calendar(tuple(range(59)), tuple(range(23)), (1, 2))
    with pytest.raises(UsageError, match="too many"):
        launchd.unit(timer(tmp_path, odd))


def test_jitter_that_no_timer_draws_is_this_machines_share_of_it(tmp_path: Path) -> None:
    hosts = [replace(machine(tmp_path), host=f"host{n}") for n in range(60)]
    drawn = [delay_s(replace(timer(tmp_path, jitter_s=120), machine=host)) for host in hosts]
    assert drawn == [delay_s(replace(timer(tmp_path, jitter_s=120), machine=h)) for h in hosts]
    assert all(0 <= wait <= 120 for wait in drawn)
    assert len(set(drawn)) > 30
    assert delay_s(timer(tmp_path)) == 0


def test_a_line_of_the_crontab_starts_exactly_the_command() -> None:
    one = timer(Path(HOSTILE), jitter_s=300)
    block = cron.block([one])
    (line,) = cron.parts(block)[one.name]
    assert line.startswith("0,15,30,45 * * * * sleep ")
    assert not re.search(r"(?<!\\)%", line)
    shell = line.split(maxsplit=5)[5].partition("; ")[2].replace("\\%", "%")
    assert shlex.split(shell) == list(one.words())


def test_a_timer_names_schedules_and_no_project(tmp_path: Path) -> None:
    one = replace(timer(tmp_path, projects=("a", "b")), names=("tag:nightly", "project:b"))
    assert one.words()[-2:] == ("--schedule=tag:nightly", "--schedule=project:b")


def test_schedules_that_do_not_fit_on_one_line_have_more_of_them(tmp_path: Path) -> None:
    names = tuple(f"project:project number {n}" for n in range(80))
    one = replace(timer(tmp_path), names=names)
    lines = cron.parts(cron.block([one]))[one.name]
    assert len(lines) > 1
    assert all(len(line) <= 998 for line in lines)
    after = len(one.machine.command)
    said = [name for line in lines for name in shlex.split(line.split(maxsplit=5)[5])[after:]]
    assert said == [f"--schedule={name}" for name in names]


@pytest.mark.parametrize("crontab", ["", "0 1 * * * x\n", "MAILTO=a@b\n\n0 1 * * * x", "# no\n"])
def test_the_block_is_put_in_changed_and_taken_out_and_all_else_stays(
    crontab: str, tmp_path: Path
) -> None:
    manifest = tmp_path / "sync.yaml"
    one, two = timer(tmp_path), timer(tmp_path, Calendar((5,), None))
    first = cron.with_block(crontab, manifest, cron.block([one]))
    assert first.startswith(crontab)
    assert cron.block_of(first, manifest) == cron.block([one])
    assert cron.with_block(first, manifest, cron.block([one])) == first
    second = cron.with_block(first + "# after\n", manifest, cron.block([two]))
    assert cron.block_of(second, manifest) == cron.block([two])
    gone = cron.with_block(second, manifest, "")
    assert gone == crontab + ("" if not crontab or crontab.endswith("\n") else "\n") + "# after\n"


def test_the_block_of_another_manifest_is_not_touched(tmp_path: Path) -> None:
    here = cron.block([timer(tmp_path / "a")])
    both = cron.with_block(here, tmp_path / "b/sync.yaml", cron.block([timer(tmp_path / "b")]))
    assert cron.with_block(both, tmp_path / "b/sync.yaml", "") == here


def test_a_block_without_its_end_is_not_guessed_at(tmp_path: Path) -> None:
    manifest = tmp_path / "sync.yaml"
    broken = cron.block([timer(tmp_path)]).replace(cron.last_line(manifest), "# x")
    with pytest.raises(UsageError, match="without its END"):
        cron.with_block(broken, manifest, "")
