"""What login, logout and cloud say. Every text of the service is escaped."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import assert_never

from bm_sync.cli.render.groups import commands
from bm_sync.cli.render.text import age, columns, count, duration, escape, lines
from bm_sync.cli.render.view import View
from bm_sync.model.cloud import Workspace
from bm_sync.model.cloud_report import (
    CloudProblem,
    CloudStatus,
    ProjectLine,
    RemoteLine,
    RemovalReport,
    RepinReport,
    SignInReport,
    SignOutReport,
)

_PROJECT_HEADS = ("REMOTE", "PROJECT", "PATH", "STATE")
_WORKSPACE_HEADS = ("WORKSPACE", "NAME", "KIND", "ROLE", "USED BY")


def code_text(code: str, page: str, lasts_s: float) -> str:
    """Return where a person confirms a code."""
    return (
        f"open   {escape(page)}\n"
        f"code   {escape(code)}\n"
        f"waiting until it is confirmed there, {duration(lasts_s)} at most; Ctrl-C stops\n"
    )


def login_text(report: SignInReport, view: View) -> str:
    """Return what was kept, and what the service says to it."""
    how = "with an API key" if report.how == "api-key" else "by the browser"
    said = [f"signed in at {escape(report.host)} {how}", f"kept in {escape(report.kept)}"]
    if report.shadowed:
        said.append(f"the key in {report.shadowed} still counts before it")
    if report.note:
        said.append(f"the service is not ready yet: {escape(report.note)}")
    ways = [("look at it again", view.command("cloud", "status"))] if report.note else []
    troubles = _trouble_lines([report.trouble], view) if report.trouble else []
    return lines(said, troubles, commands(ways))


def logout_text(report: SignOutReport, view: View) -> str:
    """Return what was removed, and what still signs in."""
    host = escape(report.host)
    if report.removed:
        said = [f"signed out at {host}; on this machine only, nothing is revoked there"]
    else:
        said = [f"there was no sign-in at {host} to forget"]
    if report.keys:
        said.append(
            f"forgot {count(report.keys, 'pair')} of storage keys; they are not revoked either"
        )
    rest = []
    if report.remains:
        rest.append(view.paint(f"still signed in by {escape(report.remains)}", "yellow"))
        rest.append(escape(report.ending or ""))
    return lines(said, rest)


def status_text(found: Sequence[CloudStatus], view: View) -> str:
    """Return how things stand at each service."""
    return "\n".join(_one_status(status, view) for status in found)


def _one_status(status: CloudStatus, view: View) -> str:
    rows = [
        ("host", escape(status.host)),
        ("signed in", _signed_in(status, view)),
        ("service", _service(status)),
        ("subscription", status.subscription),
    ]
    head = columns(rows, "<<")
    spaces = columns(
        [_WORKSPACE_HEADS, *(_workspace_row(w, status.remotes) for w in status.workspaces)],
        "<<<<<",
    )
    table = [view.paint(spaces[0], "dim"), *spaces[1:]] if status.workspaces else []
    return lines(head, table, _remote_lines(status), _trouble_lines(status.troubles, view))


def _signed_in(status: CloudStatus, view: View) -> str:
    match status.how:
        case "none":
            return "no"
        case "api-key":
            kind = "API key"
        case "login":
            kind = "sign-in"
        case "basic-memory":
            kind = "Basic Memory's sign-in"
        case other:
            assert_never(other)
    said = f"{kind} ({escape(status.source)})"
    if status.made:
        said += f", made {age(status.made, view.now)}"
    return said + _ends(status, view)


def _ends(status: CloudStatus, view: View) -> str:
    if status.expires is None:
        return ""
    left_s = (datetime.fromisoformat(status.expires) - view.now).total_seconds()
    token = f"token good for {duration(left_s)}" if left_s > 0 else "token ended"
    renews = "renews itself" if status.renewable else "cannot renew itself"
    return f", {token}, {renews}"


def _service(status: CloudStatus) -> str:
    version = f" ({escape(status.version)})" if status.version else ""
    word = "not asked" if status.how == "none" else status.service
    return f"{word}{version}"


def _workspace_row(workspace: Workspace, remotes: Sequence[RemoteLine]) -> tuple[str, ...]:
    users = [remote.name for remote in remotes if remote.tenant_id == workspace.tenant_id]
    notes = ["default"] if workspace.is_default else []
    notes += ["subscription lapsed"] if workspace.subscribed is False else []
    kind = "team" if workspace.is_team else "personal"
    return (
        escape(workspace.slug or workspace.tenant_id),
        escape(workspace.name),
        ", ".join([kind, *notes]),
        escape(workspace.role),
        escape(", ".join(users)) or "-",
    )


def _remote_lines(status: CloudStatus) -> list[str]:
    rows = [
        (f"remote {escape(remote.name)}", f"bucket {escape(remote.bucket)}", _pin(remote))
        for remote in status.remotes
        if remote.bucket
    ]
    return columns(rows, "<<<")


def _pin(remote: RemoteLine) -> str:
    return "pinned" if remote.pinned else "not used yet"


def _trouble_lines(troubles: Sequence[CloudProblem], view: View) -> list[str]:
    said = []
    for trouble in troubles:
        said.append(view.paint(escape(trouble.what), "red"))
        if trouble.hint:
            said.append(f"  {escape(trouble.hint)}")
    return said


def projects_text(
    found: Sequence[ProjectLine], view: View, troubles: Sequence[CloudProblem] = ()
) -> str:
    """Return a line for each project on the cloud, and for each that is missing there.

    `troubles` are about remotes that could not be asked.
    """
    if troubles and not found:
        return lines(_trouble_lines(troubles, view))
    if not found:
        return "there is no project on the cloud, and none is declared\n"
    table = columns([_PROJECT_HEADS, *(_project_row(line) for line in found)], "<<<<")
    there = [line for line in found if line.project]
    strange = sum(1 for line in there if not line.declared)
    missing = len(found) - len(there)
    total = f"{count(len(there), 'project')} on the cloud, {strange} not declared"
    ways = []
    if missing:
        total += f"; {missing} declared and not there"
        ways = [("make what is missing", view.command("apply"))]
    told = _trouble_lines(troubles, view)
    return lines([view.paint(table[0], "dim"), *table[1:]], told, [total], commands(ways))


def _project_row(line: ProjectLine) -> tuple[str, ...]:
    names = escape(", ".join(line.declared))
    if line.project is None:
        state, path = f"not there yet, declared as {names}", "-"
    else:
        state = f"declared as {names}" if line.declared else "not declared"
        state += ", the default" if line.project.is_default else ""
        path = escape(line.project.path)
    return (escape(line.remote or "-"), escape(line.name), path, state)


def removal_text(report: RemovalReport, view: View) -> str:
    """Return that a deletion has begun, and what still declares the project."""
    name = escape(report.project.name)
    said = [
        f"{name}: the service deletes it with its files ({escape(report.status)})",
        "it does so in its own time; no folder of this machine was touched",
    ]
    rest = [
        f"the manifest still declares it as {escape(other)}: take that out before the next apply"
        for other in report.declared
    ]
    ways = [("see what is left", view.command("cloud", "projects"))]
    return lines(said, rest, commands(ways))


def repin_text(report: RepinReport, view: View) -> str:
    """Return what was forgotten."""
    if report.bucket is None:
        first = f"{escape(report.remote)}: no workspace was remembered"
    else:
        where = f"{escape(report.bucket)} (tenant {escape(report.tenant_id or '')})"
        first = f"{escape(report.remote)}: forgot that its files lay in {where}"
    rest = [
        f"{escape(project.project)}: forgot what both sides agreed on "
        f"({count(project.files, 'file')})"
        for project in report.projects
        if project.known
    ]
    ways = [("see what a run would do", view.command("plan"))]
    return lines([first, *rest], commands(ways))
