"""The four charts of the page: runs, bytes moved, conflicts and stops, durations."""

from __future__ import annotations

from collections.abc import Sequence
from math import log

from msgspec import Struct

from bm_sync.cli.render.page.chart import Bar, Chart, Series, Tick, drawn, stacked
from bm_sync.cli.render.page.markup import Html, element
from bm_sync.cli.render.page.times import slot as slot_words
from bm_sync.cli.render.page.times import took
from bm_sync.cli.render.standing import ending_words
from bm_sync.cli.render.text import count, size
from bm_sync.model.period import Endings, PeriodReport, PeriodSlot, RunEnding

_STEPS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
_KILO = 1024
_SECONDS = (0.01, 0.1, 1.0, 10.0, 60.0, 600.0, 3600.0, 36000.0, 360000.0)


def round_count(most: int) -> int:
    """Return the smallest of 2, 4, 10, 20, 40, 100, ... that is not below `most`."""
    ten = 1
    while True:
        for step in (2, 4, 10):
            if step * ten >= most:
                return step * ten
        ten *= 10


def round_bytes(most: int) -> int:
    """Return the smallest of 1, 2, 5, 10, ... 500 of a unit that is not below `most`."""
    unit = 1
    while True:
        for step in _STEPS:
            if step * unit >= most:
                return step * unit
        unit *= _KILO


class Logarithmic(Struct, frozen=True):
    """A scale of durations from the first of `ticks` to the last; each step is the same height."""

    ticks: tuple[float, ...]

    def share(self, seconds: float) -> float:
        """Return how far up a duration stands, from 0 to 1."""
        low, high = self.ticks[0], self.ticks[-1]
        inside = min(max(seconds, low), high)
        return log(inside / low) / log(high / low)


def logarithmic(seconds: Sequence[float]) -> Logarithmic:
    """Return the scale that holds all durations."""
    low = max((tick for tick in _SECONDS if tick <= min(seconds)), default=_SECONDS[0])
    high = min((tick for tick in _SECONDS if tick >= max(seconds)), default=_SECONDS[-1])
    begin, end = _SECONDS.index(low), _SECONDS.index(high)
    if begin == end:
        begin, end = max(begin - 1, 0), min(end + 1, len(_SECONDS) - 1)
    return Logarithmic(_SECONDS[begin : end + 1])


_ENDINGS = (
    *(RunEnding.IN_SYNC, RunEnding.CHANGED, RunEnding.SKIPPED, RunEnding.INTERRUPTED),
    *(RunEnding.WAITING, RunEnding.PARTIAL, RunEnding.STOPPED, RunEnding.SIDE_MISSING),
    *(RunEnding.UNFINISHED, RunEnding.FAILED),
)
_APART = 0.12  # labels that are nearer would touch
_THIN = 0.025
_MINUTE = 60
_HOUR = 3600


def charts(report: PeriodReport) -> Html:
    """Return all charts."""
    drawings = (_runs(report), _moved(report), _conflicts(report), _durations(report))
    return element("div", *(drawn(chart) for chart in drawings), class_="charts")


def number(endings: Endings, ending: RunEnding) -> int:
    """Return how many runs ended so."""
    found: int = getattr(endings, ending.value.replace("-", "_"))
    return found


def ran(endings: Endings) -> int:
    """Return how many runs there were."""
    return sum(number(endings, ending) for ending in RunEnding)


def endings_words(endings: Endings) -> str:
    """Return `20 in sync, 3 synced, 1 failed`."""
    parts = [f"{n:,} {ending_words(e)}" for e in _ENDINGS if (n := number(endings, e))]
    return ", ".join(parts) or "no run"


def legend(entries: list[tuple[str, str]]) -> Html:
    """Return the colours of a chart with what they mean."""
    items = (element("li", element("i", class_=f"key is-{kind}"), words) for kind, words in entries)
    return element("ul", *items, class_="legend")


def _runs(report: PeriodReport) -> Chart:
    most = round_count(max(ran(slot.endings) for slot in report.slots))
    shares = [[number(slot.endings, e) / most for e in _ENDINGS] for slot in report.slots]
    known = [(e.value, n) for e in _ENDINGS if (n := number(report.endings, e))]
    said = endings_words(report.endings)
    return Chart(
        title="Runs",
        legend=legend([(kind, f"{ending_words(RunEnding(kind))} {n:,}") for kind, n in known]),
        says=f"{count(report.ran, 'run')}: {said}.",
        ticks=tuple(Tick(share, f"{most * share:,.0f}") for share in (0, 0.5, 1)),
        series=stacked([e.value for e in _ENDINGS], shares),
        tips=_tips(report, [endings_words(slot.endings) for slot in report.slots]),
        span=_span(report),
    )


