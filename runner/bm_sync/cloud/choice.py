"""Which workspace a remote means, and what is said when it means none."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from bm_sync.cloud.faults import CloudError, CloudFault
from bm_sync.model.cloud import Workspace, chosen
from bm_sync.model.config import CloudRemote
from bm_sync.model.permalink import permalink


def pick(workspaces: Sequence[Workspace], remote: CloudRemote) -> Workspace:
    """Return the workspace that a remote means; raises CloudError (MISSING) with what there is."""
    found = chosen(workspaces, remote.workspace)
    if found is not None:
        return found
    what, hint = _said(workspaces, remote.workspace)
    raise CloudError(f"remote '{remote.name}': {what}", fault=CloudFault.MISSING, hint=hint)


def _said(workspaces: Sequence[Workspace], wanted: str | None) -> tuple[str, str]:
    """Return why there is no choice, and what may be named."""
    if wanted is None:
        return "the account has no default workspace", _which(workspaces, None)
    alike = [w for w in workspaces if permalink(wanted) in {permalink(w.name), permalink(w.slug)}]
    if len(alike) > 1:
        ids = ", ".join(w.slug or w.tenant_id for w in alike)
        return f"there is more than one workspace '{wanted}'", f"name one of these: {ids}"
    return f"there is no workspace '{wanted}'", _which(workspaces, wanted)


def _which(workspaces: Sequence[Workspace], wanted: str | None) -> str:
    names = [w.slug or w.name or w.tenant_id for w in workspaces]
    if not names:
        return "the account has no workspace yet; open the web app once"
    close = difflib.get_close_matches(wanted or "", names, n=1)
    return f"did you mean '{close[0]}'?" if close else f"there are: {', '.join(names)}"
