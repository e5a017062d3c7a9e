"""The half of `bm-sync prune` that removes kept versions by the policy's `keep_versions`."""

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
from bm_sync.cli.render.versions import old_text
from bm_sync.cli.selection import select
from bm_sync.errors import Exit, UsageError
from bm_sync.model.past import OldVersions


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
    if io.asks() and not args.yes and not _agreed(old, io):
        said = Failure("nothing was changed")
        return Answer(lambda: f"{said.what}\n", lambda: None, Exit.FAILED, (said,))
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


def _agreed(old: Sequence[OldVersions], io: Io) -> bool:
    io.say(old_text(old, done=False) + "\n")
    with interruptible():
        return io.ask("Remove these for good?")
