"""Read a remote of the user's own rclone.conf, with all it builds on.

The file is read by rclone itself (`config dump`) in the user's own environment, so that encrypted
files and password commands work. It is never written.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from bm_sync import files
from bm_sync.errors import RcloneMissingError, UsageError
from bm_sync.model.config import NamedRemote
from bm_sync.paths import home_dir
from bm_sync.rclone.binary import Binary
from bm_sync.rclone.remotes import Definition
from bm_sync.secret import Secret

DUMP_TIMEOUT_S = 60.0
Sections = Mapping[str, Mapping[str, str]]

_SECRET_KEY = re.compile(r"pass|secret|token|key|credential|auth|sas_url|account|cookie|bearer")
_REFERENCE = re.compile(r"([\w.+@-](?:[\w.+@ -]*[\w.+@-])?)(?:,[^:]*)?:")


async def definitions(
    remote: NamedRemote, binary: Binary, env: Mapping[str, str]
) -> tuple[Definition, ...]:
    """Return the remote's section, first, and those it refers to (crypt, alias, union, ...).

    Raises UsageError when there is no such section or the file cannot be read.
    """
    sections = await _dump(binary, env)
    name = remote.rclone.removesuffix(":")
    if name not in sections:
        known = ", ".join(sorted(sections)) or "none"
        raise UsageError(
            f"{remote.origin}: your rclone.conf has no remote {name!a}",
            hint=f"it has: {ascii(known)[1:-1]}",
        )
    return tuple(_definition(n, sections[n]) for n in _with_references(name, sections))


async def overview(binary: Binary, env: Mapping[str, str]) -> tuple[tuple[str, str, str], ...]:
    """Return each remote of the user's rclone.conf: its name, its type, and what it builds on.

    What it builds on is "" or names of other remotes. Nothing secret is in it. Raises as
    `definitions` does.
    """
    sections = await _dump(binary, env)
    found = []
    for name, section in sections.items():
        below = dict.fromkeys(_referred(section.values(), sections))
        found.append((name, section.get("type", ""), ", ".join(n for n in below if n != name)))
    return tuple(found)


def _with_references(name: str, sections: Sections) -> list[str]:
    found, todo = [], [name]
    while todo:
        current = todo.pop()
        if current not in found:
            found.append(current)
            todo.extend(_referred(sections[current].values(), sections))
    return found


def _referred(values: Iterable[str], sections: Sections) -> list[str]:
    words = (word for value in values for word in _REFERENCE.findall(value))
    parts = (part for word in words for part in (word, word.rpartition(" ")[2]))
    return [part for part in parts if part in sections]


def _definition(name: str, section: Mapping[str, str]) -> Definition:
    options = tuple(
        (key, Secret(value) if _SECRET_KEY.search(key) else value)
        for key, value in section.items()
        if key != "type"
    )
    return Definition(name, section.get("type", ""), options, obscure=False)


def where(binary: Binary, env: Mapping[str, str]) -> Path | None:
    """Return the rclone.conf that rclone reads, None where it reads none.

    The order is that of rclone (fs/config.makeConfigPath, measured with 1.75.2).
    """
    if "RCLONE_CONFIG" in env:
        return Path(env["RCLONE_CONFIG"]) if env["RCLONE_CONFIG"] not in {"", os.devnull} else None
    home, config = home_dir(env), env.get("XDG_CONFIG_HOME")
    places = (
        binary.path.parent / "rclone.conf",
        *([Path(config) / "rclone/rclone.conf"] if config else []),
        home / ".config/rclone/rclone.conf",
        home / ".rclone.conf",
    )
    return next((place for place in places if os.path.lexists(place)), None)


def _check(binary: Binary, env: Mapping[str, str]) -> None:
    """Hold the file to the rule of `files`; one that is missing rclone tells of."""
    file = where(binary, env)
    if file is None:
        return
    try:
        files.check(file, env)
    except FileNotFoundError:
        return
    except OSError as e:
        raise UsageError(f"cannot read {file}: {e.strerror}") from e


async def _dump(binary: Binary, env: Mapping[str, str]) -> Sections:
    _check(binary, env)
    process = await asyncio.create_subprocess_exec(
        str(binary.path),
        "config",
        "dump",
        "--ask-password=false",
        env=dict(env),
        cwd=os.sep,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        out, err = await asyncio.wait_for(process.communicate(), DUMP_TIMEOUT_S)
    except TimeoutError:
        raise RcloneMissingError("rclone config dump gave no answer in 60 s") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        why = ascii(" ".join(err.decode(errors="replace").split())[-300:])[1:-1]
        raise UsageError(
            f"rclone cannot read your rclone.conf: {why}",
            hint="check it with: rclone config dump",
        )
    return _parsed(out)


def _parsed(out: bytes) -> Sections:
    try:
        dump = json.loads(out)
        return {n: {k: str(v) for k, v in section.items()} for n, section in dump.items()}
    except (ValueError, AttributeError):
        # the text holds secrets and must not travel with a cause
        raise UsageError("rclone config dump printed no configuration") from None
