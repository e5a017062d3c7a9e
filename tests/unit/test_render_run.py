from __future__ import annotations

from cli_samples import NOW, RUN, VIEW, golden

from bm_sync.cli.render.listing import history_text
from bm_sync.cli.render.run import record_text, run_text
from bm_sync.cli.render.view import View
from bm_sync.model.run import Outcome, Status
from bm_sync.model.tree import Problem, ProblemKind, Side
from bm_sync.structs import replace


def test_the_end_screen_repeats_every_failure_with_its_cause_and_a_command() -> None:
    golden("run", run_text(RUN, VIEW))


def test_the_record_of_a_run_lists_every_action_and_where_replaced_versions_are() -> None:
    golden("record", record_text(RUN, View(now=NOW, cap=None)))


def test_a_run_that_was_killed_is_told_as_such() -> None:
    killed = replace(RUN, ended="", exit=-1)
    assert "it did not come to its end" in record_text(killed, VIEW)
    assert "did not end" in history_text([killed], VIEW)


def test_history_has_one_line_for_each_run_and_says_how_to_see_one() -> None:
    quiet = replace(RUN, id="20261121T000000Z-0001", started="2026-11-21T00:00:00Z", exit=0)
    quiet = replace(quiet, projects=tuple(p for p in RUN.projects if p.status is Status.IN_SYNC))
    golden("history", history_text([RUN, quiet], VIEW))


def test_every_outcome_that_is_not_done_is_repeated_at_the_end() -> None:
    notes = RUN.projects[0]
    for outcome in Outcome:
        done = replace(notes.actions[0], path="the file.md", outcome=outcome)
        text = run_text(replace(RUN, projects=(replace(notes, actions=(done,)),)), VIEW)
        assert ("the file.md" in text) is (outcome is not Outcome.DONE)


def test_what_was_not_done_is_told_in_the_words_of_the_plan() -> None:
    notes = RUN.projects[0]
    missed = replace(notes.actions[0], outcome=Outcome.NOT_REACHED)
    for kind, path, words in (
        ("make-dir", "", "make folder /"),
        ("remove-dir", "old", "remove folder old/"),
        ("trash", "a.md", "delete a.md"),
    ):
        project = replace(notes, actions=(replace(missed, kind=kind, path=path),))
        text = run_text(replace(RUN, projects=(project,)), VIEW)
        assert f"  {words}\n" in text
        assert kind not in text


def test_what_the_remote_cannot_delete_is_told_with_the_ways_on() -> None:
    stuck = Problem("a.md", Side.REMOTE, ProblemKind.UNDELETABLE, "it stays there")
    notes = replace(RUN.projects[0], status=Status.WAITING, actions=(), problems=(stuck,))
    text = run_text(replace(RUN, projects=(notes,)), VIEW)
    assert "bring it back:  bm-sync apply notes --keep-deleted" in text
    other = replace(notes, problems=(replace(stuck, kind=ProblemKind.CHANGED),))
    assert "--keep-deleted" not in run_text(replace(RUN, projects=(other,)), VIEW)


def test_every_status_has_its_words() -> None:
    notes = RUN.projects[0]
    for status in Status:
        project = replace(notes, status=status, actions=())
        text = run_text(replace(RUN, projects=(project,)), VIEW)
        tries = status in {
            *(Status.PARTIAL, Status.FAILED, Status.LOCKED, Status.REFUSED),
            Status.INTERRUPTED,
        }
        assert ("bm-sync apply notes" in text) is tries
