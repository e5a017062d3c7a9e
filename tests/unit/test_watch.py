"""The parts of `watch` that need no process: what is news, what is said, the unit for systemd."""

from __future__ import annotations

import asyncio
import json
import socket
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cli_samples import NOW, RUN, golden
from jsonschema import Draft7Validator
from timers import machine, needs_systemd, values, verified, words

from bm_sync.cli.render.view import Paint
from bm_sync.cli.render.watch import event_to_json, note_text, result_text
from bm_sync.engine.watch_clock import Ending, Instant
from bm_sync.engine.watch_manifest import InForce, InPlace
from bm_sync.engine.watch_news import Happening, is_news, relevant
from bm_sync.engine.watch_roster import Roster
from bm_sync.engine.watch_told import meaning
from bm_sync.model.conditions import Conditions
from bm_sync.model.config import BUILT_IN, FilterSet, Origin, Rule
from bm_sync.model.diagnostic import Diagnostic
from bm_sync.model.setup import Selection, Setup
from bm_sync.model.tree import Agreed, Baseline, FileStamp
from bm_sync.model.watch import (
    Began,
    Blind,
    Kept,
    Pace,
    Reason,
    Reloaded,
    Round,
    RoundFailed,
    WatchEvent,
)
from bm_sync.paths import schema_file
from bm_sync.schedule.notify import Notifier, without
from bm_sync.schedule.systemd import watch_unit
from bm_sync.structs import replace

PLAIN = Paint()
SLIP = Diagnostic("BMS004", "error", "unknown key 'x'", "sync.yaml", 3, 1, hint="remove it")
EVENTS: tuple[WatchEvent, ...] = (
    Began(("notes", "a\x1bb"), "watchfiles is not installed"),
    Round(RUN, {"notes": Reason.CHANGE, "archive": Reason.START}, ("the hook failed",)),
    RoundFailed(("notes",), "the state directory is gone", "bm-sync doctor", 1),
    Reloaded(("notes",)),
    Kept("unknown key", (SLIP,)),
    Blind("no more watches"),
)


