"""`bm-sync import`: writes a first manifest from what Basic Memory or rclone has declared."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from functools import partial
from pathlib import Path

from bm_sync.cli import loop
from bm_sync.cli.answer import Answer, Io
from bm_sync.cli.context import NAME, setup, view
from bm_sync.cli.render.adopted import adopted_text
from bm_sync.errors import UsageError
from bm_sync.manifest.adopt.proposal import Proposal
from bm_sync.model.plan import Plan
from bm_sync.model.setup import Selection, Setup
from bm_sync.plan.wire import to_json

_STDOUT = "-"
_OPTIONS = {
    "basic-memory": ("config_dir", "out"),
    "rclone": ("config", "out"),
}


def add(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "source",
        choices=tuple(_OPTIONS),
        metavar="SOURCE",
        help="basic-memory (its projects) or rclone (the remotes of rclone.conf)",
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


def run(args: Namespace, io: Io) -> Answer:
    """Read the source, write the manifest, say what its first run would do."""
    _refuse_foreign(args)
    if args.source == "rclone":
        return _rclone(args, io)
    return _memory(args, io)


def _refuse_foreign(args: Namespace) -> None:
    """Raise UsageError for an option of another source."""
    known = {name for names in _OPTIONS.values() for name in names}
    for name in sorted(known - set(_OPTIONS[args.source])):
        if getattr(args, name) is not None:
            option = f"--{name.replace('_', '-')}"
            raise UsageError(f"import {args.source} does not take {option}")


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
