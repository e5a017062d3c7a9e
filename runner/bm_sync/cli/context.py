"""From the global options to a manifest, a selection and the surroundings of a command."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from collections.abc import Callable, Sequence
from pathlib import Path

from msgspec import Struct

from bm_sync import access
from bm_sync import manifest as manifests
from bm_sync.cli.answer import Io
from bm_sync.cli.render.text import escape
from bm_sync.cli.render.view import Paint, View
from bm_sync.cli.selection import JOBS
from bm_sync.cli.target import Targets
from bm_sync.errors import UsageError
from bm_sync.manifest.codes import Code
from bm_sync.manifest.formats import text
from bm_sync.model.config import Manifest
from bm_sync.model.setup import Setup
from bm_sync.paths import state_dir

NAME = "sync.yaml"
_NO_TARGETS = Targets()


class Context(Struct, frozen=True):
    """The manifest a command works on, and how messages refer to it."""

    manifest: Manifest
    setup: Setup
    view: View


def context(args: Namespace, io: Io, targets: Targets = _NO_TARGETS) -> Context:
    """Load the manifest that was named or found, say its warnings, return it.

    Raises `ManifestError` with every slip, `UsageError` when there is no manifest.
    """
    file = manifest_file(args, io, targets.manifest)
    found = load(file, args, io)
    tell_elsewhere(found, targets.names, args, io)
    return Context(found, setup(args, io), view(args, io, file))


def load(file: Path, args: Namespace, io: Io) -> Manifest:
    """Load a manifest and say its warnings on standard error (not with `-q` or `--json`).

    `plan` says them each time, other commands once: when this machine does not know the manifest.
    So it is with what the manifest reads of this machine, in `plan` too.
    """
    loaded = read(file, args, io)
    told = [w for w in loaded.warnings if loaded.is_new or w.code != Code.READS_FILES]
    if told and (loaded.is_new or args.command == "plan") and not (args.quiet or args.json):
        io.say(text(tuple(told)))
    return loaded.manifest


def read(file: Path, args: Namespace, io: Io) -> manifests.Loaded:
    """Load a manifest for this machine and this command line; raises `ManifestError`."""
    here = setup(args, io)
    machine, ask = here.machine(sys.platform), _asking(args, io)

    def doubt(files: Sequence[Path]) -> None:
        from bm_sync.engine.left_alone import refuse_brought

        refuse_brought(files, here)

    return manifests.load(
        file, io.env, state_dir=here.state_dir, machine=machine, ask=ask, doubt=doubt
    )


def _asking(args: Namespace, io: Io) -> Callable[[], bytes | None]:
    """Return how the rclone that runs is asked for its options; it is hardly ever."""

    def ask() -> bytes | None:
        from bm_sync.rclone.binary import providers

        given = args.rclone or io.env.get("BM_SYNC_RCLONE") or None
        return providers(Path(given) if given else None, io.env)

    return ask


def _sets(args: Namespace) -> tuple[tuple[str, str], ...]:
    if not args.sets:
        return ()
    from bm_sync.manifest.overrides import parse

    return tuple(parse(word) for word in args.sets)


def _host(io: Io) -> str:
    """Return what this machine is called: BM_SYNC_HOST, else as it calls itself."""
    return io.env.get("BM_SYNC_HOST") or os.uname().nodename


def tell_elsewhere(manifest: Manifest, names: Sequence[str], args: Namespace, io: Io) -> None:
    """Say which of the named projects are not for this machine (not with `-q` or `--json`)."""
    if args.quiet or args.json:
        return
    for other in manifest.elsewhere:
        if other.project.name in names:
            io.say(f"{other.project.name} is not for this machine: {other.reason}\n")


def manifest_file(args: Namespace, io: Io, positional: Path | None = None) -> Path:
    """Return the manifest: named on the command line, in BM_SYNC_MANIFEST, or found upwards."""
    given = Path(args.manifest) if args.manifest is not None else None
    if positional is not None and given is not None:
        raise UsageError(f"two manifests are named: {positional} and {given}")
    return positional or given or _default(io)


def _default(io: Io) -> Path:
    if io.env.get("BM_SYNC_MANIFEST"):
        return Path(io.env["BM_SYNC_MANIFEST"])
    found = nearest(io.cwd)
    if found is None:
        raise UsageError(
            f"there is no {NAME} in {io.cwd} or a folder above it",
            hint="write one with: bm-sync init, or name one with: bm-sync -f FILE",
        )
    return found


def nearest(folder: Path) -> Path | None:
    """Return the manifest in `folder` or in the nearest folder above, relative to `folder`."""
    for place in (folder, *folder.parents):
        if access.standing(place / NAME, links=False) is not None:
            return Path(os.path.relpath(place / NAME, folder))
    return None


def state(args: Namespace, io: Io) -> Path:
    """Return the state directory."""
    return state_dir(io.env, None if args.state_dir is None else Path(args.state_dir))


def setup(args: Namespace, io: Io) -> Setup:
    """Return the surroundings of a command, read from the options and the environment.

    Raises `UsageError` for a slip in `--set`.
    """
    given = args.rclone or io.env.get("BM_SYNC_RCLONE") or None
    return Setup(
        env=dict(io.env),
        state_dir=state(args, io),
        host=_host(io),
        sets=_sets(args),
        rclone=Path(given) if given else None,
        jobs=getattr(args, "jobs", JOBS),
        metrics=getattr(args, "metrics", None),
        no_commands=bool(getattr(args, "no_commands", False)),
        consent=args.manifest is not None,
        tell=_teller(io),
    )


def _teller(io: Io) -> Callable[[str], None]:
    """Return what says a sentence on standard error, the same one once."""
    heard: set[str] = set()

    def tell(sentence: str) -> None:
        if sentence not in heard:
            heard.add(sentence)
            io.say(f"{escape(sentence)}\n")

    return tell


def view(args: Namespace, io: Io, file: Path | None = None) -> View:
    """Return how answers are rendered; pasted commands repeat what differs from the default."""
    around = []
    for option, value in (("--state-dir", args.state_dir), ("--rclone", args.rclone)):
        around += [option, value] if value is not None else []
    around += [word for given in args.sets for word in ("--set", given)]
    return View(
        named=() if file is None or _is_default(file, io) else ("-f", str(file)),
        around=tuple(around),
        paint=Paint(on=coloured(args, io)),
        now=io.clock(),
        cap=None if getattr(args, "all_files", False) else 20,
        quiet=bool(getattr(args, "quiet", False)),
    )


def _is_default(file: Path, io: Io) -> bool:
    named = io.env.get("BM_SYNC_MANIFEST")
    default = Path(named) if named else nearest(io.cwd)
    return default is not None and (io.cwd / file).resolve() == (io.cwd / default).resolve()


def coloured(args: Namespace, io: Io) -> bool:
    """Return whether standard output takes colours."""
    refused = args.no_color or io.env.get("NO_COLOR") or io.env.get("TERM") == "dumb"
    return io.out.isatty() and not refused
