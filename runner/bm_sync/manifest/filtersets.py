"""Builds filters: patterns of the manifest and of ignore files, put together in their order."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct, field

from bm_sync import access, files
from bm_sync.filters import rules as patterns
from bm_sync.manifest import bmignore
from bm_sync.manifest.codes import Code
from bm_sync.manifest.nodes import Mapping, Node, Scalar, Sequence
from bm_sync.manifest.places import absolute, is_system, wrong_file
from bm_sync.manifest.policies import known_names
from bm_sync.manifest.shown import did_you_mean, escaped, quoted
from bm_sync.manifest.values import Surroundings, group, size, words
from bm_sync.model.config import FilterSet, Git, IgnoreFile, Links, Rule
from bm_sync.model.diagnostic import Diagnostic

MAX_BYTES = 1024 * 1024


class Filters(Struct):
    """The filters of a manifest, each worked out once."""

    declared: Mapping
    around: Surroundings
    _rules: dict[str, tuple[Rule, ...]] = field(default_factory=dict)
    _shared: dict[str, tuple[Rule, ...]] = field(default_factory=dict)
    _files: dict[str, tuple[IgnoreFile, ...]] = field(default_factory=dict)
    _sets: dict[tuple[str, ...], FilterSet] = field(default_factory=dict)

    def check_all(self) -> None:
        """Work out every filter, used or not, so that all slips are told."""
        for name in self.declared.entries:
            self._of((name,))

    def used(self, node: Node | None) -> FilterSet:
        """Return the filters of a project that says `node`."""
        if not isinstance(node, Sequence):
            return FilterSet()
        said = [item for item in node.items if isinstance(item, Scalar)]
        return self._of(tuple(str(s.value) for s in said if self._is_known(s)))

    def _is_known(self, said: Scalar) -> bool:
        name = str(said.value)
        if name in self.declared.entries:
            return True
        hint = did_you_mean(name, self.declared.entries) or known_names(self.declared, "filters")
        what = f"there is no filter {quoted(name)}"
        self.around.report.error(Code.UNKNOWN_NAME, said.spot, what, hint)
        return False

    def _of(self, names: tuple[str, ...]) -> FilterSet:
        if names not in self._sets:
            self._sets[names] = self._together(names)
        return self._sets[names]

    def _together(self, names: tuple[str, ...]) -> FilterSet:
        """Put filters together: patterns in order, of other keys the last one given."""
        given: dict[str, Node] = {}
        for name in names:
            entries = group(self.declared, name).entries
            given.update({key: entry.value for key, entry in entries.items()})
        limit, ignore, links = (given.get(k) for k in ("max_size", "gitignore", "links"))
        git = given.get("git")
        return FilterSet(
            gitignore=not (isinstance(ignore, Scalar) and ignore.value is False),
            shared=tuple(rule for name in names for rule in self._shared_of(name)),
            rules=tuple(rule for name in names for rule in self._rules_of(name)),
            max_size=_bytes(limit),
            links=Links(str(links.value)) if isinstance(links, Scalar) else Links.SKIP,
            files=tuple(file for name in names for file in self._files.get(name, ())),
            git=Git(str(git.value)) if isinstance(git, Scalar) else Git.SKIP,
        )

    def _rules_of(self, name: str) -> tuple[Rule, ...]:
        if name not in self._rules:
            said = words(group(self.declared, name), "exclude")
            found = [self._rule(scalar) for scalar in said]
            self._rules[name] = tuple(rule for rule in found if rule is not None)
        return self._rules[name]

    def _rule(self, said: Scalar) -> Rule | None:
        pattern = str(said.value)
        wrong = _wrong_pattern(pattern)
        if wrong is None:
            return Rule(pattern, self.around.origin(said.spot))
        self.around.report.error(Code.PATTERN, said.spot, *wrong)
        return None

    def _shared_of(self, name: str) -> tuple[Rule, ...]:
        if name not in self._shared:
            said = words(group(self.declared, name), "ignore_files")
            read = [found for scalar in said if (found := self._file(scalar)) is not None]
            self._shared[name] = tuple(rule for _, rules in read for rule in rules)
            self._files[name] = tuple(file for file, _ in read)
        return self._shared[name]

    def _file(self, said: Scalar) -> tuple[IgnoreFile, tuple[Rule, ...]] | None:
        """Read an ignore file; its bad patterns match nothing, as for git, and are told."""
        shown, own = str(said.value), self.around.is_own(absolute(said, self.around))
        content = self._unwritten(said)
        if content is not None:
            shown = bmignore.SAID_BY
        else:
            content = self._read(said)
        if content is None:
            return None
        good, bad = patterns.parse(content, shown, "")
        lines = content.split("\n")
        for b in bad:
            line = lines[b.origin.line - 1].removesuffix("\r")
            self.around.report.elsewhere(_never_matches(b, line, shown, own=own))
        if absolute(said, self.around).name == bmignore.NAME:
            good = tuple(bmignore.meant(good))
        return IgnoreFile(shown, len(good), own), good

    def _unwritten(self, said: Scalar) -> str | None:
        """Return what stands for Basic Memory's ignore file while there is none yet."""
        path = absolute(said, self.around)
        if path.name != bmignore.NAME or wrong_file(str(path)) or _may_stand(path):
            return None
        what = f"there is no {quoted(said.value)} yet; Basic Memory's default patterns count"
        hint = "Basic Memory writes it when it first needs it"
        self.around.report.warning(Code.IGNORE_FILE, said.spot, what, hint)
        return bmignore.DEFAULT

    def _read(self, said: Scalar) -> str | None:
        shown = str(said.value)
        path = absolute(said, self.around)
        wrong = wrong_file(shown) or ("it belongs to the system" if is_system(path) else None)
        if wrong is None:
            try:
                return files.read(path, MAX_BYTES, self.around.env).decode(
                    "utf-8", "surrogateescape"
                )
            except files.OthersFileError as e:
                what = f"the ignore file {quoted(shown)} is not read: {escaped(e.reason)}"
                self.around.report.error(Code.WRITABLE, said.spot, what, escaped(e.ways()))
                return None
            except files.RefusedFileError as e:
                wrong = e.reason
            except (OSError, ValueError) as e:
                wrong = (e.strerror or str(e)) if isinstance(e, OSError) else str(e)
        what = f"the ignore file {quoted(shown)} cannot be read: {escaped(wrong)}"
        self.around.report.error(Code.IGNORE_FILE, said.spot, what, "create it, or remove this")
        return None


