"""Kill -9 at a random moment, of everything, of one program or of the server; one plain apply.

BM_SYNC_KILLS=300 kills so often, each time elsewhere, and prints what it counted.
"""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from pathlib import Path

import pytest
import servers
from crash.desk import VICTIMS, Desk, begin, ends_well
from crash.places import KINDS, place
from two_machines import Machine, converged

from bm_sync.engine.opening import machine_suffix
from bm_sync.engine.record import iso, ticket
from bm_sync.model.run import Run, Status
from bm_sync.state.store import State

KILLS = int(os.environ.get("BM_SYNC_KILLS", "0"))
A_WORLD = 12  # kills before everything begins anew


@pytest.mark.parametrize(
    ("kind", "victim"),
    [
        ("folder", "all"),
        ("s3", "python"),
        ("webdav", "rclone"),
        ("webdav", "server"),
    ],
)
def test_one_plain_apply_after_a_kill_ends_as_if_nothing_had_happened(
    tmp_path: Path, kind: str, victim: str
) -> None:
    chance = random.Random(f"{kind} {victim}")  # noqa: S311 - a moment, no secret
    with place(kind, tmp_path) as remote:
        desk = Desk(tmp_path, remote, chance)
        begin(desk)
        _kill_once(desk, victim, _unhurt(desk))
        assert desk.apply().status is Status.IN_SYNC


def _unhurt(desk: Desk) -> float:
    """Return how long a slow run takes that nobody kills."""
    desk.edit()
    before = desk.versions()
    began = time.monotonic()
    assert not desk.killed("nobody", 280.0)
    took_s = time.monotonic() - began
    ends_well(desk, before)
    return took_s


def _kill_once(desk: Desk, victim: str, took_s: float) -> bool:
    desk.edit()
    before = desk.versions()
    killed = desk.killed(victim, desk.chance.uniform(0.05, 0.9) * took_s)
    ends_well(desk, before)
    return killed


@pytest.mark.skipif(not KILLS, reason="make kills asks for it")
@pytest.mark.timeout(0)
def test_hundreds_of_kills_at_random_moments_keep_every_promise(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    counted: Counter[str] = Counter()
    chance = random.Random()  # noqa: S311 - a moment, no secret
    world = 0
    while counted.total() - counted["too late"] < KILLS:
        world += 1
        kind = KINDS[world % len(KINDS)]
        home = tmp_path / str(world)
        home.mkdir()
        with place(kind, home) as remote:
            desk = Desk(home, remote, chance)
            begin(desk)
            took_s = _unhurt(desk)
            for _ in range(A_WORLD):
                victim = chance.choice([v for v in VICTIMS if v != "server" or remote.served])
                killed = _kill_once(desk, victim, took_s)
                counted[f"{kind}, {victim}" if killed else "too late"] += 1
        with capsys.disabled():
            print(f"\nkills so far: {dict(sorted(counted.items()))}, violations: 0")  # noqa: T201


def test_half_copies_that_a_killed_run_left_in_the_trash_go_with_the_next_run(
    tmp_path: Path,
) -> None:
    with servers.serve_sftp(tmp_path / "served", *servers.FORGETFUL) as server:
        machine = Machine(tmp_path / "here", server.remote("w"), stale_s=servers.REMEMBERED_S)
        machine.write("a.md")
        converged(machine.apply())
        killed = ticket(machine.setup, "apply")
        with State.open(machine.setup.state_dir) as state:
            now = iso(killed.started)
            state.begin_run(Run(killed.id, "apply", now, "", "here", "sync.yaml", "", -1, ()))
        kept = tmp_path / "served" / "w" / ".bm-sync" / "trash" / killed.id / "notes"
        kept.mkdir(parents=True)
        (kept / f"a.md.12345678{machine_suffix(machine.setup)}").write_text("half")
        (kept / "b.md").write_text("whole")
        machine.write("new.md")
        converged(machine.apply())
        assert [file.name for file in kept.iterdir()] == ["b.md"]


def test_an_empty_landing_folder_that_a_killed_run_left_goes_with_the_next_run(
    tmp_path: Path,
) -> None:
    with servers.serve_webdav(tmp_path / "served", *servers.FORGETFUL) as server:
        machine = Machine(tmp_path / "here", server.remote("w"), stale_s=servers.REMEMBERED_S)
        machine.write("a.md")
        converged(machine.apply())
        ours = tmp_path / "served" / "w" / ".bm-sync"
        (ours / "staging").mkdir(parents=True)
        machine.write("new.md")
        converged(machine.apply())
        assert not ours.exists()
