"""The parts of `bm-sync prune` that remove by age: kept versions, and records of runs."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from functools import partial

from bm_sync.cli import loop
from bm_sync.cli.acting import typed
from bm_sync.cli.answer import Answer, Failure, Io
from bm_sync.cli.context import Context
from bm_sync.cli.loop import interruptible
from bm_sync.cli.progress import watching
from bm_sync.cli.render.versions import old_runs_text, old_text
from bm_sync.cli.selection import select
from bm_sync.errors import Exit, UsageError
from bm_sync.model.past import OldRuns, OldVersions


def prune(args: Namespace, io: Io, here: Context, names: Sequence[str]) -> Answer:
    """List what the trash holds that is not to be kept; remove it when that is confirmed."""
    from bm_sync import past_api
    from bm_sync.engine.selecting import select as projects_of

    if args.accept:
        raise UsageError("--accept is for prune --ignored")
    projects = projects_of(here.manifest, select(args, names))
    old = loop.run(past_api.old_versions(projects, here.setup))
    if args.dry_run or not old:
        chosen = [*names, *(word for tag in args.tag for word in ("--tag", tag))]
        return _listed(old, here.view.command("prune", *chosen) if old else None)
    if io.asks() and not args.yes and not _agreed(old_text(old, done=False), io):
        return _unchanged()
    with watching(args, io) as watcher:
        work = past_api.prune_versions(
            projects,
            old,
            here.setup,
            on_event=watcher,
            command=typed("prune", io),
            wait_s=args.wait,
        )
        gone = loop.run(work)
    return Answer(text=partial(old_text, gone, done=True), data=lambda: gone)


def _listed(old: tuple[OldVersions, ...], command: str | None) -> Answer:
    following = f"remove them: {command}" if command else None
    text = partial(old_text, old, done=False, following=following)
    return Answer(text=text, data=lambda: old, quiet=not old)


def prune_history(args: Namespace, io: Io, here: Context, names: Sequence[str]) -> Answer:
    """Show which records of runs `keep_history` does not keep; remove them when confirmed."""
    from bm_sync import past_api

    if args.accept or names or args.tag:
        what = "--accept is for prune --ignored" if args.accept else "--history is for all projects"
        raise UsageError(what, hint="bm-sync prune --history")
    old = past_api.old_runs(here.manifest, here.setup)
    command = None if old.empty else here.view.command("prune", "--history")
    if args.dry_run or old.empty:
        return _runs_listed(old, f"remove them: {command}" if command else None)
    if io.asks() and not args.yes and not _agreed(old_runs_text(old, done=False), io):
        return _unchanged()
    gone = past_api.prune_runs(here.manifest, here.setup)
    return Answer(text=partial(old_runs_text, gone, done=True), data=lambda: gone)


def _runs_listed(old: OldRuns, following: str | None) -> Answer:
    text = partial(old_runs_text, old, done=False, following=following)
    return Answer(text=text, data=lambda: old, quiet=old.empty)


def _unchanged() -> Answer:
    said = Failure("nothing was changed")
    return Answer(lambda: f"{said.what}\n", lambda: None, Exit.FAILED, (said,))


def _agreed(shown: str, io: Io) -> bool:
    io.say(f"{shown}\n")
    with interruptible():
        return io.ask("Remove these for good?")
