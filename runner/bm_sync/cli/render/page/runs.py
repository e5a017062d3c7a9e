"""The runs: the newest ones with what was in their way, and the figures of the charts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from bm_sync.cli.render.page.charts import number, ran
from bm_sync.cli.render.page.markup import Html, clipped, element, joined, name
from bm_sync.cli.render.page.table import Column, badge, table, work_words
from bm_sync.cli.render.page.times import moment, took
from bm_sync.cli.render.page.times import slot as slot_words
from bm_sync.cli.render.standing import Standing, ending_words, tone
from bm_sync.cli.render.text import count, size
from bm_sync.model.period import PeriodReport, PeriodSlot, RunEnding, RunLine, Trouble

_MOST_TROUBLES = 4


def newest_runs(report: PeriodReport) -> Html:
    """Return the newest runs, the newest first."""
    columns = [
        Column("Began", "when"),
        Column("Ended", "ended"),
        Column("Moved", "work"),
        Column("Took", "n"),
    ]
    alike = (list(group) for _, group in groupby(report.runs, _likeness))
    return table("The newest runs", columns, [tuple(_run(group)) for group in alike])


def _likeness(run: RunLine) -> object:
    """Return what is the same in runs that one line tells of: those that moved nothing."""
    if run.work.up or run.work.down or run.work.deleted or run.work.renamed:
        return run.id
    return run.ending, run.command, run.projects, run.troubles


def _run(alike: Sequence[RunLine]) -> Iterator[str]:
    run, first = alike[0], alike[-1]
    since = joined("first ", moment(first.started))
    beside = element("span", run.id, class_="id") if run is first else since
    yield joined(moment(run.started), element("small", beside))
    about = [f"{len(alike):,} runs alike"] if run is not first else []
    about += [count(run.projects, "project")] if run.projects != 1 else []
    verb = run.command.removeprefix("bm-sync ").partition(" ")[0]
    about += [verb] if verb != "apply" else []
    said = badge(Standing(tone(run.ending), ending_words(run.ending)))
    beside = element("small", ", ".join(about)) if about else Html()
    yield joined(said, beside, _troubles(run.troubles))
    moved = run.work.bytes_up + run.work.bytes_down
    figures = (work_words(run.work), size(moved) if moved else "")
    yield ", ".join(figure for figure in figures if figure) or "-"
    ended = [each.seconds for each in alike if each.ending is not RunEnding.UNFINISHED]
    yield took(max(ended)) if ended else "-"


def _troubles(troubles: Sequence[Trouble]) -> Html:
    if not troubles:
        return Html()
    items = [
        element("li", name(trouble.project), ": ", clipped(trouble.what))
        for trouble in troubles[:_MOST_TROUBLES]
    ]
    rest = len(troubles) - _MOST_TROUBLES
    items += [element("li", f"and {count(rest, 'more project')}")] if rest > 0 else []
    return element("ul", *items, class_="troubles")


def slots_table(report: PeriodReport) -> Html:
    """Return the figures of the charts."""
    heads = ("Runs", "In sync", "Synced", "Waiting", "Stopped", "Failed", "Skipped", "Up", "Down")
    more = ("Deleted", "Bytes up", "Bytes down", "Conflicts", "Stops", "Median", "Longest")
    columns = [Column(f"From ({report.unit})"), *(Column(head, "n") for head in heads + more)]
    rows = [_slot(slot, report) for slot in report.slots if ran(slot.endings)]
    return table("The figures of the charts", columns, rows)


def _slot(slot: PeriodSlot, report: PeriodReport) -> Sequence[str]:
    ended, work, lasted = slot.endings, slot.work, slot.durations
    shown = (RunEnding.IN_SYNC, RunEnding.CHANGED, RunEnding.WAITING, RunEnding.STOPPED)
    figures = [ran(ended), *(number(ended, each) for each in shown)]
    figures += [ended.failed + ended.unfinished, ended.skipped, work.up, work.down, work.deleted]
    return (
        slot_words(slot.start, report.unit),
        *(f"{figure:,}" for figure in figures),
        size(work.bytes_up),
        size(work.bytes_down),
        f"{work.conflicts:,}",
        f"{work.stops:,}",
        took(lasted.median_s) if lasted else "-",
        took(lasted.longest_s) if lasted else "-",
    )
