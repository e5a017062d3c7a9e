"""`bm-sync cloud`: looks at the account and the projects there, deletes one, repins a remote."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from functools import partial

from bm_sync.cli import loop
from bm_sync.cli.answer import Answer, Failure, Io
from bm_sync.cli.context import context, nearest, setup, view
from bm_sync.cli.loop import interruptible
from bm_sync.cli.render.cloud import projects_text, removal_text, repin_text, status_text
from bm_sync.cli.render.text import escape
from bm_sync.errors import Exit, UsageError, worst
from bm_sync.model.cloud import CloudProject
from bm_sync.model.config import Manifest

_ACTIONS = ("status", "projects", "rm", "repin")
_NEEDS = {"rm": "bm-sync cloud rm NAME", "repin": "bm-sync cloud repin REMOTE"}


def add(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "action",
        choices=_ACTIONS,
        metavar="ACTION",
        help="status: signed in as what, workspaces, is the service well; projects: what lies "
        "there and what of it is declared; rm NAME: delete a project there; repin REMOTE: accept "
        "that its files lie elsewhere now",
    )
    parser.add_argument(
        "name", nargs="?", metavar="NAME", help="a project on the cloud (rm), or a remote"
    )
    parser.add_argument("--remote", metavar="REMOTE", help="rm: the remote where the project lies")
    parser.add_argument(
        "--yes-delete", metavar="NAME", help="rm: delete this project without asking"
    )
    parser.add_argument("-y", "--yes", action="store_true", help="repin: do not ask")


def run(args: Namespace, io: Io) -> Answer:
    """Do what was asked for."""
    _check(args)
    match args.action:
        case "status":
            return _status(args, io)
        case "projects":
            return _projects(args, io)
        case "rm":
            return _remove(args, io)
        case _:
            return _repin(args, io)


def _check(args: Namespace) -> None:
    """Refuse words that belong to another action."""
    if args.action == "status" and args.name is not None:
        raise UsageError(f"cloud status does not take {args.name!r}", hint="bm-sync cloud status")
    if args.action in _NEEDS and args.name is None:
        raise UsageError(f"cloud {args.action} needs a name", hint=_NEEDS[args.action])
    if args.action != "rm" and (args.remote or args.yes_delete):
        raise UsageError("--remote and --yes-delete belong to: bm-sync cloud rm NAME")
    if args.action != "repin" and args.yes:
        raise UsageError("--yes belongs to: bm-sync cloud repin REMOTE")


def _status(args: Namespace, io: Io) -> Answer:
    from bm_sync import cloud_api

    found = loop.run(cloud_api.status(setup(args, io), _manifest(args, io)))
    troubles = [trouble for status in found for trouble in status.troubles]
    return Answer(
        text=partial(status_text, found, view(args, io)),
        data=lambda: found,
        exit=worst([Exit(trouble.exit) for trouble in troubles]),
        errors=tuple(Failure(trouble.what, trouble.hint) for trouble in troubles),
        quiet=not troubles,
    )


def _projects(args: Namespace, io: Io) -> Answer:
    from bm_sync import cloud_api

    work = cloud_api.projects(setup(args, io), _manifest(args, io), args.name)
    lines, troubles = loop.run(work)
    return Answer(
        text=partial(projects_text, lines, view(args, io), troubles),
        data=lambda: lines,
        exit=worst([Exit(trouble.exit) for trouble in troubles]),
        errors=tuple(Failure(trouble.what, trouble.hint) for trouble in troubles),
    )


def _remove(args: Namespace, io: Io) -> Answer:
    from bm_sync import cloud_api

    _check_removal(args, io)
    around, manifest = setup(args, io), _manifest(args, io)
    project = loop.run(cloud_api.find(around, manifest, args.remote, args.name))
    if args.yes_delete is None and not _confirmed(project, io):
        return _nothing()
    report = loop.run(cloud_api.remove(around, manifest, args.remote, project))
    return Answer(text=partial(removal_text, report, view(args, io)), data=lambda: report)


def _check_removal(args: Namespace, io: Io) -> None:
    """Refuse a deletion that nobody confirms."""
    where = ("--remote", args.remote) if args.remote else ()
    words = ("cloud", "rm", args.name, "--yes-delete", args.name, *where)
    again = view(args, io).command(*words)
    if args.yes_delete is not None:
        if args.yes_delete != args.name:
            raise UsageError(
                f"--yes-delete names {args.yes_delete!r}, and the project is {args.name!r}",
                hint=f"write the same name twice: {again}",
            )
    elif not io.asks() or args.json:
        raise UsageError(
            "deleting a project on the cloud has to be confirmed",
            hint=f"in a script: {again}",
        )


def _confirmed(project: CloudProject, io: Io) -> bool:
    """Return whether a person types the name of the project."""
    io.say(
        f"This deletes the project {escape(project.name)} on the cloud with all its files, for "
        "everybody who uses it.\nNo folder of this machine is touched, and nothing is kept in the "
        "trash.\nType the name of the project to delete it: "
    )
    io.err.flush()
    with interruptible():
        return io.stdin.readline().rstrip("\r\n") == project.name


def _repin(args: Namespace, io: Io) -> Answer:
    from bm_sync import cloud_api

    here = context(args, io)
    asks = io.asks() and not args.yes
    if asks and args.json:
        raise UsageError("cloud repin --json asks nothing", hint="add --yes")
    if asks:
        io.say("The next run takes the workspace and the bucket that the service then\n")
        io.say("names, and compares both sides anew: it deletes nothing.\n")
        if not io.ask(f"Forget where the files of {escape(args.name)} lay?"):
            return _nothing()
    report = cloud_api.repin(here.setup, here.manifest, args.name)
    return Answer(text=partial(repin_text, report, here.view), data=lambda: report)


def _nothing() -> Answer:
    said = "nothing was changed"
    return Answer(lambda: f"{said}\n", lambda: None, Exit.FAILED, (Failure(said),))


def _manifest(args: Namespace, io: Io) -> Manifest | None:
    """Return the manifest that was named or found; None when there is none."""
    named = args.manifest or io.env.get("BM_SYNC_MANIFEST")
    if named is None and nearest(io.cwd) is None:
        return None
    return context(args, io).manifest
