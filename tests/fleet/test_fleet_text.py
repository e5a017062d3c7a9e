"""What a person reads of a fleet, as text.

To write it anew after a change, run with BM_SYNC_GOLDEN=write, and read the difference.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

from bm_sync.cli.render.fleet import fleet_text
from bm_sync.cli.render.view import View
from bm_sync.engine.fleet_note import NoNoteError, judged
from bm_sync.model.fleet import FleetNote, FleetProject, FleetReport

GOLDEN = Path(__file__).parents[1] / "golden/cli/fleet.txt"
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
SEEN = "2026-11-22T11:57:00Z"


def note(host: str, ended: str, exit_: int, *projects: FleetProject) -> FleetNote:
    return FleetNote(
        host, "0", "0.1.0", "a" * 64, "r", ended, exit_, "2026-11-22T12:15:00Z", projects
    )


def test_the_worst_machine_is_read_first_with_the_way_on() -> None:
    well = FleetProject("notes", "in-sync", SEEN, SEEN, 3, 30, 0)
    stopped = FleetProject("work\x1b[0m", "stopped", SEEN, "2026-11-20T11:00:00Z", 3, 30, 0)
    waiting = FleetProject("photos", "waiting", SEEN, None, 3, 30, 2)
    never = FleetProject("drafts", None, None, None, 0, 0, 0)
    notes: list[tuple[str, FleetNote | NoNoteError]] = [
        ("laptop-0000000a.json", note("laptop", SEEN, 0, well)),
        ("laptop-0000000b.json", note("laptop", SEEN, 0, well, never)),
        ("tower-0000000c.json", note("tower", SEEN, 3, well, stopped, waiting)),
        ("attic-0000000d.json", note("attic", "2026-11-01T10:00:00Z", 0, well)),
        ("junk-0000000e.json", NoNoteError("it is no JSON")),
    ]
    hosts = judged(notes, "a" * 64, NOW, 7200.0)
    text = fleet_text(FleetReport("shelf:.bm-sync/fleet", hosts, 2), View(now=NOW))
    if os.environ.get("BM_SYNC_GOLDEN") == "write":
        GOLDEN.write_text(text, "utf-8")
    assert text == GOLDEN.read_text("utf-8")


def test_a_fleet_without_a_machine_says_what_leaves_a_note() -> None:
    text = fleet_text(FleetReport("shelf:.bm-sync/fleet", ()), View(now=NOW))
    assert text == ("no host has left a note at shelf:.bm-sync/fleet; bm-sync apply leaves one\n")