def stamp(file: Path) -> FileStamp:
    found = file.lstat()
    return FileStamp(found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    for path in ("a.md", "daily/b.md"):
        file = tmp_path / path
        file.parent.mkdir(exist_ok=True)
        file.write_text(path)
    return tmp_path


def agreed(root: Path, *paths: str) -> Baseline:
    files = {p: Agreed(None, stamp(root / p), stamp(root / p)) for p in paths}
    return Baseline(files, frozenset(), known=True)


def test_what_stands_as_agreed_is_no_news_and_everything_else_is(notes: Path) -> None:
    baseline = agreed(notes, "a.md", "daily/b.md")

    def news(path: str, *, gone: bool = False) -> bool:
        return is_news(notes, [Happening(path, gone)], baseline)

    assert not any(map(news, ("a.md", "daily", "daily/b.md", "never.md")))
    assert news("daily", gone=True)  # it came back, with whatever is in it
    (notes / "new").mkdir()
    (notes / "new/c.md").write_text("c")
    assert news("new")
    assert news("new/c.md")
    (notes / "a.md").write_text("A.MD")
    assert news("a.md")
    (notes / "daily/b.md").unlink()
    assert news("daily/b.md", gone=True)
    (notes / "daily").rmdir()
    assert news("daily", gone=True)
    assert news("lost\ufffd.md")
    assert is_news(notes, [Happening("never.md", gone=True)], Baseline())


def test_excluded_paths_are_passed_over_by_the_rules_of_every_place(notes: Path) -> None:
    (notes / ".gitignore").write_text("*.tmp\n")
    (notes / "daily/.gitignore").write_text("!kept.tmp\ndraft/\n")
    (notes / "daily/draft").mkdir()
    paths = (
        *("a.md", "x.tmp", "daily/kept.tmp", "daily/draft/a.md", "daily/draft", "b.log"),
        *(".bm-sync/staging/x", "a.md.0a1b2c.bmpart", ".git/index", "daily/.gitignore"),
    )
    filters = FilterSet(gitignore=True, rules=(Rule("*.log", BUILT_IN),))
    found = relevant(notes, filters, [Happening(path, gone=False) for path in paths])
    assert [each.path for each in found] == ["a.md", "daily/kept.tmp", "daily/.gitignore"]


def in_place(folder: Path) -> InPlace:
    setup = Setup(env={"HOME": str(folder)}, state_dir=folder / "state", host="laptop")
    return InPlace(folder / "sync.yaml", Selection(), setup)


ONE = "version: 1\nremotes: {s: {type: local, root: ./s}}\nprojects: {a: {local: ./a, remote: s}}\n"


def test_a_changed_manifest_counts_when_it_stands_still_and_is_valid(tmp_path: Path) -> None:
    file = tmp_path / "sync.yaml"
    file.write_text(ONE)
    watched = in_place(tmp_path)
    assert watched.look() is None
    file.write_text(ONE.replace("local: ./a", "local: ./other"))
    assert watched.look() is None  # it may still be written
    found = watched.look()
    assert isinstance(found, InForce)
    assert found.projects[0].local == tmp_path / "other"
    assert watched.look() is None
    file.write_text("version: 1\nnonsense: 1\n")
    assert watched.again() is None
    assert watched.look() is None
    assert isinstance(watched.look(), Kept)
    assert watched.look() is None  # told once
    assert watched.now is found
    file.unlink()
    assert watched.look() is None
    assert isinstance(watched.look(), Kept)
    file.write_text(ONE)
    assert watched.look() is None
    assert isinstance(watched.look(), InForce)


def test_files_that_are_included_and_files_that_are_new_count_too(tmp_path: Path) -> None:
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d/one.yaml").write_text("vars: {place: ./one}\n")
    text = ONE.replace("./a", '"${place}"') + "vars: {place: ./none}\ninclude: [conf.d/*.yaml]\n"
    (tmp_path / "sync.yaml").write_text(text)
    watched = in_place(tmp_path)
    seen = []
    for name, place in (("conf.d/one", "two"), ("conf.d/two", "three"), ("sync.local", "four")):
        (tmp_path / f"{name}.yaml").write_text(f"vars: {{place: ./{place}}}\n")
        assert watched.look() is None
        found = watched.look()
        assert isinstance(found, InForce)
        seen.append(found.projects[0].local)
    assert seen == [tmp_path / name for name in ("two", "three", "four")]


def test_a_declaration_means_the_same_on_another_line(tmp_path: Path) -> None:
    (tmp_path / "sync.yaml").write_text(ONE)
    (project,) = in_place(tmp_path).now.projects
    assert meaning(replace(project, origin=Origin("sync.yaml", 99))) == meaning(project)
    assert meaning(replace(project, path="elsewhere")) != meaning(project)


def test_what_a_condition_keeps_waiting_is_due_when_the_condition_holds(tmp_path: Path) -> None:
    (tmp_path / "sync.yaml").write_text(ONE)
    (project,) = in_place(tmp_path).now.projects
    never, always = Conditions(free_percent=100.0), Conditions(free_percent=0.0)
    setup = Setup(env={}, state_dir=tmp_path / "state", host="laptop")
    now = Instant(0.0, datetime(2026, 11, 22, 12, 0))  # noqa: DTZ001 - local time

    async def looked() -> list[dict[str, Reason]]:
        roster = Roster(setup, Pace())
        roster.take([replace(project, conditions=never)], now)
        found = [await roster.due(now)]
        roster.end({"a": Ending.SKIPPED}, now, now)
        found += [await roster.due(later(now, s)) for s in (59.0, 60.0)]
        assert roster.wait_s(later(now, 60.0)) == 60.0
        roster.take([replace(project, conditions=never, tags=("x",))], now)
        assert await roster.due(later(now, 60.0)) == {"a": Reason.START}
        roster.end({"a": Ending.SKIPPED}, now, later(now, 60.0))
        roster._projects["a"] = replace(project, conditions=always)
        return [*found, await roster.due(later(now, 120.0))]

    assert asyncio.run(looked()) == [{"a": Reason.START}, {}, {}, {"a": Reason.RETRY}]


def later(now: Instant, seconds: float) -> Instant:
    return Instant(now.steady + seconds, now.wall + timedelta(seconds=seconds))


def test_what_is_said_is_stamped_and_escaped() -> None:
    said = [result_text(event, NOW, PLAIN) for event in EVENTS]
    notes = [note_text(event, NOW, quiet=False) for event in EVENTS]
    golden("watch", "".join(said) + "-- standard error\n" + "".join(notes))
    quiet = [note_text(event, NOW, quiet=True) for event in EVENTS]
    assert [bool(text) for text in quiet] == [False, False, False, False, True, True]


def test_every_event_fits_the_schema() -> None:
    schema = Draft7Validator(json.loads(schema_file("watch").read_text("utf-8")))
    said = [json.loads(json.dumps(event_to_json(event, NOW))) for event in EVENTS]
    assert [slip.message for event in said for slip in schema.iter_errors(event)] == []
    assert len({event["event"] for event in said}) == len(EVENTS)
    assert not schema.is_valid({**said[0], "event": "ended"})


def test_nobody_is_told_where_nobody_listens(tmp_path: Path) -> None:
    for address in ("", "@", "relative", str(tmp_path / "nobody")):
        Notifier({"NOTIFY_SOCKET": address}).ready("fine")
    env = {"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "1", "WATCHDOG_PID": "1", "HOME": "/h"}
    assert without(env) == {"HOME": "/h"}


@pytest.mark.parametrize(
    ("usec", "pid", "seconds"),
    [("5000000", "", 5.0), ("5000000", "1", None), ("0", "", None), ("soon", "", None)],
)
def test_signs_of_life_are_given_to_who_waits_for_them(
    usec: str, pid: str, seconds: float | None
) -> None:
    assert Notifier({"WATCHDOG_USEC": usec, "WATCHDOG_PID": pid}).watchdog_s == seconds


def test_a_status_is_one_line(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "s"))
        Notifier({"NOTIFY_SOCKET": str(tmp_path / "s")}).status("two\nREADY=1 lines")
        assert manager.recv(4096) == b"STATUS=two READY=1 lines"


@needs_systemd
@pytest.mark.parametrize("system", [False, True])
def test_systemd_finds_nothing_wrong_with_the_service(
    tmp_path: Path,
    system: bool,  # noqa: FBT001 - a parameter
) -> None:
    command = ("/usr/bin/python3", "-m", "bm_sync.cli", "watch", "50%", "$HOME")
    unit = watch_unit(machine(tmp_path, command=command), [tmp_path / "notes"], system=system)
    (tmp_path / unit.name).write_text(unit.text)
    assert verified(tmp_path, unit.name, user=not system) == ""
    (line,) = values(unit.text, "ExecStart")
    assert tuple(words(line)) == command
    assert values(unit.text, "Type") == ["notify"]
    assert any(str(tmp_path / "notes") in place for place in values(unit.text, "ReadWritePaths"))
