"""What `fleet` says: a line for each machine, then what is not well there."""

from __future__ import annotations

from bm_sync.cli.render.groups import commands, labelled
from bm_sync.cli.render.run import status_words
from bm_sync.cli.render.text import age, columns, count, escape, lines
from bm_sync.cli.render.view import View
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