def _moved(report: PeriodReport) -> Chart:
    work = report.work
    above = round_bytes(max(slot.work.bytes_up for slot in report.slots))
    below = round_bytes(max(slot.work.bytes_down for slot in report.slots))
    whole, zero = above + below, below / (above + below)
    up = [Bar(n, zero, zero + s.work.bytes_up / whole) for n, s in enumerate(report.slots)]
    down = [Bar(n, zero - s.work.bytes_down / whole, zero) for n, s in enumerate(report.slots)]
    ticks = (Tick(0, size(below)), Tick(zero, "0"), Tick(1, size(above)))
    tips = [
        f"{count(s.work.up, 'file')} up ({size(s.work.bytes_up)}), "
        f"{s.work.down} down ({size(s.work.bytes_down)}), {s.work.deleted} deleted"
        for s in report.slots
    ]
    said = [
        ("up", f"up {work.up:,} files, {size(work.bytes_up)}"),
        ("down", f"down {work.down:,} files, {size(work.bytes_down)}"),
    ]
    return Chart(
        title="Moved",
        legend=legend(said),
        says=f"{'; '.join(words for _, words in said)}; {work.deleted:,} files deleted.",
        ticks=tuple(tick for tick in ticks if tick.label == "0" or abs(tick.share - zero) > _APART),
        series=(
            Series("up", tuple(bar for bar in up if bar.high > bar.low)),
            Series("down", tuple(bar for bar in down if bar.high > bar.low)),
        ),
        tips=_tips(report, tips),
        span=_span(report),
    )


def _conflicts(report: PeriodReport) -> Chart:
    both = [(slot.work.conflicts, slot.work.stops) for slot in report.slots]
    most = round_count(max(sum(pair) for pair in both))
    met, stops = report.work.conflicts, report.work.stops
    return Chart(
        title="Conflicts and stops",
        legend=legend([("waiting", f"conflicts {met:,}"), ("stopped", f"stops {stops:,}")]),
        says=f"{count(met, 'conflict')} met, {count(stops, 'stop')} by a guard.",
        ticks=tuple(Tick(share, f"{most * share:,.0f}") for share in (0, 0.5, 1)),
        series=stacked(["waiting", "stopped"], [[c / most, s / most] for c, s in both]),
        tips=_tips(report, [f"{count(c, 'conflict')}, {count(s, 'stop')}" for c, s in both]),
        span=_span(report),
    )


def _durations(report: PeriodReport) -> Chart:
    known = [(n, s.durations) for n, s in enumerate(report.slots) if s.durations is not None]
    edge = [each for _, d in known for each in (d.median_s, d.longest_s)]
    scale = logarithmic(edge or [1.0])
    spread = [Bar(n, scale.share(d.median_s), scale.share(d.longest_s)) for n, d in known]
    medians = [Bar(bar.slot, bar.low, bar.low + _THIN) for bar in spread]
    all_of = report.durations
    said = (
        [
            ("median", f"median {took(all_of.median_s)}"),
            ("spread", f"longest {took(all_of.longest_s)}"),
        ]
        if all_of
        else []
    )
    return Chart(
        title="Duration of a run",
        legend=legend(said),
        says=f"{', '.join(words for _, words in said) or 'No run ended'}.",
        ticks=tuple(Tick(scale.share(tick), _short(tick)) for tick in scale.ticks),
        series=(Series("spread", tuple(spread)), Series("median", tuple(medians))),
        tips=_tips(report, [_durations_words(slot) for slot in report.slots]),
        span=_span(report),
    )


def _durations_words(slot: PeriodSlot) -> str:
    found = slot.durations
    if found is None:
        return "no run ended"
    return f"median {took(found.median_s)}, longest {took(found.longest_s)}"


def _short(seconds: float) -> str:
    if seconds >= _HOUR:
        return f"{seconds / _HOUR:.0f} h"
    if seconds >= _MINUTE:
        return f"{seconds / _MINUTE:.0f} min"
    return f"{seconds:g} s"


def _tips(report: PeriodReport, said: list[str]) -> tuple[str, ...]:
    slots = zip(report.slots, said, strict=True)
    return tuple(f"{slot_words(slot.start, report.unit)}: {words}" for slot, words in slots)


def _span(report: PeriodReport) -> tuple[str, ...]:
    starts = [slot.start for slot in report.slots]
    chosen = starts if len(starts) <= 2 else [starts[0], starts[len(starts) // 2], starts[-1]]  # noqa: PLR2004 - the ends
    return tuple(slot_words(start, report.unit) for start in chosen)
