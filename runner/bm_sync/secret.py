"""Secrets: where they come from, and how they stay out of texts.

A secret is read when a remote is connected and never written anywhere.
"""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import assert_never

from bm_sync import files
from bm_sync.errors import SecretError
from bm_sync.masking import MASK, forms, merged, secret_parts, without
from bm_sync.model.config import SecretRef
from bm_sync.paths import home_dir

MAX_BYTES = 64 * 1024
COMMAND_TIMEOUT_S = 30.0
_SAID_CHARS = 200
_MEANT_FOR_SHELL = re.compile(r"[|$><;&*~`]")
_NO_SHELL = "a command runs without a shell; for pipes and variables write: sh -c '...'"


class Secret:
    """A text that does not show itself; `reveal` is the one way to it."""

    __slots__ = ("_pattern", "_text")

    def __init__(self, text: str) -> None:
        self._text = text
        self._pattern: re.Pattern[str] | None = None

    @property
    def pattern(self) -> re.Pattern[str]:
        """Return what matches the secret in a text, in all its forms (`masking.forms`)."""
        if self._pattern is None:
            found = "|".join(map(re.escape, forms(self._text)))
            # Servers and rclone change the case of what they normalise.
            self._pattern = re.compile(found or r"(?!)", re.IGNORECASE)
        return self._pattern

    def reveal(self) -> str:
        """Return the secret itself."""
        return self._text

    def __repr__(self) -> str:
        return f"Secret({MASK})"

    def __str__(self) -> str:
        return MASK

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __reduce__(self) -> str:
        raise TypeError("a secret is not pickled")


def resolve(ref: SecretRef, env: Mapping[str, str]) -> Secret:
    """Return the secret that `ref` points to.

    Raises SecretError naming the manifest's line, never the value.
    """
    match ref.kind:
        case "env":
            text = _of_env(ref, env)
        case "file":
            text = _of_file(ref, env)
        case "command":
            text = _of_command(ref, env)
        case _:
            assert_never(ref.kind)
    if not text:
        raise _error(ref, "is empty")
    if "\0" in text:
        raise _error(ref, "holds a NUL byte")
    return Secret(text)


def redact(text: str, secrets: Iterable[Secret]) -> str:
    """Return `text` without the secrets, however they are written, and without what looks so."""
    spans = secret_parts(text)
    for secret in {s.reveal(): s for s in secrets}.values():
        spans += [found.span() for found in secret.pattern.finditer(text)]
    return without(text, merged(spans)) if spans else text


def _of_env(ref: SecretRef, env: Mapping[str, str]) -> str:
    if ref.value not in env:
        raise _error(ref, "is not set")
    return env[ref.value]


def _of_file(ref: SecretRef, env: Mapping[str, str]) -> str:
    path = _expanded(ref.value, env)
    try:
        data = files.read(path, MAX_BYTES, env)
    except files.OthersFileError as e:
        raise _error(ref, f"is not read: {e.reason}", e.ways()) from e
    except files.RefusedFileError as e:
        raise _error(ref, f"is not read: {e.reason}") from e
    except OSError as e:
        raise _error(ref, f"cannot be read: {e.strerror}") from e
    return _decoded(ref, data).removesuffix("\n").removesuffix("\r")


def _of_command(ref: SecretRef, env: Mapping[str, str]) -> str:
    try:
        words = shlex.split(ref.value)
    except ValueError as e:
        raise _error(ref, f"cannot be split into words: {e}") from e
    if not words:
        raise _error(ref, "is empty")
    try:
        done = subprocess.run(  # noqa: S603 - the user's own command, without a shell
            words,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=COMMAND_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        # its output, which may hold the secret, must not travel with a cause
        raise _error(ref, f"gave no answer in {COMMAND_TIMEOUT_S:.0f} s") from None
    except OSError as e:
        raise _error(ref, f"cannot be run: {e.strerror}", _shell_hint(ref)) from e
    if done.returncode:
        why = f"ended with exit code {done.returncode}{_said(done.stderr, words)}"
        raise _error(ref, why, _shell_hint(ref))
    if len(done.stdout) > MAX_BYTES:
        raise _error(ref, "printed more than 64 KiB")
    return _decoded(ref, done.stdout).strip()


def _shell_hint(ref: SecretRef) -> str | None:
    return _NO_SHELL if _MEANT_FOR_SHELL.search(ref.value) else None


def _said(stderr: bytes, words: list[str]) -> str:
    """Return the last line a command said, without its arguments, which may be secret."""
    lines = stderr[-MAX_BYTES:].decode("utf-8", "replace").split("\n")
    last = next((line for line in reversed(lines) if line.strip()), "")
    text = ascii(" ".join(last.split()))[1:-1]
    told = redact(text, [Secret(word) for word in words[1:]])[-_SAID_CHARS:]
    return f"; it said: {told}" if told else ""


def _decoded(ref: SecretRef, data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise _error(ref, "is not UTF-8 text") from None


def _expanded(value: str, env: Mapping[str, str]) -> Path:
    if value == "~" or value.startswith("~/"):
        return home_dir(env) / value[2:]
    return Path(value)


def _error(ref: SecretRef, why: str, hint: str | None = None) -> SecretError:
    kinds = {"env": "environment variable", "file": "file", "command": "command"}
    value = (
        ref.value.split(maxsplit=1)[0] if ref.kind == "command" and ref.value.split() else ref.value
    )
    shown = ascii(value)[1:-1]  # of a command its name only: an argument may be secret
    return SecretError(
        f"{ref.origin}: the secret from the {kinds[ref.kind]} {shown} {why}",
        hint=hint or f"set it, or correct the reference at {ref.origin}",
    )
