"""The other device of the tour: confirms a sign-in, and writes notes on the cloud.

    python -m standin.phone approve [CODE]
    python -m standin.phone write PATH TEXT [--workspace SLUG]
    python -m standin.phone delete PATH [--workspace SLUG]

It speaks to the stand-in that BASIC_MEMORY_CLOUD_HOST names.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Sequence


def main(argv: Sequence[str]) -> int:
    """Do one thing and say what came of it."""
    said = _parser().parse_args(argv)
    host = os.environ.get("BASIC_MEMORY_CLOUD_HOST", "")
    if not host.startswith("http://127.0.0.1:"):
        sys.stderr.write("BASIC_MEMORY_CLOUD_HOST names no stand-in on this machine\n")
        return 1
    match said.act:
        case "approve":
            found = _ask(host, "approve", {"user_code": said.code})
            code = found["decided"]
            sys.stdout.write(f"confirmed {code}\n" if code else "no sign-in waits\n")
            return 0 if code else 1
        case "write":
            place = {"workspace": said.workspace, "key": said.path}
            _ask(host, "put-file", place | {"text": f"{said.text}\n"})
        case _:
            _ask(host, "delete-file", {"workspace": said.workspace, "key": said.path})
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m standin.phone")
    acts = parser.add_subparsers(dest="act", required=True)
    acts.add_parser("approve").add_argument("code", nargs="?", default="")
    write = acts.add_parser("write")
    write.add_argument("path")
    write.add_argument("text")
    delete = acts.add_parser("delete")
    delete.add_argument("path")
    for act in (write, delete):
        act.add_argument("--workspace", default="ada", metavar="SLUG")
    return parser


def _ask(host: str, call: str, said: dict[str, str]) -> dict[str, str]:
    request = urllib.request.Request(  # noqa: S310 - main looked at it
        f"{host}/_standin/{call}", json.dumps(said).encode()
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=30) as answer:
            found: dict[str, str] = json.load(answer)
    except urllib.error.URLError as e:
        raise SystemExit(f"no stand-in answers at {host}: {e}") from e
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
