"""The options of rclone's backends: what each is called, what it takes, what it does here.

`backends.json` is made from rclone's own list (`rclone config providers`) by `make backends`, and a
test holds it to the rclone that is installed. What an option does on this machine (start a program,
read a file, take the environment's credentials) no list of rclone tells; it stands in
`docs/backends.py`, read from rclone's sources. For an rclone that is newer than the table see
`Backends`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

from msgspec import Struct, field

_TABLE = Path(__file__).with_name("backends.json")
_EVERYWHERE = "description"  # an option that every backend has
_TRUTH = frozenset(
    ["1", "t", "T", "TRUE", "true", "True", "0", "f", "F", "FALSE", "false", "False"]
)  # Go's ParseBool
_FALSE = frozenset(["0", "f", "F", "FALSE", "false", "False"])
_UNSET = frozenset(("", "nil", "null", "unset"))
_MOST_INT = 1 << 63
# Patterns are compiled when they are used: a manifest uses few of them.
_NUMBER = r"[-+]?(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_INT = r"[-+]?(?:0[xX][0-9a-fA-F_]+|0[bB][01_]+|0[oO]?[0-7_]+|[0-9][0-9_]*)"
_SIZE = r"(?i:off|\+?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?(?:b|[kmgtpe](?:i|ib)?)?)"
_TIME = (
    rf"off|{_NUMBER}[dwMy]?|[-+]?(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+"
    r"|\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[-+]\d\d:\d\d)?)?"
)
_PATTERNS = {
    "float64": rf" *{_NUMBER} *",
    "SizeSuffix": _SIZE,
    "Duration": _TIME,
    "Time": _TIME,
}


class Mark(StrEnum):
    """What an option does or holds."""

    PROGRAM = "program"
    """It makes rclone start a program on this machine, or lets it."""
    FILE = "file"
    """It names a file, folder or socket of this machine."""
    ENVIRONMENT = "environment"
    """It makes rclone take credentials from this machine: variables, files at known places."""
    WRAPS = "wraps"
    """It names another remote, or a folder of this machine."""
    RENEWS = "renews"
    """rclone itself writes another value when it uses the remote: tokens, sessions."""
    PASSWORD = "password"  # noqa: S105 - a mark, not a secret
    """A password, which rclone keeps obscured."""


class Option(Struct, frozen=True):
    """One option; `type` is rclone's word.

    `choices` are all that it takes, `words` those that rclone knows, who may take others. `only`
    are the providers that rclone lists it for, empty for all.
    """

    name: str
    type: str
    marks: frozenset[Mark] = frozenset()
    choices: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    only: tuple[str, ...] = ()

    def is_off(self, text: str) -> bool:
        """Whether a value is the one that makes the option do nothing."""
        return not text or (self.type == "bool" and text in _FALSE)


Options = Mapping[str, Option]


class Backends(Struct):
    """All backends: those of the table, and what `ask` tells of an rclone that is newer.

    `ask` returns what `rclone config providers` prints, None when there is nobody to ask; it is
    called once, for a backend or an option that the table does not have.
    """

    ask: Callable[[], bytes | None] = lambda: None
    _asked: Mapping[str, Options] | None = field(default=None)

    def options(self, backend: str) -> Options | None:
        """Return the options of a backend, None when rclone has no such backend."""
        found = table().get(backend)
        return found if found is not None else self._newer().get(backend)

    def option(self, backend: str, name: str) -> Option | None:
        """Return an option, None when the backend has no such option."""
        found = (self.options(backend) or {}).get(name)
        if found is None and name == _EVERYWHERE:
            return Option(name, "string")
        return found if found is not None else self._newer().get(backend, {}).get(name)

    def _newer(self) -> Mapping[str, Options]:
        if self._asked is None:
            said = self.ask()
            try:
                self._asked = {} if said is None else _read(distil(json.loads(said), {}, {}))
            except (ValueError, KeyError, TypeError, AttributeError):
                self._asked = {}
        return self._asked


@cache
def table() -> Mapping[str, Options]:
    """Return the options of each backend by the names under which rclone takes it."""
    return _read(_file()["backends"])


@cache
def _file() -> Mapping[str, Any]:
    said: Mapping[str, Any] = json.loads(_TABLE.read_text("utf-8"))
    return said


def _read(backends: Mapping[str, Mapping[str, Any]]) -> dict[str, Options]:
    return {backend: _Lazy(options) for backend, options in backends.items()}


class _Lazy(Mapping[str, Option]):
    """The options of a backend; a manifest names a few of a thousand."""

    def __init__(self, said: Mapping[str, Any]) -> None:
        self._said = said

    def __getitem__(self, name: str) -> Option:
        said = self._said[name]
        more: Mapping[str, Any] = {} if isinstance(said, str) else said
        kind, *marks = (said if isinstance(said, str) else said["is"]).split()
        lists = {key: tuple(more.get(key, ())) for key in ("choices", "words", "only")}
        return Option(name, kind, frozenset(map(Mark, marks)), **lists)

    def __iter__(self) -> Iterator[str]:
        return iter(self._said)

    def __len__(self) -> int:
        return len(self._said)


def distil(
    providers: Iterable[Mapping[str, Any]],
    marks: Mapping[tuple[str, str], str],
    choices: Mapping[str, list[str]],
) -> dict[str, dict[str, Any]]:
    """Return what a table keeps of the list that rclone prints.

    `marks` are those that no list tells, by backend and option; an option that is not there is
    guessed by its name. `choices` are the values of options that take only some, by their names.
    """
    made = {}
    for backend in providers:
        name = backend["Prefix"]
        options: dict[str, Any] = {}
        for said in backend["Options"]:
            if said["Name"] != _EVERYWHERE:
                given = marks.get((name, said["Name"]), _guessed(said))
                twice = said["Name"] in options  # one for each provider
                options[said["Name"]] = _kept(
                    {**said, "Provider": ""} if twice else said, given, choices
                )
        made[name] = options
        if " " not in backend["Name"]:
            made[backend["Name"]] = options
    return dict(sorted(made.items()))


_PROGRAM = r"(^|_)(command|cmd|exec|program|binary|ssh|use_az)(_|$)"
_FILE = r"(^|_)(file|path|dir|directory|socket|ccache|keytab|db)$"
_ENVIRONMENT = r"(^|_)(env_auth|profile|use_msi|use_kerberos)$"
_RENEWED = frozenset(("token", "refresh_token"))
_WORDS_OF = frozenset(
    [
        "access",
        "access_scopes",
        "box_sub_type",
        "delete_snapshots",
        "endpoint_type",
        "filename_encoding",
        "filename_encryption",
        "hash_type",
        "link_scope",
        "link_type",
        "meta_format",
        "mode",
        "protocol",
        "provider",
        "public_access",
        "service",
        "shell_type",
        "transactions",
        "vendor",
    ]
)


def _guessed(said: Mapping[str, Any]) -> str:
    """Return what an option seems to do by its name; the table's own are judged by a person."""
    name = said["Name"]
    if said["Type"] == "bool" and not re.search(_ENVIRONMENT, name):
        return ""
    tells = ((_PROGRAM, Mark.PROGRAM), (_FILE, Mark.FILE), (_ENVIRONMENT, Mark.ENVIRONMENT))
    found = [mark for pattern, mark in tells if re.search(pattern, name)]
    wraps = [Mark.WRAPS] if name in {"remote", "upstreams"} else []
    return " ".join([*found, *wraps, *([Mark.RENEWS] if name in _RENEWED else [])])


