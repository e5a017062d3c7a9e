"""Plays histories on real sides through the real pipeline, and holds it to its promises.

Several projects live in one manifest, in one state directory and, where they have one, below one
remote, so that what one does to another would be seen.
"""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

from machine.bucket import Bucket
from machine.histories import LOCAL, REMOTE, History
from machine.lane import Lane
from machine.promises import Case, same_plan
from machine.shores import BucketShore, FolderShore, Shore, View
from servers import SECRET_KEY, Server

from bm_sync import api
from bm_sync.model.config import Manifest
from bm_sync.model.report import Selection, Setup

_GUARDS_OFF = {
    "max_delete": {"percent": 100},
    "max_overwrite": {"percent": 100},
    "empty_side": "allow",
}


class World:
    """A manifest with one project for each history."""

    def __init__(
        self,
        folder: Path,
        remote: Mapping[str, object],
        lanes: Sequence[Lane],
        near: Mapping[str, object] | None = None,
    ) -> None:
        self.folder = folder
        self.remote = remote
        self.remotes = {"shelf": dict(remote)} | ({"near": dict(near)} if near else {})
        self.lanes = lanes
        self.state = folder / "state"
        env = {"HOME": str(folder / "home"), "PATH": os.environ["PATH"], "SECRET": SECRET_KEY}
        self.setup = Setup(env=env, state_dir=self.state, host="laptop")

    def play(self, runner: asyncio.Runner) -> None:
        """Play all histories, round by round."""
        longest = max(len(lane.history.rounds) for lane in self.lanes)
        for number in range(longest):
            for lane in self.lanes:
                for edit in lane.history.rounds[number : number + 1]:
                    for one in edit:
                        lane.do(one)
            self._round(runner)

    def _round(self, runner: asyncio.Runner) -> None:
        manifest = self.declared()
        before = [lane.views() for lane in self.lanes]
        state = _bytes(self.state)
        kept = [lane.trash() for lane in self.lanes]
        plan = runner.run(api.plan(manifest, Selection(), self.setup))
        assert [lane.views() for lane in self.lanes] == before, "plan changed a side"
        assert _bytes(self.state) == state, "plan changed the state"
        assert [lane.trash() for lane in self.lanes] == kept, "plan changed .bm-sync"
        done = runner.run(api.apply(manifest, Selection(), self.setup))
        assert done.run is not None
        after = [lane.views() for lane in self.lanes]
        for n, lane in enumerate(self.lanes):
            case = Case(lane, before[n], after[n], kept[n], done.run.projects[n])
            case.check()
            same_plan(plan, done.plan, n, done.run.projects[n])
        self._again(runner, manifest, after, [p.exit for p in done.run.projects])

    def _again(
        self,
        runner: asyncio.Runner,
        manifest: Manifest,
        before: list[dict[str, View]],
        exits: list[int],
    ) -> None:
        trash = [lane.trash() for lane in self.lanes]
        memory = self._memory()
        done = runner.run(api.apply(manifest, Selection(), self.setup))
        assert done.run is not None
        for plan in done.plan.projects:
            assert not plan.actions, f"a second run acts: {plan.actions}"
        assert [lane.views() for lane in self.lanes] == before, "a second run changed a side"
        assert [lane.trash() for lane in self.lanes] == trash, "a second run changed .bm-sync"
        assert self._memory() == memory, f"a second run changed the state: {memory}"
        assert [p.exit for p in done.run.projects] == exits

    def _memory(self) -> list[object]:
        """Return the tables of the state that are no history of runs."""
        tables = ("agreed", "folders", "hashes", "conflicts", "facts")
        with closing(sqlite3.connect(self.state / "state.db")) as db:
            return [db.execute(f"SELECT * FROM {t} ORDER BY 1, 2").fetchall() for t in tables]  # noqa: S608

    def declared(self) -> Manifest:
        """Write the manifest as it is declared now (JSON is YAML) and load it."""
        manifest = {
            "version": 1,
            "remotes": self.remotes,
            "defaults": {"remote": "shelf"},
            "filters": {lane.name: {"exclude": list(lane.patterns)} for lane in self.lanes},
            "projects": {
                lane.name: _declared(lane, from_near="near" in self.remotes) for lane in self.lanes
            },
        }
        file = self.folder / "sync.yaml"
        file.write_text(json.dumps(manifest))
        return api.load(file, self.setup).manifest


def _declared(lane: Lane, *, from_near: bool) -> dict[str, object]:
    policy = lane.history.policy
    said = {
        "mode": policy.mode,
        "conflict": {"winner": policy.winner, "loser": policy.loser},
        "compare": policy.compare,
        "verify": policy.verify,
        "guards": _GUARDS_OFF,
        "retry": {"attempts": 2, "max_wait": "1s"},
    }
    if policy.mode == "mirror":
        said["direction"] = policy.direction
    here = {"from": f"near:{lane.name}"} if from_near else {"local": f"./here/{lane.name}"}
    return {**here, "filters": [lane.name], "policy": said}


def folder_world(folder: Path, histories: Sequence[History]) -> World:
    """Return a world whose remote is a folder."""
    lanes = []
    for n, history in enumerate(histories):
        name = f"p{n}"
        here = FolderShore(folder / "here" / name, folder / "here" / name)
        there = FolderShore(folder / "cloud" / name, folder / "cloud")
        lanes.append(Lane(name, history, {LOCAL: here, REMOTE: there}))
    return World(folder, {"type": "local", "root": "./cloud"}, lanes)


def bucket_world(
    folder: Path, histories: Sequence[History], server: Server, bucket: Bucket
) -> World:
    """Return a world whose remote is a bucket, below a prefix of its own."""
    prefix = folder.name
    lanes = []
    for n, history in enumerate(histories):
        name = f"p{n}"
        here = FolderShore(folder / "here" / name, folder / "here" / name)
        there = BucketShore(bucket, f"{prefix}/{name}", prefix)
        lanes.append(Lane(name, history, {LOCAL: here, REMOTE: there}))
    return World(folder, _s3(server, prefix), lanes)


def pair_world(
    folder: Path,
    histories: Sequence[History],
    near: tuple[Server, Bucket],
    far: tuple[Server, Bucket] | None,
) -> World:
    """Return a world whose projects join two remotes: buckets, or a bucket and a folder."""
    lanes = []
    root = f"{folder.name}-near"
    for n, history in enumerate(histories):
        name = f"p{n}"
        here = BucketShore(near[1], f"{root}/{name}", root)
        there: Shore = FolderShore(folder / "cloud" / name, folder / "cloud")
        if far is not None:
            there = BucketShore(far[1], f"{folder.name}/{name}", folder.name)
        lanes.append(Lane(name, history, {LOCAL: here, REMOTE: there}))
    shelf: Mapping[str, object] = {"type": "local", "root": "./cloud"}
    remote = shelf if far is None else _s3(far[0], folder.name)
    return World(folder, remote, lanes, _s3(near[0], root))


def _s3(server: Server, prefix: str) -> dict[str, object]:
    options = {**dict(server.options), "secret_access_key": {"env": "SECRET"}}
    return {"type": "s3", "options": options, "root": f"bucket/{prefix}"}


def _bytes(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {
        str(p): (p.stat().st_mtime_ns, p.read_bytes())
        for p in sorted(folder.rglob("*"))
        if p.is_file()
    }
