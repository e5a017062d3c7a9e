"""The name of a run."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from bm_sync.engine.record import ticket
from bm_sync.model.report import Setup

SETUP = Setup(env={}, state_dir=Path("/state"), host="laptop")


def test_runs_of_one_moment_have_names_of_their_own() -> None:
    now = datetime(2026, 11, 22, 7, 15, tzinfo=UTC)
    assert len({ticket(SETUP, "apply", now).id for _ in range(30)}) == 30


def test_names_sort_by_time() -> None:
    early = ticket(SETUP, "apply", datetime(2026, 11, 22, 7, 15, tzinfo=UTC)).id
    late = ticket(SETUP, "apply", datetime(2026, 11, 22, 7, 16, tzinfo=UTC)).id
    assert early.startswith("20261122T071500Z-")
    assert early < late
