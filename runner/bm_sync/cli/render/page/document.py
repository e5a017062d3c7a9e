"""The whole page: its head forbids it to load or to run anything, its body is made of tables."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from pathlib import Path

from bm_sync.cli.render.page.charts import charts, endings_words
from bm_sync.cli.render.page.markup import Html, element, joined, name
from bm_sync.cli.render.page.projects import open_conflicts, projects_over_time, standings
from bm_sync.cli.render.page.runs import newest_runs, slots_table
from bm_sync.cli.render.page.table import badge, work_words
from bm_sync.cli.render.page.times import day, moment, took
from bm_sync.cli.render.standing import headline, needs, others
from bm_sync.cli.render.text import count, size
from bm_sync.cli.render.view import View
from bm_sync.model.period import PeriodReport

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
