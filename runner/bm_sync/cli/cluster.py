"""`schedule show` for what runs jobs on a cluster: prints the texts, or writes them to a folder."""

from __future__ import annotations

import re
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from functools import partial
from pathlib import Path

from bm_sync.cli.answer import Answer, Io
from bm_sync.cli.context import context
from bm_sync.cli.render.schedule import units_text
from bm_sync.cli.render.text import count, escape
from bm_sync.cli.selection import whole_number
from bm_sync.errors import UsageError
from bm_sync.model.schedule import ClusterTarget

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
