"""The report as text, as Markdown and as a page, without a browser."""

from __future__ import annotations

import re
from datetime import timedelta
from html.parser import HTMLParser

import pytest
from cli_samples import NOW, VIEW, golden
from report_history import iso

from bm_sync.cli.render.page.chart import Bar, path
from bm_sync.cli.render.page.charts import logarithmic, round_bytes, round_count
from bm_sync.cli.render.page.document import _STYLE, page
from bm_sync.cli.render.page.markup import Html, element, joined
from bm_sync.cli.render.period import report_markdown, report_text
from bm_sync.model.config import Placement
from bm_sync.model.period import (
    Drift,
    Durations,
    Endings,
    PeriodReport,
    PeriodSlot,
    ProjectPeriod,
    RunEnding,
    RunLine,
    Trouble,
    Unit,
    WorkSums,
)
from bm_sync.model.plan import Totals
from bm_sync.model.report import OpenConflict, ProjectStatus
from bm_sync.model.run import Status
from bm_sync.structs import replace

LASTED = Durations(0.42, 3.0, 75.0)
WORKED = WorkSums(
    up=1204, down=31, deleted=2, bytes_up=4_300_000, bytes_down=9_000, conflicts=3, stops=1
)


def status(name: str, **more: object) -> ProjectStatus:
    known = ProjectStatus(
        name, Placement.SYNCED, f"k-{name}", f"~/{name}", f"shelf:{name}", "two-way",
        "r1", iso(NOW), "in-sync", iso(NOW - timedelta(minutes=9)), 10, 900, 0,
    )  # fmt: skip
    return replace(known, **more)  # type: ignore[arg-type]  # fields by name


def project(name: str, drift: Drift | None, **more: object) -> ProjectPeriod:
    ended = Endings(in_sync=90, changed=8, stopped=1, failed=1)
    worst = (RunEnding.CHANGED, None, RunEnding.FAILED)
    return ProjectPeriod(status(name, **more), ended, WORKED, LASTED, worst, drift)


def slot(day: int, **ended: int) -> PeriodSlot:
    some = Endings(**ended)
    return PeriodSlot(iso(NOW - timedelta(days=day)), some, WORKED, LASTED if ended else None)


RUN = RunLine(
    "20261122T071500Z-3f9a", "bm-sync apply -q", "laptop", iso(NOW), 0.42, RunEnding.STOPPED, 3, 2,
    WorkSums(), (Trouble("archive", Status.STOPPED, "148 of 311 files would go"),),
)  # fmt: skip
REPORT = PeriodReport(
    since=iso(NOW - timedelta(days=2)),
    until=iso(NOW),
    manifest="sync.yaml",
    host="laptop",
    made_by="1.0",
    unit=Unit.DAY,
    endings=Endings(in_sync=180, changed=16, stopped=2, failed=2),
    work=WORKED,
    durations=LASTED,
    slots=(slot(2, changed=9), slot(1), slot(0, failed=2)),
    projects=(
        project("notes", Drift(in_sync=True, totals=Totals())),
        project("inbox", Drift(in_sync=False, totals=Totals(up=3, bytes_up=4096))),
        project(
            "archive", Drift(in_sync=False, totals=Totals(), stops=("148 of 311 files would go",))
        ),
        project("far", Drift(False, Totals(), failure="cannot reach it", hint="is it running?")),
        project("research", Drift(False, Totals(), waiting=1), conflicts=1),
        project("odd", Drift(False, Totals(), problems=2)),
        project("old", None, placement=None),
        project("hers", None, elsewhere="hosts: [desktop]"),
    ),
    conflicts=(
        OpenConflict("research", "a|b.md", None, None, "r1", iso(NOW), "changed on both sides"),
    ),
    runs=(RUN, replace(RUN, id="20261122T070000Z-0000", seconds=2.0)),
    more_runs=198,
)


