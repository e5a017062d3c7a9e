"""`bm-sync fleet`: tells how all machines stand that apply this manifest, forgets retired ones."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from functools import partial

from bm_sync.cli import loop
from bm_sync.cli.answer import Answer, Failure, Io
from bm_sync.cli.asking import Asker
from bm_sync.cli.context import context
from bm_sync.cli.render.fleet import fleet_text, host_words
from bm_sync.cli.render.text import age, escape
from bm_sync.cli.render.view import View
from bm_sync.cli.selection import age_s
from bm_sync.errors import Exit, UsageError
from bm_sync.model.fleet import FleetHost, Standing

_ACTIONS = ("status", "forget")


def add(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "action",
        choices=_ACTIONS,
        metavar="ACTION",
        help="status: how every machine stands, the worst first; exit 1 when one is failing; "
        "forget HOST: remove what a machine left that is no more",
    )
    parser.add_argument("host", nargs="?", metavar="HOST", help="forget: its name, or its file's")
    parser.add_argument(
        "--max-age",
        type=age_s,
        metavar="TIME",
        help="status: exit 1 too when a machine did not run for longer, such as 2h; with -q say "
        "only that",
    )
    parser.add_argument("-y", "--yes", action="store_true", help="forget: do not ask")


def run(args: Namespace, io: Io) -> Answer:
    """Do what was asked for."""
    if args.action == "forget":
        return _forget(args, io)
    if args.host is not None:
        raise UsageError(f"fleet status does not take {args.host!r}", hint="bm-sync fleet status")
    if args.yes:
        raise UsageError("--yes belongs to: bm-sync fleet forget HOST")
    return _status(args, io)


def _status(args: Namespace, io: Io) -> Answer:
    from bm_sync import fleet_api

    here = context(args, io)
    report = loop.run(fleet_api.status(here.manifest, here.setup, args.max_age))
    wrong = [host for host in report.hosts if host.standing is not Standing.FINE]
    return Answer(
        text=partial(fleet_text, report, here.view),
        data=lambda: report,
        exit=Exit.FAILED if wrong else Exit.OK,
        errors=tuple(_failure(host, here.view) for host in wrong),
        quiet=args.max_age is not None and not wrong,
    )


def _failure(host: FleetHost, view: View) -> Failure:
    key = host.file.removesuffix(".json")
    forget = view.command("fleet", "forget", key)
    match host.standing:
        case Standing.FAILING:
            hint = "on that machine: bm-sync status"
        case Standing.LATE:
            hint = f"on that machine: bm-sync schedule status; if it is no more: {forget}"
        case Standing.UNREADABLE:
            hint = f"if nobody needs it: {forget}"
        case _:
            hint = "set the clocks"
    return Failure(host_words(host, view), hint)


def _forget(args: Namespace, io: Io) -> Answer:
    from bm_sync import fleet_api

    if args.host is None:
        raise UsageError("fleet forget needs a host", hint="bm-sync fleet forget HOST")
    if args.max_age is not None:
        raise UsageError("--max-age belongs to: bm-sync fleet status")
    here = context(args, io)
    if not args.yes and (args.json or not io.asks()):
        again = here.view.command("fleet", "forget", args.host, "--yes")
        raise UsageError("forgetting a host has to be confirmed", hint=f"in a script: {again}")
    consent = _Consent(args, io, here.view)
    forgotten = loop.run(fleet_api.forget(here.manifest, here.setup, args.host, confirm=consent))
    consent.asker.raise_if_interrupted()
    if forgotten is None:
        said = "nothing was changed"
        return Answer(lambda: f"{said}\n", lambda: None, Exit.FAILED, (Failure(said),))
    text = f"forgot {escape(forgotten.file)}; a run on that machine would leave it anew\n"
    return Answer(lambda: text, lambda: forgotten)


class _Consent:
    """Says whether a machine is forgotten; asks unless `--yes` was said."""

    def __init__(self, args: Namespace, io: Io, view: View) -> None:
        self.asker = Asker(io)
        self._yes = bool(args.yes)
        self._view = view

    def __call__(self, host: FleetHost) -> bool:
        """Return whether to go on."""
        if self._yes:
            return True
        note = host.note
        ran = "" if note is None else f", which ran last {age(note.ended, self._view.now)}"
        return self.asker.agreed(f"Forget {escape(host.file)}{ran}?")
