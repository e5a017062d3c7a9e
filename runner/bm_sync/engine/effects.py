"""Tells what a run did to each path, from its plan and its ledger, so that it can be taken back."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from bm_sync import layout
from bm_sync.engine.ledger import Ledger
from bm_sync.engine.observe import Seen
from bm_sync.model.past import Effect, EffectKind
from bm_sync.model.plan import (
    MEMORY_ONLY,
    Action,
    Copy,
    KeepBoth,
    MakeDir,
    Move,
    ProjectPlan,
    RemoveDir,
    Restore,
    Trash,
)
from bm_sync.model.run import Done, Outcome
from bm_sync.model.tree import Side, Stamp
from bm_sync.plan.barrier import folders_of


class _Scene(Struct, frozen=True):
    """What the effects of one project are read from."""

    seen: Seen
    ledger: Ledger
    trash: str

    def content(self, path: str) -> str | None:
        """Return the digest of what stands at a path after the run."""
        row = self.ledger.put.get(path)
        if row is not None:
            return row.content
        landed = next((c for (_, p), (c, _) in self.ledger.landed.items() if p == path), None)
        return landed or self.ledger.sent_content(path)

    def before(self, path: str, side: Side, stamp: Stamp) -> str | None:
        """Return the digest of a version that was replaced or deleted, where it is known."""
        row = self.seen.observation.baseline.files.get(path)
        if row is not None and (row.local if side is Side.LOCAL else row.remote) == stamp:
            return row.content
        file = self.seen.observation.tree(side).files.get(path)
        return file.content if file is not None and file.stamp == stamp else None


def effects(seen: Seen, plan: ProjectPlan, ledger: Ledger, run: str) -> tuple[Effect, ...]:
    """Return what was done to each path, in the order of the plan."""
    scene = _Scene(seen, ledger, layout.trash(run, plan.project))
    found: list[Effect] = []
    for action in plan.actions:
        done = None if isinstance(action, MEMORY_ONLY) else ledger.done(action)
        if done is not None and done.outcome is Outcome.DONE:
            found += _of(action, done, scene)
    return (*found, *_folders_made(found, seen))


def _of(action: Action, done: Done, scene: _Scene) -> Iterator[Effect]:
    match action:
        case Copy() | Restore():
            yield from _put(action, done, scene)
        case Trash(path=path, side=side):
            stamp = action.local if side is Side.LOCAL else action.remote
            yield from _kept(Effect(EffectKind.GONE, path, side), stamp, done, scene)
        case Move(path=path, old_path=old, side=side, content=content):
            yield Effect(EffectKind.MOVED, path, side, content, old_path=old)
        case KeepBoth(path=path, copy_path=copy_path, loser=loser, size=size):
            content = scene.content(copy_path)
            for side in Side:
                yield Effect(EffectKind.PUT, copy_path, side, content)
            if action.gives_way:
                kept = {"kept": copy_path, "kept_size": size, "kept_content": content}
                yield Effect(EffectKind.GONE, path, loser, **kept)  # type: ignore[arg-type] # by name
        case MakeDir(path=path, side=side):
            yield Effect(EffectKind.MADE_DIR, path, side)
        case RemoveDir(path=path, side=side):
            yield Effect(EffectKind.REMOVED_DIR, path, side)
        case _:
            return


def _put(action: Copy | Restore, done: Done, scene: _Scene) -> Iterator[Effect]:
    side = action.to if isinstance(action, Copy) else action.side
    put = Effect(EffectKind.PUT, action.path, side, scene.content(action.path))
    if action.target is None:
        yield put
    elif done.kept is not None:
        copy = action.kept_as if isinstance(action, Copy) else None
        yield from _kept(put, action.target, done, scene, copy)


def _kept(
    effect: Effect, stamp: Stamp | None, done: Done, scene: _Scene, copy: str | None = None
) -> Iterator[Effect]:
    """Yield an effect with the place of the version before.

    Nothing where the version stays elsewhere: a link to it was removed.
    """
    assert stamp is not None and done.kept is not None  # noqa: S101, PT018 - something was replaced
    in_trash = f"{scene.trash}/{effect.path}"
    short = layout.kept_short(scene.trash, effect.path)
    if done.kept.endswith(short):
        in_trash = short
    # the top of a remote is `name:`, with or without a slash
    if done.kept.endswith((f"/{in_trash}", f":{in_trash}")) or done.kept == copy:
        yield Effect(
            kind=effect.kind,
            path=effect.path,
            side=effect.side,
            content=effect.content,
            kept=copy or in_trash,
            kept_size=stamp.size,
            kept_content=scene.before(effect.path, effect.side, stamp),
        )


def _folders_made(found: list[Effect], seen: Seen) -> Iterator[Effect]:
    """Yield the folders that came to be because a file was put into them."""
    for side in Side:
        tree = seen.observation.tree(side)
        if tree.has_folders:
            came = (e.path for e in found if e.side is side and _comes(e))
            before = tree.dirs.keys() | folders_of(iter(tree.files))
            for folder in sorted(folders_of(came) - before):
                yield Effect(EffectKind.MADE_DIR, folder, side)


def _comes(effect: Effect) -> bool:
    return effect.kind in (EffectKind.PUT, EffectKind.MOVED)
