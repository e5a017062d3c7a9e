"""`bm-sync login`: signs in to Basic Memory Cloud, by the browser or with an API key."""

from __future__ import annotations

import sys
import threading
from argparse import ArgumentParser, Namespace
from functools import partial
from getpass import getpass
from typing import TYPE_CHECKING

from bm_sync.cli import loop
from bm_sync.cli.answer import Answer, Failure, Io
from bm_sync.cli.context import setup, view
from bm_sync.cli.render.cloud import code_text, login_text
from bm_sync.errors import Exit, InterruptedRunError, UsageError
from bm_sync.secret import Secret

if TYPE_CHECKING:
    from bm_sync.cloud.oauth import Device

_LONGEST_KEY = 4096


def add(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "--host", metavar="URL", help="another service than the one Basic Memory uses here"
    )
    parser.add_argument(
        "--domain", metavar="URL", help="where one signs in for that service, by the browser"
    )
    parser.add_argument(
        "--api-key", metavar="-", help="sign in with an API key that is read from standard input"
    )
    parser.add_argument("--no-browser", action="store_true", help="open no browser")


def run(args: Namespace, io: Io) -> Answer:
    """Sign in, look whether the service takes it, say so."""
    from bm_sync import cloud_api

    around = setup(args, io)
    if args.api_key is None:
        work = cloud_api.login(around, args.host, args.domain, partial(_show, args, io))
    elif args.domain is not None:
        raise UsageError("--domain has no meaning with --api-key", hint="leave it out")
    else:
        work = cloud_api.login_with_key(around, args.host, _key(args.api_key, io))
    try:
        report = loop.run(work)
    except InterruptedRunError as e:
        raise InterruptedRunError("interrupted; nothing was kept") from e
    trouble = report.trouble
    return Answer(
        text=partial(login_text, report, view(args, io)),
        data=lambda: report,
        exit=Exit(trouble.exit) if trouble else Exit.OK,
        errors=(Failure(trouble.what, trouble.hint),) if trouble else (),
        quiet=trouble is None,
    )


def _key(given: str, io: Io) -> Secret:
    """Return the key from standard input; a terminal does not show what is typed."""
    if given != "-":
        raise UsageError(
            "an API key on the command line can be seen by everybody on this machine",
            hint="give it on standard input: bm-sync login --api-key - < FILE; revoke this one",
        )
    if io.asks():
        try:
            return Secret(getpass("API key: ").strip())
        except EOFError:
            return Secret("")
    return Secret(io.stdin.read(_LONGEST_KEY + 1).strip())


def _show(args: Namespace, io: Io, device: Device) -> None:
    """Tell a person where to go; it has to be seen even with `-q` and `--json`."""
    io.say(code_text(device.user_code, device.uri_complete or device.uri, device.lasts_s))
    io.err.flush()
    if not args.no_browser and io.err.isatty() and _has_display(io):
        page = device.uri_complete or device.uri
        # a browser may run as long as it likes
        threading.Thread(target=_open, args=(page,), daemon=True).start()


def _has_display(io: Io) -> bool:
    names = ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY")
    return sys.platform == "darwin" or any(io.env.get(name) for name in names)


def _open(page: str) -> None:
    import webbrowser

    webbrowser.open(page)
