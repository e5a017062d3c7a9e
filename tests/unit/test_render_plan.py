from __future__ import annotations

import cli_samples as samples
from cli_samples import ARCHIVE, FAILED, NOTES, PROBLEMS, RESEARCH, VIEW, golden, plan

from bm_sync.cli.render.plan import plan_text
from bm_sync.cli.render.view import Paint, View
from bm_sync.model.config import Direction, Mode
from bm_sync.model.plan import Clash, Guard, Stop, Totals
from bm_sync.model.tree import Side
from bm_sync.structs import replace


def test_a_plan_reads_summary_first_details_next_the_command_last() -> None:
    both = "bm-sync plan --out today.plan; bm-sync apply today.plan"
    following = f"save a plan and apply exactly that: {both}"
    text = plan_text(plan(NOTES, ARCHIVE, RESEARCH), VIEW, following=following)
    golden("plan", text)


def test_a_plan_with_failures_and_problems_names_each() -> None:
    golden("plan-trouble", plan_text(plan(RESEARCH, FAILED, PROBLEMS), VIEW))


def test_a_quiet_plan_is_two_lines() -> None:
    text = plan_text(plan(RESEARCH), VIEW)
    assert text == (
        "research  pull  ~/research  <-   cloud:research  in sync\n"
        "\n"
        "nothing to do: 1 project in sync\n"
    )


def test_files_beyond_the_cap_are_counted_and_all_files_lists_them() -> None:
    capped = plan_text(plan(ARCHIVE), VIEW)
    assert "  … and 130 more (--all-files)\n" in capped
    assert "2019/147.md" not in capped
    whole = plan_text(plan(ARCHIVE), View(now=samples.NOW, cap=None))
    assert "2019/147.md" in whole
    assert "more (--all-files)" not in whole


def test_arrows_point_to_the_side_that_changes() -> None:
    def arrow(mode: Mode, direction: Direction) -> str:
        text = plan_text(plan(replace(RESEARCH, mode=mode, direction=direction)), VIEW)
        return text.split("~/research  ")[1][:3]

    assert arrow(Mode.TWO_WAY, Direction.UP) == "<->"
    assert arrow(Mode.MIRROR, Direction.UP) == " ->"
    assert arrow(Mode.MIRROR, Direction.DOWN) == "<- "
    assert arrow(Mode.PUSH, Direction.UP) == " ->"
    assert arrow(Mode.PULL, Direction.UP) == "<- "


def test_two_guards_of_a_project_are_accepted_by_one_command() -> None:
    stops = (
        *ARCHIVE.stops,
        Stop(Guard.MAX_OVERWRITE, Side.REMOTE, "9 of 10 files", accept="overwrite=9"),
    )
    text = plan_text(plan(replace(ARCHIVE, stops=stops)), VIEW)
    assert "bm-sync apply archive --accept delete=148,overwrite=9\n" in text
    assert "--keep-deleted" not in text


def test_a_stop_that_nothing_may_accept_offers_no_command() -> None:
    stop = Stop(Guard.ROOT, Side.LOCAL, "~/research is a file", hint="move it away")
    text = plan_text(plan(replace(RESEARCH, stops=(stop,))), VIEW)
    assert "research: stopped: ~/research is a file\n          move it away\n" in text
    assert "--accept" not in text


def test_a_conflict_that_waits_names_the_command_that_tells_what_to_do() -> None:
    clash = Clash("a.md", None, None, None, None, None, "changed on both sides; waits for a person")
    project = replace(RESEARCH, clashes=(clash,), totals=Totals(conflicts=1))
    text = plan_text(plan(project), VIEW)
    assert "research: 1 conflict, changed on both sides: a.md. Waits for a person.\n" in text
    assert "what to do, after an apply:  bm-sync conflicts research\n" in text


def test_names_with_control_characters_do_not_reach_the_terminal() -> None:
    bad = "x\x1b]0;owned\x07\u202e.md"
    project = replace(
        RESEARCH,
        local=f"/home/{bad}",
        actions=(samples.copy(bad), samples.trash(bad)),
        stops=(Stop(Guard.MAX_DELETE, Side.LOCAL, f"all of {bad}", (bad,), "delete=1"),),
        clashes=(Clash(bad, None, None, None, None, None, bad),),
        problems=PROBLEMS.problems,
        notes=(bad,),
        failure=bad,
        totals=Totals(up=1),
    )
    text = plan_text(plan(project), VIEW)
    assert all(line.isprintable() for line in text.split("\n"))


def test_colours_appear_only_when_asked_for() -> None:
    plain = plan_text(plan(ARCHIVE), VIEW)
    coloured = plan_text(plan(ARCHIVE), replace(VIEW, paint=Paint(on=True)))
    assert "\x1b" not in plain
    assert "\x1b[31mSTOPPED\x1b[0m" in coloured


def test_an_empty_manifest_says_so() -> None:
    assert plan_text(plan(), VIEW) == "nothing to do: none of the projects is for this machine\n"
