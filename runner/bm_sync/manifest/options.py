"""Builds the options of rclone's backends, and refuses those that rclone would not understand.

rclone passes over an option that it does not have and refuses a wrong value only when the remote is
used; here both are told where they stand.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from bm_sync.backends import Mark, Option, misfit
from bm_sync.manifest.codes import Code
from bm_sync.manifest.nodes import Entry, Mapping, Scalar, Spot, kind
from bm_sync.manifest.places import absolute, wrong_file, wrong_place
from bm_sync.manifest.secrets import has_password, only_variable
from bm_sync.manifest.shown import did_you_mean, listed, nearest, quoted
from bm_sync.manifest.values import Surroundings, group
from bm_sync.masking import looks_secret
from bm_sync.model.config import OptionValue, SecretRef
from bm_sync.model.uses import Taken, Use

_ON_THE_FLY = re.compile(r'(^|[\s=])"?:|^[^:/]*,')
_TAKEN = (
    (Mark.PROGRAM, Taken.PROGRAM),
    (Mark.FILE, Taken.FILE),
    (Mark.ENVIRONMENT, Taken.CREDENTIALS),
)
_SECRET = "the secret of "  # noqa: S105 - words of a sentence
# Why a program is started, where the option does not say so by its name.
_BECAUSE = {
    "env_auth": "credentials of this machine may name one",
    "profile": "a profile of AWS may name one (credential_process)",
    "shared_credentials_file": "the file may name one (credential_process)",
}


def build_options(
    name: str, node: Mapping, around: Surroundings
) -> tuple[tuple[str, OptionValue], ...]:
    """Return the options of the remote `name`; slips are reported, and left out."""
    kind_said = node.get("type")
    backend = str(kind_said.value) if isinstance(kind_said, Scalar) else ""
    said = group(node, "options").entries
    if not said:
        return ()
    known = around.backends.options(backend) is not None
    provider = said.get("provider")
    options: list[tuple[str, OptionValue]] = []
    for option_name, entry in said.items():
        option = around.backends.option(backend, option_name) if known else None
        if known and option is None:
            _refuse(option_name, backend, entry, around)
            continue
        value = _value(name, option or Option(option_name, "string"), entry, around)
        if value is not None:
            options.append((option_name, value))
        if option is not None and value is not None:
            _check_provider(option, provider, entry, around)
    return tuple(options)


def _refuse(name: str, backend: str, entry: Entry, around: Surroundings) -> None:
    options = around.backends.options(backend) or {}
    bare = name.removeprefix(f"{backend}_")  # as flags and variables of the environment have it
    hint = f"write {bare}" if bare in options else did_you_mean(name, options)
    what = f"the backend {backend} has no option {quoted(name)}"
    hint = hint or f"rclone help backend {backend} lists them"
    around.report.error(Code.OPTION, entry.key.spot, what, hint)


def _value(name: str, option: Option, entry: Entry, around: Surroundings) -> OptionValue | None:
    value: OptionValue | None
    match entry.value:
        case Mapping() as node:
            value = secret_ref(node, around, f"{_SECRET}{option.name}", name)
        case Scalar(value=bool() as truth) as said:
            value = _text(option, said, "true" if truth else "false", around)
        case Scalar() as said:
            text = said.value if isinstance(said.value, str) else said.raw
            value = _text(option, said, text, around)
        case _:
            return None
    if value is not None and not (isinstance(value, str) and option.is_off(value)):
        _note(name, option, value, entry, around)
    return value


def _text(option: Option, said: Scalar, text: str, around: Surroundings) -> str | None:
    name = option.name
    wrong: tuple[Code, str, str | None] | None = None
    if "\n" in text or "\0" in text:
        what = f"the option {name} has a line break or a null character in it"
        wrong = Code.MALFORMED, what, "write it in one line"
    elif name in {"remote", "upstreams"}:
        wrong = _wrong_base(name, text)
    elif (misfitting := misfit(option, text)) is not None:
        what = f"the option {name} takes {misfitting[0]}, not {quoted(text)}"
        wrong = Code.OPTION_VALUE, what, misfitting[1]
    if wrong is not None:
        around.report.error(wrong[0], said.spot, *wrong[1:])
        return None
    if text and (has_password(text) or looks_secret(name)):
        _warn_plain(name, said, around)
    _warn_of_word(option, text, said, around)
    if Mark.FILE in option.marks:
        return _file(text, said, around)
    return text


def _wrong_base(name: str, text: str) -> tuple[Code, str, str | None] | None:
    """Return why a remote cannot be built on what `text` names."""
    if _ON_THE_FLY.search(text):
        what = f"the option {name} declares a remote on the fly"
        return (
            Code.CONNECTION_STRING,
            what,
            "name a remote of your rclone.conf, such as gdrive:notes",
        )
    words = (word.strip('"').rpartition("=")[2] for word in text.split())
    folders = (Path(os.path.normpath(word)) for word in words if word.startswith("/"))
    wrong = next((wrong for folder in folders if (wrong := wrong_place(folder))), None)
    return None if wrong is None else (Code.LOCAL_PATH, f"the option {name}: {wrong[0]}", wrong[1])


def _file(text: str, said: Scalar, around: Surroundings) -> str:
    """Return the file that an option names, relative to the folder of the manifest's file.

    rclone itself puts in the home folder and variables, and has words such as `none`.
    """
    as_it_is = not text or text == "none" or text[0] in "/~$" or ":" in text
    return text if as_it_is else str(absolute(said, around))


def _warn_of_word(option: Option, text: str, said: Scalar, around: Surroundings) -> None:
    """Warn of a word that rclone does not know and that is near to one it knows."""
    if not text or not option.words or text in option.words:
        return
    near = nearest(text, option.words)
    if near is None and option.name != "provider":
        return
    what = f"rclone does not know the {option.name} {quoted(text)}"
    hint = f"did you mean {quoted(near)}?" if near else "rclone help backend lists what it knows"
    around.report.warning(Code.OPTION_VALUE, said.spot, what, hint)


def _check_provider(
    option: Option, provider: Entry | None, entry: Entry, around: Surroundings
) -> None:
    """Warn of an option that rclone lists for other providers than the one that is said."""
    said = provider.value if provider is not None else None
    if not option.only or not isinstance(said, Scalar) or said.value in option.only:
        return
    what = f"rclone has the option {option.name} for {listed(option.only, 'and')} alone"
    hint = f"this remote's provider is {quoted(said.value)}"
    around.report.warning(Code.OPTION, entry.key.spot, what, hint)


def _note(
    remote: str, option: Option, value: OptionValue, entry: Entry, around: Surroundings
) -> None:
    """Keep what an option takes from this machine; warn of a program."""
    origin = around.origin(entry.key.spot)
    for mark, taken in _TAKEN:
        if mark in option.marks:
            path = None
            if taken is Taken.FILE and isinstance(value, str) and value.startswith("/"):
                path = Path(value)
            use = Use(taken, f"the option {option.name}", origin, remote, path)
            around.uses.append((use, entry.key.spot))
    if Mark.WRAPS in option.marks and isinstance(value, str):
        for word in value.replace("=", " ").split():
            if word.strip('"').startswith("/"):
                what = f"the option {option.name}"
                folder = Path(word.strip('"'))
                around.uses.append((Use(Taken.FILE, what, origin, remote, folder), entry.key.spot))
    if Mark.RENEWS in option.marks:
        what = f"rclone renews the option {option.name} by use, and here a new one cannot be kept"
        hint = "make the remote with: rclone config; then write rclone: NAME in place of type"
        around.report.warning(Code.RENEWED, entry.key.spot, what, hint)
    if Mark.PROGRAM in option.marks:
        verb = "can make" if option.name in _BECAUSE else "makes"
        because = f": {_BECAUSE[option.name]}" if option.name in _BECAUSE else ""
        what = f"the option {option.name} {verb} rclone run a program on this machine{because}"
        hint = "keep it only if you wrote it"
        around.report.warning(Code.RUNS_COMMAND, entry.key.spot, what, hint)


def _warn_plain(name: str, said: Scalar, around: Surroundings) -> None:
    variable = only_variable(said)
    if not looks_secret(name):
        what = f"the URL in {name} has a password in it"
        hint = "write the password apart: pass: {env: NAME}"
    elif variable is None or variable in around.variables:
        what = f"the secret {name} is written in plain text"
        hint = "write {env: NAME}, {file: PATH} or {command: TEXT}"
    else:
        what = f"the secret {name} is put in as text when the manifest is read"
        hint = f"write {{env: {variable}}}"
    around.report.warning(Code.PLAIN_SECRET, said.spot, what, hint)


def secret_ref(
    node: Mapping, around: Surroundings, what: str, remote: str | None = None
) -> SecretRef | None:
    """Return a reference to a secret; None when it is broken or refused (reported).

    `what` names the secret in a sentence, `remote` whose it is.
    """
    (form, entry), *_ = node.entries.items()
    said = entry.value
    if not isinstance(said, Scalar) or kind(said) != "string":
        return None
    text, origin = str(said.value), around.origin(entry.key.spot)
    match form:
        case "env":
            return SecretRef("env", text, origin)
        case "file":
            wrong = wrong_file(text)
            if wrong is None:
                path = absolute(said, around)
                around.uses.append((Use(Taken.FILE, what, origin, remote, path), entry.key.spot))
                return SecretRef("file", str(path), origin)
            around.report.error(Code.LOCAL_PATH, said.spot, f"{quoted(text)}: {wrong}")
            return None
        case _:
            around.uses.append((Use(Taken.PROGRAM, what, origin, remote), entry.key.spot))
            return SecretRef("command", text, origin)


def warn_of_uses(around: Surroundings) -> None:
    """Warn once of the secrets that commands print, and once a remote of what its options take.

    Secrets that stand in files are no warning: that is how they should be said.
    """
    secrets = [(use, spot) for use, spot in around.uses if use.what.startswith(_SECRET)]
    commands = [spot for use, spot in secrets if use.taken is Taken.PROGRAM]
    if commands:
        run = "a command runs" if len(commands) == 1 else f"{len(commands)} commands run"
        what = f"{run} on this machine to print secrets"
        hint = (
            "keep them only if you wrote them" if commands[1:] else "keep it only if you wrote it"
        )
        around.report.warning(Code.RUNS_COMMAND, min(commands), what, hint)
    programs = {(use.remote, use.what) for use, _ in around.uses if use.taken is Taken.PROGRAM}
    read: dict[str, list[tuple[Use, Spot]]] = {}
    for use, spot in around.uses:
        here = use.path is not None and around.folder in use.path.parents
        told = use.what.startswith(_SECRET) or (use.remote, use.what) in programs
        if use.remote is not None and not told and not here:
            read.setdefault(use.remote, []).append((use, spot))
    for remote, found in read.items():
        names = dict.fromkeys(use.what.rpartition(" ")[2] for use, _ in found)
        what = f"remote {quoted(remote)} uses files or credentials of this machine"
        what += f" ({listed(names, 'and')})"
        around.report.warning(
            Code.READS_FILES, min(spot for _, spot in found), what, "keep it only if you wrote it"
        )
