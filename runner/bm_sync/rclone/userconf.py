"""Read a remote of the user's own rclone.conf, with all it builds on.

The file is read by rclone itself (`config dump`) with the user's own settings of rclone, so that
encrypted files and password commands work; it is not written here. Sign-ins that change by use are
renewed in it by the user's rclone (`signins`). What `RCLONE_CONFIG_NAME_OPTION`
of the environment says counts as for rclone itself (https://rclone.org/docs/#config-file, measured
with rclone 1.75.2): such a remote needs no file, and an option there is stronger than in the file.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path

from msgspec import Struct, field

from bm_sync import files
from bm_sync.backends import Mark, table
from bm_sync.errors import RcloneMissingError, UsageError
from bm_sync.masking import looks_secret
from bm_sync.model.config import BackendRemote, NamedRemote
from bm_sync.paths import home_dir
from bm_sync.rclone import signins
from bm_sync.rclone.binary import Binary
from bm_sync.rclone.daemon import kept
from bm_sync.rclone.remotes import Definition
from bm_sync.rclone.signins import Token
from bm_sync.secret import Secret

DUMP_TIMEOUT_S = 60.0
Sections = Mapping[str, Mapping[str, str]]

_FRESH_S = 5.0  # so long one reading serves all remotes that a run connects
_SECRET_KEY = re.compile(r"auth|account|headers")  # beside those that sound secret
_REFERENCE = re.compile(r"([\w.+@-](?:[\w.+@ -]*[\w.+@-])?)(?:,[^:]*)?:")
_IN_ENVIRONMENT = re.compile(r"RCLONE_CONFIG_(.+?)_TYPE")


class UserConf(Struct):
    """The remotes of the user, read by `binary`."""

    binary: Binary
    _read: Sections = field(default_factory=dict)
    _read_of: object = None
    _read_at: float = 0.0
    _reading: asyncio.Lock = field(default_factory=asyncio.Lock)
    _in_file: Sections = field(default_factory=dict)
    _signing_in: asyncio.Lock = field(default_factory=asyncio.Lock)
    _asked: set[str] = field(default_factory=set)

    async def definitions(
        self, remote: NamedRemote, env: Mapping[str, str], *, doubted: bool = False
    ) -> tuple[Definition, ...]:
        """Return the remote's section, first, and those it refers to (crypt, alias, union, ...).

        `doubted`: sign-ins are renewed even if they should hold.
        Raises UsageError when there is no such section or the file cannot be read.
        """
        sections = await self.sections(env)
        name = remote.rclone.removesuffix(":")
        if _found(name, sections) is None:
            known = ", ".join(sorted(sections)) or "none"
            raise UsageError(
                f"{remote.origin}: your rclone.conf has no remote {name!a}",
                hint=f"it has: {ascii(known)[1:-1]}",
            )
        return await self._defined(_with_references(name, sections), env, doubted=doubted)

    async def wrapped(
        self, remote: BackendRemote, env: Mapping[str, str], *, doubted: bool = False
    ) -> tuple[Definition, ...]:
        """Return the remotes of the user that a remote of the manifest builds on (crypt, ...)."""
        known = table().get(remote.type, {})
        said = [
            value
            for option, value in remote.options
            if isinstance(value, str) and option in known and Mark.WRAPS in known[option].marks
        ]
        if not any(_REFERENCE.search(value) for value in said):
            return ()
        sections = await self.sections(env)
        names = dict.fromkeys(
            name
            for first in _referred(said, sections)
            for name in _with_references(first, sections)
        )
        return await self._defined(names, env, doubted=doubted)

    async def _defined(
        self, names: Iterable[str], env: Mapping[str, str], *, doubted: bool
    ) -> tuple[Definition, ...]:
        """Return sections as our rclone is to have them, signed in as they have to be."""
        names = list(names)
        async with self._signing_in:
            for name in names:
                await self._sign_in(name, env, doubted=doubted)
            sections = await self.sections(env)
            return tuple(_definition(n, sections, self._token(n, sections, env)) for n in names)

    async def _sign_in(self, name: str, env: Mapping[str, str], *, doubted: bool) -> None:
        """Let the user's rclone renew what has ended; raises RcloneError when it cannot."""
        sections = await self.sections(env)
        token = self._token(name, sections, env)
        asks = (token.ended or doubted) if token is not None else self._session(name, sections)
        conf = where(self.binary, env)
        if not asks or conf is None:
            return
        settings = own_settings(env)
        renew = partial(signins.renew, name, self.binary.path, settings, conf)
        text = await asyncio.to_thread(renew)
        self._asked.add(name)
        token = self._token(name, await self.sections(env, fresh=True), env)
        if token is not None and token.ended:
            raise signins.refused(name, text)

    def left_s(self, definitions: Iterable[Definition], env: Mapping[str, str]) -> float:
        """Return in how many seconds the first sign-in of some remotes ends."""
        tokens = (self._token(d.name, self._read, env) for d in definitions)
        return min((token.left_s() for token in tokens if token), default=float("inf"))

    def _token(self, name: str, sections: Sections, env: Mapping[str, str]) -> Token | None:
        """Return a token that the user's rclone keeps when it renews it.

        One of the environment it cannot keep, nor one in a file that cannot be written.
        """
        key = _found(name, sections) or name
        text = sections.get(key, {}).get(signins.TOKEN)
        token = signins.read(text)
        if token is None or self._in_file.get(key, {}).get(signins.TOKEN) != text:
            return None
        conf = where(self.binary, env)
        return token if conf is not None and signins.keepable(conf) else None

    def _session(self, name: str, sections: Sections) -> bool:
        """Return whether a remote has a session of another kind that use may renew.

        The user's rclone is asked once, before ours uses it.
        """
        section = sections.get(_found(name, sections) or name, {})
        known = table().get(section.get("type", ""), {})
        renewed = (o for o in section if o in known and Mark.RENEWS in known[o].marks)
        return name not in self._asked and any(o != signins.TOKEN for o in renewed)

    async def sections(self, env: Mapping[str, str], *, fresh: bool = False) -> Sections:
        """Return all remotes by name, those of the environment in lower case.

        One reading serves for some seconds unless it has to be `fresh`. Raises UsageError when the
        file cannot be read.
        """
        settings = {key: value for key, value in env.items() if key.startswith("RCLONE_")}
        async with self._reading:
            aged = time.monotonic() - self._read_at > _FRESH_S
            if fresh or aged or self._read_of != settings:
                in_file = await _dump(self.binary, env)
                self._in_file = in_file
                self._read = {
                    **_in_environment(in_file, settings),
                    **_overridden(in_file, settings),
                }
                self._read_of, self._read_at = settings, time.monotonic()
            return self._read


