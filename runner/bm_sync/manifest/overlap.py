"""Finds projects whose sides lie in each other, on this machine and on remotes.

Two places are on one remote when they would reach the same files, whatever the remote is called.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import assert_never

from msgspec import Struct

from bm_sync.manifest.codes import Code
from bm_sync.manifest.nodes import Spot
from bm_sync.manifest.projects import Placed
from bm_sync.manifest.shown import escaped, listed, quoted
from bm_sync.manifest.values import Surroundings
from bm_sync.model.config import (
    BackendRemote,
    CloudRemote,
    Direction,
    FolderRemote,
    Mode,
    NamedRemote,
    Policy,
    Remote,
    SecretRef,
)
from bm_sync.model.permalink import permalink

# Backends whose files are told by where they are, not by who asks; all others by every option.
_PLACE = {
    "s3": ("endpoint", "provider", "region"),
    "sftp": ("host", "port", "user"),
    "ftp": ("host", "port", "user"),
    "smb": ("host", "port"),
    "webdav": ("url", "user"),
    "http": ("url",),
    "azureblob": ("account", "endpoint"),
    "b2": ("account", "endpoint"),
}

_MOST_NAMES = 3

Key = tuple[str, ...]


class _Claim(Struct, frozen=True):
    """A project's place: `where` is a path in parts, the store it lies in first."""

    project: str
    where: Key
    at: Spot


def check_overlaps(placed: tuple[Placed, ...], around: Surroundings) -> None:
    """Report every pair of places that must not touch."""
    locals_ = tuple(_local_claims(placed))
    remotes = tuple(_remote_claims(placed))
    _check_pairs(locals_, around, Code.LOCAL_OVERLAP, "local folder")
    _check_pairs(remotes, around, Code.REMOTE_OVERLAP, "place on the remote")
    _check_sides(locals_, remotes, around)
    _check_sources(placed, remotes, around)
    _check_state(locals_, remotes, around)


def _local_claims(placed: Iterable[Placed]) -> Iterable[_Claim]:
    for p in placed:
        if p.project.local is not None and p.local_at is not None:
            yield _Claim(p.project.name, _folder(p.project.local), p.local_at)


def _remote_claims(placed: Iterable[Placed]) -> Iterable[_Claim]:
    for p in placed:
        if p.project.remote is not None and p.remote_at is not None:
            where = _place(p.project.remote, p.project.path)
            yield _Claim(p.project.name, where, p.remote_at)


def place_of(remote: Remote | None, path: str) -> Key:
    """Return where something lies, in parts; without a remote `path` is of this machine."""
    return _folder(Path(path)) if remote is None else _place(remote, path)


def _place(remote: Remote, path: str) -> Key:
    match remote:
        case FolderRemote(root=root):
            return _folder(root / path)
        case NamedRemote(rclone=name, root=root):
            return (f"rclone:{name}", *_parts(root), *_parts(path))
        case BackendRemote(root=root):
            return (_identity(remote), *_parts(root), *_parts(path))
        case CloudRemote(host=host, workspace=workspace):
            # two names of one workspace are told apart only when the service is asked
            return (f"cloud:{host or ''}\0{(workspace or '').casefold()}", permalink(path))
        case _:
            assert_never(remote)


def _identity(remote: BackendRemote) -> str:
    telling = _PLACE.get(remote.type)
    told = sorted(
        f"{name}={_said(value)}"
        for name, value in remote.options
        if telling is None or name in telling
    )
    return "\0".join([remote.type, *told])


def _said(value: str | SecretRef) -> str:
    if isinstance(value, SecretRef):
        return f"{value.kind}:{value.value}"
    return value.rstrip("/").casefold()


def _folder(path: Path) -> Key:
    return Path(os.path.realpath(path)).parts


def _parts(path: str) -> Key:
    return tuple(part for part in path.split("/") if part)


def _check_pairs(claims: tuple[_Claim, ...], around: Surroundings, code: Code, what: str) -> None:
    """Report equal and nested places, each at the later of the two projects."""
    order = {claim.project: i for i, claim in enumerate(claims)}
    owners: dict[Key, _Claim] = {}
    for claim in claims:
        first = owners.setdefault(claim.where, claim)
        if first is not claim:
            _report(around, code, claim, f"the same {what} as", [first])
    held: dict[str, list[_Claim]] = {}
    for claim in owners.values():
        outer = _around(claim.where, owners)
        if outer is None:
            continue
        if order[outer.project] < order[claim.project]:
            _report(around, code, claim, f"a {what} inside that of", [outer])
        else:
            held.setdefault(outer.project, []).append(claim)
    for name, inner in held.items():
        _report(around, code, claims[order[name]], f"a {what} that holds that of", inner)


