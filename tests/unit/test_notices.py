"""Who is told what: once, until it is over, and only what was asked for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bm_sync.engine.notices import Known, beat, idle, telling
from bm_sync.model.notices import Audience, Beat, Email, Item, Message, News
from bm_sync.model.run import Done, Outcome, ProjectRun, Status
from bm_sync.notice import words
from bm_sync.notice.programs import letter

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
EVERYTHING = Audience(news=tuple(News))
EXITS = {Status.STOPPED: 3, Status.WAITING: 3, Status.LOCKED: 5, Status.SKIPPED: 75}
FINE = {Status.IN_SYNC, Status.CHANGED}
UNTOLD = {Status.LOCKED, Status.SKIPPED, Status.INTERRUPTED}


def ended(status: Status) -> ProjectRun:
    code = 0 if status in FINE else EXITS.get(status, 1)
    done = Done("copy", "a", None, 1, "new", Outcome.DONE)
    actions = (done,) if status is Status.CHANGED else ()
    return ProjectRun("notes", "k", status, "", 0.0, actions=actions, exit=code, message="why")


def tell(statuses: Sequence[Status], audience: Audience = EVERYTHING) -> list[list[News]]:
    """Return what is told of each run of one project that is always fresh."""
    told: dict[str, frozenset[News]] = {}
    said = []
    for status in statuses:
        known = [Known("notes", "k", ("daily",), ended(status), NOW)]
        now = telling(audience, known, told, NOW)
        told |= now.remember
        said.append([item.news for item in now.items])
    return said


@given(st.lists(st.sampled_from(list(Status)), max_size=12))
def test_a_lasting_word_is_told_once_until_the_project_is_in_sync_again(
    statuses: list[Status],
) -> None:
    standing_words: set[News] = set()
    for status, news in zip(statuses, tell(statuses), strict=True):
        lasting = {n for n in news if n in {News.ERROR, News.STOP}}
        assert lasting.isdisjoint(standing_words)
        assert (News.CHANGE in news) == (status is Status.CHANGED)
        assert (News.RECOVERED in news) == (status in FINE and bool(standing_words))
        if status in UNTOLD:
            assert news == []
        elif status not in FINE:
            assert standing_words | lasting
        standing_words = set() if status in FINE else standing_words | lasting


@given(st.lists(st.sampled_from(list(Status)), max_size=8), st.sets(st.sampled_from(list(News))))
def test_a_target_hears_what_it_asked_for_of_what_everybody_would(
    statuses: list[Status], wanted: set[News]
) -> None:
    everything = tell(statuses)
    some = tell(statuses, Audience(news=tuple(wanted)))
    assert some == [[news for news in each if news in wanted] for each in everything]


def test_every_status_stands_somewhere() -> None:
    for status in Status:
        said = ended(status)
        assert [said.fine, said.failed, status.needs_person].count(True) <= 1
        news = status.idle or status is Status.INTERRUPTED
        assert news == (not (said.fine or said.failed or status.needs_person))
    hook_failed = ProjectRun("notes", "k", Status.CHANGED, "", 0.0, exit=1)
    assert hook_failed.failed
    assert not hook_failed.fine


@pytest.mark.parametrize("status", [None, Status.FAILED, Status.SKIPPED])
def test_a_project_is_stale_after_its_time_and_once(status: Status | None) -> None:
    run = None if status is None else ended(status)
    audience = Audience(news=(News.STALE,), stale_after_s=3600.0)
    told: dict[str, frozenset[News]] = {}
    said = []
    for minutes in (59, 61, 120):
        known = [Known("notes", "k", (), run, NOW - timedelta(minutes=minutes))]
        now = telling(audience, known, told, NOW)
        told |= now.remember
        said.append([item.what for item in now.items])
    what = "it has not been in sync for 61 minutes, since 2026-11-22 10:59 UTC"
    assert said == [[], [what], []]


def test_a_run_that_looked_at_nothing_is_no_failure() -> None:
    assert idle([ended(Status.LOCKED), ended(Status.SKIPPED)])
    assert not idle([ended(Status.SKIPPED), ended(Status.REFUSED)])
    assert [beat(code) for code in (0, 5, 75)] == [Beat.SUCCESS] * 3
    assert [beat(code) for code in (1, 3, 4, 130)] == [Beat.FAIL] * 4


def test_a_message_is_bounded_and_cannot_act_on_a_terminal() -> None:
    hostile = "a\x1b[31m\nSubject: x\r\u202e" + "y" * 5000
    items = tuple(Item(f"p{n}", News.ERROR, hostile) for n in range(100))
    message = Message(items, "host\nname", "run", 1)
    text = words.text(message)
    assert len(text) < 8000
    assert text.count("\n") == 20
    assert text.endswith("… and 80 more")
    assert all(c.isprintable() or c == "\n" for c in text + words.title(message))
    assert words.title(message) == "bm-sync (host\\nname): 100 failed"


def test_the_title_names_the_most_serious_first() -> None:
    items = (Item("a", News.CHANGE, ""), Item("b", News.ERROR, ""), Item("a", News.RECOVERED, ""))
    message = Message(items, "laptop", "run", 1)
    assert words.title(message) == "bm-sync (laptop): 1 failed, 1 recovered, 1 changed"
    assert words.event(message) is News.ERROR


def test_a_letter_is_one_whatever_its_words_hold() -> None:
    target = Email(("ada@example.org",), None, Audience())
    items = (Item("notes", News.ERROR, "ü\r\nBcc: eve@example.org\n.\n"),)
    made = message_from_bytes(
        letter(target, Message(items, "h\nBcc: eve@example.org", "run", 1)), policy=policy.default
    )
    assert made["Bcc"] is None
    assert made["To"] == "ada@example.org"
    assert "ü" in made.get_content()
