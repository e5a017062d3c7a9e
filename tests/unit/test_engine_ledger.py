"""The ledger tells the truth at every moment, whatever ended the run."""

from __future__ import annotations

from bm_sync.engine.execute import learn
from bm_sync.engine.ledger import Ledger
from bm_sync.model.config import Direction, Mode
from bm_sync.model.plan import (
    Action,
    Adopt,
    AdoptDir,
    Copy,
    Forget,
    KeepBoth,
    ProjectPlan,
    Reason,
    Trash,
)
from bm_sync.model.run import ActionEnded, Event, Outcome
from bm_sync.model.tree import Agreed, FileStamp, ObjectStamp, Side
from bm_sync.structs import replace

HERE = FileStamp(3, 1, 1, 1)
THERE = ObjectStamp(3, "md5:x", None)
ROW = Agreed("md5:x", HERE, THERE)
UP = Copy("a", Side.REMOTE, 3, Reason.NEW, HERE, None)
DOWN = Copy("b", Side.LOCAL, 5, Reason.NEW, None, replace(THERE, size=5))
GONE = Trash("c", Side.REMOTE, 7, Reason.DELETED, None, THERE)
KEPT = KeepBoth("d", "d.copy", Side.LOCAL, 3, Reason.CONFLICT, HERE, THERE)
WON = Copy("d", Side.LOCAL, 3, Reason.CONFLICT, HERE, THERE, kept_as="d.copy")


def ledger(*actions: Action) -> tuple[Ledger, list[Event]]:
    events: list[Event] = []
    plan = ProjectPlan("p", "k", Mode.TWO_WAY, Direction.UP, "l", "r", actions=actions)
    return Ledger(plan, events.append), events


def test_what_was_never_reached_says_so() -> None:
    book, _ = ledger(UP, DOWN, GONE, Adopt("e", 3, Reason.EQUAL, HERE, THERE, "md5:x"))
    book.settle(DOWN, Outcome.DONE)
    assert [(a.path, a.outcome) for a in book.actions()] == [
        ("a", Outcome.NOT_REACHED),
        ("b", Outcome.DONE),
        ("c", Outcome.NOT_REACHED),
    ]


def test_totals_count_what_was_done_only() -> None:
    book, _ = ledger(UP, DOWN, GONE)
    book.settle(UP, Outcome.DONE)
    book.settle(DOWN, Outcome.FAILED, "no room")
    book.settle(GONE, Outcome.DONE, kept="trash/c")
    totals = book.totals()
    assert (totals.up, totals.bytes_up, totals.down, totals.bytes_down) == (1, 3, 0, 0)
    assert (totals.delete_remote, totals.delete_local) == (1, 0)


def test_two_actions_on_one_path_are_told_apart() -> None:
    book, _ = ledger(KEPT, WON)
    book.settle(KEPT, Outcome.DONE)
    assert book.outcome(WON) is None
    book.settle(WON, Outcome.DROPPED, "changed")
    assert [a.outcome for a in book.actions()] == [Outcome.DONE, Outcome.DROPPED]


def test_every_end_is_told_at_once() -> None:
    book, events = ledger(UP)
    book.settle(UP, Outcome.FAILED, "refused")
    assert [e.done.detail for e in events if isinstance(e, ActionEnded)] == ["refused"]


def test_the_last_word_on_a_path_counts() -> None:
    book, _ = ledger()
    book.agree("a", ROW)
    book.forget("a")
    assert (book.put, book.drop) == ({}, {"a"})
    book.agree("a", ROW)
    assert (book.put, book.drop) == ({"a": ROW}, set())


def test_a_forgotten_folder_takes_no_file_of_its_name_with_it() -> None:
    gone = Forget("x", Reason.GONE, folder=True)
    book, _ = ledger(gone)
    book.agree("x", ROW)
    learn([gone], book)
    assert (book.put, book.drop, book.drop_dirs) == ({"x": ROW}, set(), {"x"})


def test_a_forgotten_file_takes_no_folder_of_its_name_with_it() -> None:
    actions: tuple[Action, ...] = (Forget("x", Reason.GONE), AdoptDir("x"))
    book, _ = ledger(*actions)
    learn(actions, book)
    assert (book.drop, book.put_dirs, book.drop_dirs) == ({"x"}, {"x"}, set())


def test_a_folder_whose_file_did_not_come_is_not_agreed_on() -> None:
    below = replace(DOWN, path="x/b")
    book, _ = ledger(below, AdoptDir("x"))
    book.settle(below, Outcome.FAILED, "refused")
    learn([below, AdoptDir("x")], book)
    assert book.put_dirs == set()
