"""What bm-sync can render for the schedulers of clusters, as functions for the command line.

Like `api`: nothing here prints, asks or exits. Nothing is asked of a cluster either.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import assert_never

from msgspec import Struct

from bm_sync import files
from bm_sync.errors import BmSyncError, UsageError
from bm_sync.manifest import source
from bm_sync.model.config import Manifest, Mode, NamedRemote, Project, Remote, SecretRef
from bm_sync.model.schedule import ClusterTarget, TimerUnit
from bm_sync.schedule import ansible, kubernetes, nomad
from bm_sync.schedule.jobs import Bundle, jobs
from bm_sync.schedule.programs import READABLE, write
from bm_sync.structs import names, replace

_KINDS = {
    target: files.Kind(f"a text for {target} of bm-sync", re.compile(head), "rendered", READABLE)
    for target, head in (
        (
            ClusterTarget.KUBERNETES,
            rb"(?s)---\n(?:#[^\n]*\n)*apiVersion: .*app\.kubernetes\.io/name: bm-sync\n",
        ),
        (ClusterTarget.NOMAD, rb'(?s)\{\s*"Job": \{.*"made_by": "bm-sync '),
        (ClusterTarget.ANSIBLE, rb"---\n# Made by: bm-sync "),
    )
}
_NOTHING, _ANYTHING = re.compile(rb"(?!)"), re.compile(rb"")
_OUT = "give --out another folder"
_APPLY = ("bm-sync", "apply", "-q", "--yes", "-f")


class Wishes(Struct, frozen=True):
    """What the command line says: names begin with `name`, pods run `image`, `shards` at a time.

    `sets` are the words that set variables of the manifest in every run.
    """

    name: str
    image: str | None
    shards: int
    sets: tuple[str, ...] = ()


def rendered(manifest: Manifest, target: ClusterTarget, wishes: Wishes) -> tuple[TimerUnit, ...]:
    """Return the texts for a cluster; raises UsageError when nothing of it can run there."""
    match target:
        case ClusterTarget.KUBERNETES:
            return _kubernetes(manifest, wishes)
        case ClusterTarget.NOMAD:
            projects = (*manifest.projects, *(e.project for e in manifest.elsewhere))
            file = os.path.abspath(manifest.file)  # noqa: PTH100 - symbolic links kept
            found = jobs(manifest, projects, wishes.name, (*_APPLY, file, *wishes.sets))
            return nomad.units(_bundle(manifest, projects, wishes), found)
        case ClusterTarget.ANSIBLE:
            projects = (*manifest.projects, *(e.project for e in manifest.elsewhere))
            return ansible.units(_bundle(manifest, projects, wishes))
        case _:
            assert_never(target)


def save(units: tuple[TimerUnit, ...], target: ClusterTarget, folder: Path) -> tuple[Path, ...]:
    """Write the texts below a folder; return the files.

    Raises BmSyncError when one cannot be, and UsageError, with nothing written, when one would
    replace a file that was not rendered for the target. A role's copies of the manifest are as they
    were written, so they are told by the role that they lie in.
    """
    made = _KINDS[target]
    copies = replace(made, head=_NOTHING)
    if any(files.is_of(made, folder / unit.name) for unit in units):
        copies = replace(made, head=_ANYTHING)
    kinds = {u.name: copies if ansible.is_copy(u) else made for u in units}
    for unit in units:
        files.mode_of(folder / unit.name, kinds[unit.name], hint=f"move it away, or {_OUT}")
    for unit in units:
        write(folder / unit.name, unit.text, kinds[unit.name])
    return tuple(folder / unit.name for unit in units)


def _kubernetes(manifest: Manifest, wishes: Wishes) -> tuple[TimerUnit, ...]:
    if wishes.image is None:
        hint = "--image registry.example.org/bm-sync:1.0, an image with bm-sync, rclone and mkdir"
        raise UsageError("a pod needs an image that has bm-sync", hint=hint)
    scheduled = [project for project in manifest.projects if project.schedule is not None]
    able = tuple(project for project in scheduled if project.source is not None)
    if scheduled and not able:
        first = scheduled[0]
        what = f"no project can run in a pod: '{first.name}' has a folder of this machine"
        hint = f"from: remote:path in the place of local ({first.origin}); docs/remote-to-remote.md"
        raise UsageError(what, hint=hint)
    _check_state(manifest, able)
    command = (*_APPLY, f"{kubernetes.CONFIG}/{manifest.file.name}", *wishes.sets)
    found = jobs(manifest, able, wishes.name, command)
    left = [project.name for project in scheduled if project not in able]
    notes = [f"Not here, as they have folders of a machine: {', '.join(left)}"] if left else []
    bundle = _bundle(manifest, able, wishes)
    told = replace(bundle, notes=(*notes, *_absent(manifest, able, bundle)))
    return kubernetes.units(told, found, kubernetes.Pods(wishes.image, wishes.shards))


def _check_state(manifest: Manifest, projects: tuple[Project, ...]) -> None:
    """Refuse projects whose deletions would come back because nothing remembers them."""
    both = [p for p in projects if p.policy.mode is Mode.TWO_WAY]
    if both and manifest.state is None:
        what = f"what both sides of '{both[0].name}' agreed on would be gone with each pod"
        raise UsageError(what, hint="keep it on a remote: state: {remote: NAME}, docs/scale-out.md")


def _bundle(manifest: Manifest, projects: tuple[Project, ...], wishes: Wishes) -> Bundle:
    """Return the manifest with its files, without the one of this machine alone."""
    own = source.local_of(manifest.file).name
    folder = manifest.file.absolute().parent
    paths = [file for file in manifest.files if file.name != own] or [manifest.file]
    return Bundle(
        name=wishes.name,
        files=tuple((_relative(file, folder), source.again(file)) for file in paths),
        env=tuple(ref.value for ref in _secrets(manifest, projects) if ref.kind == "env"),
    )


def _relative(file: Path, folder: Path) -> str:
    try:
        return file.absolute().relative_to(folder).as_posix()
    except ValueError as e:
        raise BmSyncError(f"{file} does not lie below {folder}") from e


def _absent(manifest: Manifest, projects: tuple[Project, ...], bundle: Bundle) -> Iterator[str]:
    """Yield what pods need and these texts do not bring."""
    if bundle.env:
        said = ", ".join(bundle.env)
        yield f"The Secret {bundle.name}-env has to hold what it takes from the environment: {said}"
    for ref in _secrets(manifest, projects):
        if ref.kind != "env":
            yield f"It takes a secret from a {ref.kind}, which the image has to have ({ref.origin})"
    used = _remotes(manifest, projects)
    if any(isinstance(remote, NamedRemote) for remote in used):
        yield "It uses remotes of an rclone.conf, which has to be mounted: RCLONE_CONFIG names it"
    if manifest.state is None:
        yield "Its records and conflicts go with each pod: state: {remote: NAME} would keep them"
    if any(p.schedule is not None and p.schedule.jitter_s for p in projects):
        yield "There is no jitter: every run begins at its time"


def _remotes(manifest: Manifest, projects: tuple[Project, ...]) -> list[Remote]:
    used = [project.remote for project in projects]
    used += [project.source.remote for project in projects if project.source is not None]
    used += [] if manifest.fleet is None else [manifest.fleet.remote]
    used += [] if manifest.state is None else [manifest.state.remote]
    return [remote for remote in dict.fromkeys(used) if remote is not None]


def _secrets(manifest: Manifest, projects: tuple[Project, ...]) -> list[SecretRef]:
    """Return the secrets that a run of the projects reads, each once."""
    used = (*_remotes(manifest, projects), manifest.notify)
    found = {(ref.kind, ref.value): ref for value in used for ref in _refs(value)}
    return list(found.values())


def _refs(value: object) -> Iterator[SecretRef]:
    """Yield every reference to a secret inside a value of the model."""
    if isinstance(value, SecretRef):
        yield value
    elif isinstance(value, tuple):
        for item in value:
            yield from _refs(item)
    else:
        for name in names(type(value)) or ():
            yield from _refs(getattr(value, name))
