"""`bm-sync prune`: removes what is no longer wanted, after the list was seen and confirmed."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from functools import partial

from bm_sync.cli import loop, old_versions
from bm_sync.cli.acceptance import accept
from bm_sync.cli.acting import typed
from bm_sync.cli.answer import Answer, Failure, Io
from bm_sync.cli.asking import Asker
from bm_sync.cli.context import Context, context
from bm_sync.cli.progress import KINDS, watching
from bm_sync.cli.render.prune import gone_text, list_text, number_of_files
from bm_sync.cli.render.text import escape
from bm_sync.cli.selection import add_jobs, add_targets, add_wait, select
from bm_sync.cli.target import Targets, names_and_manifest
from bm_sync.cli.verdict import plan_failures, run_failures
from bm_sync.errors import Exit, LockedError, UsageError, worst
from bm_sync.model.plan import Accept, Plan
from bm_sync.plan.wire import to_json
from bm_sync.state.wire import run_to_json
from bm_sync.structs import replace


def add(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    add_targets(parser)
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument(
        "--ignored",
        action="store_true",
        help="instead of old versions: files on the remote that the filters exclude",
    )
    instead.add_argument(
        "--history",
        action="store_true",
        help="instead of old versions: records of runs and logs that keep_history does not keep",
    )
    parser.add_argument(
        "-n", "--dry-run", action="store_true", help="show the list, change nothing"
    )
    parser.add_argument(
        "-y", "--yes", action="store_true", help="do not ask; --ignored needs --accept"
    )
    parser.add_argument(
        "--accept",
        action="append",
        default=[],
        metavar="delete=N",
        help="remove exactly this many files, as the list says",
    )
    add_jobs(parser)
    parser.add_argument("--all-files", action="store_true", help="list every file")
    parser.add_argument(
        "--progress", choices=KINDS, default="auto", help="on standard error (default: auto)"
    )
    add_wait(parser)


def run(args: Namespace, io: Io) -> Answer:
    """List what is to go: old versions, or what the filters exclude; remove it when confirmed."""
    from bm_sync import api

    if args.json and io.asks() and not (args.yes or args.dry_run):
        raise UsageError("prune --json asks nothing", hint="add --yes, or --dry-run to only look")
    found = names_and_manifest(args.targets)
    here = context(args, io, found)
    if args.history:
        return old_versions.prune_history(args, io, here, found.names)
    if not args.ignored:
        return old_versions.prune(args, io, here, found.names)
    where = (here.manifest, select(args, found.names), here.setup)
    if args.dry_run:
        return _listed(loop.run(api.prunable(*where)), args, here, found)
    consent = _Consent(args, io, here)
    with watching(args, io) as watcher:
        work = api.prune(
            *where, confirm=consent, on_event=watcher, command=typed("prune", io), wait_s=args.wait
        )
        applied = loop.run(work)
    consent.asker.raise_if_interrupted()
    if applied.run is None:
        left = _left(applied.plan, consent, args, here, found)
        return left if not applied.held else _held(left, applied.held)
    return Answer(
        text=partial(gone_text, applied.run, here.view),
        data=partial(run_to_json, applied.run),
        exit=Exit(applied.run.exit),
        errors=run_failures(applied.run, here.view),
    )


class _Consent:
    """Says whether exactly this list may go: by the figure that was accepted, or by asking.

    `refused` says why not, with the exit code; None as long as nothing stands in the way.
    """

    def __init__(self, args: Namespace, io: Io, here: Context) -> None:
        accepted = accept(args.accept)
        if accepted != Accept(delete=accepted.delete):
            raise UsageError("prune takes --accept delete=N and nothing else")
        self.asker = Asker(io)
        self._accepted = accepted.delete
        self._asks = io.asks() and not args.yes
        self._here = here
        self.refused: tuple[str, Exit] | None = None

    def __call__(self, plan: Plan) -> bool:
        """Return whether to go on."""
        number = number_of_files(plan)
        if not any(project.moves for project in plan.projects):
            return False
        if self._accepted not in (None, number):
            what = f"delete={self._accepted} was accepted, but the list has {number}"
            self.refused = what, Exit.STOPPED
        elif self._asks:
            self._ask(plan)
        elif self._accepted is None:
            self.refused = "nothing is removed before the list is accepted", Exit.STOPPED
        return self.refused is None

    def _ask(self, plan: Plan) -> None:
        shown = list_text(plan, self._here.view) + "\n"
        if not self.asker.agreed("Move these into the trash on the remote?", shown):
            self.refused = "nothing was changed", Exit.FAILED


def _following(plan: Plan, args: Namespace, here: Context, found: Targets) -> str | None:
    """Return the command that removes exactly what a list shows."""
    if not any(project.moves for project in plan.projects):
        return None
    chosen = [*found.names, *(word for tag in args.tag for word in ("--tag", tag))]
    figure = f"delete={number_of_files(plan)}"
    return here.view.command("prune", "--ignored", *chosen, "--accept", figure)


def _listed(plan: Plan, args: Namespace, here: Context, found: Targets) -> Answer:
    following = _following(plan, args, here, found)
    return Answer(
        text=partial(list_text, plan, here.view, following=following),
        data=partial(to_json, plan),
        exit=plan.exit,
        errors=plan_failures(plan, here.view),
    )


def _held(left: Answer, held: Sequence[LockedError]) -> Answer:
    """Return the answer with the projects that could not be looked at, as other runs hold them."""
    told = tuple(Failure(error.what, error.hint) for error in held)
    said = "".join(f"{escape(e.what)}\n  {escape(e.hint or '')}\n" for e in held)
    text = left.text if left.exit is not Exit.OK else str
    return replace(
        left,
        text=lambda: f"{text()}{said}",
        exit=worst([left.exit, Exit.LOCKED]),
        errors=(*left.errors, *told),
    )


def _left(plan: Plan, consent: _Consent, args: Namespace, here: Context, found: Targets) -> Answer:
    """Return the answer when nothing was removed: nothing is to do, or the list was not agreed."""
    listed = _listed(plan, args, here, found)
    if consent.refused is None:
        return listed
    what, code = consent.refused
    hint = _following(plan, args, here, found)
    refused = Failure(what, hint)
    asked = code is Exit.FAILED  # the list was shown with the question
    text = (lambda: f"{what}\n") if asked else (lambda: f"{listed.text()}\n{what}\n")
    return replace(
        listed, text=text, exit=worst([listed.exit, code]), errors=(*listed.errors, refused)
    )
