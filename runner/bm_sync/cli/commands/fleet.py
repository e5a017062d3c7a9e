"""`bm-sync fleet`: tells how all machines stand that apply this manifest, forgets retired ones.

What `fleet` says: a line for each machine, then what is not well there.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from functools import partial

from bm_sync.cli import loop
from bm_sync.cli.answer import Answer, Failure, Io
from bm_sync.cli.asking import Asker
from bm_sync.cli.context import context
from bm_sync.cli.render.groups import commands, labelled
from bm_sync.cli.render.run import status_words
from bm_sync.cli.render.text import age, columns, count, escape, lines
from bm_sync.cli.render.view import View
from bm_sync.cli.selection import age_s
from bm_sync.errors import Exit, UsageError
from bm_sync.model.fleet import FleetHost, FleetNote, FleetProject, FleetReport, Standing
from bm_sync.model.run import Status

_HEADS = ("HOST", "STATE", "LAST RUN", "NEXT", "PROJECTS", "CONFLICTS", "BM-SYNC", "MANIFEST")


def fleet_text(report: FleetReport, view: View) -> str:
    """Return the table of all machines, the worst first, and their projects that need a look."""
    if not report.hosts:
        return f"no host has left a note at {escape(report.place)}; bm-sync apply leaves one\n"
    names = _names(report)
    rows = [_row(names[host.file], host, view) for host in report.hosts]
    table = columns([_HEADS, *rows], "<<<<<><<")
    blocks = [(names[host.file], said) for host in report.hosts if (said := _said(host, view))]
    more = [f"… and {count(report.unread, 'note')} more, not read"] if report.unread else []
    stale = [h for h in report.hosts if h.standing in {Standing.LATE, Standing.UNREADABLE}]
    ways = [
        (f"{names[h.file]} is no more", view.command("fleet", "forget", _key(h))) for h in stale
    ]
    return lines([view.paint(table[0], "dim"), *table[1:]], labelled(blocks), more, commands(ways))


def host_words(host: FleetHost, view: View) -> str:
    """Return in one sentence what is not well with a machine."""
    if host.note is None:
        return f"{host.file}: {escape(host.why or '')}"
    return f"{escape(host.note.host)}: {_words(host.standing, host.note, view)}"


def _words(standing: Standing, note: FleetNote, view: View) -> str:
    match standing:
        case Standing.FAILING:
            return f"its last run ended with exit code {note.exit}"
        case Standing.LATE:
            return f"ran last {age(note.ended, view.now)}"
        case _:
            return "its clock is ahead of this machine's"


def _names(report: FleetReport) -> dict[str, str]:
    """Return what each machine is called, by its file; those of one name are told apart."""
    said = [host.note.host for host in report.hosts if host.note is not None]
    return {
        host.file: host.file
        if host.note is None
        else escape(host.note.host)
        if said.count(host.note.host) == 1
        else f"{escape(host.note.host)} ({host.file[-13:-5]})"
        for host in report.hosts
    }


def _row(name: str, host: FleetHost, view: View) -> tuple[str, ...]:
    note = host.note
    if note is None:
        return (name, host.standing.value, *["-"] * 6)
    conflicts = sum(project.conflicts for project in note.projects)
    return (
        name,
        host.standing.value,
        age(note.ended, view.now),
        _clock(note.next) if note.next else "-",
        _projects(note),
        str(conflicts) if conflicts else "-",
        escape(note.bm_sync),
        "same" if host.same_manifest else "differs",
    )


def _projects(note: FleetNote) -> str:
    """Return how many projects there are, and of them how many are not in sync."""
    bad = sum(1 for project in note.projects if not _is_well(project))
    total = len(note.projects) + note.unsaid
    return f"{bad} of {total} not in sync" if bad else f"{total} in sync"


def _said(host: FleetHost, view: View) -> list[str]:
    """Return what is not well with a machine and its projects."""
    note = host.note
    if note is None:
        return [escape(host.why or "")]
    said = [] if host.standing is Standing.FINE else [_words(host.standing, note, view)]
    bad = [project for project in note.projects if not _is_well(project)]
    shown = bad if view.cap is None else bad[: view.cap]
    said += [_project(project, view) for project in shown]
    if len(bad) > len(shown):
        said.append(f"… and {count(len(bad) - len(shown), 'project')} more")
    return said


def _project(project: FleetProject, view: View) -> str:
    word = status_words(Status(project.result)) if project.result else "never run"
    since = f"in sync {age(project.converged, view.now)}" if project.converged else "never in sync"
    told = f"{escape(project.name)} {word}, {since}"
    return f"{told}, {count(project.conflicts, 'conflict')}" if project.conflicts else told


def _is_well(project: FleetProject) -> bool:
    return project.result is not None and Status(project.result).good


def _key(host: FleetHost) -> str:
    """Return a word that names this machine alone."""
    return host.file.removesuffix(".json")


def _clock(moment: str) -> str:
    return f"{moment[:10]} {moment[11:16]}Z"


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
