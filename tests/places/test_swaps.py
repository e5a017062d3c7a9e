"""Others swap folders for links while files go up and down: nothing comes from outside, or goes.

BM_SYNC_RACES=100 plays so many rounds for each kind of remote and prints what it counted.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import two_users
from crash.places import Place, place
from machine.shores import FolderShore
from places.yard import Players, Yard

RACES = int(os.environ.get("BM_SYNC_RACES", "0"))
KINDS = ("folder", "s3", "webdav")
_ROUNDS = 3


@contextlib.contextmanager
def _yard(kind: str, home: Path, players: Players) -> Iterator[Yard]:
    ground = home.parent / "ground"
    (ground / "notes").mkdir(parents=True)
    if kind == "folder":
        shelf = ground / "shelf"
        shore = FolderShore(shelf / "notes", shelf)
        there = Place({"type": "local", "root": str(shelf)}, shore, None, None)
        attacked = (ground / "notes", shelf / "notes", shelf)
        yield Yard(home, ground, there, players, attacked)
        return
    with place(kind, home) as remote:
        yield Yard(home, ground, remote, players, (ground / "notes",))


def _play(yard: Yard, rounds: int) -> Counter[str]:
    """Return how the runs ended that were disturbed, and what they moved all the same.

    `moving` counts the runs that moved files, `swapped in it` those in whose moving a swap fell.
    """
    counted: Counter[str] = Counter()
    yard.edit(0)
    assert yard.apply().code == 0
    for number in range(1, rounds + 1):
        yard.edit(number)
        before, on_the_way = yard.versions(), yard.swaps_on_the_way
        with yard.under_attack(number):
            counted[f"exit {yard.apply().code}"] += 1
        arrived = yard.arrived(number)
        counted["moved"] += arrived
        counted["moving"] += bool(arrived)
        counted["swapped in it"] += bool(arrived) and yard.swaps_on_the_way > on_the_way
        yard.nothing_escaped()
        lost = before - yard.versions()
        assert not lost, f"lost: {[data[:20] for data in lost]}"
        if number % 10 == 0:
            sys.stderr.write(f"{number} runs, {dict(counted)}, {yard.swaps} swaps\n")
    before = yard.versions()
    yard.ends_well()
    yard.nothing_escaped()
    assert before <= yard.versions()
    assert yard.swaps > 0
    assert counted["moved"] > 0
    return counted


@pytest.mark.parametrize("kind", KINDS)
def test_nobody_leads_a_run_out_of_a_folder_that_others_may_write(
    tmp_path: Path, kind: str
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    with _yard(kind, home, Players()) as yard:
        _play(yard, _ROUNDS)


@pytest.mark.parametrize("kind", KINDS)
def test_another_user_does_not_lead_a_run_out_of_a_folder_that_both_may_write(
    machine: two_users.Machine, kind: str
) -> None:
    with _yard(kind, machine.home(two_users.ANNA), Players(machine)) as yard:
        _play(yard, _ROUNDS)


@pytest.mark.skipif(not RACES, reason="make races asks for it")
@pytest.mark.timeout(0)
@pytest.mark.parametrize("kind", KINDS)
def test_hundreds_of_races_lead_no_run_out_of_its_folder(
    machine: two_users.Machine, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with _yard(kind, machine.home(two_users.ANNA), Players(machine)) as yard:
        seen = _play(yard, RACES)
        told = f"{kind}: {RACES} runs, {dict(seen)}, {yard.swaps} swaps, nothing escaped or lost"
        with capsys.disabled():
            print(f"\n{told}")  # noqa: T201
