"""Values that the tests of the command line render, and the golden texts they are held against."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

from bm_sync.cli.render.view import View
from bm_sync.model.config import Direction, Loser, Mode, Origin
from bm_sync.model.plan import (
    Action,
    Clash,
    Copy,
    Guard,
    KeepBoth,
    MakeDir,
    Move,
    Plan,
    ProjectPlan,
    Reason,
    RemoveDir,
    Stop,
    Totals,
    Trash,
)
from bm_sync.model.run import Done, Outcome, ProjectRun, Run, Status
from bm_sync.model.tree import (
    FileStamp,
    FilterChange,
    ObjectStamp,
    Problem,
    ProblemKind,
    Side,
)
from bm_sync.structs import replace

NOW = datetime(2026, 11, 22, 7, 15, tzinfo=UTC)
VIEW = View(now=NOW)
HERE = FileStamp(size=4096, mtime_ns=1, ctime_ns=1, inode=1)
THERE = ObjectStamp(size=4096, content="md5:0", mtime_ns=None)
_GOLDEN = Path(__file__).parent / "golden" / "cli"


def golden(name: str, text: str) -> None:
    """Assert that `text` is what stands in tests/golden/cli; BM_SYNC_GOLDEN=write rewrites it."""
    file = _GOLDEN / f"{name}.txt"
    if os.environ.get("BM_SYNC_GOLDEN") == "write":
        file.write_text(text, encoding="utf-8")
    assert text == file.read_text(encoding="utf-8")


def copy(path: str, *, to: Side = Side.REMOTE, size: int = 4096, replaces: bool = False) -> Copy:
    """Return a copy of a new or a changed file."""
    return Copy(
        path=path,
        to=to,
        size=size,
        reason=Reason.CHANGED if replaces else Reason.NEW,
        local=HERE if replaces or to is Side.REMOTE else None,
        remote=THERE if replaces or to is Side.LOCAL else None,
    )


def trash(path: str, *, side: Side = Side.REMOTE, size: int = 900) -> Trash:
    """Return a deletion."""
    local, remote = (None, THERE) if side is Side.REMOTE else (HERE, None)
    return Trash(path=path, side=side, size=size, reason=Reason.DELETED, local=local, remote=remote)


def _notes() -> ProjectPlan:
    path, kept = "daily/2026-11-22.md", "daily/2026-11-22.conflict-20261122T0715-laptop.md"
    actions: tuple[Action, ...] = (
        *(copy(f"daily/2026-11-{day:02}.md") for day in range(1, 12)),
        copy("todo.md", replaces=True, size=1_000_000),
        copy("inbox/a.md", to=Side.LOCAL, size=3_200_000),
        copy("inbox/b.md", to=Side.LOCAL, replaces=True),
        KeepBoth(path, kept, Side.LOCAL, 900, Reason.CONFLICT, HERE, THERE),
        Copy(path, Side.LOCAL, 950, Reason.CONFLICT, HERE, THERE, kept_as=kept),
        Move("new name.md", "old.md", Side.REMOTE, 12_000, Reason.RENAMED, HERE, THERE),
        MakeDir("empty", Side.REMOTE, Reason.FOLDER),
        RemoveDir("gone", Side.LOCAL, Reason.FOLDER),
    )
    what = "changed on both sides; the newer version (remote) keeps the name, the other is kept"
    clash = Clash(path, Side.REMOTE, Loser.COPY, kept, HERE, THERE, f"{what} beside it")
    return ProjectPlan(
        project="notes",
        key="k1",
        mode=Mode.TWO_WAY,
        direction=Direction.UP,
        local="~/notes",
        remote="cloud:notes",
        actions=actions,
        clashes=(clash,),
        filter_change=FilterChange(enters=("a.log",), leaves=("b.tmp", "c.tmp")),
        notes=("2 symbolic links skipped",),
        totals=Totals(
            up=12, down=3, move=1, conflicts=1, folders=2, bytes_up=1_045_056, bytes_down=3_205_046
        ),
        files_local=40,
        files_remote=38,
    )


def _archive() -> ProjectPlan:
    names = [f"2019/{number:03}.md" for number in range(148)]
    stop = Stop(
        guard=Guard.MAX_DELETE,
        side=Side.REMOTE,
        what="148 of 311 files on b2:team/archive would go, the limit is 25 % (77)",
        paths=tuple(names),
        accept="delete=148",
        origin=Origin("sync.yaml", 31),
    )
    return ProjectPlan(
        project="archive",
        key="k2",
        mode=Mode.MIRROR,
        direction=Direction.UP,
        local="/srv/archive",
        remote="b2:team/archive",
        actions=(copy("2026/a.md"), copy("2026/b.md"), *(trash(name) for name in names)),
        stops=(stop,),
        totals=Totals(up=2, delete_remote=148, bytes_up=943_718),
    )


def _research() -> ProjectPlan:
    return ProjectPlan(
        project="research",
        key="k3",
        mode=Mode.PULL,
        direction=Direction.UP,
        local="~/research",
        remote="cloud:research",
    )


def plan(*projects: ProjectPlan) -> Plan:
    """Return a plan of these projects."""
    return Plan("2026-11-22T07:15:00Z", "sync.yaml", "0" * 64, projects, "1" * 64)


NOTES, ARCHIVE, RESEARCH = _notes(), _archive(), _research()
FAILED = replace(
    RESEARCH,
    project="far",
    mode=Mode.PUSH,
    failure="cannot reach cloud: connection refused",
    failure_hint="look at it with: bm-sync doctor",
    failure_exit=1,
)
PROBLEMS = replace(
    RESEARCH,
    project="odd",
    problems=(
        Problem("secret.md", Side.LOCAL, ProblemKind.UNREADABLE, "permission denied"),
        Problem("evil\x1b[2J\u202ename", Side.REMOTE, ProblemKind.NAME, "control character"),
    ),
)


def _run() -> Run:
    def ended(project: str, status: Status, **more: object) -> ProjectRun:
        base = ProjectRun(project, f"key-{project}", status, "2026-11-22T07:15:00Z", 2.34)
        return replace(base, **more)  # type: ignore[arg-type]  # fields by name

    failed = Done(
        "copy", "a b.md", Side.REMOTE, 10, "new", Outcome.FAILED, "403 Forbidden: no write access"
    )
    dropped = Done("copy", "busy.md", Side.LOCAL, 10, "changed", Outcome.DROPPED)
    done = Done(
        "copy",
        "todo.md",
        Side.REMOTE,
        4096,
        "changed",
        Outcome.DONE,
        kept=".bm-sync/trash/20261122T071500Z-3f9a/notes/todo.md",
    )
    gone = Done("trash", "old.md", Side.LOCAL, 90, "deleted on the other side", Outcome.DONE)
    return Run(
        id="20261122T071500Z-3f9a",
        command="apply",
        started="2026-11-22T07:12:00Z",
        ended="2026-11-22T07:12:04Z",
        host="laptop",
        manifest="sync.yaml",
        plan_digest="1" * 64,
        exit=1,
        projects=(
            ended(
                "notes",
                Status.PARTIAL,
                totals=Totals(up=12, down=3, delete_local=1, bytes_up=4_300_000),
                actions=(done, gone, failed, dropped),
                exit=1,
            ),
            ended("archive", Status.STOPPED, stops=ARCHIVE.stops, exit=3),
            ended("research", Status.IN_SYNC),
            ended(
                "far",
                Status.LOCKED,
                message="another run holds far: process 4711 on laptop since 07:10",
                hint="wait for it, or end process 4711",
                exit=5,
            ),
        ),
        log="/state/logs/20261122T071500Z-3f9a.log",
    )


RUN = _run()
