"""Tells by a program of this machine: `sendmail` for e-mail, `notify-send` for the desktop."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Mapping
from email.message import EmailMessage
from email.policy import SMTP
from xml.sax.saxutils import escape

from bm_sync.errors import NoticeError
from bm_sync.model.notices import Email, Message, News
from bm_sync.notice import words

# sendmail lies where a user's PATH seldom leads (Filesystem Hierarchy Standard, 3.16 and 4.7).
_ALSO = ("/usr/sbin", "/usr/lib", "/sbin")
_KEPT = (
    *("PATH", "HOME", "USER", "LOGNAME", "LANG", "TZ"),
    *("XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS", "DISPLAY", "WAYLAND_DISPLAY"),
)


async def mail(target: Email, message: Message, env: Mapping[str, str]) -> None:
    """Send an e-mail; raises NoticeError."""
    program = _found("sendmail", env)
    sender = () if target.sender is None else ("-f", target.sender)
    # -i: a line with a single dot ends nothing; the addresses come behind --, never from the text
    await _run((program, "-i", *sender, "--", *target.to), letter(target, message), env)


def letter(target: Email, message: Message) -> bytes:
    """Return an e-mail as sendmail reads it: lines end as those of a text file. Pure."""
    made = EmailMessage(policy=SMTP.clone(linesep="\n"))
    made["Subject"] = words.title(message)
    made["To"] = ", ".join(target.to)
    if target.sender is not None:
        made["From"] = target.sender
    made["Auto-Submitted"] = "auto-generated"
    made.set_content(f"{words.text(message)}\n\nrun {message.run}, exit {message.exit}\n")
    return made.as_bytes()


async def show(message: Message, env: Mapping[str, str]) -> None:
    """Show a notification on the desktop; raises NoticeError."""
    program = _found("notify-send", env)
    serious = words.event(message) not in {News.CHANGE, News.RECOVERED}
    options = ("--app-name=bm-sync", f"--urgency={'critical' if serious else 'normal'}")
    # the body is markup (Desktop Notifications Specification, "Markup")
    shown = (words.title(message), escape(words.text(message)))
    await _run((program, *options, "--", *shown), b"", env)


def _found(name: str, env: Mapping[str, str]) -> str:
    path = os.pathsep.join((env.get("PATH", os.defpath), *_ALSO))
    program = shutil.which(name, path=path)
    if program is None:
        raise NoticeError(f"there is no {name} on this machine")
    return program


async def _run(command: tuple[str, ...], given: bytes, env: Mapping[str, str]) -> None:
    """Run a program to its end; the caller bounds it."""
    name = os.path.basename(command[0])  # noqa: PTH119 - a word for a message
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            env={key: env[key] for key in _KEPT if key in env},
            start_new_session=True,
        )
    except OSError as e:
        raise NoticeError(f"{name} cannot be started: {e.strerror}") from e
    try:
        await process.communicate(given)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise NoticeError(f"{name} ended with exit code {process.returncode}")
