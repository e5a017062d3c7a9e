"""The whole page: its head forbids it to load or to run anything, its body is made of tables.

The runs: the newest ones with what was in their way, and the figures of the charts.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Sequence
from hashlib import sha256
from itertools import groupby
from pathlib import Path

from bm_sync.cli.render.page.charts import charts, endings_words, number, ran
from bm_sync.cli.render.page.markup import Html, clipped, element, joined, name
from bm_sync.cli.render.page.projects import open_conflicts, projects_over_time, standings
from bm_sync.cli.render.page.table import Column, badge, table, work_words
from bm_sync.cli.render.page.times import day, moment, took
from bm_sync.cli.render.page.times import slot as slot_words
from bm_sync.cli.render.standing import Standing, ending_words, headline, needs, others, tone
from bm_sync.cli.render.text import count, size
from bm_sync.cli.render.view import View
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


GENERATOR = "bm-sync report"
_STYLE = Path(__file__).with_name("page.css")


def page(report: PeriodReport, view: View) -> str:
    """Return the page. It is the same for the same report and the same time."""
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="generator", content=GENERATOR),
        *_closed_in(),
        element("title", f"{_name(report)}: bm-sync report"),
    )
    body = element("body", element("main", *_sections(report, view)), _foot(report))
    return f"<!doctype html>\n{element('html', head, body, lang='en')}\n"


def _closed_in() -> tuple[Html, ...]:
    """Return the policy that lets this one style sheet in and nothing else, and the style sheet.

    https://www.w3.org/TR/CSP3/: a hash allows exactly the element whose text has it.
    """
    style = _STYLE.read_text(encoding="utf-8")
    digest = b64encode(sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    return (
        element("meta", http_equiv="Content-Security-Policy", content=policy),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("meta", name="referrer", content="no-referrer"),
        element("style", Html(style)),
    )


def _name(report: PeriodReport) -> str:
    return Path(report.manifest).name


def _sections(report: PeriodReport, view: View) -> tuple[Html, ...]:
    needed = needs(report, view)
    parts = [_head(report), _section("Now", _drift_line(report), standings(report, needed, view))]
    if report.conflicts:
        parts.append(_section("Open conflicts", open_conflicts(report.conflicts, view)))
    if not report.ran:
        parts.append(_section("Over time", element("p", _NOTHING, class_="nothing")))
        return tuple(parts)
    details = element("details", element("summary", "The figures as a table"), slots_table(report))
    parts.append(_section("Over time", _figures(report), charts(report), details))
    parts.append(_section("Projects", projects_over_time(report)))
    parts.append(_section("Runs", _runs_line(report, view), newest_runs(report)))
    return tuple(parts)


_NOTHING = "No run is recorded in this time. bm-sync apply makes one."


def _section(title: str, *inside: Html) -> Html:
    slug = title.lower().replace(" ", "-")
    head = element("h2", title, id=slug)
    return element("section", head, *inside, aria_labelledby=slug)


def _head(report: PeriodReport) -> Html:
    about = element(
        "p",
        name(report.manifest),
        " on ",
        name(report.host),
        ", ",
        element("time", day(report.since), datetime=report.since),
        " to ",
        moment(report.until),
        " UTC",
        class_="about",
    )
    kicker = element("p", "bm-sync report", class_="kicker")
    rest = element("p", others(report), class_="others")
    return element("header", kicker, element("h1", badge(headline(report))), rest, about)


def _drift_line(report: PeriodReport) -> Html:
    if report.no_drift is not None:
        said = f"As the last runs left them; nothing was looked at anew: {report.no_drift}."
    else:
        said = "As a plan found them when this page was made; nothing was changed."
    return element("p", said, class_="lead")


def _figures(report: PeriodReport) -> Html:
    work, lasted, ended = report.work, report.durations, report.endings
    failed = ended.failed + ended.unfinished
    moved = size(work.bytes_up + work.bytes_down)
    figures = (
        ("Runs", f"{report.ran:,}", endings_words(ended)),
        ("Moved", moved, work_words(work) or "no file"),
        ("Conflicts", f"{work.conflicts:,}", f"{len(report.conflicts):,} open now"),
        ("Stops", f"{work.stops:,}", f"stopped runs: {ended.stopped + ended.side_missing:,}"),
        ("Failed", f"{failed:,}", f"{count(work.retries, 'batch', 'batches')} tried again"),
        (
            "Duration",
            took(lasted.median_s) if lasted else "-",
            f"19 of 20 within {took(lasted.p95_s)}" if lasted else "no run ended",
        ),
    )
    items = (
        element("div", element("dt", head), element("dd", figure), element("dd", said))
        for head, figure, said in figures
    )
    return element("dl", *items, class_="figures")


def _runs_line(report: PeriodReport, view: View) -> Html:
    shown = f"The newest {len(report.runs)} of {report.ran:,}. " if report.more_runs else ""
    command = view.command("history", report.runs[0].id, manifest=False)
    return element("p", shown, "Every action of one: ", element("code", command), class_="lead")


def _foot(report: PeriodReport) -> Html:
    said = (
        f"Made by bm-sync {report.made_by}. All times are UTC. A conflict or a stop that lasts "
        "over many runs counts once. This page loads nothing and runs nothing."
    )
    return joined(element("footer", said))