def _kept(said: Mapping[str, Any], given: str, choices: Mapping[str, list[str]]) -> Any:  # noqa: ANN401 - JSON
    kind = "choice" if "|" in said["Type"] else said["Type"]
    plain = " ".join([kind, *given.split(), *(["password"] if said["IsPassword"] else [])])
    kept: dict[str, Any] = {}
    if kind == "choice":
        kept["choices"] = said["Type"].split("|")
    elif kind == "Bits":
        kept["choices"] = choices.get(said["Name"], [])
    elif said["Name"] in _WORDS_OF and kind == "string":
        examples = [e["Value"] for e in said.get("Examples") or ()]
        kept["words"] = list(dict.fromkeys(e for e in examples if e))
    if said.get("Provider") and not said["Provider"].startswith("!"):
        kept["only"] = said["Provider"].split(",")
    filled = {key: value for key, value in kept.items() if value}
    return {"is": plain, **filled} if filled else plain


def misfit(option: Option, text: str) -> tuple[str, str] | None:
    """Return what an option takes when rclone would refuse `text`, with an example; else None.

    By the readers of rclone 1.75 (`fs/config/configstruct`, `fs/sizesuffix.go`,
    `fs/parseduration.go`, `fs/bits.go`, `lib/encoder`). An empty value is the default.
    """
    if not text or option.type not in _TAKES or _fits(option, text):
        return None
    takes, hint = _TAKES[option.type]
    choices = _file()["encodings"] if option.type == "Encoding" else option.choices
    return takes, hint.format(choices=", ".join(choices))


