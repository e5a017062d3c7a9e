"""What the service tells of workspaces and projects, as values without secrets."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from bm_sync.model.permalink import permalink


class Workspace(Struct, frozen=True):
    """One workspace of an account; `type` is "personal" or "organization".

    `subscribed` is None where the service does not say.
    """

    tenant_id: str
    type: str
    slug: str
    name: str
    role: str
    is_default: bool = False
    subscribed: bool | None = None

    @property
    def is_team(self) -> bool:
        """Return whether others write there, too."""
        return self.type == "organization"


class Mount(Struct, frozen=True):
    """Where the files of a workspace lie: one tenant, one bucket."""

    tenant_id: str
    bucket: str


class CloudProject(Struct, frozen=True):
    """One project on the cloud; `path` is its prefix in the bucket, without slashes at its ends."""

    id: str
    name: str
    path: str
    is_default: bool = False


def named(projects: Iterable[CloudProject], name: str) -> CloudProject | None:
    """Return the project that the service knows by `name`, whatever its spelling.

    The exact name counts before one with the same permalink.
    """
    known = tuple(projects)
    exact = (p for p in known if p.name == name)
    alike = (p for p in known if permalink(p.name) == permalink(name))
    return next(exact, None) or next(alike, None)


def chosen(workspaces: Iterable[Workspace], wanted: str | None) -> Workspace | None:
    """Return the workspace that `wanted` names by id, slug or name; the default without it.

    None when there is none, or when a name fits several and so tells nothing.
    """
    known = tuple(workspaces)
    if wanted is None:
        defaults = [w for w in known if w.is_default]
        return defaults[0] if defaults else (known[0] if len(known) == 1 else None)
    ways = (
        [w for w in known if w.tenant_id == wanted],
        [w for w in known if w.slug == wanted],
        [w for w in known if w.name == wanted],
        [w for w in known if permalink(w.name) == permalink(wanted)],
    )
    found = next((way for way in ways if way), [])
    return found[0] if len(found) == 1 else None
