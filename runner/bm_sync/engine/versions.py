"""Finds the kept versions of a file, brings one back, or gives its bytes."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from bm_sync import layout
from bm_sync.engine import contents
from bm_sync.engine.deadline import within
from bm_sync.engine.identity import project_key
from bm_sync.engine.jail import Jail
from bm_sync.engine.keepers import Keeper, keepers_of, keepers_unseen
from bm_sync.engine.left_alone import screened
from bm_sync.engine.observe import observe
from bm_sync.engine.prepare import Prepared, Wants, failed, intent
from bm_sync.engine.site import Site
from bm_sync.errors import BmSyncError, UsageError
from bm_sync.model.config import Placement, Project
from bm_sync.model.past import Effect, KeptVersion
from bm_sync.plan import bring_back

_RUN = re.compile(r"(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z-[0-9a-f]+")
_HINT = "bm-sync versions lists what is kept"


async def versions(project: Project, path: str, site: Site) -> tuple[KeptVersion, ...]:
    """Return every version of a file that either side keeps, the newest first."""
    names = {project.name, *site.state.past.names(project_key(project))}
    found: list[KeptVersion] = []
    for side, keeper in (await keepers_unseen(project, site)).items():
        for place, size in (await _places(keeper, names, path)).items():
            run = place.split("/")[2]
            found.append(
                KeptVersion(
                    project=project.name,
                    path=path,
                    run=run,
                    side=side,
                    until=began(run) or "",
                    size=size,
                    place=place,
                    label=f"{keeper.label}/{place}",
                )
            )
    return tuple(sorted(found, key=lambda v: (v.run, v.side), reverse=True))


async def _places(keeper: Keeper, names: set[str], path: str) -> dict[str, int]:
    runs = [run for run in await keeper.runs() if began(run) is not None]
    pairs = [(run, name) for run in runs for name in sorted(names)]
    asked = [f"{layout.trash(run, name)}/{path}" for run, name in pairs]
    asked += [layout.kept_short(layout.trash(run, name), path) for run, name in pairs]
    return {place: stamp.size for place, stamp in (await keeper.look(asked)).items()}


def began(run: str) -> str | None:
    """Return when a run began, as its id tells; None when it is no id."""
    match = _RUN.fullmatch(run)
    return "{}-{}-{}T{}:{}:{}Z".format(*match.groups()) if match else None


def chosen(found: Sequence[KeptVersion], at: str) -> KeptVersion:
    """Return the version that a run replaced, or that stood at a time.

    `at` is a run's id or the beginning of one, or a time in ISO 8601 (local without a zone). Raises
    UsageError when there is none.
    """
    if not found:
        raise UsageError("no version of this file is kept", hint=_HINT)
    by_run = [v for v in found if v.run.startswith(at)]
    if len({v.run for v in by_run}) > 1:
        raise UsageError(f"several runs begin with {at!r}", hint=_HINT)
    if by_run:
        return min(by_run, key=lambda v: v.side)
    moment = _moment(at)
    if moment is None:
        raise UsageError(f"no version was kept by run {at!r}", hint=_HINT)
    later = [v for v in found if v.until > moment]
    if not later:
        raise UsageError(f"the version of {at} has not been replaced since: it stands", hint=_HINT)
    return min(later, key=lambda v: (v.run, v.side))


def _moment(at: str) -> str | None:
    """Return a time as records write it; None when `at` is no time."""
    try:
        told = datetime.fromisoformat(at)
    except ValueError:
        return None
    return f"{told.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


async def prepare(project: Project, version: KeptVersion, site: Site) -> Prepared:
    """Plan to bring a version back to its path: on both sides, or here in a one-way project."""
    if project.placement is not Placement.SYNCED:
        what = f"project '{project.name}' has one side only"
        error = UsageError(what, hint="write it to a file: bm-sync restore PATH --at RUN --to FILE")
        return Prepared(project, failed(project, site, error), partial=True)
    try:
        async with within(project.policy.limits.timeout_s):
            seen = await observe(project, site)
            held = await keepers_of(seen, site)[version.side].look([version.place])
    except BmSyncError as e:
        return Prepared(project, failed(project, site, e), partial=True)
    kept, recorded = held.get(version.place), _recorded(project, version, site)
    wanted = bring_back.Wanted(version.path, version.side, version.place, kept, recorded)
    wants = intent(project, site, Wants())
    plan = bring_back.make(project.name, seen.key, seen.observation, wants, wanted)
    plan = screened(plan, seen.matcher, seen.observation, wants)
    return Prepared(project, plan, seen, partial=True)


async def fetch(project: Project, version: KeptVersion, target: Path, site: Site) -> None:
    """Write a version into a file that must not exist yet; raises UsageError when it does."""
    keeper = (await keepers_unseen(project, site))[version.side]
    with tempfile.TemporaryDirectory(prefix="bm-sync-") as scratch:
        half = Path(scratch) / "version"
        await keeper.fetch(version.place, half)
        recorded = _recorded(project, version, site)
        if recorded is not None and not await _is(half, recorded, site):
            raise BmSyncError(
                f"{version.label} was changed after it was kept",
                hint="it is not the version that stood there; copy it by hand if you want it",
            )
        _write_new(half, target)


def _recorded(project: Project, version: KeptVersion, site: Site) -> Effect | None:
    """Return what a run noted of a version that it kept; None where there is no record."""
    done = site.state.past.of_run(version.run, project_key(project))
    noted = (e for e in done if e.kept == version.place and e.side is version.side)
    return next(noted, None)


async def _is(file: Path, recorded: Effect, site: Site) -> bool:
    """Return whether a file is the version that was kept, as far as that was noted."""
    jail = Jail(file.parent)
    stamp = jail.look(file.name)
    if stamp is None or stamp.size != recorded.kept_size:
        return False
    algorithm = (recorded.kept_content or "").partition(":")[0]
    if not algorithm:
        return True
    if contents.computable(algorithm):
        read = await contents.digest(jail, file.name, algorithm)
        return read is not None and read[1] == recorded.kept_content
    return await site.hash_by_rclone(jail, file.name, algorithm) in (None, recorded.kept_content)


def _write_new(half: Path, target: Path) -> None:
    try:
        with half.open("rb") as source, target.open("xb") as made:
            shutil.copyfileobj(source, made)
    except FileExistsError as e:
        raise UsageError(f"{target} is there already and is not overwritten") from e
    except OSError as e:
        raise UsageError(f"cannot write {target}: {e.strerror}") from e
