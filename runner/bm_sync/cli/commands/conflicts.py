"""`bm-sync conflicts`: lists what nobody has settled, shows both versions of one, settles one."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from functools import partial
from typing import TYPE_CHECKING

from bm_sync import files
from bm_sync.cli import loop
from bm_sync.cli.acting import act, add_acting, refuse_to_ask, typed
from bm_sync.cli.answer import Answer, Io
from bm_sync.cli.context import context
from bm_sync.cli.plans import plan_answer
from bm_sync.cli.render.text import escape
from bm_sync.cli.selection import add_targets, select
from bm_sync.cli.spot import outside, spot
from bm_sync.cli.target import names_and_manifest
from bm_sync.errors import UsageError
from bm_sync.model.config import Placement

if TYPE_CHECKING:
    from bm_sync.past_api import Settle

_VERBS = ("list", "show", "resolve")
_SIDES = ("local", "remote", "both")
_MOST_BYTES = 1 << 32  # of the right version, which is held in memory


def add(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.usage = (
        "bm-sync conflicts [list] [TARGET ...]\n"
        "       bm-sync conflicts show PATH\n"
        "       bm-sync conflicts resolve PATH --keep local|remote|both|FILE"
    )
    add_targets(parser)
    parser.add_argument(
        "--keep",
        metavar="WHAT",
        help="with resolve: local, remote, both, or a file that has the right version",
    )
    add_acting(parser)
    parser.set_defaults(all_files=False)


def run(args: Namespace, io: Io) -> Answer:
    """List conflicts, show one, or settle one."""
    words = list(args.targets)
    verb = words.pop(0) if words and words[0] in _VERBS else "list"
    if verb == "list":
        return _listed(words, args, io)
    if len(words) != 1:
        raise UsageError(f"conflicts {verb} takes one path", hint="see: bm-sync conflicts --help")
    return _shown(words[0], args, io) if verb == "show" else _resolved(words[0], args, io)


def _listed(words: list[str], args: Namespace, io: Io) -> Answer:
    from bm_sync import api
    from bm_sync.cli.render.conflicts import conflicts_text

    if args.keep is not None:
        raise UsageError("--keep settles one conflict", hint="name it: conflicts resolve PATH")
    found = names_and_manifest(words)
    here = context(args, io, found)
    open_ones = api.conflicts(here.manifest, select(args, found.names), here.setup)
    local = {p.name for p in here.manifest.projects if p.placement is Placement.SYNCED}
    return Answer(text=partial(conflicts_text, open_ones, local, here.view), data=lambda: open_ones)


def _shown(word: str, args: Namespace, io: Io) -> Answer:
    from bm_sync import past_api
    from bm_sync.cli.render.conflicts import sides_text

    here = context(args, io)
    project, path = spot(here.manifest, word, io)
    sides = loop.run(past_api.conflict_sides(project, path, here.setup))
    return Answer(text=partial(sides_text, sides, here.view), data=lambda: sides.conflict)


def _resolved(word: str, args: Namespace, io: Io) -> Answer:
    from bm_sync import past_api

    refuse_to_ask(args, io)
    here = context(args, io)
    project, path = spot(here.manifest, word, io)
    choice = _choice(args.keep, io)
    if args.dry_run:
        work = past_api.plan_resolve(here.manifest, project, path, choice, here.setup)
        return plan_answer(loop.run(work), here.view)
    return act(
        lambda question, watcher: past_api.resolve(
            here.manifest,
            project,
            path,
            choice,
            here.setup,
            confirm=question,
            on_event=watcher,
            command=typed("conflicts", io),
            wait_s=args.wait,
        ),
        here,
        args,
        io,
    )


def _choice(word: str | None, io: Io) -> Settle:
    from bm_sync.past_api import Settle
    from bm_sync.plan.resolve import Keep

    if word is None:
        raise UsageError("resolve needs --keep", hint="--keep local, remote, both, or a file")
    if word in _SIDES:
        return Settle(Keep(word))
    try:
        return Settle(Keep.FILE, files.read_named(outside(word, io), _MOST_BYTES, {}, consent=True))
    except OSError as error:
        what = f"--keep {escape(word)} cannot be read: {error.strerror}"
        raise UsageError(what, hint="--keep takes local, remote, both, or a file") from error