def _around(where: Key, owners: Mapping[Key, _Claim]) -> _Claim | None:
    """Return the claim on the nearest folder above."""
    above = (owners.get(where[:n]) for n in range(len(where) - 1, 0, -1))
    return next((claim for claim in above if claim is not None), None)


def _report(
    around: Surroundings, code: Code, claim: _Claim, relation: str, others: list[_Claim]
) -> None:
    named = _named(others, claim.at, around)
    what = f"the project {quoted(claim.project)} has {relation} {named}"
    around.report.error(code, claim.at, what, "two projects never share files")


def _named(claims: list[_Claim], here: Spot, around: Surroundings) -> str:
    names = [f"{quoted(c.project)} in {around.told(c.at, here)}" for c in claims[:_MOST_NAMES]]
    more = len(claims) - len(names)
    return listed([*names, *([f"{more} more"] if more else [])], "and")


def _check_sides(
    locals_: tuple[_Claim, ...], remotes: tuple[_Claim, ...], around: Surroundings
) -> None:
    """Report local folders that touch a folder remote, which is a folder of this machine."""
    folders = {claim.where: claim for claim in remotes if claim.where[0] == os.sep}
    owners = {claim.where: claim for claim in locals_}
    met: dict[str, dict[str, _Claim]] = {claim.project: {} for claim in locals_}
    for claim in locals_:
        other = folders.get(claim.where) or _around(claim.where, folders)
        if other is not None:
            met[claim.project][other.project] = other
    for claim in folders.values():
        other = _around(claim.where, owners)
        if other is not None:
            met[other.project][claim.project] = claim
    for claim in locals_:
        if met[claim.project]:
            others = _named(list(met[claim.project].values()), claim.at, around)
            what = (
                f"the local folder of {quoted(claim.project)} touches the remote folder of {others}"
            )
            around.report.error(Code.SIDES_OVERLAP, claim.at, what, "keep the two sides apart")


def _check_sources(
    placed: tuple[Placed, ...], remotes: tuple[_Claim, ...], around: Surroundings
) -> None:
    """Report near sides on remotes that touch what must be apart from them.

    What is only read may be another project's place as well: a backup of what others sync.
    """
    for claim, reads in _source_claims(placed):
        touched = [other for other in remotes if _touch(claim.where, other.where)]
        foreign = [other for other in touched if other.project != claim.project]
        if len(foreign) < len(touched):
            what = f"the two sides of {quoted(claim.project)} touch each other"
            around.report.error(Code.SIDES_OVERLAP, claim.at, what, "keep them apart")
        if foreign and not reads:
            others = _named(foreign, claim.at, around)
            what = f"what {quoted(claim.project)} is from touches the remote place of {others}"
            hint = "keep them apart, or only read it: mode push, or mirror up"
            around.report.error(Code.SIDES_OVERLAP, claim.at, what, hint)
    writing = tuple(claim for claim, reads in _source_claims(placed) if not reads)
    _check_pairs(writing, around, Code.REMOTE_OVERLAP, "place that it is from")


def _source_claims(placed: Iterable[Placed]) -> Iterable[tuple[_Claim, bool]]:
    """Yield the near sides on remotes, each with whether it is only read."""
    for p in placed:
        source = p.project.source
        if source is not None and p.local_at is not None:
            claim = _Claim(p.project.name, _place(source.remote, source.path), p.local_at)
            yield claim, _only_read(p.project.policy)


def _only_read(policy: Policy) -> bool:
    up = policy.mode is Mode.MIRROR and policy.direction is Direction.UP
    return up or policy.mode is Mode.PUSH


def _touch(one: Key, two: Key) -> bool:
    shorter = min(len(one), len(two))
    return one[:shorter] == two[:shorter]


def _check_state(
    locals_: tuple[_Claim, ...], remotes: tuple[_Claim, ...], around: Surroundings
) -> None:
    state = _folder(around.state_dir)
    for claim in (*locals_, *remotes):
        shorter = min(len(claim.where), len(state))
        if claim.where[:shorter] == state[:shorter]:
            relation = "holds" if len(claim.where) <= len(state) else "lies in"
            what = (
                f"a side of the project {quoted(claim.project)} {relation} the state directory "
                f"{escaped(str(around.state_dir))}"
            )
            hint = "name another folder, or another state directory with --state-dir"
            around.report.error(Code.STATE_OVERLAP, claim.at, what, hint)
