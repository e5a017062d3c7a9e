"""`bm-sync schedule`: makes, shows and removes the timers by which this machine syncs by itself."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from functools import partial

from bm_sync.cli.answer import Answer, Failure, Io
from bm_sync.cli.cluster import add_cluster, check_cluster, render
from bm_sync.cli.context import context, manifest_file, setup, view
from bm_sync.cli.launcher import launcher
from bm_sync.cli.render.schedule import change_text, status_text, units_text
from bm_sync.errors import Exit
from bm_sync.model.schedule import ClusterTarget, TimerState, TimerTarget

_ACTIONS = ("install", "remove", "status", "show")


def add(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "action",
        choices=_ACTIONS,
        metavar="ACTION",
        help="install: make the timers that the manifest declares, and remove the others it had; "
        "remove: take all its timers away; status: compare, and tell when they come next; "
        "show: print them, change nothing",
    )
    parser.add_argument(
        "--target",
        choices=[str(target.value) for target in (*TimerTarget, *ClusterTarget)],
        metavar="WHAT",
        help="systemd (your own service manager), systemd-system, launchd or cron; "
        "default: what this machine has; with show also kubernetes, nomad or ansible",
    )
    add_cluster(parser)


def run(args: Namespace, io: Io) -> Answer:
    """Do what was asked for."""
    from bm_sync import schedule_api

    cluster = check_cluster(args)
    if cluster is not None:
        return render(cluster, args, io)
    target = None if args.target is None else TimerTarget(args.target)
    if args.action == "remove":
        file = manifest_file(args, io)
        changed = schedule_api.remove(file, setup(args, io), target)
        return Answer(partial(change_text, changed, view(args, io, file)), lambda: changed)
    here = context(args, io)
    where = (here.manifest, here.setup, launcher(args), target)
    match args.action:
        case "show":
            units = schedule_api.shown(*where)
            return Answer(partial(units_text, units), lambda: units)
        case "status":
            return _status(args, io)
        case _:
            changed = schedule_api.install(*where)
            return Answer(
                partial(change_text, changed, here.view),
                lambda: changed,
                quiet=not (changed.written or changed.removed),
            )


def _status(args: Namespace, io: Io) -> Answer:
    from bm_sync import schedule_api

    here = context(args, io)
    target = None if args.target is None else TimerTarget(args.target)
    found = schedule_api.status(here.manifest, here.setup, launcher(args), target, io.clock())
    wrong = [timer for timer in found if timer.standing is not TimerState.INSTALLED]
    hint = here.view.command("schedule", "install")
    return Answer(
        text=partial(status_text, found, here.view),
        data=lambda: found,
        exit=Exit.FAILED if wrong else Exit.OK,
        errors=tuple(Failure(f"{t.name}: {t.standing.value}", hint) for t in wrong),
        quiet=not wrong,
    )
