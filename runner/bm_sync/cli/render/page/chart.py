"""Draws bars over time. The drawing has no text, so that it may be stretched; words stand around.

Every chart has a sentence that says what it shows, and every slot a title with its figures.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct

from bm_sync.cli.render.page.markup import Html, element, joined

HEIGHT = 120
_SLOT = 10
_NARROW = 24  # with fewer slots than these a bar does not grow any more
_AXIS = 52
_EDGE = 8  # above and below the drawing, for half of a label


class Bar(Struct, frozen=True):
    """One piece of a bar: from `low` to `high`, shares of the height from the bottom."""

    slot: int
    low: float
    high: float


class Series(Struct, frozen=True):
    """The bars of one colour; `kind` is a class of the style sheet."""

    kind: str
    bars: tuple[Bar, ...]


class Tick(Struct, frozen=True):
    """A line across the chart with its label; `share` is how far up it is."""

    share: float
    label: str


class Chart(Struct, frozen=True):
    """A chart: `legend` stands below the title, `says` is read where nothing can be seen."""

    title: str
    legend: Html
    says: str
    ticks: tuple[Tick, ...]
    series: tuple[Series, ...]
    tips: tuple[str, ...]
    span: tuple[str, ...]


def drawn(chart: Chart) -> Html:
    """Return a chart as a figure."""
    return element(
        "figure",
        element("figcaption", element("h3", chart.title), chart.legend),
        element("div", _axis(chart.ticks), _plot(chart), class_="plot"),
        element("div", *(element("span", label) for label in chart.span), class_="span"),
    )


def stacked(kinds: Sequence[str], slots: Sequence[Sequence[float]]) -> tuple[Series, ...]:
    """Return bars on top of each other: for each slot the shares of all kinds, from the bottom."""
    bars: dict[str, list[Bar]] = {kind: [] for kind in kinds}
    for number, shares in enumerate(slots):
        low = 0.0
        for kind, share in zip(kinds, shares, strict=True):
            if share > 0:
                bars[kind].append(Bar(number, low, low + share))
            low += share
    return tuple(Series(kind, tuple(found)) for kind, found in bars.items() if found)


def path(bars: Sequence[Bar], slots: int, *, height: int = HEIGHT, least: float = 1.0) -> str:
    """Return the outline of bars; one that is lower than `least` is as high as that."""
    wide = _SLOT * 0.8 * min(1.0, max(slots, 4) / _NARROW)
    return "".join(_outline(bar, wide, height, least) for bar in bars)


def _outline(bar: Bar, wide: float, height: int, least: float) -> str:
    left = bar.slot * _SLOT + (_SLOT - wide) / 2
    tall = max((bar.high - bar.low) * height, least)
    bottom = height - bar.low * height
    return f"M{left:.4g} {bottom:.4g}h{wide:.4g}v{-tall:.4g}h{-wide:.4g}z"


def width(slots: int) -> int:
    """Return how wide the drawing of so many slots is, in its own units."""
    return slots * _SLOT


def _axis(ticks: Sequence[Tick]) -> Html:
    """Return the labels at their heights; this drawing is never stretched."""
    labels = (
        element("text", tick.label, x=_AXIS - 6, y=f"{_up(tick.share) + 4:.4g}") for tick in ticks
    )
    whole = HEIGHT + 2 * _EDGE
    box = f"0 {-_EDGE} {_AXIS} {whole}"
    return element(
        "svg", *labels, class_="axis", viewBox=box, width=_AXIS, height=whole, aria_hidden="true"
    )


def _plot(chart: Chart) -> Html:
    slots = len(chart.tips)
    across = width(slots)
    lines = (
        element("path", d=f"M0 {_up(tick.share):.4g}H{across}", class_="grid")
        for tick in chart.ticks
    )
    bars = (
        element("path", d=path(series.bars, slots), class_=f"is-{series.kind}")
        for series in chart.series
    )
    return element(
        "svg",
        *lines,
        *bars,
        joined(*_tips(chart.tips)),
        role="img",
        aria_label=f"{chart.title}. {chart.says}",
        viewBox=f"0 {-_EDGE} {across} {HEIGHT + 2 * _EDGE}",
        preserveAspectRatio="none",
        height=HEIGHT + 2 * _EDGE,
    )


def _tips(tips: Sequence[str]) -> Iterator[Html]:
    for number, tip in enumerate(tips):
        yield element(
            "path",
            element("title", tip),
            d=f"M{number * _SLOT} 0h{_SLOT}v{HEIGHT}h-{_SLOT}z",
            class_="tip",
        )


def _up(share: float) -> float:
    return HEIGHT * (1 - share)
