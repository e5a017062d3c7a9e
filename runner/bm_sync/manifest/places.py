"""Judges paths: which folders of this machine and which paths on a remote may be used.

The text checks are pure; only symbolic links are resolved on the disk.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from bm_sync import layout
from bm_sync.manifest.codes import Code
from bm_sync.manifest.nodes import Scalar
from bm_sync.manifest.shown import quoted
from bm_sync.manifest.values import Surroundings

_LONGEST_NAME = 255
_SYSTEM = (("/", "proc"), ("/", "sys"), ("/", "dev"))  # as parts of a path
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_SHELL_VARIABLE = re.compile(r"(?<!\$)\$([A-Za-z_][A-Za-z0-9_]*)")
_LOOKS_REMOTE = re.compile(r"[^/]*:")


def local_folder(said: Scalar, around: Surroundings, what: str) -> Path | None:
    """Return an absolute folder; None when it must not be used (reported).

    `what` names the value in messages, such as `local`.
    """
    text = str(said.value)
    wrong = _wrong_local(text, what) or unexpanded(said)
    if wrong is None:
        path = absolute(said, around)
        wrong = wrong_place(path)
        if wrong is None:
            return path
    around.report.error(Code.LOCAL_PATH, said.spot, *wrong)
    return None


def absolute(said: Scalar, around: Surroundings) -> Path:
    """Return a path with `~` put in, relative to the folder of its file, without `..`."""
    text = str(said.value)
    if text == "~" or text.startswith("~/"):
        text = str(around.home) + text[1:]
    return Path(os.path.normpath(around.folder_of(said.spot) / text))


def unexpanded(said: Scalar) -> tuple[str, str] | None:
    """Return why a path that holds a shell's variable must not be used, with a hint.

    Nothing but `${NAME}` is put in; `$$` is a dollar that a name really has.
    """
    found = _SHELL_VARIABLE.search(said.raw)
    if found is None:
        return None
    ways = f"~ or ${{{found[1]}}}" if found[1] == "HOME" else f"${{{found[1]}}}"
    hint = f"write {ways}; $$ is a dollar in a name"
    return f"{quoted(found[0])} in {quoted(said.value)} is not a variable here", hint


def wrong_file(text: str) -> str | None:
    """Return why a file cannot be named so, None when it can."""
    if _CONTROL.search(text):
        return "the path has a control character"
    return "write ~/ or an absolute path: ~user is not known" if _is_user(text) else None


def wrong_remote_path(text: str) -> str | None:
    """Return why a path on a remote must not be used, None when it may."""
    if not text:
        return None
    parts = text.split("/")
    checks = (
        (_CONTROL.search(text), "it has a control character"),
        (_undecodable(text), "it is not valid UTF-8"),
        (text.startswith("/"), "it begins with a slash; it is below the remote's root"),
        ("\\" in text, "it has a backslash; parts are separated by /"),
        (text.startswith("-"), "it begins with a dash"),
        (":" in parts[0], "its first part has a colon; the remote is named apart from the path"),
        ("" in parts, "it has an empty part"),
        (any(p in {".", ".."} for p in parts), "it has . or .. in it"),
        (layout.HOME in map(layout.folded, parts), f"{layout.HOME} is bm-sync's own"),
        (layout.is_ours(text), f"names ending in {layout.PARTIAL} are bm-sync's own"),
        (
            any(len(os.fsencode(p)) > _LONGEST_NAME for p in parts),
            "a part is longer than 255 bytes",
        ),
    )
    return next((sentence for found, sentence in checks if found), None)


def remote_path(said: Scalar, around: Surroundings, what: str) -> str | None:
    """Return a path on a remote without a slash at its end; None when refused (reported)."""
    text = str(said.value)
    path = "" if text == "." else text.removesuffix("/") if text != "/" else text
    wrong = wrong_remote_path(path)
    if wrong is None:
        shell = unexpanded(said)
        if shell is None:
            return path
        around.report.error(Code.REMOTE_PATH, said.spot, *shell)
        return None
    sentence = f"{quoted(text)} cannot be {what}: {wrong}"
    around.report.error(Code.REMOTE_PATH, said.spot, sentence, "write it like notes/work")
    return None


def _wrong_local(text: str, what: str) -> tuple[str, str | None] | None:
    if not text:
        return f"{what} is empty", "name a folder, such as ~/notes"
    if _CONTROL.search(text):
        return f"{what} has a control character: {quoted(text)}", None
    if _is_user(text):
        return f"{what}: {quoted(text)} is not known", "write ~/ for your home, or an absolute path"
    if _LOOKS_REMOTE.match(text) and not text.startswith(("/", "./", "~/")):
        hint = "declare a remote in remotes and name it; write ./ before such a folder's name"
        return f"{what}: {quoted(text)} looks like a remote, not like a folder", hint
    if layout.HOME in map(layout.folded, text.split("/")):
        return f"{what}: {quoted(text)} lies in {layout.HOME}, which is bm-sync's own", None
    return None


def wrong_place(path: Path) -> tuple[str, str | None] | None:
    """Return why a folder cannot be used, with a hint, None when it can."""
    real = Path(os.path.realpath(path))
    for place in (path, real):
        if place == Path(place.anchor):
            return "the root folder / cannot be kept in sync", "name a folder below it"
        if place.parts[:2] in _SYSTEM:
            return f"{quoted(place)} belongs to the system", None
    return None


def is_system(path: Path) -> bool:
    """Whether a file tells what the system knows: of processes their environment, say."""
    return any(place.parts[:2] in _SYSTEM for place in (path, Path(os.path.realpath(path))))


def _is_user(text: str) -> bool:
    return text.startswith("~") and text != "~" and not text.startswith("~/")


def _undecodable(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return True
    return False
