"""A report where the state lies on a remote: it tells of the runs of all machines."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import servers
from shard.yard import Yard

from bm_sync import report_api
from bm_sync.model.period import RunEnding
from bm_sync.model.setup import Selection


def test_a_machine_that_never_ran_tells_what_another_one_did(
    seaweedfs: servers.Server, tmp_path: Path
) -> None:
    yard = Yard(tmp_path, seaweedfs)
    yard.put("in/notes/a.md", "a")
    yard.pod("one").run()
    yard.put("in/notes/b.md", "b")
    before, two = yard.objects(), yard.pod("two")
    about = report_api.About(two.manifest(), Selection(), datetime(2026, 1, 1, tzinfo=UTC))
    for drift in (True, False):
        report = asyncio.run(report_api.report(about, two.setup, drift=drift))
        (run,), (notes,) = report.runs, report.projects
        assert (run.host, run.ending, run.work.up) == ("one", RunEnding.CHANGED, 1)
        assert (notes.now.files, notes.endings.changed) == (1, 1)
        assert (notes.drift.totals.up if notes.drift else None) == (1 if drift else None)
    assert yard.objects() == before