_CSV = "put quotes around an item as in a CSV file"
_TAKES = {
    "bool": ("true or false", "write true or false"),
    "Tristate": ("true, false or unset", "write true, false or unset"),
    "int": ("a whole number", "write a number such as 4"),
    "float64": ("a number", "write a number such as 0.5"),
    "SizeSuffix": ("a size", "write one such as 64M (of 1024 K each), or off"),
    "Duration": ("a duration", "write one such as 30s, 5m or 1h"),
    "Time": ("a time", "write one such as 2026-01-31, or 5d for five days ago"),
    "Encoding": ("names of encodings", "they are {choices}"),
    "Bits": ("a list of choices", "they are {choices}"),
    "choice": ("one of its choices", "they are {choices}"),
    "CommaSepList": ("a list with commas", _CSV),
    "SpaceSepList": ("a list with blanks", _CSV),
    "stringArray": ("a list with commas", _CSV),
}


def _fits(option: Option, text: str) -> bool:
    match option.type:
        case "bool":
            return text in _TRUTH
        case "Tristate":
            return text.lower() in _UNSET or text.lower() in {word.lower() for word in _TRUTH}
        case "int":
            return _is_int(text.strip())
        case "CommaSepList" | "stringArray" | "SpaceSepList":
            return _is_list(text, " " if option.type == "SpaceSepList" else ",")
        case "float64" | "SizeSuffix" | "Duration" | "Time":
            return re.fullmatch(_PATTERNS[option.type], text) is not None
        case _:
            return _are_choices(option, text)


def _is_int(text: str) -> bool:
    if not re.fullmatch(_INT, text):
        return False
    try:
        return -_MOST_INT <= int(text, 0) < _MOST_INT
    except ValueError:  # 010, which Go reads as octal
        return True


def _is_list(text: str, separator: str) -> bool:
    item = rf'(?:"(?:[^"]|"")*"|[^"{separator}]*)'
    return re.fullmatch(f"{item}(?:{separator}{item})*", text) is not None


def _are_choices(option: Option, text: str) -> bool:
    if option.type == "Encoding":
        parts = [part.strip() for part in text.split(",")]
        return all(part in _file()["encodings"] or part.isdigit() for part in parts)
    if not option.choices:  # of a newer rclone
        return True
    known = {word.casefold() for word in option.choices}
    parts = text.split(",") if option.type == "Bits" else [text]
    return all(part.strip().casefold() in known for part in parts if part.strip())


# Where the libraries of a service look for credentials in the environment, by the beginning of the
# variables' names: AWS SDK, azidentity, golang.org/x/oauth2/google, ncw/swift, oci-go-sdk.
_VARIABLES: Mapping[str, tuple[str, ...]] = {
    "s3": ("AWS_",),
    "azureblob": ("AZURE_", "MSI_", "IDENTITY_"),
    "azurefiles": ("AZURE_", "MSI_", "IDENTITY_"),
    "gcs": ("GOOGLE_", "GCE_", "CLOUDSDK_"),
    "google cloud storage": ("GOOGLE_", "GCE_", "CLOUDSDK_"),
    "drive": ("GOOGLE_", "GCE_", "CLOUDSDK_"),
    "swift": ("OS_", "ST_"),
    "qingstor": ("QINGSTOR_", "QS_"),
    "oos": ("OCI_",),
    "oracleobjectstorage": ("OCI_",),
}
_ALWAYS = frozenset(("oos", "oracleobjectstorage"))  # it looks there unless it is told otherwise
_TAKES_CREDENTIALS = frozenset((Mark.ENVIRONMENT, Mark.PROGRAM))


def variables(backend: str, options: Iterable[tuple[str, str]]) -> frozenset[str]:
    """Return how the variables begin that a remote takes credentials from; none for most."""
    prefixes = _VARIABLES.get(backend)
    if prefixes is None:
        return frozenset()
    known = table().get("gcs" if backend == "google cloud storage" else backend, {})
    taken = any(
        name in known and _TAKES_CREDENTIALS & known[name].marks and not known[name].is_off(value)
        for name, value in options
    )
    return frozenset(prefixes) if taken or backend in _ALWAYS else frozenset()
