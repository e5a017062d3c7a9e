"""The parts of a table. On a narrow screen a row becomes a block, so roles are said outright."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from bm_sync.cli.render.counts import Cell
from bm_sync.cli.render.page.markup import Html, element
from bm_sync.cli.render.standing import Standing
from bm_sync.model.period import WorkSums


class Column(Struct, frozen=True):
    """The head of a column; `kind` is a class of the style sheet."""

    head: str
    kind: str = ""


def table(caption: str, columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> Html:
    """Return a table; the first cell of a row is its head."""
    heads = (
        element("th", c.head, scope="col", role="columnheader", class_=c.kind or None)
        for c in columns
    )
    return element(
        "table",
        element("caption", caption),
        element("thead", element("tr", *heads, role="row"), role="rowgroup"),
        element("tbody", *(_row(columns, row) for row in rows), role="rowgroup"),
        role="table",
    )


def _row(columns: Sequence[Column], row: Sequence[str]) -> Html:
    head, *rest = zip(columns, row, strict=True)
    cells = (
        element("td", said, role="cell", data_head=column.head, class_=column.kind or None)
        for column, said in rest
    )
    first = element("th", head[1], scope="row", role="rowheader", class_=head[0].kind or None)
    return element("tr", first, *cells, role="row")


def badge(said: Standing) -> Html:
    """Return how something stands, with a mark of its colour."""
    return element("span", element("i", class_="mark"), said.words, class_=f"badge {said.tone}")


def work_words(work: WorkSums) -> str:
    """Return `3 up, 1 down, 2 deleted`."""
    figures: list[Cell] = [
        (work.up, "up"),
        (work.down, "down"),
        (work.deleted, "deleted"),
        (work.renamed, "renamed"),
    ]
    return ", ".join(f"{number:,} {word}" for number, word in figures if number)
