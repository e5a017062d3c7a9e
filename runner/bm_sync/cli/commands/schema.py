"""`bm-sync schema`: prints a JSON Schema of the public contract."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace

from bm_sync.cli.answer import Answer, Io
from bm_sync.paths import schema_file

NAMES = ("manifest", "plan", "run", "event", "status", "fleet", "report", "watch", "envelope")


def add(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "name",
        nargs="?",
        choices=NAMES,
        default="manifest",
        metavar="NAME",
        help=f"{', '.join(NAMES)} (default: manifest)",
    )


def run(args: Namespace, io: Io) -> Answer:  # noqa: ARG001 - every command is called alike
    """Return a schema as it is shipped."""
    text = schema_file(args.name).read_text(encoding="utf-8")
    return Answer(text=lambda: text, data=lambda: json.loads(text))