def _may_stand(path: Path) -> bool:
    """Whether anything stands there, or may: what may not be looked at is told when it is read."""
    try:
        return access.standing(path, links=False) is not None
    except access.UnreachableError:
        return True


def _bytes(node: Node | None) -> int | None:
    return size(node.value) if isinstance(node, Scalar) and isinstance(node.value, str) else None


def _wrong_pattern(pattern: str) -> tuple[str, str | None] | None:
    """Return what is wrong with a pattern of the manifest, with a hint."""
    if not pattern.strip():
        return "an empty pattern never matches", "remove it"
    if pattern.startswith("#"):
        what = f"the pattern {quoted(pattern)} is a comment, so it never matches"
        return what, f"write {quoted(chr(92) + pattern)} for a name that begins with #"
    if "\n" in pattern or "\r" in pattern:
        what = f"the pattern {quoted(pattern)} has a line break in it, so it never matches"
        return what, "write one pattern for each item of the list"
    wrong = patterns.check(pattern)
    return None if wrong is None else (_sentence(wrong, pattern), None)


def _never_matches(bad: patterns.BadPattern, line: str, file: str, *, own: bool) -> Diagnostic:
    """Return the warning of a bad pattern; of a file that lies elsewhere no line is shown."""
    at = (file, bad.origin.line, 1)
    if own:
        what = _sentence(bad.what, line)
        return Diagnostic(Code.PATTERN, "warning", what, *at, max(len(line), 1), line)
    said = bad.what.removeprefix("The pattern ").rstrip(".")
    return Diagnostic(Code.PATTERN, "warning", f"the pattern in this line {escaped(said)}", *at)


def _sentence(wrong: str, pattern: str) -> str:
    """Return the filters' sentence as a diagnostic says it."""
    said = wrong.removeprefix("The pattern ").rstrip(".")
    return f"the pattern {quoted(pattern)} {escaped(said)}"
