"""What a hook is told, as variables of its environment, and which hooks a result calls for. Pure.

Nothing of bm-sync's own environment reaches a hook but what every program needs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from msgspec import Struct

from bm_sync.engine.identity import remote_label
from bm_sync.files import TRUST
from bm_sync.model.config import Project
from bm_sync.model.hooks import PROJECT_FACTS, RUN_FACTS, Hook, Moment, variable
from bm_sync.model.run import ProjectRun, Status

_KEPT = frozenset(
    {
        *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "TZ", "TMPDIR", "LANG", "LANGUAGE"),
        *("XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME"),
        *("XDG_STATE_HOME", "DBUS_SESSION_BUS_ADDRESS", "DISPLAY", "WAYLAND_DISPLAY"),
        *("SSH_AUTH_SOCK", TRUST),
    }
)
_KEPT_PREFIX = "LC_"

Facts = Mapping[str, str]


class Base(Struct, frozen=True):
    """What every hook of a run is told."""

    run: str
    host: str
    manifest: Path
    state_dir: Path

    def facts(self) -> dict[str, str]:
        """Return them by name."""
        return {
            "run": self.run,
            "host": self.host,
            "manifest": str(self.manifest),
            "state_dir": str(self.state_dir),
        }


def environment(env: Mapping[str, str], hook: Hook, facts: Facts) -> dict[str, str]:
    """Return the environment of a hook: no secret of ours, and each fact, empty when not known."""
    kept = {k: v for k, v in env.items() if k in _KEPT or k.startswith(_KEPT_PREFIX)}
    names = {*PROJECT_FACTS, *RUN_FACTS} if "project" in facts else set(RUN_FACTS)
    told = {variable(name): facts.get(name, "").replace("\0", "") for name in names}
    return kept | dict(hook.variables) | told | {variable("hook"): hook.moment.value}


def project_facts(base: Base, project: Project, ended: ProjectRun | None) -> dict[str, str]:
    """Return what is known of a project; `ended` is None before it begins."""
    facts = base.facts() | {
        "project": project.name,
        "local": str(project.local or ""),
        "remote": remote_label(project),
        "mode": project.policy.mode.value,
        "tags": " ".join(project.tags),
    }
    return facts if ended is None else facts | _results(ended)


def _results(ended: ProjectRun) -> dict[str, str]:
    totals = ended.totals
    figures = {
        "exit": ended.exit,
        "up": totals.up,
        "down": totals.down,
        "deleted": totals.delete_local + totals.delete_remote,
        "conflicts": len(ended.clashes),
        "problems": len(ended.problems),
        "bytes_up": totals.bytes_up,
        "bytes_down": totals.bytes_down,
        "files": ended.files,
        "seconds": round(ended.seconds),
    }
    said = {name: str(figure) for name, figure in figures.items()}
    told = ended.failed or ended.status.needs_person
    why = ended.message or (ended.reason if told else "")
    return said | {"status": ended.status.value, "message": why}


def run_facts(base: Base, code: int | None, projects: Iterable[ProjectRun]) -> dict[str, str]:
    """Return what is known of a run; `code` is None before it has ended."""
    all_of_them = list(projects)

    def names(those: Iterable[ProjectRun]) -> str:
        return "\n".join(each.project for each in those)

    return base.facts() | {
        "exit": "" if code is None else str(code),
        "projects": names(all_of_them),
        "changed": names(p for p in all_of_them if p.moved),
        "failed": names(p for p in all_of_them if p.failed),
        "stopped": names(p for p in all_of_them if p.status.needs_person),
        "skipped": names(p for p in all_of_them if p.status is Status.SKIPPED),
    }


def moments(projects: Iterable[ProjectRun]) -> tuple[Moment, ...]:
    """Return which hooks the results of projects call for at the end, in the order they run."""
    all_of_them = list(projects)
    waits = any(each.status.needs_person for each in all_of_them)
    begun = any(
        (p.fine or p.failed or p.status.needs_person) and p.status is not Status.REFUSED
        for p in all_of_them
    )
    calls = (
        (Moment.ON_CHANGE, any(each.moved for each in all_of_them)),
        (Moment.ON_ERROR, any(each.failed for each in all_of_them)),
        (Moment.ON_STOP, waits),
        (Moment.AFTER, begun),
    )
    return tuple(moment for moment, called in calls if called)
