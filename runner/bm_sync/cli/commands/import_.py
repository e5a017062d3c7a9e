"""`bm-sync import`: takes over what Basic Memory or rclone has declared or remembered.

What `import` wrote, what it left out, and what the first run would do.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

from bm_sync.cli import loop
from bm_sync.cli.answer import Answer, Io
from bm_sync.cli.context import NAME, context, setup, view
from bm_sync.cli.render.groups import commands
from bm_sync.cli.render.plan import plan_text
from bm_sync.cli.render.text import columns, count, escape, lines
from bm_sync.cli.render.view import View
from bm_sync.errors import Exit, UsageError
from bm_sync.manifest.adopt.proposal import Proposal
from bm_sync.model.config import Placement
from bm_sync.model.learnt import Learnt, Since
from bm_sync.model.plan import Plan
from bm_sync.model.setup import Selection, Setup
from bm_sync.plan.wire import to_json
from bm_sync.state.codec import flatten

_MOST = 20


def learnt_text(learnt: Learnt, view: View) -> str:
    """Return the counts, what happened since, and what was not believed."""
    head = f"{learnt.project}: remembers {count(len(learnt.files), 'file')} of the last bisync"
    said = [head + (", in place of what it remembered before" if learnt.replaced else "")]
    said += [f"  from {escape(str(file))}" for file in learnt.listings]
    return lines(said, _since(learnt), _left_out(learnt), _next(learnt, view))


def _since(learnt: Learnt) -> list[str]:
    rows = [(f"{learnt.count(since):,}", since.value) for since in Since if learnt.count(since)]
    return [f"  {row}" for row in columns(rows, "><")]


def _left_out(learnt: Learnt) -> list[str]:
    if not learnt.left_out and not learnt.damaged:
        return []
    said = [f"{count(len(learnt.left_out), 'file')} of the listings not believed:"]
    said += [f"  {escape(each.path)}: {escape(each.why)}" for each in learnt.left_out[:_MOST]]
    rest = len(learnt.left_out) - _MOST
    said += [f"  … and {rest:,} more"] if rest > 0 else []
    damaged = f"{count(learnt.damaged, 'line')} of the listings could not be read"
    return said + ([damaged] if learnt.damaged else [])


def _next(learnt: Learnt, view: View) -> list[str]:
    return commands([("what apply would do now", view.command("plan", learnt.project))])


def adopted_text(file: Path, proposal: Proposal, plan: Plan | None, view: View) -> str:
    """Return the whole answer; `plan` is None when no project is declared yet."""
    left = [f"left out: {escape(each.source)}: {escape(each.why)}" for each in proposal.left_out]
    wrote = f"wrote {escape(str(file))}: {_contents(proposal)}"
    return lines([wrote, *left], *_first_run(plan, view))


def _contents(proposal: Proposal) -> str:
    manifest = proposal.loaded.manifest
    if not manifest.projects:
        return f"{count(len(manifest.remotes), 'remote')}, no project yet"
    counted = Counter(project.placement for project in manifest.projects)
    said = ", ".join(f"{counted[p]} {p.value}" for p in Placement if counted[p])
    return f"{count(len(manifest.projects), 'project')} ({said})"


def _first_run(plan: Plan | None, view: View) -> list[list[str]]:
    if plan is None:
        return []
    away = any(project.failure_exit == Exit.NOT_SIGNED_IN for project in plan.projects)
    if away:
        steps = commands(
            [("sign in", view.command("login", manifest=False)), ("then", view.command("plan"))]
        )
        return [["not signed in, so the first run cannot be shown yet", *steps]]
    if all(project.in_sync for project in plan.projects):
        return [["the first run has nothing to do"]]
    shown = plan_text(plan, view).splitlines()
    moving = any(project.moves for project in plan.projects)
    step = ("do it", view.command("apply")) if moving else ("look again", view.command("plan"))
    return [["the first run, of which nothing is done yet:"], shown, commands([step])]


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
