"""Judges a manifest's shape: what `jsonschema` accepts by the manifest's schema is accepted.

A refused one is told by `slips`, in words for a person. Where those find nothing, the error of
`jsonschema` itself is told, so that nothing refused passes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from collections.abc import Mapping as AbstractMapping
from typing import TYPE_CHECKING

from msgspec import Struct

from bm_sync.manifest import remembered
from bm_sync.manifest.codes import Code
from bm_sync.manifest.diagnostic import Report
from bm_sync.manifest.nodes import Mapping, Node, Scalar, Sequence, Spot, plain
from bm_sync.manifest.shown import escaped
from bm_sync.manifest.slips import tell_slips
from bm_sync.paths import schema_file

if TYPE_CHECKING:
    from jsonschema import ValidationError

_LONGEST = 300


class Judged(Struct, frozen=True):
    """A manifest in which everything refused is `Broken`.

    `accepted` is the digest to remember; None when it is known, or when something was refused.
    """

    manifest: Mapping
    accepted: str | None = None


def judge(
    document: Node, report: Report, env: AbstractMapping[str, str], schema: str | None = None
) -> Judged | None:
    """Judge a manifest with its variables put in; None when its slip has no place to go on from.

    `schema` is the text of the schema, by default that of the manifest.
    """
    said = schema_file("manifest").read_text("utf-8") if schema is None else schema
    if report.failed:  # parts of it are broken, so there is nothing whole to judge
        return Judged(tell_slips(document, report, json.loads(said)))
    whole = plain(document)
    digest = remembered.digest(whole, said, report.file)
    if isinstance(document, Mapping) and remembered.is_known(digest, env):
        return Judged(document)

    from jsonschema import Draft7Validator
    from jsonschema.exceptions import best_match

    rules = json.loads(said)
    validator = Draft7Validator(rules)
    if isinstance(document, Mapping) and validator.is_valid(whole):
        return Judged(document, digest)
    checked = tell_slips(document, report, rules)
    if report.failed:
        return Judged(checked)
    _tell(best_match(validator.iter_errors(whole)), document, report)
    return None


def _tell(error: ValidationError, document: Node, report: Report) -> None:
    """Tell an error in the words of `jsonschema`, without the value: it may be a secret."""
    where = _dotted(error.absolute_path)
    sentence = error.message.replace(repr(error.instance), "this value", 1)[:_LONGEST]
    what = f"{escaped(sentence)} in {escaped(where) or 'the manifest'}"
    report.error(Code.REFUSED, _spot(error, document), what, "bm-sync schema prints what may stand")


def _dotted(path: Iterable[str | int]) -> str:
    steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return "".join(steps).removeprefix(".")


def _spot(error: ValidationError, document: Node) -> Spot:
    """Return where the refused value stands; of a list or a mapping, where its key does."""
    node, at = document, document.spot
    for step in error.absolute_path:
        match node:
            case Mapping(entries=entries):
                node, at = entries[str(step)].value, entries[str(step)].key.spot
            case Sequence(items=items):
                node = items[int(step)]
                at = node.spot
            case _:
                break
    if isinstance(node, Mapping) and isinstance(error.instance, str):  # a name was refused
        return node.entries[error.instance].key.spot
    return node.spot if isinstance(node, Scalar) else at
