"""Renders the problems of a manifest: for a person, as JSON, for GitHub, as SARIF. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import PurePath
from typing import Literal, assert_never

from msgspec.structs import asdict

from bm_sync.manifest.codes import explanations
from bm_sync.manifest.shown import escaped
from bm_sync.model.diagnostic import Diagnostic

Format = Literal["text", "json", "github", "sarif"]
FORMATS: tuple[Format, ...] = ("text", "json", "github", "sarif")

_GUTTER = 9


def render(diagnostics: Sequence[Diagnostic], form: Format) -> str:
    """Return problems in a format; "" when there are none to tell a person or GitHub."""
    match form:
        case "text":
            return text(diagnostics)
        case "json":
            return as_json(diagnostics)
        case "github":
            return github(diagnostics)
        case "sarif":
            return sarif(diagnostics)
        case _:
            assert_never(form)


def text(diagnostics: Sequence[Diagnostic]) -> str:
    """Return problems with their source lines, and what to run to learn more."""
    if not diagnostics:
        return ""
    return "\n".join([*(_block(d) for d in diagnostics), _last_line(diagnostics)]) + "\n"


def as_data(diagnostics: Sequence[Diagnostic]) -> list[dict[str, str | int | None]]:
    """Return problems as JSON knows them."""
    return [{k: v for k, v in asdict(d).items() if k != "caret"} for d in diagnostics]


def as_json(diagnostics: Sequence[Diagnostic]) -> str:
    """Return problems as a JSON array."""
    return json.dumps(as_data(diagnostics), indent=2) + "\n"


def github(diagnostics: Sequence[Diagnostic]) -> str:
    """Return problems as workflow commands, which GitHub shows beside the changed lines.

    https://docs.github.com/actions/reference/workflow-commands-for-github-actions
    """
    return "".join(_command(d) + "\n" for d in diagnostics)


def sarif(diagnostics: Sequence[Diagnostic]) -> str:
    """Return problems as SARIF 2.1.0.

    https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
    """
    used = {d.code for d in diagnostics}
    rules = [
        {
            "id": str(e.code),
            "shortDescription": {"text": e.title},
            "fullDescription": {"text": e.title},
            "help": {"text": e.text, "markdown": e.text},
        }
        for e in explanations()
        if e.code in used
    ]
    driver = {"name": "bm-sync", "rules": rules}
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [_result(d) for d in diagnostics],
    }
    log = {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [run],
    }
    return json.dumps(log, indent=2) + "\n"


def _block(d: Diagnostic) -> str:
    head = f"{escaped(d.file)}:{d.line}:{d.column}: {d.severity} {d.code}: {d.what}"
    if not d.line_text.strip():
        return head if d.hint is None else f"{head}\n    {d.hint}"
    # A tab and an escaped character are not one column wide, so the caret is set below the
    # same text as it is shown.
    begin, end = d.caret or (d.column - 1, d.column - 1 + d.length)
    before, marked = d.line_text[:begin], d.line_text[begin:end]
    indent = len(_visible(before))
    width = max(len(_visible(marked)), 1)
    hint = f" {d.hint}" if d.hint else ""
    return (
        f"{head}\n{d.line:>{_GUTTER}} | {_visible(d.line_text)}\n"
        f"{'':>{_GUTTER}} | {'':>{indent}}{'^' * width}{hint}"
    )


def _visible(line: str) -> str:
    return escaped(line.replace("\t", "    "))


def _last_line(diagnostics: Sequence[Diagnostic]) -> str:
    errors = sum(d.severity == "error" for d in diagnostics)
    warnings = len(diagnostics) - errors
    counts = [_counted(n, noun) for n, noun in ((errors, "error"), (warnings, "warning")) if n]
    first = next((d for d in diagnostics if d.severity == "error"), diagnostics[0])
    return f"{', '.join(counts)}; bm-sync explain {first.code}"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _command(d: Diagnostic) -> str:
    places = {
        "file": escaped(d.file),
        "line": d.line,
        "col": d.column,
        "endColumn": d.column + d.length,
        "title": d.code,
    }
    told = ",".join(f"{name}={_property(str(value))}" for name, value in places.items())
    message = f"{d.what} ({d.hint})" if d.hint else d.what
    return f"::{d.severity} {told}::{_data(message)}"


def _data(text_: str) -> str:
    """Escape as the runner unescapes: percent first, then line ends."""
    return text_.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text_: str) -> str:
    return _data(text_).replace(":", "%3A").replace(",", "%2C")


def _result(d: Diagnostic) -> dict[str, object]:
    from urllib.parse import quote

    region = {"startLine": d.line, "startColumn": d.column, "endColumn": d.column + d.length}
    uri = quote(PurePath(d.file).as_posix(), safe="/", errors="surrogateescape")
    if uri.startswith("/"):
        uri = "file://" + uri
    location = {"artifactLocation": {"uri": uri}, "region": region}
    message = f"{d.what}. {d.hint}" if d.hint else d.what
    return {
        "ruleId": d.code,
        "level": d.severity,
        "message": {"text": message},
        "locations": [{"physicalLocation": location}],
    }
