"""`bm-sync import`: takes over what Basic Memory or rclone has declared or remembered."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from functools import partial
from pathlib import Path

from bm_sync.cli import loop
from bm_sync.cli.answer import Answer, Io
from bm_sync.cli.context import NAME, context, setup, view
from bm_sync.cli.render.adopted import adopted_text, learnt_text
from bm_sync.errors import UsageError
from bm_sync.manifest.adopt.proposal import Proposal
from bm_sync.model.learnt import Learnt
from bm_sync.model.plan import Plan
from bm_sync.model.setup import Selection, Setup
from bm_sync.plan.wire import to_json
from bm_sync.state.codec import flatten

_STDOUT = "-"
_OPTIONS = {
    "basic-memory": ("config_dir", "out"),
    "rclone": ("config", "out"),
    "bisync-state": ("project", "workdir", "replace"),
}


def add(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "source",
        choices=tuple(_OPTIONS),
        metavar="SOURCE",
        help="basic-memory (its projects), rclone (the remotes of rclone.conf) or bisync-state "
        "(what rclone bisync remembers of a declared project)",
    )
    parser.add_argument(
        "project", nargs="?", metavar="NAME", help="the project that bisync-state is learnt for"
    )
    parser.add_argument(
        "--config-dir",
        type=Path,
        metavar="DIR",
        help="Basic Memory's data directory (BASIC_MEMORY_CONFIG_DIR; default: ~/.basic-memory)",
    )
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="the rclone.conf (RCLONE_CONFIG; default: where rclone looks)",
    )
    parser.add_argument(
        "-o",
        "--out",
        metavar="FILE",
        help=f"what to write, - for standard output (default: {NAME}; for rclone -)",
    )
    parser.add_argument(
        "--workdir",
        type=Path,
        metavar="DIR",
        help="where the listings of bisync are (default: where rclone or Basic Memory keep them)",
    )
    parser.add_argument(
        "--replace",
        action="store_true",
        default=None,
        help="forget first what is remembered of the project",
    )


def run(args: Namespace, io: Io) -> Answer:
    """Read the source; write the manifest, or remember what it tells; say what comes next."""
    _refuse_foreign(args)
    if args.source == "rclone":
        return _rclone(args, io)
    if args.source == "bisync-state":
        return _bisync_state(args, io)
    return _memory(args, io)


def _refuse_foreign(args: Namespace) -> None:
    """Raise UsageError for an option of another source."""
    known = {name for names in _OPTIONS.values() for name in names}
    for name in sorted(known - set(_OPTIONS[args.source])):
        if getattr(args, name) is not None:
            said = args.project if name == "project" else f"--{name.replace('_', '-')}"
            raise UsageError(
                f"import {args.source} does not take {said}",
                hint="what it takes: bm-sync import --help",
            )


def _memory(args: Namespace, io: Io) -> Answer:
    from bm_sync import api

    folder: Path | None = args.config_dir and args.config_dir.expanduser()
    where = setup(args, io)
    return _answer(args, io, NAME, lambda file: api.import_basic_memory(folder, file, where))


def _rclone(args: Namespace, io: Io) -> Answer:
    from bm_sync import api

    config: Path | None = args.config and args.config.expanduser()
    where = setup(args, io)
    return _answer(args, io, _STDOUT, lambda file: api.import_rclone(config, file, where))


def _bisync_state(args: Namespace, io: Io) -> Answer:
    from bm_sync import api

    if args.project is None:
        raise UsageError(
            "import bisync-state needs the name of a declared project",
            hint="bm-sync status lists them",
        )
    here = context(args, io)
    folder: Path | None = args.workdir and args.workdir.expanduser()
    work = api.import_bisync_state(
        here.manifest, args.project, here.setup, folder=folder, replace=bool(args.replace)
    )
    learnt = loop.run(work)
    return Answer(text=partial(learnt_text, learnt, here.view), data=lambda: _learnt(learnt))


def _learnt(learnt: Learnt) -> dict[str, object]:
    return {
        "project": learnt.project,
        "listings": [str(file) for file in learnt.listings],
        "files": flatten(learnt.files),
        "left_out": flatten(learnt.left_out),
        "damaged": learnt.damaged,
        "replaced": learnt.replaced,
    }


def _answer(args: Namespace, io: Io, default: str, propose: Callable[[Path], Proposal]) -> Answer:
    """Write the proposal where it was asked for; never over a file that is there."""
    out: str = args.out or args.manifest or default
    if out == _STDOUT:
        proposal = propose(io.cwd / NAME)
        return Answer(text=lambda: proposal.text, data=lambda: _data(None, proposal, None))
    file = Path(out) / NAME if Path(out).is_dir() else Path(out)
    _refuse_existing(file)
    proposal = propose(file)
    _write(file, proposal.text)
    plan = _first_plan(proposal, setup(args, io))
    here = view(args, io, file)
    return Answer(
        text=partial(adopted_text, file, proposal, plan, here),
        data=lambda: _data(file, proposal, plan),
        quiet=True,
    )


def _first_plan(proposal: Proposal, where: Setup) -> Plan | None:
    """Return what the first run would do; None when there is no project to plan."""
    from bm_sync import api

    if not proposal.loaded.manifest.projects:
        return None
    return loop.run(api.plan(proposal.loaded.manifest, Selection(), where))


def _refuse_existing(file: Path) -> None:
    if file.exists() or file.is_symlink():
        raise UsageError(
            f"{file} is there already and is not overwritten",
            hint="give another name with -o FILE, or look first with -o -",
        )


def _write(file: Path, text: str) -> None:
    try:
        with file.open("x", encoding="utf-8") as stream:
            stream.write(text)
    except FileExistsError:
        _refuse_existing(file)
    except OSError as error:
        raise UsageError(f"cannot write {file}: {error.strerror}") from error


def _data(file: Path | None, proposal: Proposal, plan: Plan | None) -> dict[str, object]:
    return {
        "file": None if file is None else str(file),
        "text": proposal.text,
        "left_out": [{"name": each.source, "why": each.why} for each in proposal.left_out],
        "plan": None if plan is None else to_json(plan),
    }
