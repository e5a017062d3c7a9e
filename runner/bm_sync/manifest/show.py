"""Shows a manifest as it was understood: names looked up, paths absolute, defaults filled in.

Secrets stay references; one that is written in plain text is masked. Pure.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, TypeAlias, assert_never

from bm_sync.manifest.shown import escaped
from bm_sync.masking import MASK, Veil, looks_secret, veiled, without_secrets
from bm_sync.model.config import (
    CLOUD_TYPE,
    BackendRemote,
    CloudRemote,
    FilterSet,
    FolderRemote,
    IgnoreFile,
    Limit,
    Manifest,
    NamedRemote,
    OptionValue,
    OrderPath,
    Policy,
    Project,
    Remote,
    Rule,
    SecretRef,
    Source,
)
from bm_sync.model.schedule import Schedule

if TYPE_CHECKING:
    from bm_sync.model.conditions import Conditions
    from bm_sync.model.hooks import Hook
    from bm_sync.model.notices import Target
    from bm_sync.model.state_home import StateHome

Json: TypeAlias = "str | int | float | bool | list[Json] | dict[str, Json] | None"


def data(manifest: Manifest, *, rules: bool = False) -> dict[str, Json]:
    """Return the manifest as JSON knows it: sizes in bytes, durations in seconds.

    `rules`: with the patterns of the ignore files that lie in the manifest's folder.
    """
    said: dict[str, Json] = {
        "version": 1,
        "file": escaped(str(manifest.file)),
        "digest": manifest.digest,
        "metrics": None if manifest.metrics is None else escaped(str(manifest.metrics)),
        "keep_history": {
            "all": manifest.keep_history.all_s,
            "daily": manifest.keep_history.daily_s,
        },
        "remotes": {remote.name: _remote(remote) for remote in manifest.remotes},
        "hooks": [_hook(hook) for hook in manifest.hooks],
        "notify": [_target(target) for target in manifest.notify],
        "fleet": None if manifest.fleet is None else escaped(manifest.fleet.label),
        **_state(manifest.state),
        "projects": {p.name: _project(p, rules=rules) for p in manifest.projects},
        "elsewhere": {
            each.project.name: {**_project(each.project, rules=rules), "reason": each.reason}
            for each in manifest.elsewhere
        },
    }
    return {key: _veiled(value, manifest.veil) for key, value in said.items()}


def _veiled(value: Json, veil: Veil) -> Json:
    """Return a value without what the environment put in and must not be shown."""
    match value:
        case str():
            return veiled(value, veil)
        case list():
            return [_veiled(inside, veil) for inside in value]
        case dict():
            return {key: _veiled(inside, veil) for key, inside in value.items()}
        case _:
            return value


def text(manifest: Manifest, *, rules: bool = False) -> str:
    """Return the manifest as text in the form of YAML; `rules` as for `data`."""
    return "\n".join(_lines(data(manifest, rules=rules), "")) + "\n"


def _remote(remote: Remote) -> Json:
    match remote:
        case FolderRemote(root=root):
            return {"type": "local", "root": escaped(str(root))}
        case NamedRemote(rclone=rclone, root=root):
            return {"rclone": rclone, "root": root}
        case BackendRemote(type=kind, options=options, root=root):
            said: dict[str, Json] = {name: _option(name, value) for name, value in options}
            return {"type": kind, "options": said, "root": root}
        case CloudRemote():
            return {
                "type": CLOUD_TYPE,
                "host": remote.host,
                "workspace": None if remote.workspace is None else escaped(remote.workspace),
                "transport": remote.transport,
                "storage": remote.storage,
            }
        case _:
            assert_never(remote)


def _option(name: str, value: OptionValue) -> Json:
    if isinstance(value, SecretRef):
        return {value.kind: escaped(value.value)}
    return MASK if looks_secret(name) and value else escaped(without_secrets(value))


def _project(project: Project, *, rules: bool) -> dict[str, Json]:
    return {
        "placement": project.placement.value,
        "local": None if project.local is None else escaped(str(project.local)),
        **_source(project.source),
        "remote": None if project.remote is None else project.remote.name,
        "path": None if project.remote is None else project.path,
        **_was(project.was),
        "tags": list(project.tags),
        "policy": _policy(project.policy),
        "filters": _filters(project.filters, rules=rules),
        "schedule": _schedule(project.schedule),
        "hooks": [_hook(hook) for hook in project.hooks],
        "conditions": _conditions(project.conditions),
        "declared": str(project.origin),
    }


def _state(home: StateHome | None) -> dict[str, Json]:
    """Return where the state lies on a remote; nothing where it is this machine's own."""
    if home is None:
        return {}
    said: Json = {
        "remote": home.remote.name,
        "path": escaped(home.path),
        "lease": home.lease_s,
        "declared": escaped(str(home.origin)),
    }
    return {"state": said}


def _source(source: Source | None) -> dict[str, Json]:
    """Return what `from` says; nothing where it does not stand."""
    return {} if source is None else {"from": f"{source.remote.name}:{escaped(source.path)}"}


def _was(was: Project | None) -> dict[str, Json]:
    """Return how a project was declared before; nothing where `was` does not stand."""
    if was is None:
        return {}
    said: dict[str, Json] = {
        "name": was.name,
        "local": None if was.local is None else escaped(str(was.local)),
        **_source(was.source),
        "remote": None if was.remote is None else was.remote.name,
        "path": None if was.remote is None else was.path,
    }
    return {"was": said}


