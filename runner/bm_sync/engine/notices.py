"""Decides who is told what of a run. Pure.

For each target it is remembered of each project what was told: an error, a stop or staleness is
told once, until the project is in sync again, which is told once, too.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from msgspec import Struct

from bm_sync.errors import Exit
from bm_sync.model.notices import Audience, Beat, Item, News
from bm_sync.model.run import ProjectRun

Told = frozenset[News]

_HOUR_S = 3600.0
_DAY_S = 86400.0


class Known(Struct, frozen=True):
    """A project as a target may hear of it, or with `tags` None the whole manifest.

    `ended` is its result in this run, None when it took no part. `quiet_since` is when it was last
    in sync, or was met first; None where it is never stale.
    """

    name: str
    key: str
    tags: Collection[str] | None
    ended: ProjectRun | None
    quiet_since: datetime | None


class Telling(Struct, frozen=True):
    """What a target is told, and what is remembered once it was told, by project key."""

    items: tuple[Item, ...]
    remember: Mapping[str, Told]


def telling(
    audience: Audience, projects: Sequence[Known], told: Mapping[str, Told], now: datetime
) -> Telling:
    """Return what one target is told of the projects; `told` is what it knows, by project key."""
    items: list[Item] = []
    remember: dict[str, Told] = {}
    for project in projects:
        tags = project.tags
        if audience.tags and tags is not None and not set(audience.tags) & set(tags):
            continue
        before = told.get(project.key, frozenset())
        news = tuple(_news(project, audience, before, now))
        items += [item for item in news if item.news in audience.news]
        after = _after(before, news)
        if after != before:
            remember[project.key] = after
    return Telling(tuple(items), remember)


def _news(project: Known, audience: Audience, before: Told, now: datetime) -> Iterator[Item]:
    ended = project.ended
    fine = ended is not None and ended.fine
    if ended is not None:
        if ended.moved:
            yield Item(project.name, News.CHANGE, _figures(ended))
        if fine and before:
            yield Item(project.name, News.RECOVERED, "it is in sync again")
        lasting = _lasting(ended)
        if lasting is not None and lasting not in before:
            yield Item(project.name, lasting, ended.reason)
    if not fine and project.quiet_since is not None:
        quiet_s = (now - project.quiet_since).total_seconds()
        if quiet_s > audience.stale_after_s and News.STALE not in before:
            since = f"{project.quiet_since:%Y-%m-%d %H:%M} UTC"
            what = f"it has not been in sync for {_long(quiet_s)}, since {since}"
            yield Item(project.name, News.STALE, what)


def _lasting(ended: ProjectRun) -> News | None:
    """Return what lasts until the project is in sync again."""
    if ended.failed:
        return News.ERROR
    return News.STOP if ended.status.needs_person else None


def _after(before: Told, news: Iterable[Item]) -> Told:
    """Return what is known to have been told; whatever lasted is over with the recovery."""
    kinds = {item.news for item in news}
    lasting = kinds & {News.ERROR, News.STOP, News.STALE}
    return frozenset(lasting) if News.RECOVERED in kinds else before | lasting


def idle(projects: Iterable[ProjectRun]) -> bool:
    """Return whether a run did not even look: others hold its projects, or conditions do."""
    return all(p.status.idle for p in projects)


def beat(code: int) -> Beat:
    """Return what a check is told at the end; what `idle` is about is no failure."""
    return Beat.SUCCESS if code in {Exit.OK, Exit.LOCKED, Exit.SKIPPED} else Beat.FAIL


def report(code: int, projects: Iterable[ProjectRun]) -> str:
    """Return what a check keeps with the signal: a line for each project."""
    return "\n".join([f"exit {code}", *(f"{p.project}: {p.status.value}" for p in projects)])


def _figures(ended: ProjectRun) -> str:
    totals = ended.totals
    figures = (
        (totals.up, "up"),
        (totals.down, "down"),
        (totals.move, "moved"),
        (totals.delete_local + totals.delete_remote, "deleted"),
        (totals.conflicts, "in conflict"),
    )
    said = [f"{number} {words}" for number, words in figures if number]
    return ", ".join(said) or _count(len(ended.actions), "action")


def _long(seconds: float) -> str:
    if seconds >= 2 * _DAY_S:
        return f"{seconds / _DAY_S:.0f} days"
    return (
        f"{seconds / _HOUR_S:.0f} hours"
        if seconds >= 2 * _HOUR_S
        else f"{seconds / 60:.0f} minutes"
    )


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
