"""`bm-sync schedule`: makes, shows and removes the timers by which this machine syncs by itself.

`schedule show` for what runs jobs on a cluster: prints the texts, or writes them to a folder.
"""

from __future__ import annotations

import re
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from functools import partial
from pathlib import Path

from bm_sync.cli.answer import Answer, Failure, Io
from bm_sync.cli.context import context, manifest_file, setup, view
from bm_sync.cli.launcher import launcher
from bm_sync.cli.render.schedule import change_text, status_text, units_text
from bm_sync.cli.render.text import count, escape
from bm_sync.cli.selection import whole_number
from bm_sync.errors import Exit, UsageError
from bm_sync.model.schedule import ClusterTarget, TimerState, TimerTarget

_NAME = "bm-sync"
_IMAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@-]{0,254}")
_OWN = (("image", "--image"), ("shards", "--shards"), ("name", "--name"), ("out", "--out"))


def add_cluster(parser: ArgumentParser) -> None:
    """Declare what only `show` for a cluster takes."""
    parser.add_argument(
        "--image", type=_image, metavar="IMAGE", help="kubernetes: the image that has bm-sync"
    )
    parser.add_argument(
        "--shards",
        type=whole_number,
        metavar="N",
        help="kubernetes: pods that divide the projects among them (default: 1)",
    )
    parser.add_argument(
        "--name",
        metavar="NAME",
        help=f"kubernetes, nomad: how the names of jobs begin (default: {_NAME})",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="kubernetes, nomad, ansible: write the files there instead of printing them",
    )


def check_cluster(args: Namespace) -> ClusterTarget | None:
    """Return the cluster that is meant; raise UsageError for options that are not for it."""
    target = ClusterTarget(args.target) if args.target in set(ClusterTarget) else None
    given = [option for name, option in _OWN if getattr(args, name) is not None]
    if target is not None and args.action != "show":
        raise UsageError(
            f"nothing is installed in {target} from here",
            hint="what runs there is rendered: schedule show, with the same --target",
        )
    taken = {
        None: (),
        ClusterTarget.KUBERNETES: ("--image", "--shards", "--name", "--out"),
        ClusterTarget.NOMAD: ("--name", "--out"),
        ClusterTarget.ANSIBLE: ("--out",),
    }[target]
    wrong = next((option for option in given if option not in taken), None)
    if wrong is not None:
        place = "kubernetes" if wrong in {"--image", "--shards"} else "kubernetes, nomad or ansible"
        raise UsageError(f"{wrong} is not for this", hint=f"it is for show --target {place}")
    return target


def render(target: ClusterTarget, args: Namespace, io: Io) -> Answer:
    """Print the texts for a cluster, or write them."""
    from bm_sync import cluster_api

    here = context(args, io)
    sets = tuple(word for given in args.sets for word in ("--set", given))
    wishes = cluster_api.Wishes(args.name or _NAME, args.image, args.shards or 1, sets)
    units = cluster_api.rendered(here.manifest, target, wishes)
    if args.out is None:
        return Answer(partial(units_text, units), lambda: units)
    files = cluster_api.save(units, target, args.out)
    said = f"{count(len(files), 'file')} written below {escape(str(args.out))}\n"
    return Answer(lambda: said, lambda: units, quiet=True)


def _image(word: str) -> str:
    """Return a reference to an image; argparse names the option when it is none."""
    if _IMAGE.fullmatch(word) is None:
        raise ArgumentTypeError(f"{word!r} is no image such as registry.example.org/bm-sync:1.0")
    return word


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
