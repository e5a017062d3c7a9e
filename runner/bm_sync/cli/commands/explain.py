"""`bm-sync explain`: tells more about an error code of the manifest."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from difflib import get_close_matches

from bm_sync.cli.answer import Answer, Io
from bm_sync.errors import UsageError
from bm_sync.manifest import codes


def add(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "code", nargs="?", metavar="CODE", help="a code such as BMS004; default: list them all"
    )


def run(args: Namespace, io: Io) -> Answer:  # noqa: ARG001 - every command is called alike
    """Return the explanation of a code, or all titles."""
    if args.code is None:
        known = codes.explanations()
        listed = "".join(f"{told.code}  {told.title}\n" for told in known)
        return Answer(
            text=lambda: listed,
            data=lambda: [{"code": str(told.code), "title": told.title} for told in known],
        )
    code = codes.find(args.code)
    if code is None:
        close = get_close_matches(args.code.upper(), [str(known) for known in codes.Code], n=1)
        meant = f"did you mean {close[0]}? " if close else ""
        raise UsageError(f"there is no code {args.code!r}", hint=f"{meant}see: bm-sync explain")
    told = codes.explain(code)
    return Answer(
        text=lambda: f"{told.code}: {told.title}\n\n{told.text}\n",
        data=lambda: {"code": str(told.code), "title": told.title, "text": told.text},
    )