class Reader(HTMLParser):
    """Collects what a page is made of."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.words += f"{data} "


def test_the_text_tells_how_each_project_stands_and_what_to_run_next() -> None:
    golden("report", report_text(REPORT, VIEW))


def test_the_markdown_says_the_same_and_no_name_is_markup() -> None:
    hostile = replace(REPORT.projects[2].now, project="a|b <b> *c*")
    odd = replace(REPORT, projects=(*REPORT.projects, replace(REPORT.projects[2], now=hostile)))
    golden("report-markdown", report_markdown(odd, VIEW))


def test_without_drift_the_last_run_is_what_is_known() -> None:
    failed = project("notes", None, result="failed", message="the store is full")
    never = project("new", None, result=None, last_run=None, last_time=None, converged=None)
    said = report_text(replace(REPORT, projects=(failed, never), no_drift="no plan"), VIEW)
    assert "as the last runs left them (no plan)" in said
    assert "the store is full" in said
    assert "never synced" in said


def test_the_page_is_made_of_the_same_words_and_asks_for_nothing() -> None:
    text = page(REPORT, VIEW)
    found = Reader(text)
    for words in (
        "148 of 311 files would go",
        "is it running?",
        "2 runs alike",
        "hosts: [desktop]",
    ):
        assert words in found.words
    assert not {"script", "img", "link", "iframe", "object", "form", "base"} & set(found.tags)
    assert not {"style", "src", "href"} & {name for name, _ in found.attributes}
    assert not any(name.startswith("on") for name, _ in found.attributes)
    assert "url(" not in text
    assert "@import" not in text


def test_every_table_says_its_roles_and_every_drawing_what_it_shows() -> None:
    text = page(REPORT, VIEW)
    assert text.count("<table") == text.count('role="table"') == text.count("<caption")
    assert text.count('role="img"') == text.count('role="img" aria-label="') == 4 + 8
    assert "up 1,204 files, 4.1 MB; down 31 files, 8.8 KB; 2 files deleted." in text


def test_a_page_without_a_run_says_so() -> None:
    empty = replace(REPORT, runs=(), more_runs=0, slots=REPORT.slots[1:2])
    assert "No run is recorded in this time" in page(empty, VIEW)


def test_a_page_of_hundreds_of_projects_and_long_names_stays_below_a_megabyte() -> None:
    long = project("n" * 60, Drift(False, Totals(), stops=("w" * 5000,)), local="d" * 4000)
    many = tuple(replace(long, now=replace(long.now, project=f"p{n}")) for n in range(400))
    trouble = tuple(Trouble(f"p{n}", Status.FAILED, "x" * 5000) for n in range(20))
    runs = tuple(
        replace(RUN, id=f"r{n}", work=WorkSums(up=1), troubles=trouble) for n in range(200)
    )
    text = page(replace(REPORT, projects=many, runs=runs), VIEW)
    assert len(text.encode()) < 1_000_000
    assert "and 250 more projects" in text


def test_what_is_no_markup_is_escaped_wherever_it_stands() -> None:
    odd = "<b> & \"q\" 'p' \u202e\n\udce9"
    safe = "&lt;b&gt; &amp; &quot;q&quot; &#x27;p&#x27; \\u202e\\x0a\\xe9"
    assert element("p", odd) == f"<p>{safe}</p>"
    assert element("p", title=odd, class_="x") == f'<p title="{safe}" class="x"></p>'
    assert joined(odd, Html("<br>"), odd) == f"{safe}<br>{safe}"
    assert not isinstance(element("p") + "<b>", Html)


def luminance(colour: str) -> float:
    """Return the relative luminance (https://www.w3.org/TR/WCAG22/#dfn-relative-luminance)."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    line = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * line[0] + 0.7152 * line[1] + 0.0722 * line[2]


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


SCHEMES = [
    dict(re.findall(r"(--[\w-]+): (#[0-9a-f]{6})", block))
    for block in re.findall(r":root \{(.*?)\}", _STYLE.read_text(), re.DOTALL)
]


@pytest.mark.parametrize("scheme", SCHEMES, ids=["light", "dark", "print"])
def test_words_and_bars_can_be_told_from_the_ground_in_every_scheme(scheme: dict[str, str]) -> None:
    words = [name for name in scheme if name.endswith("ink") or name == "--soft"]
    bars = [name for name in scheme if name not in {"--ground", "--rule", "--spread", *words}]
    assert (len(words), len(bars)) == (6, 13)
    weak = [name for name in words if contrast(scheme[name], scheme["--ground"]) < 4.5]
    weak += [name for name in bars if contrast(scheme[name], scheme["--ground"]) < 3]
    assert weak == []


def test_the_edge_of_a_chart_is_the_next_round_figure() -> None:
    assert [round_count(most) for most in (0, 1, 3, 5, 11, 21, 100, 101)] == [
        *(2, 2, 4, 10, 20, 40, 100, 200),
    ]
    assert [round_bytes(most) for most in (0, 3, 500, 1001, 1025)] == [1, 5, 500, 1024, 2048]
    scale = logarithmic([0.3, 70.0])
    assert scale.ticks == (0.1, 1.0, 10.0, 60.0, 600.0)
    assert (scale.share(0.01), scale.share(600), scale.share(9999)) == (0, 1, 1)
    assert len(logarithmic([1.0]).ticks) == 3


def test_a_bar_is_never_too_low_to_be_seen() -> None:
    assert path([Bar(0, 0, 0.0001)], 30) == "M1 120h8v-1h-8z"
