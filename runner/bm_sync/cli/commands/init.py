"""`bm-sync init`: writes a commented starter manifest; never overwrites.

In a git work tree the file of this machine (`sync.local.yaml`) is added to `.gitignore`.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from bm_sync.cli.answer import Answer, Io
from bm_sync.cli.context import NAME, view
from bm_sync.cli.gitignore import ignore_local
from bm_sync.errors import UsageError
from bm_sync.manifest import starter


def add(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "file", nargs="?", type=Path, metavar="FILE", help=f"what to write (default: {NAME})"
    )


def run(args: Namespace, io: Io) -> Answer:
    """Write the manifest and say what comes next."""
    file: Path = args.file or Path(args.manifest or NAME)
    if file.is_dir():
        file = file / NAME
    try:
        with file.open("x", encoding="utf-8") as stream:
            stream.write(starter.text())
    except FileExistsError as error:
        raise UsageError(
            f"{file} is there already and is not overwritten", hint=f"see: bm-sync validate {file}"
        ) from error
    except OSError as error:
        raise UsageError(f"cannot write {file}: {error.strerror}") from error
    here = view(args, io, file)
    ignored = ignore_local(file)
    said = f"wrote {file}\n{ignored.said}edit it, then: {here.command('plan')}\n"
    data = {"file": str(file), "gitignore": ignored.file}
    return Answer(text=lambda: said, data=lambda: data, quiet=True)
