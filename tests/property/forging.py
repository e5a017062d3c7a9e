"""Forges saved plans: a plan as JSON goes in, a wrong one comes out, its digest made right again.

Whoever can write a file can do all of this, so nothing here needs a secret.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

from msgspec import to_builtins

from bm_sync.engine.jail import stamp_of
from bm_sync.errors import UsageError
from bm_sync.model.config import Direction, Mode
from bm_sync.model.plan import Guard, Reason
from bm_sync.plan import wire

Json = dict[str, Any]

FOREIGN = (
    "../out.md",
    ".bm-sync/trash/x",
    ".git/config",
    ".git/hooks/post-checkout",
    "/etc/cron.d/x",
    "evil\x1b[2J.md",
    "secret.key",
    "sync.local.yaml",
    "sync.yaml",
    "there/was/never.md",
)
"""Paths that no plan of the manifest under test is about: excluded, outside, or not there."""


class Forger:
    """Spoils plans of one project whose sides are two folders."""

    def __init__(self, here: Path, there: Path, random: Random) -> None:
        self.sides = {"local": here, "remote": there}
        self.random = random
        self.paths = sorted({*_files(here), *_files(there)})

    def forged(self, honest: Json) -> Json:
        """Return a plan with one to four things wrong, and the digest of what it says."""
        plan = copy.deepcopy(honest)
        for _ in range(self.random.randint(1, 4)):
            with suppress(AttributeError, IndexError, KeyError, TypeError):  # it is damaged already
                self.random.choice(self.ways)(self, plan)
        if self.random.random() < 0.95:
            _seal(plan)
        return plan

    # One way each

    def _leave_out(self, plan: Json) -> None:
        actions = self._actions(plan)
        if actions:
            del actions[self.random.randrange(len(actions))]

    def _leave_out_most(self, plan: Json) -> None:
        actions = self._actions(plan)
        actions[:] = self.random.sample(actions, min(len(actions), 2))

    def _twice(self, plan: Json) -> None:
        actions = self._actions(plan)
        if actions:
            actions.append(copy.deepcopy(self.random.choice(actions)))

    def _in_another_order(self, plan: Json) -> None:
        self.random.shuffle(self._actions(plan))

    def _add(self, plan: Json) -> None:
        for _ in range(self.random.choice((1, 1, 1, 60))):
            self._actions(plan).append(self._action())

    def _alter(self, plan: Json) -> None:
        """Change one field of an action to what the field of another, or of a new one, may hold."""
        actions = self._actions(plan)
        if not actions:
            return
        action = self.random.choice(actions)
        key = self.random.choice(sorted(action))
        other = self._action(action["kind"] if self.random.random() < 0.9 else None)
        action[key] = other.get(key, action[key])

    def _swap_sides(self, plan: Json) -> None:
        actions = self._actions(plan)
        if actions:
            action = self.random.choice(actions)
            action["local"], action["remote"] = action["remote"], action["local"]

    def _retouch_a_stamp(self, plan: Json) -> None:
        stamps = [a[s] for a in self._actions(plan) for s in self.sides if a[s] is not None]
        if stamps:
            stamp = self.random.choice(stamps)
            key = self.random.choice([k for k in sorted(stamp) if k != "kind"])
            stamp[key] = self.random.choice((0, 1, stamp[key], (stamp[key] or 0) + 1))

    def _say_something_else_of_the_project(self, plan: Json) -> None:
        project = plan["projects"][0]
        count = self.random.choice((0, 1, 7, 10**12))
        said: dict[str, Any] = {
            "mode": self.random.choice(list(Mode)).value,
            "direction": self.random.choice(list(Direction)).value,
            "key": self.random.choice((project["key"], "0" * 32, "k")),
            "project": self.random.choice(("notes", "other", "-f/evil/sync.yaml")),
            "local": "/somewhere/else",
            "remote": "evil:\x1b[2J",
            "stops": self.random.choice(([], [self._stop()])),
            "clashes": [],
            "problems": [],
            "notes": ["nothing is deleted \x1b]0;evil\x07"],
            "files_local": count,
            "files_remote": count,
            "failure": self.random.choice((None, "\x1b[2Jfailed")),
            "failure_exit": self.random.choice((0, 1, 70, 99)),
            "totals": dict.fromkeys(project["totals"], count),
        }
        key = self.random.choice(sorted(said))
        project[key] = said[key]

    def _say_something_else_of_the_plan(self, plan: Json) -> None:
        number = self.random.choice((None, 0, 1, 7, 60, len(self._actions(plan))))
        said: dict[str, Any] = {
            "version": self.random.choice((1, 2)),
            "created": self.random.choice(
                ("2019-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2026-02-30T00:00:00Z", "now")
            ),
            "author": {"user": "root\x1b[2J", "host": "elsewhere"},
            "manifest": self.random.choice(("/evil/sync.yaml", "sync.yaml", "/\x1b[2J")),
            "manifest_digest": self.random.choice(("0" * 64, plan["manifest_digest"])),
            "projects": self.random.choice(([], plan["projects"] * 2)),
        }
        if self.random.random() < 0.5:
            accept = {"delete": number, "overwrite": number, "bytes": number, "device": True}
            plan["wants"] = {"accept": accept, "keep_deleted": self.random.random() < 0.5}
            return
        key = self.random.choice(sorted(said))
        plan[key] = said[key]

    def _damage(self, plan: Json) -> None:
        """Replace any part of it by anything."""
        inside: Any = plan
        while True:
            keys = sorted(inside) if isinstance(inside, dict) else range(len(inside))
            if not keys:
                return
            key = self.random.choice(list(keys))
            if not isinstance(inside[key], dict | list) or self.random.random() < 0.1:
                inside[key] = self.random.choice((None, True, -1, 2**70, 1.5, "", "x" * 70_000, []))
                return
            inside = inside[key]

    ways: tuple[Callable[[Forger, Json], None], ...] = (
        _leave_out,
        _leave_out_most,
        _twice,
        _in_another_order,
        _add,
        _add,
        _add,
        _alter,
        _alter,
        _alter,
        _swap_sides,
        _retouch_a_stamp,
        _say_something_else_of_the_project,
        _say_something_else_of_the_plan,
        _damage,
    )

    # What they need

    def _actions(self, plan: Json) -> list[Json]:
        projects = plan["projects"]
        found = projects[0].get("actions") if projects and isinstance(projects[0], dict) else None
        return found if isinstance(found, list) else []

    def _path(self) -> str:
        foreign = self.random.random() < 0.3
        return self.random.choice(FOREIGN if foreign or not self.paths else self.paths)

    def _stamp(self, side: str, path: str) -> Json | None:
        try:
            info = (self.sides[side] / path).lstat()
        except OSError:
            return None
        found: Json = to_builtins(stamp_of(info))
        return found

    def _stop(self) -> Json:
        return {
            "guard": self.random.choice(list(Guard)).value,
            "side": self.random.choice(("local", "remote")),
            "what": "\x1b[2Jstopped",
            "paths": [],
            "accept": "delete=1",
            "origin": {"file": "x\x1b[2J", "line": 1, "column": 1},
            "hint": None,
        }

    def _action(self, kind: str | None = None) -> Json:
        """Return an action that looks right: its stamps are those that stand there now."""
        path, side = self._path(), self.random.choice(("local", "remote"))
        here, there = (self._stamp(s, path) for s in self.sides)
        size = self.random.choice([s["size"] for s in (here, there) if s] or [0])
        seen = {"local": here, "remote": there}
        flag = self.random.random() < 0.5
        file = {"path": path, "size": size, "reason": self.random.choice(list(Reason)).value}
        folder = {"path": path, "reason": file["reason"], "local": None, "remote": None}
        content = {"content": None}
        shapes: dict[str, Json] = {
            "copy": {**file, **seen, **content, "to": side, "kept_as": self._maybe_path()},
            "trash": {**file, **seen, "side": side, "early": flag},
            "move": {**file, **self._moved(side, path), **content, "side": side},
            "keep-both": {
                **file,
                **seen,
                "copy_path": self._path(),
                "loser": side,
                "gives_way": flag,
            },
            "restore": {
                **file,
                **seen,
                **content,
                "side": side,
                "keeper": side,
                "kept": self.random.choice((self._path(), ".bm-sync/new/x", ".bm-sync/trash/x")),
            },
            "adopt": {**file, **seen, **content},
            "forget": {**folder, "folder": flag},
            "adopt-dir": folder,
            "make-dir": {**folder, "side": side},
            "remove-dir": {**folder, "side": side, "early": flag},
        }
        kind = kind if kind in shapes else self.random.choice(sorted(shapes))
        return {"kind": kind, **shapes[kind]}

    def _maybe_path(self) -> str | None:
        return self.random.choice((None, self._path()))

    def _moved(self, side: str, path: str) -> Json:
        old = self._path()
        other = "remote" if side == "local" else "local"
        return {"old_path": old, side: self._stamp(side, old), other: self._stamp(other, path)}


def _files(folder: Path) -> list[str]:
    found = (p.relative_to(folder).as_posix() for p in folder.rglob("*"))
    return [path for path in found if path.split("/")[0] != ".bm-sync"]


def _seal(plan: Json) -> None:
    """Make the digest right, as far as the plan can be read at all."""
    try:
        plan["digest"] = wire.sealed(wire.read(json.loads(json.dumps(plan)))).digest
    except UsageError:
        return
