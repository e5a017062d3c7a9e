"""`bm-sync watch`: syncs on schedule and soon after local changes, in one process that goes on."""

from __future__ import annotations

import asyncio
import json
import signal
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable
from typing import TYPE_CHECKING

from bm_sync.cli import loop
from bm_sync.cli.acting import typed
from bm_sync.cli.answer import Answer, Failure, Io
from bm_sync.cli.context import Context, coloured, context
from bm_sync.cli.launcher import launcher
from bm_sync.cli.render.view import Paint
from bm_sync.cli.selection import add_targets, age_s, select
from bm_sync.cli.target import Targets, names_and_manifest
from bm_sync.errors import BmSyncError, Exit
from bm_sync.model.watch import Pace
from bm_sync.structs import replace

if TYPE_CHECKING:
    from bm_sync.model.watch import Watched, WatchEvent
    from bm_sync.watch_api import Order

_PACE = Pace()


def add(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    add_targets(parser)
    parser.add_argument(
        "--interval",
        type=_some_time_s,
        default=_PACE.interval_s,
        metavar="TIME",
        help="how often a project without a schedule is synced (default: 15m)",
    )
    parser.add_argument(
        "--debounce",
        type=_some_time_s,
        default=_PACE.quiet_s,
        metavar="TIME",
        help="how long nothing must change before changes are synced (default: 2s)",
    )
    parser.add_argument(
        "--poll",
        action="store_true",
        help="look at every local file again and again, where the system tells of no changes",
    )
    parser.add_argument(
        "--print-unit",
        choices=("user", "system"),
        metavar="WHOSE",
        help="print a service for systemd that does this, and do nothing: user or system",
    )


def _some_time_s(word: str) -> float:
    """Return the seconds of `15m`, more than none; argparse names the option when it is none."""
    seconds = age_s(word)
    if not seconds:
        raise ArgumentTypeError(f"{word!r} is no time at all")
    return seconds


def run(args: Namespace, io: Io) -> Answer:
    """Go on until a signal ends it, or print the service that would."""
    found = names_and_manifest(args.targets)
    here = context(args, io, found)
    if args.print_unit is not None:
        return _unit(args, here, found)
    done = loop.run(_watching(args, io, here, found))
    failed = (Failure("a run was interrupted", "the next one goes on from what is there"),)
    return Answer(
        text=str,
        data=lambda: {"rounds": done.rounds},
        exit=Exit.INTERRUPTED if done.interrupted else Exit.OK,
        errors=failed if done.interrupted else (),
    )


async def _watching(args: Namespace, io: Io, here: Context, found: Targets) -> Watched:
    from bm_sync import watch_api

    watch = watch_api.watch(
        _order(args, io, here, found), _teller(args, io), watch_api.service(io.env)
    )
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - this is a coroutine
    # The terminal is gone when it hangs up; to a service it is the call to read the manifest anew.
    hung_up = task.cancel if io.stdin.isatty() else watch.nudge
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, hung_up)
    return await watch.run()


def _order(args: Namespace, io: Io, here: Context, found: Targets) -> Order:
    from bm_sync.schedule.notify import without
    from bm_sync.watch_api import Order

    return Order(
        file=here.manifest.file,
        selection=select(args, found.names),
        setup=replace(here.setup, env=without(here.setup.env)),
        command=typed("watch", io),
        pace=Pace(args.interval, args.debounce, max(_PACE.most_s, args.debounce)),
        poll=args.poll,
    )


def _teller(args: Namespace, io: Io) -> Callable[[WatchEvent], None]:
    """Return what writes events as they come: lines for a person, or one JSON object a line."""
    from bm_sync.cli.render import watch as rendered

    paint = Paint(on=coloured(args, io))

    def tell(event: WatchEvent) -> None:
        now = io.clock()
        if args.json:
            _write(io, json.dumps(rendered.event_to_json(event, now)) + "\n")
            return
        _write(io, rendered.result_text(event, now, paint))
        io.say(rendered.note_text(event, now, quiet=args.quiet))

    return tell


def _write(io: Io, text: str) -> None:
    try:
        io.show(text)
    except BrokenPipeError:
        raise
    except OSError as e:
        raise BmSyncError(f"cannot write what was done: {e.strerror}") from e


def _unit(args: Namespace, here: Context, found: Targets) -> Answer:
    from bm_sync import schedule_api

    pace = ("--interval", f"{args.interval:g}s", "--debounce", f"{args.debounce:g}s")
    tags = [word for tag in args.tag for word in ("--tag", tag)]
    words = (*pace, *tags, *(["--poll"] if args.poll else []), *found.names)
    named = schedule_api.named(here.manifest.file, here.setup)
    command = (*launcher(args), "watch", *named, *words)
    system = args.print_unit == "system"
    unit = schedule_api.watch_unit(here.manifest, here.setup, command, system=system)
    return Answer(text=lambda: unit.text, data=lambda: unit)
