"""A report as text and as Markdown: how the projects stand, and what was done over the time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from bm_sync.cli.render.groups import commands, labelled
from bm_sync.cli.render.markdown import code, plain
from bm_sync.cli.render.standing import Tone, ending_words, headline, needs, others, standing, well
from bm_sync.cli.render.text import age, columns, count, duration, escape, lines, size
from bm_sync.cli.render.view import View
from bm_sync.model.period import Endings, PeriodReport, ProjectPeriod, RunEnding

_HEADS = (
    *("PROJECT", "NOW", "IN SYNC", "RUNS", "WELL", "UP", "DOWN", "DELETED", "BYTES"),
    *("CONFLICTS", "STOPS", "FAILED", "MEDIAN"),
)
_ALIGN = "<<<>>>>>>>>>>"
_COLOURS = {Tone.ASKS: "yellow", Tone.BAD: "red"}
_MOST_RUNS = 20


def report_text(report: PeriodReport, view: View) -> str:
    """Return the report for a terminal."""
    rows = [_row(project, view) for project in report.projects]
    heads, *table = columns([_HEADS, *rows], _ALIGN)
    needed = needs(report, view)
    said = [(need.project, [escape(need.what), *_way(need.command)]) for need in needed]
    page = view.command("report", "--html", "report.html")
    return lines(
        [view.paint(_whole(report), _colour(headline(report).tone)), _about(report)],
        [view.paint(heads, "dim"), *table] if rows else [],
        labelled(said),
        [_total(report), f"as a page to look at: {page}"],
    )


def _colour(tone: Tone) -> str:
    return _COLOURS.get(tone, "bold")


def _whole(report: PeriodReport) -> str:
    rest = others(report)
    return f"{headline(report).words}{': ' + rest if rest else ''}"


def _way(command: str | None) -> list[str]:
    return commands([("next", command)]) if command else []


def _about(report: PeriodReport) -> str:
    now = "as the last runs left them" if report.no_drift else "now as a plan says"
    why = f" ({escape(report.no_drift)})" if report.no_drift else ""
    return f"{escape(report.manifest)}, {_span(report)}; {now}{why}"


def _span(report: PeriodReport) -> str:
    since, until = datetime.fromisoformat(report.since), datetime.fromisoformat(report.until)
    return f"{since:%Y-%m-%d} to {until:%Y-%m-%d %H:%M}Z"


def _row(project: ProjectPeriod, view: View) -> Sequence[str]:
    now, work, took = project.now, project.work, project.durations
    moved = work.bytes_up + work.bytes_down
    figures = (work.conflicts, work.stops, project.endings.failed + project.endings.unfinished)
    return (
        escape(now.project),
        escape(standing(project).words),
        age(now.converged, view.now) if now.converged else "never",
        f"{_ran(project.endings):,}",
        well(project),
        *(f"{number:,}" if number else "-" for number in (work.up, work.down, work.deleted)),
        size(moved) if moved else "-",
        *(f"{number:,}" if number else "-" for number in figures),
        duration(took.median_s) if took else "-",
    )


def _ran(endings: Endings) -> int:
    return sum(n for _, n in _counts(endings))


def _counts(endings: Endings) -> list[tuple[RunEnding, int]]:
    return [(each, getattr(endings, each.value.replace("-", "_"))) for each in RunEnding]


def _total(report: PeriodReport) -> str:
    if not report.ran:
        return "no run is recorded in this time"
    ended = [f"{n:,} {ending_words(each)}" for each, n in _counts(report.endings) if n]
    return f"{count(report.ran, 'run')}: {', '.join(ended)}"


def report_markdown(report: PeriodReport, view: View) -> str:
    """Return the report as Markdown; no name in it can become markup."""
    parts = [f"### {plain(_whole(report))}", plain(_about(report)), _projects(report, view)]
    said = [
        f"- **{plain(need.project)}**: {plain(need.what)}"
        + (f" {code(need.command)}" if need.command else "")
        for need in needs(report, view)
    ]
    parts += ["\n".join(said)] if said else []
    parts.append(plain(_total(report)))
    parts += [_runs(report)] if report.runs else []
    return "\n\n".join(parts) + "\n"


def _projects(report: PeriodReport, view: View) -> str:
    heads = [head.lower() for head in _HEADS]
    edges = ["---" if edge == "<" else "--:" for edge in _ALIGN]
    rows = []
    for project in report.projects:
        name, now, *figures = _row(project, view)
        rows.append([plain(name), plain(now), *figures])
    return "\n".join(f"| {' | '.join(row)} |" for row in (heads, edges, *rows))


def _runs(report: PeriodReport) -> str:
    heads = ["began", "ended", "projects", "bytes", "took", "why"]
    rows = [
        [
            run.started,
            ending_words(run.ending),
            str(run.projects),
            size(run.work.bytes_up + run.work.bytes_down),
            duration(run.seconds),
            plain("; ".join(f"{t.project}: {t.what}" for t in run.troubles)),
        ]
        for run in report.runs[:_MOST_RUNS]
    ]
    lines_of = [heads, ["---", "---", "--:", "--:", "--:", "---"], *rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in lines_of)
