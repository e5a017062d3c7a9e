"""`bm-sync unlock`: tells who holds projects, removes leases of dead runs after asking."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from functools import partial

from bm_sync.cli import loop
from bm_sync.cli.answer import Answer, Failure, Io
from bm_sync.cli.asking import Asker
from bm_sync.cli.context import context
from bm_sync.cli.progress import watching
from bm_sync.cli.render.holding import holder_words, holding_text, left_behind
from bm_sync.cli.render.view import View
from bm_sync.cli.selection import add_targets, select
from bm_sync.cli.target import names_and_manifest
from bm_sync.errors import Exit, UsageError, worst
from bm_sync.model.holding import Holding, LeaseHolder


def add(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    add_targets(parser)
    parser.add_argument(
        "-y", "--yes", action="store_true", help="remove the leases of dead runs without asking"
    )


def run(args: Namespace, io: Io) -> Answer:
    """Look, ask, remove."""
    from bm_sync import lock_api

    if args.json and io.asks() and not args.yes:
        raise UsageError("unlock --json asks nothing", hint="add --yes")
    found = names_and_manifest(args.targets)
    here = context(args, io, found)
    args.progress = "auto"
    consent = _Consent(args, io)
    with watching(args, io) as watcher:
        holdings = loop.run(
            lock_api.unlock(
                here.manifest,
                select(args, found.names),
                here.setup,
                confirm=consent,
                on_event=watcher,
            )
        )
    consent.asker.raise_if_interrupted()
    return Answer(
        text=partial(holding_text, holdings, here.view),
        data=lambda: holdings,
        exit=worst([Exit(h.exit) for h in holdings]),
        errors=tuple(f for h in holdings for f in _failures(h, here.view)),
    )


class _Consent:
    """Says whether a lease may go; nobody is asked who does not sit at a terminal."""

    def __init__(self, args: Namespace, io: Io) -> None:
        self.asker = Asker(io)
        self._yes = bool(args.yes)
        self._asks = io.asks() and not args.yes

    def __call__(self, project: str, lease: LeaseHolder) -> bool:
        """Return whether to remove the lease."""
        if not self._asks:
            return self._yes
        return self.asker.agreed("Remove it?", f"{project}: {left_behind(lease)}\n")


def _failures(holding: Holding, view: View) -> tuple[Failure, ...]:
    if holding.failure is not None:
        return (Failure(holding.failure, holding.hint, project=holding.project),)
    if not holding.exit:
        return ()
    what = f"held by {holder_words(holding)}"
    hint = view.command("apply", holding.project, "--wait")
    return (Failure(what, hint, project=holding.project),)