def _policy(policy: Policy) -> Json:
    guards, limits = policy.guards, policy.limits
    said: dict[str, Json] = {"name": policy.name, "mode": policy.mode.value}
    if policy.mode == "mirror":
        said["direction"] = policy.direction.value
    said |= {
        "conflict": {"winner": policy.conflict.winner.value, "loser": policy.conflict.loser.value},
        "compare": policy.compare.value,
        "guards": {
            "max_delete": _limit(guards.max_delete),
            "max_overwrite": _limit(guards.max_overwrite),
            "max_bytes": guards.max_bytes,
            "empty_side": guards.empty_side,
        },
        "keep_versions": {
            "for": policy.keep_versions.for_s,
            "at_most": policy.keep_versions.at_most,
        },
        "retry": {"attempts": policy.retry.attempts, "max_wait": policy.retry.max_wait_s},
        "limits": {
            "bandwidth": limits.bandwidth,
            "transfers": limits.transfers,
            "checkers": limits.checkers,
            "timeout": limits.timeout_s,
        },
        "verify": policy.verify.value,
        "engine": policy.engine.value,
        "lease": policy.lease.value,
    }
    return said


def _limit(limit: Limit) -> Json:
    return {
        "count": limit.count,
        "percent": limit.percent,
        "at_least": limit.at_least,
        "declared": str(limit.origin),
    }


def _ignore_file(file: IgnoreFile, filters: FilterSet, *, rules: bool) -> Json:
    """Return a file of patterns; the manifest may name any file of this machine, so no lines."""
    said: dict[str, Json] = {"file": escaped(file.file), "patterns": file.patterns}
    if rules and file.own:
        lines = [_rule(rule) for rule in filters.shared if rule.origin.file == file.file]
        said["rules"] = lines
    return said


def _filters(filters: FilterSet, *, rules: bool) -> Json:
    return {
        "gitignore": filters.gitignore,
        "ignore_files": [_ignore_file(file, filters, rules=rules) for file in filters.files],
        "exclude": [_rule(rule) for rule in filters.rules],
        "max_size": filters.max_size,
        "links": filters.links.value,
        "git": filters.git.value,
        "orders": [_order(order) for order in filters.orders],
    }


def _order(order: OrderPath) -> Json:
    what, origin = escaped(order.what), escaped(str(order.origin))
    return {"path": escaped(order.path), "what": what, "declared": origin}


def _schedule(schedule: Schedule | None) -> Json:
    if schedule is None:
        return None
    return {
        "when": schedule.said,
        "jitter": schedule.jitter_s,
        "catch_up": schedule.catch_up,
        "declared": escaped(str(schedule.origin)),
    }


def _hook(hook: Hook) -> Json:
    return {
        "when": hook.moment.value,
        "run": escaped(hook.said),
        "timeout": hook.timeout_s,
        "folder": escaped(str(hook.folder)),
        "declared": escaped(str(hook.origin)),
    }


def _conditions(conditions: Conditions | None) -> Json:
    if conditions is None:
        return None
    from bm_sync.model.conditions import WEEKDAYS

    return {
        "power": "mains" if conditions.mains else "any",
        "network": "unmetered" if conditions.unmetered else "any",
        "hours": [str(span) for span in conditions.hours],
        "days": [WEEKDAYS[day] for day in conditions.days],
        "disk_free": {"bytes": conditions.free_bytes, "percent": conditions.free_percent},
        "declared": escaped(str(conditions.origin)),
    }


def _target(target: Target) -> Json:
    from bm_sync.manifest.shown_targets import shown

    return shown(target)


def _rule(rule: Rule) -> Json:
    return {"pattern": escaped(rule.pattern), "declared": escaped(str(rule.origin))}


def _lines(value: Json, indent: str) -> list[str]:
    """Return a mapping or list in lines; what is empty or single stays in one."""
    pairs: list[tuple[str, Json]]
    if isinstance(value, dict):
        pairs = [(f"{word(name)}:", inside) for name, inside in value.items()]
    else:
        assert isinstance(value, list)  # noqa: S101 - single values have no lines of their own
        pairs = [("-", inside) for inside in value]
    lines: list[str] = []
    for head, inside in pairs:
        if isinstance(inside, (dict, list)) and inside and not _is_flat(inside):
            lines += [f"{indent}{head}", *_lines(inside, indent + "  ")]
        else:
            lines.append(f"{indent}{head} {flow(inside)}")
    return lines


def _is_flat(value: Json) -> bool:
    inside = list(value.values()) if isinstance(value, dict) else value
    return isinstance(inside, list) and not any(isinstance(v, (dict, list)) for v in inside)


def flow(value: Json) -> str:
    """Return a value in one line."""
    match value:
        case dict():
            return "{" + ", ".join(f"{word(k)}: {flow(v)}" for k, v in value.items()) + "}"
        case list():
            return "[" + ", ".join(flow(v) for v in value) + "]"
        case str():
            return word(value)
        case _:
            return json.dumps(value)


def word(text_: str) -> str:
    """Return a text unquoted only where no reader could take it for something else."""
    plain = text_ and text_[0].isalpha() and text_.replace("-", "").replace("_", "").isalnum()
    reserved = text_.casefold() in {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}
    return text_ if plain and not reserved else json.dumps(text_, ensure_ascii=False)
