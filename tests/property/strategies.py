"""Values for the tests of the plan room: small trees, observations, intents."""

from __future__ import annotations

from bm_sync.model.config import Policy
from bm_sync.model.plan import Accept
from bm_sync.model.tree import (
    Agreed,
    Baseline,
    File,
    FileStamp,
    ObjectStamp,
    Observation,
    Side,
    Stamp,
    Tree,
)
from bm_sync.plan.barrier import folders_of
from bm_sync.plan.intent import Intent
from bm_sync.structs import replace

MINUTE_NS = 60 * 1_000_000_000


def digest(content: str) -> str:
    return f"md5:{content.encode().hex()}"


def local_file(content: str, *, time: int = 0, inode: int = 1, known: bool = True) -> File:
    stamp = FileStamp(len(content), time * MINUTE_NS, time * MINUTE_NS + inode, inode)
    return File(stamp, digest(content) if known else None)


def remote_file(
    content: str, *, time: int | None = None, hashed: bool = True, known: bool = True
) -> File:
    mtime = None if time is None else time * MINUTE_NS
    stamp = ObjectStamp(len(content), digest(content) if hashed else None, mtime)
    return File(stamp, digest(content) if known and not hashed else None, mtime)


def agreed(content: str, local: Stamp, remote: Stamp, *, known: bool = True) -> Agreed:
    return Agreed(digest(content) if known else None, local, remote)


def agree(local: dict[str, File], remote: dict[str, File]) -> Baseline:
    """Return the baseline of two trees that hold the same files."""
    rows = {
        path: Agreed(file.content or remote[path].content, file.stamp, remote[path].stamp)
        for path, file in local.items()
    }
    return Baseline(files=rows, dirs=frozenset(folders_of(iter(rows))), known=True)


def bucket(files: dict[str, File]) -> Tree:
    return Tree(files=files, has_folders=False)


def folder(files: dict[str, File], dirs: dict[str, bool] | None = None) -> Tree:
    return Tree(files=files, dirs={**dict.fromkeys(folders_of(iter(files)), False), **(dirs or {})})


def seen(
    local: dict[str, File], remote: dict[str, File], baseline: Baseline | None = None
) -> Observation:
    """Return an observation of a folder and a bucket."""
    return Observation(folder(local), bucket(remote), baseline or Baseline())


def intent(policy: Policy | None = None, **changes: object) -> Intent:
    made = Intent(
        policy=policy or Policy("test"),
        accept=Accept(),
        keep_deleted=False,
        host="laptop",
        now="20261122T0715",
        local_label="/home/me/notes",
        remote_label="cloud:notes",
        remote_name="cloud",
    )
    return replace(made, **changes)  # type: ignore[arg-type]  # a test names fields of Intent


def lone(tree: Tree, side: Side, other: Tree, baseline: Baseline) -> Observation:
    """Return an observation with `tree` on `side`."""
    here, there = (tree, other) if side is Side.LOCAL else (other, tree)
    return Observation(here, there, baseline)
