"""Makes the tree of a side behind rclone from what the remote told. Changes nothing anywhere."""

from __future__ import annotations

from collections.abc import Iterator
from typing import assert_never

from bm_sync.engine.distant import Store
from bm_sync.engine.listed import Listed
from bm_sync.engine.site import Site
from bm_sync.filters.matcher import Matcher
from bm_sync.filters.sift import mark_above, sift
from bm_sync.model.config import DistantRemote, Retry
from bm_sync.model.tree import File, ObjectStamp, Problem, ProblemKind, Side, Tree
from bm_sync.rclone.wire import Partial, RemoteListing, Whole
from bm_sync.structs import replace


def tree_of(listed: Listed, matcher: Matcher, side: Side) -> Tree:
    """Return a side filtered by the rules known so far."""
    features, listing = listed.place.features, listed.listing
    files = {
        e.path: File(ObjectStamp(e.size, e.content, e.mtime_ns, e.tag), e.content, e.mtime_ns)
        for e in listing.entries
        if not e.is_dir
    }
    dirs = [e.path for e in listing.entries if e.is_dir]
    tree = sift(files, dirs, matcher, side=side, has_folders=features.has_folders)
    names = tuple(
        Problem(n, side, ProblemKind.NAME, "no file of this machine can have this name")
        for n in listing.unusable
    )
    closed = [n for n in listing.unreadable if not matcher.excluded(n, is_dir=True)]
    unreadable = tuple(
        Problem(n, side, ProblemKind.UNREADABLE, "the folder may not be listed") for n in closed
    )
    return replace(
        tree,
        dirs=mark_above({**tree.dirs, **dict.fromkeys(closed, True)}, closed),
        root=listed.root,
        case_insensitive=features.case_insensitive,
        can_delete=features.can_delete,
        problems=tree.problems + names + unreadable,
        unlisted=dict.fromkeys(sorted(_left_out(listing, matcher)), True),
    )


def _left_out(listing: RemoteListing, matcher: Matcher) -> Iterator[str]:
    """Yield what the listing is known to lack."""
    match listing.extent:
        case Whole():
            return
        case Partial(paths=paths):
            yield from (path for path in paths if not matcher.excluded(path, is_dir=False))
        case _:
            assert_never(listing.extent)


def store_of(listed: Listed, remote: DistantRemote, site: Site, retry: Retry) -> Store:
    """Return the place of a side, as those see it who act on it."""
    place = listed.place
    names = {e.path for e in listed.listing.entries if not e.is_dir}
    return Store(
        fs=place.fs,
        base=place.base,
        features=place.features,
        names=names,
        conditions=lambda: site.conditions(remote, place.base, retry),
        on_opaque=lambda: site.learn_opaque(remote, opaque=True),
        litter=tuple(p for p in names if p.endswith(site.partial_suffix)),
    )
