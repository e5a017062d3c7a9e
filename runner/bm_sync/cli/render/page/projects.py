"""The projects: how each stands now, its conflicts, and what was done to it over the time."""

from __future__ import annotations

from collections.abc import Sequence

from bm_sync.cli.render.page.chart import Bar, path, width
from bm_sync.cli.render.page.charts import ran
from bm_sync.cli.render.page.markup import Html, clipped, element, joined, name
from bm_sync.cli.render.page.table import Column, badge, table, work_words
from bm_sync.cli.render.page.times import took
from bm_sync.cli.render.standing import (
    Need,
    Tone,
    ending_words,
    standing,
    well,
)
from bm_sync.cli.render.text import age, count, size
from bm_sync.cli.render.view import View
from bm_sync.model.period import PeriodReport, ProjectPeriod, RunEnding
from bm_sync.model.report import OpenConflict

_MOST_PROJECTS = 150
_MOST_CONFLICTS = 50
_STRIP = 16
_TALL = {  # how tall a piece of the strip is, so that it can be read without its colour
    RunEnding.SKIPPED: 0.2,
    RunEnding.IN_SYNC: 0.4,
    RunEnding.CHANGED: 0.7,
}


def standings(report: PeriodReport, needed: Sequence[Need], view: View) -> Html:
    """Return how every project stands now, and the command to run next."""
    wanted: dict[str, list[Need]] = {}
    for need in needed:
        wanted.setdefault(need.project, []).append(need)
    columns = [Column("Project"), Column("Now", "now"), Column("Last in sync", "when")]
    projects = sorted(report.projects, key=lambda p: _ORDER.index(standing(p).tone))
    rows = [
        (
            _project(project),
            _now(project, wanted.get(project.now.project, []), view),
            _converged(project, view),
        )
        for project in projects[:_MOST_PROJECTS]
    ]
    return joined(table("How the projects stand now", columns, rows), _more(projects))


_ORDER = (Tone.BAD, Tone.ASKS, Tone.BUSY, Tone.NONE, Tone.GOOD)


def _more(projects: Sequence[object]) -> Html:
    rest = len(projects) - _MOST_PROJECTS
    return element("p", f"and {count(rest, 'more project')}", class_="more") if rest > 0 else Html()


def _project(project: ProjectPeriod) -> Html:
    now = project.now
    roots = [name(root) for root in (now.local, now.remote) if root and root != "-"]
    between = f" {now.mode or 'and'} "
    sides = joined(roots[0], between, roots[1]) if len(roots) > 1 else joined(*roots)
    return joined(name(now.project), element("small", sides))


def _now(project: ProjectPeriod, needed: Sequence[Need], view: View) -> Html:
    said = [badge(standing(project))]
    said += [_need(need) for need in needed]
    drift = project.drift
    if drift is not None and not needed and not drift.in_sync:
        command = view.command("apply", project.now.project)
        said.append(element("p", element("code", command), class_="need"))
    notes = drift.notes if drift is not None else ()
    notes += (project.now.elsewhere,) if project.now.elsewhere else ()
    said += [element("small", clipped(note)) for note in notes]
    return joined(*said)


def _need(need: Need) -> Html:
    command = element("code", need.command) if need.command else Html()
    return element("p", clipped(need.what), " ", command, class_="need")


def _converged(project: ProjectPeriod, view: View) -> Html:
    then = project.now.converged
    if then is None:
        return joined("never")
    return element("time", age(then, view.now), datetime=then)


def projects_over_time(report: PeriodReport) -> Html:
    """Return what was done to each project, with a strip of its endings."""
    columns = [
        Column("Project"),
        Column("Worst of each " + report.unit, "strip"),
        Column("Runs", "n"),
        Column("Well", "n"),
        Column("Files moved", "work"),
        Column("Bytes", "n"),
        Column("Conflicts", "n"),
        Column("Stops", "n"),
        Column("Failed", "n"),
        Column("Median", "n"),
    ]
    rows = [_over_time(project, report) for project in report.projects[:_MOST_PROJECTS]]
    caption = "What was done to each project"
    return joined(table(caption, columns, rows), _more(report.projects))


def _over_time(project: ProjectPeriod, report: PeriodReport) -> Sequence[str]:
    work, ended = project.work, project.endings
    failed = ended.failed + ended.unfinished
    moved = work.bytes_up + work.bytes_down
    lasted = project.durations
    return (
        name(project.now.project),
        _strip(project, report),
        f"{ran(ended):,}",
        well(project).replace(" ", "\N{NO-BREAK SPACE}"),
        work_words(work) or "-",
        size(moved) if moved else "-",
        _figure(work.conflicts, Tone.ASKS),
        _figure(work.stops, Tone.BAD),
        _figure(failed, Tone.BAD),
        took(lasted.median_s) if lasted else "-",
    )


def _figure(number: int, loud: Tone) -> str:
    return element("b", f"{number:,}", class_=str(loud)) if number else "-"


def _strip(project: ProjectPeriod, report: PeriodReport) -> Html:
    bars: dict[RunEnding, list[Bar]] = {}
    for slot, ending in enumerate(project.worst):
        if ending is not None:
            bars.setdefault(ending, []).append(Bar(slot, 0, _TALL.get(ending, 1.0)))
    slots = len(project.worst)
    drawings = (
        element("path", d=path(found, slots, height=_STRIP), class_=f"is-{ending.value}")
        for ending, found in bars.items()
    )
    counted = ", ".join(f"{len(found)} {ending_words(e)}" for e, found in bars.items())
    return element(
        "svg",
        *drawings,
        role="img",
        aria_label=f"of {count(len(report.slots), report.unit)}: {counted or 'no run'}",
        viewBox=f"0 0 {width(slots)} {_STRIP}",
        preserveAspectRatio="none",
        height=_STRIP,
    )


def open_conflicts(conflicts: Sequence[OpenConflict], view: View) -> Html:
    """Return the conflicts that nobody has settled."""
    columns = [Column("File", "file"), Column("What happened"), Column("Since", "when")]
    rows = [
        (
            joined(name(conflict.path), element("small", name(conflict.project))),
            clipped(conflict.what),
            element("time", age(conflict.since, view.now), datetime=conflict.since),
        )
        for conflict in conflicts[:_MOST_CONFLICTS]
    ]
    rest = len(conflicts) - _MOST_CONFLICTS
    more = element("p", f"and {rest:,} more", class_="more") if rest > 0 else Html()
    way = element("p", "What to do: ", element("code", view.command("conflicts")))
    return joined(table("Conflicts that nobody has settled", columns, rows), more, way)
