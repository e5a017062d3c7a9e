"""What the manifest wants around a run: conditions, hooks, notices. Loaded only where it does.

Conditions and the hooks of `before` decide which projects are looked at at all; everything else
comes after a project or the run was recorded, and changes nothing of what was synced.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

from msgspec import Struct

from bm_sync.engine import journal
from bm_sync.engine.hooks import Failed, carry_out
from bm_sync.engine.hooks_facts import Base, Facts, environment, moments, project_facts, run_facts
from bm_sync.engine.identity import project_key
from bm_sync.engine.record import Ticket, iso
from bm_sync.engine.site import utc_now
from bm_sync.errors import BmSyncError, Exit, worst
from bm_sync.model.config import Manifest, Project
from bm_sync.model.hooks import Hook, Moment
from bm_sync.model.run import ProjectRun, Run, Status
from bm_sync.model.setup import Setup
from bm_sync.secret import Secret, redact
from bm_sync.state.store import State
from bm_sync.structs import replace

if TYPE_CHECKING:
    from bm_sync.engine.noticing import Noticing
    from bm_sync.engine.prepare import Prepared

_RUN = "-"  # the project that the log names for what is about the whole run

Secrets = Callable[[], Iterable[Secret]]


class Surroundings(Struct, frozen=True):
    """The run that is attended, and what is declared around it."""

    manifest: Manifest
    setup: Setup
    state: State
    run: Ticket
    ignore_conditions: bool = False


class Around:
    """Attends one run; `trouble` is why a hook of the run failed at its end."""

    when_interrupted: ClassVar[bool] = False

    def __init__(self, here: Surroundings) -> None:
        self._here = here
        self._base = Base(
            here.run.id, here.setup.host, here.manifest.file.absolute(), here.setup.state_dir
        )
        self._stack = ExitStack()
        self._masked: list[Secrets] = []
        self._logs = False
        self._gate = asyncio.Semaphore(here.setup.jobs)
        self._notices: Noticing | None = None
        self._turned_away: dict[str, ProjectRun] = {}
        self.trouble: str | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @contextmanager
    def logging(self, secrets: Secrets, *, quiet: bool) -> Iterator[Path | None]:
        """Keep a log of a run that is not quiet; yield where it is, None where there is none."""
        self._masked.append(secrets)
        if not quiet:
            self._open_log()
        yield self._here.run.log if self._logs else None

    def _open_log(self) -> None:
        from bm_sync import log

        if not self._logs:
            self._stack.enter_context(log.to_file(self._here.run.log, self._known_secrets))
            self._logs = True

    async def admitted(self, projects: Sequence[Project]) -> tuple[Project, ...]:
        """Return the projects whose conditions hold and whose hooks of before went well."""
        mine = await self._conditioned(projects)
        if mine and any((self._here.manifest.hooks, *(project.hooks for project in mine))):
            self._open_log()
            why = await self._run_all(self._here.manifest.hooks, Moment.BEFORE, self._for_run(mine))
            results = [why] * len(mine) if why else await self._before_each(mine)
            for project, failed in zip(mine, results, strict=True):
                if failed is not None:
                    await self._refuse(project, failed)
        return tuple(p for p in mine if p.name not in self._turned_away)

    def begins(self, prepared: Sequence[Prepared]) -> list[ProjectRun]:
        """Tell that the run begins; return the records of the projects that it has not."""
        if self._here.manifest.notify:
            from bm_sync.engine.noticing import Noticed, Noticing
            from bm_sync.notice.send import Sender

            sender = Sender(self._here.setup.env)
            self._masked.append(lambda: sender.secrets)
            noticed = Noticed(self._here.manifest, self._here.state, self._here.setup.host)
            self._notices = Noticing(noticed, sender, self._note)
            self._notices.begins([each.project for each in prepared])
        return list(self._turned_away.values())

    async def project_ended(
        self, project: Project, ended: ProjectRun, record: Callable[[ProjectRun], None]
    ) -> ProjectRun:
        """Run the hooks that the result of a project calls for.

        What a hook makes of the result is given to `record` and returned. When the task is
        cancelled the hook is ended; the run says by itself that it was interrupted.
        """
        facts = project_facts(self._base, project, ended)
        try:
            why = await self._at_the_end(project.hooks, moments([ended]), facts)
        except asyncio.CancelledError:
            return ended
        if why is None:
            return ended
        after = _with(ended, why)
        record(after)
        return after

    async def ended(self, record: Run) -> Run:
        """Run the hooks of the run, then tell who wants to know; return the record."""
        try:
            if record.exit != Exit.INTERRUPTED:
                record = await self._hooked(record)
        finally:
            await self._told(record)
        return record

    async def _hooked(self, record: Run) -> Run:
        facts = run_facts(self._base, record.exit, record.projects)
        called = moments(record.projects)
        self.trouble = await self._at_the_end(self._here.manifest.hooks, called, facts)
        if self.trouble is None:
            return record
        record = replace(record, exit=int(worst([Exit(record.exit), Exit.FAILED])))
        self._here.state.end_run(record)
        return record

    async def _told(self, record: Run) -> None:
        if self._notices is not None:
            try:
                await self._notices.ended(record, utc_now())
            except BmSyncError as e:
                self._note("what was told", e.what)

    async def _conditioned(self, projects: Sequence[Project]) -> tuple[Project, ...]:
        if self._here.ignore_conditions or not any(p.conditions for p in projects):
            return tuple(projects)
        from bm_sync.engine.conditions import Look

        look = Look(self._here.setup.env, self._here.run.started.astimezone())
        for project in projects:
            if project.conditions is not None:
                reasons = await look.unmet(project.conditions, project.local)
                if reasons:
                    what = f"skipped: {', '.join(reasons)} ({project.conditions.origin})"
                    hint = "bm-sync apply --ignore-conditions syncs it all the same"
                    self._turn_away(project, Status.SKIPPED, Exit.SKIPPED, (what, hint))
        return tuple(p for p in projects if p.name not in self._turned_away)

    async def _before_each(self, projects: Sequence[Project]) -> list[str | None]:
        async def one(project: Project) -> str | None:
            async with self._gate:
                facts = project_facts(self._base, project, None)
                return await self._run_all(project.hooks, Moment.BEFORE, facts)

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(project)) for project in projects]
        return [task.result() for task in tasks]

    async def _refuse(self, project: Project, why: str) -> None:
        hint = f"the log has what it said: {self._here.run.log}"
        record = self._turn_away(project, Status.REFUSED, Exit.FAILED, (why, hint))
        await self._at_the_end(
            project.hooks, moments([record]), project_facts(self._base, project, record)
        )

    def _turn_away(
        self, project: Project, status: Status, code: Exit, words: tuple[str, str]
    ) -> ProjectRun:
        """Keep the record of a project that is not looked at; it has as many files as before."""
        key = project_key(project)
        seen = next((s for s in self._here.state.projects() if s.key == key), None)
        record = ProjectRun(
            project=project.name,
            key=key,
            status=status,
            started=iso(self._here.run.started),
            seconds=0.0,
            message=words[0],
            hint=words[1],
            exit=int(code),
            files=seen.files if seen else 0,
            bytes=seen.bytes if seen else 0,
        )
        self._turned_away[project.name] = record
        return record

    def _note(self, target: str, why: str | None) -> None:
        """Note whom was told; a run that is too quiet for a log has one when somebody was not."""
        if why is not None:
            self._open_log()
        journal.told(target, why)

    def _for_run(self, projects: Iterable[Project]) -> Facts:
        facts = run_facts(self._base, None, ())
        return facts | {"projects": "\n".join(project.name for project in projects)}

    async def _at_the_end(
        self, hooks: Sequence[Hook], called: Iterable[Moment], facts: Facts
    ) -> str | None:
        """Run the hooks of some moments; each moment is begun whatever the one before did."""
        whys = [await self._run_all(hooks, moment, facts) for moment in called]
        return next((why for why in whys if why is not None), None)

    async def _run_all(self, hooks: Sequence[Hook], moment: Moment, facts: Facts) -> str | None:
        """Run the hooks of a moment up to the first that fails; return why."""
        for hook in hooks:
            if hook.moment is moment:
                failed = await self._carry_out(hook, facts)
                if failed is not None:
                    return redact(f"the hook {_name(hook)} {failed}", self._known_secrets())
        return None

    async def _carry_out(self, hook: Hook, facts: Facts) -> Failed | None:
        project, began = facts.get("project", _RUN), time.monotonic()
        journal.hook_began(project, _name(hook))
        env = environment(self._here.setup.env, hook, facts)
        failed = await carry_out(hook, env, lambda line: journal.hook_said(project, line))
        seconds = time.monotonic() - began
        why = None if failed is None else failed.why
        journal.hook_ended(project, _name(hook), seconds, why)
        return failed

    def _known_secrets(self) -> Iterable[Secret]:
        return [secret for known in self._masked for secret in known()]


def _with(ended: ProjectRun, why: str) -> ProjectRun:
    """Return the record of a project after one of its hooks failed; its status stays."""
    message = why if ended.message is None else f"{ended.message}; {why}"
    code = worst([Exit(ended.exit), Exit.FAILED])
    return replace(ended, message=message, exit=int(code))


def _name(hook: Hook) -> str:
    return f"{hook.moment} ({hook.origin})"
