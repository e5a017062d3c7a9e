"""A plan as a comment for a pull request: what a real Markdown reader makes of it."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from cli_samples import ARCHIVE, FAILED, NOTES, PROBLEMS, RESEARCH, VIEW, copy, golden, plan
from markdown_it import MarkdownIt

from bm_sync.cli.render.markdown import MOST, plan_markdown
from bm_sync.model.plan import Totals
from bm_sync.structs import replace

HOSTILE = (
    "<img src=x onerror=alert(1)>.md",
    "a|b|c.md",
    "`code` **bold** _it_ ~~no~~.md",
    "[link](https://evil.example)![i](x).md",
    "https://evil.example/www.evil.example/@everyone #1 GH-2.md",
    "</details></code><script>.md",
    "# head\n- list\r\n\x1b[31m\u202ered.md",
    "&amp;&#60;b&#62;.md",
    "\\|\\`.md",
    "$x$ :smile: ~a~ ^b^.md",
)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.code: list[str] = []
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        assert not [a for a in attrs if a[0] != "style"]
        if tag == "code":
            self._inside = True
            self.code.append("")

    def handle_endtag(self, tag: str) -> None:
        self._inside = self._inside and tag != "code"

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.code[-1] += data


def read(markdown: str) -> _Reader:
    html = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    reader = _Reader()
    reader.feed(html.render(markdown))
    return reader


def test_a_plan_is_a_table_with_its_words_and_its_files_folded() -> None:
    text = plan_markdown(plan(NOTES, ARCHIVE, RESEARCH, FAILED, PROBLEMS), VIEW)
    golden("plan-markdown", text)
    reader = read(text)
    assert set(reader.tags) <= {
        *("h3", "p", "table", "thead", "tbody", "tr", "th", "td", "strong", "code", "ul", "li"),
        *("details", "summary"),
    }
    assert "cloud:notes" in reader.code
    assert "old.md => new name.md" in reader.code


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_of_a_file_becomes_markup(name: str) -> None:
    project = replace(NOTES, actions=(copy(name),), local=name, remote=f"cloud:{name}")
    text = plan_markdown(plan(project), VIEW)
    reader = read(text)
    tame = replace(project, actions=(copy("a.md"),), local="x", remote="y")
    assert reader.tags == read(plan_markdown(plan(tame), VIEW)).tags
    shown = name.replace("\n", "\\x0a").replace("\r", "\\x0d").replace("\x1b", "\\x1b")
    shown = shown.replace("\u202e", "\\u202e")
    assert reader.code[:3] == [shown, f"cloud:{shown}", shown]
    assert not re.search(r"https?:|www\.|@|#\d(?!\d*;)", text)


def test_a_large_plan_stays_below_what_a_comment_holds() -> None:
    actions = tuple(copy(f"{'d' * 150}/{number}.md") for number in range(500))
    many = [
        replace(NOTES, project=f"p{number}", actions=actions, totals=Totals(up=500))
        for number in range(300)
    ]
    text = plan_markdown(plan(*many), VIEW)
    assert 30_000 < len(text) <= MOST
    assert "and 250 more projects" in text
    assert re.search(r"Left out.*: .*the files of \d+ more projects\.", text)
    assert text.count("<details>") == text.count("</details>") > 0
    assert read(text).tags


def test_words_that_are_too_long_leave_the_total() -> None:
    long = [
        replace(RESEARCH, project=f"p{n}", failure="*" * 3000, failure_hint="*" * 3000)
        for n in range(99)
    ]
    text = plan_markdown(plan(*long), VIEW)
    assert len(text) <= MOST
    assert re.search(r"the words about \d+ more projects", text)
    assert "99 projects without a plan" in text


def test_a_quiet_plan_says_so() -> None:
    text = plan_markdown(plan(RESEARCH), VIEW)
    assert "nothing to do: 1 project in sync" in text
    assert "| in sync |" in text
    assert "<details>" not in text
