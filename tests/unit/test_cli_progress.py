from __future__ import annotations

import io
import json
from argparse import Namespace
from datetime import datetime
from pathlib import Path

import pytest
from cli_samples import NOW, RUN, VIEW, copy, plan
from cli_samples import RESEARCH as QUIET

from bm_sync.cli.answer import Io
from bm_sync.cli.progress import watching
from bm_sync.cli.question import Question
from bm_sync.model.plan import Totals
from bm_sync.model.run import (
    ActionEnded,
    Event,
    ProjectEnded,
    ProjectStarted,
    Retrying,
    Transferring,
    Waiting,
)
from bm_sync.structs import replace


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def _io(stdin: str | None = None, *, terminal: bool = False) -> Io:
    return Io(
        stdin=_Terminal(stdin) if stdin is not None else io.StringIO(),
        out=io.StringIO(),
        err=_Terminal() if terminal else io.StringIO(),
        env={"TERM": "xterm"},
        cwd=Path("/"),
        clock=_clock,
    )


def _clock() -> datetime:
    return NOW


def _args(**given: object) -> Namespace:
    base = {"progress": "auto", "quiet": False, "json": False, "verbose": 0, "no_color": True}
    return Namespace(**{**base, "yes": False, **given})


_NOTES = RUN.projects[0]
_EVENTS: tuple[Event, ...] = (
    ProjectStarted("notes", 15, 4_300_000),
    ProjectStarted("quiet", 0, 0),
    Transferring("notes", 3, 1_000_000, 5e5),
    ActionEnded("notes", _NOTES.actions[0]),
    ActionEnded("notes", _NOTES.actions[2]),
    Retrying("notes", 2, 5, 3.0, "502 bad\x1b gateway"),
    Waiting("notes", "held by process 7 on lap\x1btop"),
    ProjectEnded(_NOTES),
    ProjectEnded(RUN.projects[2]),
)


def _shown(place: Io, args: Namespace) -> str:
    with watching(args, place) as watcher:
        for event in _EVENTS:
            watcher(event)
    assert isinstance(place.err, io.StringIO)
    return place.err.getvalue()


def test_a_pipe_gets_one_line_for_start_retry_end_and_each_failure() -> None:
    assert _shown(_io(), _args()).splitlines() == [
        "notes: 15 files, 4.1 MB to move",
        "notes:  ->  copy  10 B  a b.md  failed: 403 Forbidden: no write access",
        "notes: try 2 of 5 in 3.0 s: 502 bad\\x1b gateway",
        "notes: waiting: held by process 7 on lap\\x1btop",
        "notes: synced in part after 2.3 s",
    ]


def test_verbose_adds_a_line_for_each_file() -> None:
    said = _shown(_io(), _args(verbose=1)).splitlines()
    assert len(said) == 6
    assert said[1].startswith("notes:  ->  replace  4.0 KB  todo.md")


@pytest.mark.parametrize("given", [{"quiet": True}, {"json": True}, {"progress": "none"}])
def test_quiet_json_and_none_show_nothing(given: dict[str, object]) -> None:
    assert _shown(_io(), _args(**given)) == ""


def test_json_progress_is_one_object_on_each_line() -> None:
    said = [json.loads(line) for line in _shown(_io(), _args(progress="json")).splitlines()]
    assert len(said) == len(_EVENTS)
    assert [event["event"] for event in said[:3]] == [
        "project-started",
        "project-started",
        "transferring",
    ]


def test_a_terminal_gets_bars_with_files_and_bytes_and_keeps_the_failures() -> None:
    said = _shown(_io(terminal=True), _args())
    assert "15/15 files" in said
    assert "4.1 MB/4.1 MB" in said
    assert "a b.md  failed: 403 Forbidden" in said


def test_nothing_is_drawn_on_a_terminal_before_something_moves() -> None:
    place = _io(terminal=True)
    with watching(_args(), place) as watcher:
        watcher(ProjectStarted("quiet", 0, 0))
        watcher(ProjectEnded(RUN.projects[2]))
    assert isinstance(place.err, io.StringIO)
    assert place.err.getvalue() == ""


_MOVING = replace(QUIET, actions=(copy("a.md"),), totals=Totals(up=1))


_TYPED = (("y\n", True), ("YES\n", True), ("n\n", False), ("\n", False), ("", False))


@pytest.mark.parametrize(("typed", "answer"), _TYPED)
def test_a_person_at_a_terminal_sees_the_plan_and_is_asked(typed: str, *, answer: bool) -> None:
    place = _io(typed)
    assert Question(_args(), place, VIEW)(plan(_MOVING)) is answer
    assert isinstance(place.err, io.StringIO)
    said = place.err.getvalue()
    assert "a.md" in said
    assert said.count("Apply these changes? [y/N]") == 1


def test_nothing_is_asked_with_yes_without_a_terminal_or_when_nothing_moves() -> None:
    stopped = replace(_MOVING, failure="gone")
    for place, args, what in (
        (_io("n\n"), _args(yes=True), _MOVING),
        (_io(), _args(), _MOVING),
        (_io("n\n"), _args(), QUIET),
        (_io("n\n"), _args(), stopped),
    ):
        assert Question(args, place, VIEW)(plan(what)) is True
        assert isinstance(place.err, io.StringIO)
        assert place.err.getvalue() == ""
