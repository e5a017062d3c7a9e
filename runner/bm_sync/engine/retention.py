"""Removes kept versions that the policy does not keep any longer, for good.

Nothing of a run that has not come to its end is removed, and nothing of the run that is on.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta

from bm_sync import layout
from bm_sync.engine.identity import project_key
from bm_sync.engine.keepers import Keeper, keepers_of, keepers_unseen
from bm_sync.engine.observe import Seen
from bm_sync.engine.retention_edge import oldest_kept
from bm_sync.engine.site import Site
from bm_sync.engine.versions import began
from bm_sync.model.config import KeepVersions, Project
from bm_sync.model.past import OldVersions
from bm_sync.model.tree import Side
from bm_sync.state.effects import Held

# A run of another machine is not known here to have ended; after a day it has.
_MAY_BE_ON = timedelta(days=1)


def due(
    held: Sequence[Held], keep: KeepVersions, now: datetime, spared: Collection[str]
) -> list[tuple[Held, str]]:
    """Return what is to go and why: what is too old, then the oldest of what is too much.

    `spared` are runs of which nothing goes. `at_most` is counted on each side by itself.
    """
    edge = oldest_kept(keep, now)
    old = [h for h in held if edge is not None and h.run < edge and h.run not in spared]
    found = [(h, "too old") for h in old]
    if keep.at_most is None:
        return found
    for side in Side:
        rest = [h for h in held if h.side is side and h not in old]
        total = sum(h.bytes for h in rest)
        for one in sorted(rest, key=lambda h: h.run):
            if total <= keep.at_most:
                break
            if one.run not in spared:
                found.append((one, "too much"))
                total -= one.bytes
    return found


async def after_run(seen: Seen, run: str, site: Site) -> None:
    """Remove what a project's policy does not keep any longer, after a run that went well."""
    keep, past = seen.project.policy.keep_versions, site.state.past
    gone = due(past.held(seen.key), keep, site.clock(), {run})
    if gone:
        names = past.names(seen.key)
        await _purge([h for h, _ in gone], seen.key, names, keepers_of(seen, site), site)


async def _purge(
    gone: Sequence[Held],
    key: str,
    names: Collection[str],
    keepers: Mapping[Side, Keeper],
    site: Site,
) -> None:
    for held in gone:
        for name in sorted(names):
            await keepers[held.side].purge(held.run, name)
    site.state.past.pruned(key, [(h.run, h.side) for h in gone])


async def old_versions(project: Project, site: Site) -> tuple[OldVersions, ...]:
    """Return what the trash of a project really holds that its policy does not keep.

    What other machines and killed runs left is among it.
    """
    return tuple(_told(project, h, why) for h, why in due(*await _judged(project, site)))


async def prune(
    project: Project, wanted: Sequence[OldVersions], site: Site
) -> tuple[OldVersions, ...]:
    """Remove those of `wanted` that the policy still does not keep; return what went."""
    asked = {(w.run, w.side) for w in wanted if w.project == project.name}
    found = [(h, why) for h, why in due(*await _judged(project, site)) if (h.run, h.side) in asked]
    keepers = await keepers_unseen(project, site)
    await _purge([h for h, _ in found], project_key(project), _names(project, site), keepers, site)
    return tuple(_told(project, h, why) for h, why in found)


def _told(project: Project, held: Held, why: str) -> OldVersions:
    return OldVersions(project.name, held.run, held.side, held.files, held.bytes, why)


async def _judged(
    project: Project, site: Site
) -> tuple[list[Held], KeepVersions, datetime, frozenset[str]]:
    held = []
    for side, keeper in (await keepers_unseen(project, site)).items():
        files: dict[str, int] = defaultdict(int)
        size: dict[str, int] = defaultdict(int)
        names = _names(project, site)
        for path, count in (await keeper.files(layout.TRASH)).items():
            run, _, rest = path.partition("/")
            if began(run) is not None and rest.partition("/")[0] in names:
                files[run] += 1
                size[run] += count
        held += [Held(run, side, files[run], size[run]) for run in sorted(files)]
    now = site.clock()
    young = f"{now - _MAY_BE_ON:%Y%m%dT%H%M%SZ}"
    foreign = {h.run for h in held if h.run > young} - site.state.past.known_runs()
    spared = site.state.past.unfinished(project_key(project)) | foreign
    return held, project.policy.keep_versions, now, spared


def _names(project: Project, site: Site) -> frozenset[str]:
    return site.state.past.names(project_key(project)) | {project.name}
