"""Carries out the plan of one project, in the order that keeps every promise at every moment.

First what must give way to a folder or a file of the same name, then new folders, conflict copies,
renames, copies, what comes back from the trash, deletions, empty folders. Whatever ends it, the
ledger tells what was done.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext

from msgspec import Struct, field

from bm_sync.engine import undo_act
from bm_sync.engine.keepers import Keeper
from bm_sync.engine.ledger import Ledger, side_of
from bm_sync.engine.scope import Errand, Hand, agreed
from bm_sync.model.plan import (
    Action,
    Adopt,
    AdoptDir,
    Copy,
    Forget,
    KeepBoth,
    MakeDir,
    Move,
    RemoveDir,
    Restore,
    Trash,
)
from bm_sync.model.run import Outcome
from bm_sync.model.tree import Agreed, Side, Stamp


class Hands(Struct, frozen=True):
    """Both sides of a project, and what gives the trash of both when it is needed.

    `fresh` lays out new versions while they are brought.
    """

    local: Hand
    remote: Hand
    keepers: Callable[[], Mapping[Side, Keeper]]
    fresh: AbstractAsyncContextManager[None] = field(default_factory=nullcontext)

    def on(self, side: Side) -> Hand:
        """Return the hand that acts on a side."""
        return self.local if side is Side.LOCAL else self.remote

    @property
    def both(self) -> tuple[Hand, Hand]:
        """Return both hands, the local one first."""
        return self.local, self.remote


async def carry_out(actions: Sequence[Action], hands: Hands, ledger: Ledger) -> None:
    """Do every action that moves something. A failure of one file is settled, not raised."""
    for hand in hands.both:
        await hand.recover()
        if hand.side in _written(actions):
            await hand.prepare()
    trash = [a for a in actions if isinstance(a, Trash)]
    removed = [a for a in actions if isinstance(a, RemoveDir)]
    for hand in hands.both:
        await hand.trash([a for a in trash if a.early and a.side is hand.side])
        await hand.remove_dirs([a for a in removed if a.early and a.side is hand.side])
    await _keep_losers([a for a in actions if isinstance(a, KeepBoth)], hands, ledger)
    for hand in hands.both:
        await hand.make_dirs([a for a in actions if isinstance(a, MakeDir) and _on(a, hand)])
    for hand in hands.both:
        await _rename([a for a in actions if isinstance(a, Move) and _on(a, hand)], hand, ledger)
    await _copy([a for a in actions if isinstance(a, Copy)], hands, ledger)
    await _restore([a for a in actions if isinstance(a, Restore)], hands, ledger)
    for hand in hands.both:
        await hand.trash([a for a in trash if not a.early and a.side is hand.side])
        await hand.remove_dirs([a for a in removed if not a.early and a.side is hand.side])


def learn(actions: Sequence[Action], ledger: Ledger) -> None:
    """Note what moves nothing: what both sides agree on, or have both dropped, already."""
    troubled = [
        a.path for a in actions if isinstance(a, Copy) and ledger.outcome(a) is not Outcome.DONE
    ]
    for action in actions:
        match action:
            case Adopt(path=path, content=content, local=local, remote=remote):
                ledger.agree(path, Agreed(content, local, remote))
            case Forget(path=path, folder=False):
                ledger.forget(path)
            case Forget(path=path):
                ledger.drop_dirs.add(path)
            case AdoptDir(path=path):
                if not any(p.startswith(f"{path}/") for p in troubled):
                    ledger.put_dirs.add(path)
            case _:
                pass


def _written(actions: Sequence[Action]) -> set[Side | None]:
    """Return the sides that change; a side that only gives is not touched at all."""
    if any(isinstance(a, KeepBoth) for a in actions):
        return set(Side)
    return {side_of(a) for a in actions}


def _on(action: MakeDir | Move, hand: Hand) -> bool:
    return action.side is hand.side


async def _keep_losers(items: Sequence[KeepBoth], hands: Hands, ledger: Ledger) -> None:
    """Keep losing versions beside the winners, then bring them to the other side."""
    for loser in hands.both:
        mine = [a for a in items if a.loser is loser.side]
        kept = await loser.duplicate(mine)
        errands = [_errand_of_copy(a, kept[a.copy_path]) for a in mine if a.copy_path in kept]
        for action in mine:
            if action.gives_way and action.copy_path in kept:
                ledger.forget(action.path)
        await hands.on(loser.side.other).receive(errands, loser)


async def _rename(items: Sequence[Move], hand: Hand, ledger: Ledger) -> None:
    stamps = await hand.rename(items)
    for item in items:
        if item.path in stamps and ledger.outcome(item) is Outcome.DONE:
            there = _there(item, hand.side, ledger)
            ledger.forget(item.old_path)
            if there is not None:
                ledger.agree(item.path, agreed(hand.side, item.content, stamps[item.path], there))


def _there(item: Move, side: Side, ledger: Ledger) -> Stamp | None:
    """Return the stamp of the other side's file: it has the name already, or got it just now.

    None where only one side is taken back and the other has no such file.
    """
    row = ledger.put.get(item.path)
    if row is not None:
        return row.remote if side is Side.LOCAL else row.local
    return item.remote if side is Side.LOCAL else item.local


async def _restore(items: Sequence[Restore], hands: Hands, ledger: Ledger) -> None:
    if items:
        keepers = hands.keepers()
        async with hands.fresh:
            for hand in hands.both:
                mine = [i for i in items if i.side is hand.side]
                await undo_act.restore(mine, hand, keepers, ledger)


async def _copy(items: Sequence[Copy], hands: Hands, ledger: Ledger) -> None:
    kept = await _conflict_copies(items, hands)
    for hand in hands.both:
        errands = []
        for item in items:
            if item.to is not hand.side:
                continue
            if item.kept_as is not None and item.kept_as not in kept[hand.side]:
                ledger.settle(item, Outcome.DROPPED, "its other version could not be kept")
                continue
            errands.append(_errand(item))
        await hand.receive(errands, hands.on(hand.side.other))


async def _conflict_copies(
    items: Sequence[Copy], hands: Hands
) -> Mapping[Side, Mapping[str, Stamp]]:
    """Return the conflict copies that stand on the side whose version is about to be replaced."""
    return {
        hand.side: await hand.look(
            [i.kept_as for i in items if i.kept_as is not None and i.to is hand.side]
        )
        for hand in hands.both
    }


def _errand(item: Copy) -> Errand:
    return Errand(
        path=item.path,
        source=item.source,
        target=item.target,
        content=item.content,
        kept_as=item.kept_as,
        action=item,
    )


def _errand_of_copy(item: KeepBoth, stamp: Stamp) -> Errand:
    return Errand(
        path=item.copy_path,
        source=stamp,
        target=None,
        content=None,
        kept_as=None,
        action=item,
    )