async def overview(binary: Binary, env: Mapping[str, str]) -> tuple[tuple[str, str, str], ...]:
    """Return each remote of the user's rclone.conf: its name, its type, and what it builds on.

    What it builds on is "" or names of other remotes. Nothing secret is in it. Raises as
    `UserConf.sections` does.
    """
    sections = await UserConf(binary).sections(env)
    found = []
    for name, section in sections.items():
        below = dict.fromkeys(_referred(section.values(), sections))
        found.append((name, section.get("type", ""), ", ".join(n for n in below if n != name)))
    return tuple(found)


def own_settings(env: Mapping[str, str]) -> dict[str, str]:
    """Return the environment in which the user's own rclone reads its configuration.

    A password command is a program of the user, which needs what the user's programs need.
    """
    if env.get("RCLONE_PASSWORD_COMMAND"):
        found = dict(env)
    else:
        found = kept(env) | {k: v for k, v in env.items() if k.startswith(("RCLONE_", "XDG_"))}
    if found.get("RCLONE_CONFIG"):  # as the user means it, wherever rclone is started
        found["RCLONE_CONFIG"] = os.path.abspath(found["RCLONE_CONFIG"])  # noqa: PTH100 - pure
    return found


def _in_environment(in_file: Sections, settings: Mapping[str, str]) -> Sections:
    """Return the remotes that the environment alone declares."""
    known = {name.upper() for name in in_file}
    names = (_IN_ENVIRONMENT.fullmatch(key) for key, value in settings.items() if value)
    found = [match[1] for match in names if match and match[1].upper() not in known]
    return _overridden({name.lower(): {} for name in found}, settings)


def _overridden(sections: Sections, settings: Mapping[str, str]) -> Sections:
    """Return sections with what the environment says about single options."""
    return {n: {**said, **dict(_options(n, said, settings))} for n, said in sections.items()}


def _options(
    name: str, section: Mapping[str, str], settings: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    """Yield the options of a remote that the environment says, the stronger later.

    For all remotes of a backend (`RCLONE_S3_REGION`), then for this one. A backend that the table
    does not have is a newer rclone's: then every variable of the remote counts.
    """
    own = f"RCLONE_CONFIG_{name.upper()}_"
    kind = settings.get(f"{own}TYPE") or section.get("type", "")
    if f"{own}TYPE" in settings:
        yield "type", kind
    known = table().get("gcs" if kind == "google cloud storage" else kind)
    if known is None:
        mine = ((k.removeprefix(own), v) for k, v in settings.items() if k.startswith(own))
        yield from ((name.lower(), value) for name, value in mine)
        return
    for place in (f"RCLONE_{kind.upper()}_", own):
        for option in known:
            if f"{place}{option.upper()}" in settings:
                yield option, settings[f"{place}{option.upper()}"]


def _found(name: str, sections: Sections) -> str | None:
    """Return the name under which a remote is kept: one of the environment has no case."""
    if name in sections:
        return name
    return name.lower() if name.lower() in sections else None


def _with_references(name: str, sections: Sections) -> list[str]:
    found, todo = [], [name]
    while todo:
        current = todo.pop()
        if current not in found:
            found.append(current)
            todo.extend(
                _referred(sections[_found(current, sections) or current].values(), sections)
            )
    return found


def _referred(values: Iterable[str], sections: Sections) -> list[str]:
    words = (word for value in values for word in _REFERENCE.findall(value))
    parts = (part for word in words for part in (word, word.rpartition(" ")[2]))
    return [part for part in parts if _found(part, sections) is not None]


def _definition(name: str, sections: Sections, token: Token | None) -> Definition:
    section = dict(sections[_found(name, sections) or name])
    kind = section.get("type", "")
    if token is not None:
        section[signins.TOKEN] = token.access_only()
    options = tuple(
        (key, Secret(value) if _is_secret(kind, key) else value)
        for key, value in section.items()
        if key != "type"
    )
    return Definition(name, kind, options, obscure=False)


def _is_secret(kind: str, key: str) -> bool:
    option = table().get(kind, {}).get(key)
    if option is not None and {Mark.PASSWORD, Mark.RENEWS} & option.marks:
        return True
    return looks_secret(key) or _SECRET_KEY.search(key) is not None


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
        env=own_settings(env),
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
