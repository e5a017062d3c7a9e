"""`bm-sync unlock`: tells who holds projects, removes leases of dead runs after asking.

Who holds which project, as a person reads it.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from functools import partial

from bm_sync.cli import loop
from bm_sync.cli.answer import Answer, Failure, Io
from bm_sync.cli.asking import Asker
from bm_sync.cli.context import context
from bm_sync.cli.progress import watching
from bm_sync.cli.render.groups import commands, labelled
from bm_sync.cli.render.text import age, columns, duration, escape, lines
from bm_sync.cli.render.view import View
from bm_sync.cli.selection import add_targets, select
from bm_sync.cli.target import names_and_manifest
from bm_sync.errors import Exit, UsageError, worst
from bm_sync.model.holding import Holding, LeaseHolder


def holding_text(holdings: Sequence[Holding], view: View) -> str:
    """Return one line for each project, then what to do about those that are held."""
    rows = [(h.project, _state(h), _since(h, view)) for h in holdings]
    said = [(h.project, words) for h in holdings if (words := _words(h, view))]
    return lines(columns(rows, "<<<"), labelled(said))


def holder_words(holding: Holding) -> str:
    """Return who holds a project."""
    if holding.lock is not None:
        lock = holding.lock
        return f"process {lock.pid} on {escape(lock.host)} ({escape(lock.command)})"
    lease = holding.lease
    if lease is None:
        return "nobody"
    if lease.run is None:
        return "somebody who left no readable name"
    return f"process {lease.pid} on {escape(lease.host or '')} (run {escape(lease.run)})"


def left_behind(lease: LeaseHolder) -> str:
    """Return what is known of the lease of a dead run."""
    owner = holder_words(Holding("", lease=lease))
    return f"{owner} left a lease on {escape(lease.place)} and is dead"


def _state(holding: Holding) -> str:
    if holding.failure is not None:
        return "unknown"
    if holding.lock is not None:
        return f"held here by {holder_words(holding)}"
    if holding.lease is None:
        return "free"
    if holding.removed:
        return f"free: the lease of {holder_words(holding)} was removed"
    return f"leased by {holder_words(holding)}"


def _since(holding: Holding, view: View) -> str:
    since = holding.lock.since if holding.lock else holding.lease.since if holding.lease else None
    if since is None or holding.removed:
        return ""
    try:
        return f"since {age(since, view.now)}"
    except ValueError:  # written by whoever can write to the remote
        return f"since {escape(since)}"


def _words(holding: Holding, view: View) -> list[str]:
    if holding.failure is not None:
        return [escape(text) for text in (holding.failure, holding.hint) if text]
    lease = holding.lease
    wait = commands([("wait for it", view.command("apply", holding.project, "--wait"))])
    if holding.lock is not None:
        return wait
    if lease is None or holding.removed:
        return []
    if lease.dead and not holding.exit:
        ways = [("remove it", view.command("unlock", holding.project, "--yes"))]
        said = "its run is dead; the next apply takes it over by itself"
        return [said, *commands(ways)]
    left = duration(lease.left_s)
    return [f"on {escape(lease.place)}; it ends in {left} unless it is renewed", *wait]


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
