"""Tells whether a project is for this machine: `hosts` and `when`.

All that is said must hold. Only whether files exist is looked up.
"""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase

from bm_sync import access
from bm_sync.manifest.nodes import Mapping, Node, Scalar, Sequence
from bm_sync.manifest.places import absolute
from bm_sync.manifest.shown import escaped, listed
from bm_sync.manifest.values import Surroundings, group, words

_SYSTEMS = {"linux": "linux", "darwin": "macos"}


def why_not_here(node: Mapping, around: Surroundings) -> str | None:
    """Return why a project is not for this machine, None when it is."""
    return next(_misses(node, around), None)


def _misses(node: Mapping, around: Surroundings) -> Iterator[str]:
    host = around.machine.host
    if isinstance(node.get("hosts"), Sequence) and not _is_host(host, node):
        patterns = [escaped(str(word.value)) for word in words(node, "hosts")]
        yield f"it is for {_hosts(patterns)}; this one is {escaped(host)}"
    when = group(node, "when")
    systems = _texts(when.get("os"))
    here = system(around.machine.platform)
    if systems and here not in [said.value for said in systems]:
        names = listed([str(said.value) for said in systems])
        yield f"it is for {names}; this is {here}"
    yield from _unset(when.get("env"), around)
    for said in _texts(when.get("exists")):
        place = f"it is for machines with {escaped(str(said.value))}, which"
        try:
            if access.standing(absolute(said, around), links=False) is None:
                yield f"{place} is not there"
        except access.UnreachableError as e:
            yield f"{place} may not be looked at: {escaped(e.what)}"


def system(platform: str) -> str:
    """Return what `when: {os: …}` calls a value of `sys.platform`."""
    return _SYSTEMS.get(platform, platform.rstrip("0123456789."))


def _is_host(host: str, node: Mapping) -> bool:
    names = {host.casefold(), host.partition(".")[0].casefold()}
    patterns = [str(word.value).casefold() for word in words(node, "hosts")]
    return any(fnmatchcase(name, pattern) for name in names for pattern in patterns)


def _hosts(patterns: list[str]) -> str:
    if not patterns:
        return "no host"
    return f"{'host' if len(patterns) == 1 else 'hosts'} {listed(patterns)}"


def _unset(node: Node | None, around: Surroundings) -> Iterator[str]:
    """Yield what is not set as it has to be; values are not told, they may be secrets."""
    if isinstance(node, Mapping):
        for name, entry in node.entries.items():
            said = entry.value
            if isinstance(said, Scalar) and around.env.get(name, "") != said.value:
                yield f"it is for machines where the variable {escaped(name)} has another value"
        return
    for said in _texts(node):
        if not around.env.get(str(said.value)):
            yield f"it is for machines where the variable {escaped(str(said.value))} is set"


def _texts(node: Node | None) -> tuple[Scalar, ...]:
    """Return one text or a list of them."""
    items = node.items if isinstance(node, Sequence) else (node,)
    return tuple(i for i in items if isinstance(i, Scalar) and isinstance(i.value, str))
