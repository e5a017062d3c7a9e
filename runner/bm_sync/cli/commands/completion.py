"""`bm-sync completion`: prints what a shell needs to complete command lines of bm-sync.

The scripts know nothing by themselves: at each Tab they ask `bm-sync completion words`, which reads
the words so far from BM_SYNC_WORDS, one a line, the begun one last.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from bm_sync.cli.answer import Answer, Io
from bm_sync.cli.context import manifest_file, read
from bm_sync.errors import BmSyncError
from bm_sync.model.config import Manifest

SHELLS = ("bash", "zsh", "fish")
_SCRIPTS = Path(__file__).parents[1] / "shells"
_MANIFEST = ("-f", "--manifest")


def add(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "shell",
        choices=(*SHELLS, "words"),
        metavar="SHELL",
        help='bash: eval "$(bm-sync completion bash)" in ~/.bashrc; zsh: the same in ~/.zshrc; '
        "fish: bm-sync completion fish | source in config.fish; words: what those ask",
    )


def run(args: Namespace, io: Io) -> Answer:
    """Return the script of a shell, or what may come next."""
    if args.shell == "words":
        return _words(io)
    text = (_SCRIPTS / f"bm-sync.{args.shell}").read_text(encoding="utf-8")
    return Answer(text=lambda: text, data=lambda: {"shell": args.shell, "script": text})


def _words(io: Io) -> Answer:
    """Return a line for each word, a tab before what it does; `:files` where those may stand."""
    from bm_sync.cli.completing import Names, completion

    words = io.env.get("BM_SYNC_WORDS", "").split("\n")
    names = Names(lambda: _projects(words, io), lambda: _tags(words, io))
    found = completion(words, names)
    lines = [f"{c.word}\t{c.what}" if c.what else c.word for c in found.words]
    lines += [f":{found.paths.value}"] if found.paths else []
    return Answer(
        text=lambda: "".join(f"{line}\n" for line in lines),
        data=lambda: {"words": [c.word for c in found.words], "paths": found.paths.value},
    )


def _projects(words: Sequence[str], io: Io) -> Sequence[str]:
    manifest = _manifest(words, io)
    return [] if manifest is None else [project.name for project in manifest.projects]


def _tags(words: Sequence[str], io: Io) -> Sequence[str]:
    manifest = _manifest(words, io)
    tags = [] if manifest is None else [t for p in manifest.projects for t in p.tags]
    return list(dict.fromkeys(tags))


def _manifest(words: Sequence[str], io: Io) -> Manifest | None:
    """Return the manifest that the words name, or the nearest; None when it cannot be used."""
    before = words[:-1]
    files = [word for word in before if word.endswith((".yaml", ".yml"))]
    named = [*_given(before, *_MANIFEST), *files, None]
    state = [*_given(before, "--state-dir"), None]
    sets = _given(before, "--set")
    args = Namespace(manifest=named[0], state_dir=state[0], sets=sets, rclone=None)
    try:
        return read(manifest_file(args, io), args, io).manifest
    except BmSyncError:
        return None


def _given(words: Sequence[str], *options: str) -> list[str]:
    """Return the values of an option, in their order."""
    found = [value for option, value in pairwise(words) if option in options]
    joined = [word.partition("=") for word in words]
    return [*found, *(value for option, equals, value in joined if equals and option in options)]
