from __future__ import annotations

from datetime import UTC

from cli_samples import PROBLEMS, VIEW, golden

from bm_sync.cli.render.conflicts import conflicts_text
from bm_sync.cli.render.listing import listing_text
from bm_sync.cli.render.report import (
    check_text,
    doctor_text,
    reset_text,
    status_text,
    why_text,
)
from bm_sync.model.config import Origin, Placement
from bm_sync.model.report import (
    Difference,
    Finding,
    Health,
    Listed,
    Listing,
    OpenConflict,
    ProjectCheck,
    ProjectStatus,
    ResetReport,
    Why,
)
from bm_sync.model.tree import Side

_RULE = Origin("sync.yaml", 9)


def _status(name: str, placement: Placement | None, **more: object) -> ProjectStatus:
    quiet: dict[str, object] = dict.fromkeys(
        ("key", "local", "remote", "mode", "last_run", "last_time", "result", "converged")
    )
    values = {**quiet, "files": 0, "bytes": 0, "conflicts": 0, **more}
    return ProjectStatus(project=name, placement=placement, **values)  # type: ignore[arg-type]  # by name


def test_status_shows_each_project_as_last_seen_and_the_undeclared_ones() -> None:
    rows = (
        _status(
            "notes",
            Placement.SYNCED,
            local="~/notes",
            remote="cloud:notes",
            last_time="2026-11-22T07:12:00Z",
            result="partial",
            conflicts=2,
            files=1204,
            bytes=4_300_000,
            message="2 paths could not be read",
        ),
        _status("archive-2019", Placement.CLOUD_ONLY, remote="cloud:archive-2019"),
        _status("scratch", Placement.LOCAL_ONLY, local="~/scratch"),
        _status(
            "old one",
            None,
            key="5531f9253d35af93f4aafc37e4110341",
            local="/srv/old",
            last_time="2026-11-01T07:12:00Z",
            result="in-sync",
            files=3,
            bytes=90,
        ),
    )
    golden("status", status_text(rows, VIEW))


def test_check_lists_every_difference_and_what_brings_the_sides_together() -> None:
    checks = (
        ProjectCheck("notes", 40, 41, 4_300_000, (Difference("a\nb.md", "differs"),)),
        ProjectCheck("research", 7, 7, 900, ()),
        ProjectCheck("odd", 1, 3, 9, (), problems=PROBLEMS.problems),
        ProjectCheck("far", 0, 0, 0, (), failure="cannot reach cloud", hint="see: bm-sync doctor"),
    )
    golden("check", check_text(checks, VIEW))


def test_conflicts_come_with_commands_that_settle_them() -> None:
    since, run = "2026-11-22T07:12:00Z", "20261122T071200Z-3f9a"
    what = "changed on both sides"
    conflicts = (
        OpenConflict("notes", "a b.md", "a b.conflict-x.md", Side.REMOTE, run, since, what),
        OpenConflict("notes", "c.md", None, None, run, since, f"{what}; waits for a person"),
        OpenConflict("cloudy", "d.md", None, None, run, since, what),
    )
    golden("conflicts", conflicts_text(conflicts, {"notes"}, VIEW))
    assert conflicts_text((), (), VIEW) == "no conflict is open\n"


def test_doctor_has_a_line_for_each_finding() -> None:
    findings = (
        Finding("rclone", Health.OK, "1.75.2"),
        Finding("clock", Health.WARNING, "90 s behind the remote", "set it with ntp"),
        Finding("remote cloud", Health.FAULT, "connection refused", "is it running?"),
    )
    golden("doctor", doctor_text(findings, VIEW))
    assert doctor_text(findings[:1], VIEW).endswith("no fault found\n")


def test_reset_says_what_was_forgotten_and_what_the_next_run_does() -> None:
    text = reset_text(ResetReport("notes", known=True, files=40, next_run="the next run compares"))
    assert text == "notes: forgot what both sides agreed on (40 files)\nthe next run compares\n"
    unknown = ResetReport("x", known=False, files=0, next_run="")
    assert "nothing was remembered" in reset_text(unknown)


def test_why_names_the_rule_and_its_line() -> None:
    why = Why("notes", "a.pyc", True, "excluded, by this rule", "*.pyc", _RULE)
    assert why_text(why, VIEW) == (
        "notes: a.pyc: excluded, by this rule\n  rule '*.pyc' (sync.yaml:9)\n"
    )


def test_a_listing_has_bytes_time_and_path_and_leaves_out_times_nobody_knows() -> None:
    entries = (
        Listed("daily", 0, is_dir=True),
        Listed("daily/a.md", 1_234_567, mtime_ns=1_763_796_000_000_000_000),
        Listed("b\tc.md", 3, mtime_ns=1 << 70),
    )
    listing = Listing("notes", Side.LOCAL, "~/notes", entries, PROBLEMS.problems)
    golden("listing", listing_text(listing, zone=UTC))
    bucket = Listing("notes", Side.REMOTE, "b2:x", (Listed("a.md", 3),))
    assert listing_text(bucket) == "3  a.md\n\n1 file, 3 B on b2:x\n"
