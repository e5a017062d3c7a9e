"""Turns text into nodes: YAML 1.2 without tags, merge keys, several documents and surprises.

Only `true`, `false`, `null`, decimal numbers and text are told apart; `no`, `on`, `0o17`, `1:30`
and dates are text. The parser's events are read in a loop, so that depth costs nothing and every
bound holds before memory is spent.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

import yaml
from msgspec import Struct, field

from bm_sync.manifest.codes import Code
from bm_sync.manifest.diagnostic import Report
from bm_sync.manifest.nodes import (
    START,
    Broken,
    Entry,
    Mapping,
    Node,
    Plain,
    Scalar,
    Sequence,
    Spot,
)
from bm_sync.manifest.shown import escaped, quoted

MAX_DEPTH = 50
MAX_NODES = 50_000
MAX_ALIASES = 100

_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,17})")
_NUMBER = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+\.[0-9]*|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]{1,3})?")
_WORDS: dict[str, Plain] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
}  # fmt: skip
_QUOTED = ("'", '"')
_TOO_DEEP = "nesting depth"


def compose(text: str, report: Report, file: str = "") -> Node | None:
    """Return the document; None when it cannot be read on (reported).

    `file` names another file than the manifest itself; such a one may declare nothing.
    """
    composer = _Composer(report, file)
    try:
        if not all(map(composer.take, _events(text))):
            return None
    except yaml.MarkedYAMLError as e:
        _syntax(e, report, file)
        return None
    except yaml.reader.ReaderError as e:
        at = START._replace(file=file)
        report.error(Code.CHARACTERS, at, f"the text cannot be read: {escaped(e.reason)}")
        return None
    if composer.root is None or _is_nothing(composer.root):
        if file:
            return Mapping()
        hint = "bm-sync init writes a first one"
        report.error(Code.EMPTY, START, "the file declares nothing", hint)
        return None
    return composer.root


def resolve(text: str) -> Plain:
    """Return the value of an unquoted word."""
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _NUMBER.fullmatch(text) else text


def _events(text: str) -> Iterator[yaml.Event]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    number = 0
    try:
        for event in yaml.parse(text, Loader=loader):
            number += 1
            yield event
    except yaml.MarkedYAMLError as e:
        if _TOO_DEEP not in str(e.problem):
            raise
        # libyaml reads ahead of the level that is too deep; the slower reader comes to it
        yield from islice(yaml.parse(text, Loader=yaml.SafeLoader), number, None)


def _is_nothing(node: Node) -> bool:
    return isinstance(node, Scalar) and node.value is None


class _Open(Struct):
    """A list or mapping that is being read; `key` waits for its value."""

    spot: Spot
    is_mapping: bool
    anchor: str | None
    items: list[Node] = field(default_factory=list)
    entries: dict[str, Entry] = field(default_factory=dict)
    key: Scalar | Broken | None = None
    size: int = 1
    broken: bool = False


class _Composer:
    def __init__(self, report: Report, file: str) -> None:
        self.root: Node | None = None
        self._file = file
        self._report = report
        self._open: list[_Open] = []
        self._anchors: dict[str, tuple[Node, int]] = {}
        self._nodes = 0
        self._aliases = 0
        self._documents = 0

    def take(self, event: yaml.Event) -> bool:
        """Take the next event; false when reading must end (reported)."""
        match event:
            case yaml.ScalarEvent():
                return self._scalar(event)
            case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                return self._begin(event)
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                return self._end(event)
            case yaml.AliasEvent():
                return self._alias(event)
            case yaml.DocumentStartEvent():
                return self._document(event)
            case _:
                return True

    def _document(self, event: yaml.DocumentStartEvent) -> bool:
        self._documents += 1
        if self._documents > 1:
            what = "a second document begins here; a manifest is one document"
            self._report.error(Code.YAML_FEATURE, self._spot(event), what, "remove the line ---")
            return False
        return True

    def _scalar(self, event: yaml.ScalarEvent) -> bool:
        spot = self._spot(event)
        if self._refuse_tag(event, spot):
            return self._put(Broken(spot), event.anchor, 1)
        plain = event.style is None or event.style == ""
        if event.style in _QUOTED:
            quote: int | None = 1
        else:
            quote = 0 if plain else None
        value = resolve(event.value) if plain else event.value
        return self._put(Scalar(value, event.value, spot, quote), event.anchor, 1)

    def _begin(self, event: yaml.MappingStartEvent | yaml.SequenceStartEvent) -> bool:
        spot = self._spot(event)
        tagged = self._refuse_tag(event, spot)
        if len(self._open) >= MAX_DEPTH:
            what = f"nested deeper than {MAX_DEPTH} levels"
            self._report.error(Code.TOO_MUCH, spot, what)
            return False
        is_mapping = isinstance(event, yaml.MappingStartEvent)
        self._open.append(_Open(spot, is_mapping, event.anchor, broken=tagged))
        return True

    def _end(self, event: yaml.MappingEndEvent | yaml.SequenceEndEvent) -> bool:
        top = self._open.pop()
        spot = Spot(top.spot.line, top.spot.column, *self._spot(event)[2:])
        node: Node
        if top.broken:
            node = Broken(spot)
        elif top.is_mapping:
            node = Mapping(top.entries, spot)
        else:
            node = Sequence(tuple(top.items), spot)
        return self._put(node, top.anchor, top.size, new=1)

    def _alias(self, event: yaml.AliasEvent) -> bool:
        spot = self._spot(event)
        self._aliases += 1
        name = event.anchor or ""
        known = self._anchors.get(name)
        if known is None:
            self._unknown_alias(name, spot)
            return self._put(Broken(spot), None, 1)
        if self._aliases > MAX_ALIASES:
            what = f"more than {MAX_ALIASES} aliases"
            self._report.error(Code.TOO_MUCH, spot, what, "use extends, vars and defaults")
            return False
        return self._put(known[0], None, known[1])

    def _unknown_alias(self, name: str, spot: Spot) -> None:
        if any(o.anchor == name for o in self._open):
            what = "the alias stands inside what it names"
            self._report.error(Code.TOO_MUCH, spot, what)
            return
        what = "the alias names nothing"  # not named: a password may begin with *
        hint = 'quote text that begins with *, such as "*.pyc"'
        self._report.error(Code.SYNTAX, spot, what, hint)

    def _put(self, node: Node, anchor: str | None, size: int, new: int | None = None) -> bool:
        """Place a finished node in its parent; false when there are too many.

        `size` counts it with all below it, `new` what is not counted yet (default: all).
        """
        self._nodes += size if new is None else new
        if self._nodes > MAX_NODES:
            self._report.error(Code.TOO_MUCH, node.spot, f"more than {MAX_NODES} values")
            return False
        if anchor is not None:
            self._anchors[anchor] = (node, size)
        if not self._open:
            self.root = node
            return True
        top = self._open[-1]
        top.size += size
        if not top.is_mapping:
            top.items.append(node)
        elif top.key is None:
            return self._put_key(top, node)
        else:
            self._put_entry(top, top.key, node)
        return True

    def _put_key(self, top: _Open, node: Node) -> bool:
        if not isinstance(node, (Scalar, Broken)):
            what = "a key must be a word, not a list or a mapping"
            self._report.error(Code.YAML_FEATURE, node.spot, what)
            return False
        top.key = node
        return True

    def _put_entry(self, top: _Open, key: Scalar | Broken, node: Node) -> None:
        top.key = None
        if isinstance(key, Broken):
            top.broken = True
            return
        if key.raw == "<<" and key.quote == 0:
            hint = "policies have extends; defaults hold for every project"
            self._report.error(Code.YAML_FEATURE, key.spot, "merge keys are not supported", hint)
            top.broken = True
            return
        first = top.entries.get(key.raw)
        if first is not None:
            what = f"the key {quoted(key.raw)} was already given in line {first.key.spot.line}"
            self._report.error(Code.DUPLICATE_KEY, key.spot, what, "keep one of the two")
            return
        top.entries[key.raw] = Entry(key, node)

    def _refuse_tag(self, event: yaml.NodeEvent, spot: Spot) -> bool:
        tag: str | None = getattr(event, "tag", None)
        if tag is None:
            return False
        what = "tags are not supported"  # not named: a password may begin with !
        hint = 'quote text that begins with !, such as "!keep.md"'
        self._report.error(Code.YAML_FEATURE, spot, what, hint)
        return True

    def _spot(self, event: yaml.Event) -> Spot:
        start, end = event.start_mark, event.end_mark
        assert start is not None  # noqa: S101 - only events made by hand have no marks
        assert end is not None  # noqa: S101
        return Spot(start.line + 1, start.column + 1, end.line + 1, end.column + 1, self._file)


_HINTS = (
    ("mapping values are not allowed", "quote a value that contains ': '"),
    ("did not find expected alphabetic or numeric", "quote text that begins with * or &"),
    ("cannot start any token", "quote text that begins with this character"),
    ("found unexpected end of stream", "a quote is not closed"),
    ("could not find expected ':'", "a key needs ': ' behind it"),
    ("did not find expected ',' or '}'", "a comma or a closing } is missing"),
    ("did not find expected ',' or ']'", "a comma or a closing ] is missing"),
    ("did not find expected key", "is the line indented like its neighbours?"),
)


def _syntax(e: yaml.MarkedYAMLError, report: Report, file: str) -> None:
    mark = e.problem_mark or e.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    problem = e.problem or "it cannot be read"
    hint = next((h for words, h in _HINTS if words in problem), None)
    source = report.source(line, file)
    if source[column - 1 : column] == "\t":
        hint = "indent with spaces, not with tabs"
    elif "${" in source[: column + 1]:
        hint = 'quote text with ${NAME} between { and }, such as "${HOME}/notes"'
    context = (
        f" ({e.context} that begins in line {e.context_mark.line + 1})"
        if (e.context and e.context_mark and e.context_mark.line + 1 != line)
        else ""
    )
    what = f"not valid YAML: {escaped(problem)}{escaped(context)}"
    report.error(Code.SYNTAX, Spot(line, column, line, column + 1, file), what, hint)
