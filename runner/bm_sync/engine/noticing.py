"""Tells the targets of a manifest what a run has to say, all at once and each within its time.

What was told is remembered in the state, for each target by what the manifest says of it: whoever
could not be told is told by the next run.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from urllib.parse import urlsplit

from msgspec import Struct

from bm_sync.engine.identity import digest_of, project_key
from bm_sync.engine.notices import Known, Telling, Told, beat, idle, report, telling
from bm_sync.engine.record import iso
from bm_sync.model.config import Manifest, OptionValue, Placement, Project, SecretRef
from bm_sync.model.notices import NAMES, Beat, Desktop, Email, Listener, Message, News, Ping, Target
from bm_sync.model.run import ProjectRun, Run, Status
from bm_sync.notice.send import Sender
from bm_sync.state.store import State

_FIRST_MET = "notices-met"


class Noticed(Struct, frozen=True):
    """A manifest whose targets are told, and the state that remembers what they were told."""

    manifest: Manifest
    state: State
    host: str


class Noticing:
    """Tells the targets of one run.

    `note` hears which one was told, or why it could not be.
    """

    def __init__(
        self, here: Noticed, sender: Sender, note: Callable[[str, str | None], None]
    ) -> None:
        self._here = here
        self._sender = sender
        self._note = note
        self._starts: dict[Ping, asyncio.Task[str | None]] = {}

    def begins(self, projects: Sequence[Project]) -> None:
        """Tell the checks that the run starts, without waiting for them."""
        for target in self._here.manifest.notify:
            if isinstance(target, Ping) and any(_concerns(target, p) for p in projects):
                telling_it = self._sender.beat(target, Beat.START, "")
                self._starts[target] = asyncio.create_task(telling_it)

    async def ended(self, record: Run, now: datetime) -> None:
        """Tell every target what there is to tell of a run that has ended."""
        known = self._known(record, now)
        jobs = []
        for target in self._here.manifest.notify:
            if isinstance(target, Ping):
                jobs.append(self._beat(target, record))
            else:
                said = telling(target.audience, known, self._told(target, known), now)
                jobs.append(self._tell(target, said, record))
        await asyncio.gather(*jobs)

    async def _beat(self, target: Ping, record: Run) -> None:
        names = {p.name for p in self._here.manifest.projects if _concerns(target, p)}
        projects = [each for each in record.projects if each.project in names]
        start = self._starts.pop(target, None)
        if start is None and idle(projects):
            return
        began = time.monotonic()
        if start is not None:  # it must not come after the end
            await asyncio.wait([start], timeout=target.audience.timeout_s / 2)
            start.cancel()
        spent_s = time.monotonic() - began
        said = report(record.exit, projects)
        why = await self._sender.beat(target, beat(record.exit), said, spent_s=spent_s)
        self._note(_label(target), why)

    async def _tell(self, target: Listener, said: Telling, record: Run) -> None:
        if said.items:
            message = Message(said.items, self._here.host, record.id, record.exit)
            why = await self._sender.tell(target, message)
            self._note(_label(target), why)
            if why is not None:
                return
        for key, told in said.remember.items():
            self._here.state.set_remote_fact(key, self._fact(target, key), ",".join(sorted(told)))

    def _told(self, target: Target, known: Sequence[Known]) -> Mapping[str, Told]:
        facts = {
            p.key: self._here.state.remote_fact(p.key, self._fact(target, p.key)) for p in known
        }
        return {
            key: frozenset(news for news in News if news.value in str(fact).split(","))
            for key, fact in facts.items()
            if fact
        }

    def _fact(self, target: Target, key: str) -> str:
        """Return under which name is remembered what a target was told; of the whole, by all."""
        everybody = key == whole_key(self._here.manifest)
        return _fact(target, () if everybody else target.audience.tags)

    def _known(self, record: Run, now: datetime) -> tuple[Known, ...]:
        """Return every project of the manifest that a run could have brought in sync."""
        ended = {each.project: each for each in record.projects}
        converged = {seen.key: seen.converged for seen in self._here.state.projects()}
        return self._whole(ended) + tuple(
            Known(
                project.name,
                key,
                project.tags,
                ended.get(project.name),
                self._quiet_since(key, converged.get(key), now),
            )
            for project in self._here.manifest.projects
            if project.placement is Placement.SYNCED or project.name in ended
            for key in (project_key(project),)
        )

    def _whole(self, ended: Mapping[str, ProjectRun]) -> tuple[Known, ...]:
        """Return the manifest itself, of which a run that could not use it has told."""
        manifest = self._here.manifest
        key, name = whole_key(manifest), manifest.file.name
        broken = ended.get(name) if not manifest.projects else None
        well = ProjectRun(name, key, Status.IN_SYNC, "", 0.0)
        return (Known(name, key, None, broken or well, None),)

    def _quiet_since(self, key: str, converged: str | None, now: datetime) -> datetime:
        """Return when a project was last in sync, else when it was first met."""
        if converged is None:
            met = self._here.state.remote_fact(key, _FIRST_MET)
            with suppress(ValueError):  # of a damaged fact
                return _moment(str(met))
            self._here.state.set_remote_fact(key, _FIRST_MET, iso(now))
            return now
        return _moment(converged)


def _moment(iso_text: str) -> datetime:
    """Return a time of the state; raises ValueError for what is none, or is of no zone."""
    found = datetime.fromisoformat(iso_text)
    if found.tzinfo is None:
        raise ValueError("a time without its zone")
    return found


def whole_key(manifest: Manifest) -> str:
    """Return under what is remembered of whom was told that a manifest cannot be used."""
    return digest_of(["manifest", str(manifest.file.absolute())])


def _concerns(target: Target, project: Project) -> bool:
    wanted = target.audience.tags
    return not wanted or bool(set(wanted) & set(project.tags))


def _label(target: Target) -> str:
    """Return a target as the log names it: its kind, its line, and never its address."""
    return f"{NAMES[type(target)]} ({target.audience.origin})"


def _fact(target: Target, tags: Sequence[str]) -> str:
    """Return the name under which is remembered what a target was told."""
    match target:
        case Desktop():
            place: list[object] = []
        case Email(to=to):
            place = list(to)
        case _:
            place = [_place(target.url)]
    return f"told-{digest_of([NAMES[type(target)], *place, *tags])}"


def _place(url: OptionValue) -> str:
    return f"{url.kind} {url.value}" if isinstance(url, SecretRef) else urlsplit(url).geturl()
