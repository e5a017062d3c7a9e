"""`bm-sync report`: what happened over a time and how all projects stand now; changes nothing."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from bm_sync.cli import loop
from bm_sync.cli.answer import Answer, Io
from bm_sync.cli.context import context
from bm_sync.cli.render.text import escape, size
from bm_sync.cli.render.view import View
from bm_sync.cli.selection import add_jobs, add_targets, age_s, select
from bm_sync.cli.target import names_and_manifest
from bm_sync.errors import UsageError
from bm_sync.model.period import PeriodReport
from bm_sync.state.codec import flatten

_MONTH = 30 * 86400.0
_STDOUT = "-"
_BEGIN = datetime(1970, 1, 1, tzinfo=UTC)


def add(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    add_targets(parser)
    parser.add_argument(
        "--since",
        type=age_s,
        default=_MONTH,
        metavar="TIME",
        help="how far back, such as 12h or 90d (default: 30d)",
    )
    parser.add_argument(
        "--html", metavar="FILE", help="write one page that needs no network; - is standard output"
    )
    parser.add_argument(
        "--format",
        choices=("text", "markdown", "json"),
        help="how it is printed (default: text)",
    )
    parser.add_argument(
        "--no-drift",
        dest="drift",
        action="store_false",
        help="list no side: tell how the last runs left the projects, not what a plan says now",
    )
    add_jobs(parser)


def run(args: Namespace, io: Io) -> Answer:
    """Gather the report and render it."""
    from bm_sync import report_api

    _refuse_two_forms(args)
    found = names_and_manifest(args.targets)
    here = context(args, io, found)
    since = _since(here.view.now, args.since)
    about = report_api.About(here.manifest, select(args, found.names), since)
    report = loop.run(report_api.report(about, here.setup, drift=args.drift))
    said = _written(args.html, report, here.view) if args.html is not None else None
    return Answer(
        text=partial(_text, args.format, report, here.view) if said is None else lambda: said,
        data=lambda: report,
        quiet=said is not None and args.html != _STDOUT,
    )


def _refuse_two_forms(args: Namespace) -> None:
    if args.html is not None and args.format is not None:
        raise UsageError("--html and --format cannot be given together")
    if args.html == _STDOUT and args.json:
        raise UsageError("--html - and --json both want standard output", hint="give --html a file")


def _since(now: datetime, seconds: float) -> datetime:
    """Return the beginning of the time; nothing is older than 1970."""
    return max(now - timedelta(seconds=min(seconds, now.timestamp())), _BEGIN)


def _written(target: str, report: PeriodReport, view: View) -> str:
    """Return the page, or what is said about the file that it was written to."""
    from bm_sync.cli.page_file import write_page
    from bm_sync.cli.render.page.document import page

    text = page(report, view)
    if target == _STDOUT:
        return text
    write_page(text, Path(target))
    return f"written: {escape(target)} ({size(len(text.encode()))})\n"


def _text(form: str | None, report: PeriodReport, view: View) -> str:
    from bm_sync.cli.render.period import report_markdown, report_text

    match form:
        case "markdown":
            return report_markdown(report, view)
        case "json":
            return json.dumps(flatten(report)) + "\n"
        case _:
            return report_text(report, view)
