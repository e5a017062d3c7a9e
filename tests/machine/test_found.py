"""Histories that once broke a promise, as small as they became."""

from __future__ import annotations

from machine.conftest import Play
from machine.histories import (
    EMPTY,
    FRESH,
    LOCAL,
    ONE,
    REMOTE,
    Delete,
    Edit,
    History,
    MakeFolder,
    Policy,
    Write,
)


def rounds(*edits: tuple[Edit, ...], policy: Policy | None = None) -> History:
    return History(policy or Policy(), edits)


def test_a_hash_of_a_version_that_was_just_replaced_is_not_remembered(play: Play) -> None:
    play(
        rounds(
            (
                Write(LOCAL, "d/n.txt", FRESH),
                Write(REMOTE, "d/n.txt", FRESH),
            )
        )
    )


def test_a_file_that_takes_the_name_of_a_folder_gone_from_both_sides_is_learnt(play: Play) -> None:
    play(
        rounds(
            (MakeFolder(LOCAL, "b.md"), Write(LOCAL, "a.md", EMPTY)),
            (Write(REMOTE, "b.md", EMPTY), Delete(LOCAL, "b.md")),
        )
    )


def test_a_folder_that_takes_the_name_of_a_file_on_both_sides_is_learnt(play: Play) -> None:
    play(
        rounds(
            (Write(LOCAL, "x", FRESH), Write(LOCAL, "a.md", FRESH)),
            (
                Delete(LOCAL, "x"),
                Delete(REMOTE, "x"),
                MakeFolder(LOCAL, "x"),
                MakeFolder(REMOTE, "x"),
            ),
        )
    )


def test_what_a_waiting_conflict_hashed_is_remembered_at_once(play: Play) -> None:
    play(
        rounds(
            (Write(LOCAL, "x/a.md", EMPTY), Delete(REMOTE, "x/a.md")),
            (Write(LOCAL, "x", EMPTY), Write(REMOTE, "x", ONE)),
            policy=Policy(winner="stop", compare="full"),
        )
    )
