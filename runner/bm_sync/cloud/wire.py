"""Answers of the service become values, refusals become errors. Pure.

More than is needed may stand in an answer, in any order; what is missing and not needed is taken
for absent.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from msgspec import Struct

from bm_sync.cloud.calls import Reply
from bm_sync.cloud.faults import (
    PRICING,
    CloudError,
    CloudFault,
    SubscriptionError,
    one_line,
    signed_out,
)
from bm_sync.cloud.places import Host
from bm_sync.cloud.tokens import Keys
from bm_sync.model.cloud import CloudProject, Mount, Workspace
from bm_sync.secret import Secret

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")
_MOUNT_POINT = "app/data/"  # where the service mounts the bucket; basic-memory, utils.py
_SUCCESS = range(200, 300)
_REDIRECT = range(300, 400)
_SERVER_ERROR = 500
_FAULTS: Mapping[int, CloudFault] = {
    401: CloudFault.SIGNED_OUT,
    403: CloudFault.FORBIDDEN,
    404: CloudFault.MISSING,
    409: CloudFault.CONFLICT,
    429: CloudFault.BUSY,
}


class Healthy(Struct, frozen=True):
    """What the service says of itself when it is well."""

    status: str | None = None
    version: str | None = None


def refusal(host: Host, reply: Reply, what: str) -> CloudError | None:
    """Return the error that an answer to "cannot `what`" is, None for a success."""
    if reply.status in _SUCCESS:
        return None
    said = reply.object()
    lapsed = _lapsed(host, said) if reply.status == 403 else None  # noqa: PLR2004 - Forbidden
    if lapsed is not None:
        return lapsed
    if reply.status in _REDIRECT:
        why = f"it answers with a redirection (HTTP {reply.status})"
        return garbled(host, why)
    words = _words(said) or f"HTTP {reply.status}"
    fault = _FAULTS.get(reply.status, CloudFault.INVALID)
    if reply.status >= _SERVER_ERROR:
        fault = CloudFault.DOWN
    if fault is CloudFault.SIGNED_OUT:
        return signed_out(host, f"the service refused the credential ({words})")
    return CloudError(f"cannot {what} at {host.name}: {words}", fault=fault, hint=_HINTS[fault])


_HINTS: Mapping[CloudFault, str] = {
    CloudFault.FORBIDDEN: "see what this account may do: bm-sync cloud status",
    CloudFault.MISSING: "see what is there: bm-sync cloud projects",
    CloudFault.CONFLICT: "see what is there: bm-sync cloud projects",
    CloudFault.INVALID: "see what is there: bm-sync cloud projects",
    CloudFault.BUSY: "the service asks for patience; run this again in a few minutes",
    CloudFault.DOWN: "the service has trouble; run this again in a few minutes",
}


def garbled(host: Host, why: str) -> CloudError:
    """Return the error for an answer that is not the service's."""
    return CloudError(
        f"the answer of {host.name} makes no sense: {why}",
        fault=CloudFault.GARBLED,
        hint=f"is {host.url} the address of the service? a proxy or a portal may answer instead",
    )


def healthy(reply: Reply) -> Healthy:
    """Return what a health answer says; its body is a courtesy."""
    said = reply.object()
    return Healthy(_shown(said.get("status")), _shown(said.get("version")))


def workspaces(said: object) -> tuple[Workspace, ...]:
    """Return the workspaces of an answer; raises ValueError."""
    answer = _object(said)
    default = answer.get("default_workspace_id")
    return tuple(_workspace(_object(each), default) for each in _list(answer, "workspaces"))


def mount(said: object) -> Mount:
    """Return the mount information of an answer; raises ValueError."""
    answer = _object(said)
    return Mount(_id(answer, "tenant_id"), _id(answer, "bucket_name"))


def keys(said: object) -> Keys:
    """Return the keys of an answer; raises ValueError."""
    answer = _object(said)
    return Keys(_text(answer, "access_key"), Secret(_text(answer, "secret_key")))


def projects(said: object) -> tuple[CloudProject, ...]:
    """Return the projects of an answer; raises ValueError."""
    answer = _object(said)
    default = answer.get("default_project")
    return tuple(_project(_object(each), default) for each in _list(answer, "projects"))


def created(said: object) -> CloudProject | None:
    """Return the project that an answer says was made, None when it does not tell its id."""
    project = _object(said).get("new_project")
    if not isinstance(project, dict) or "external_id" not in project:
        return None
    return _project(project, None)


def deletion(reply: Reply) -> str:
    """Return the word for how far a deletion is; upstream knows pending, complete and failed."""
    said = reply.object()
    words = (said.get(key) for key in ("deletion_status", "file_delete_status", "status"))
    return next((shown for word in words if (shown := _shown(word))), "accepted")


def prefix(path: str) -> str:
    """Return the prefix in the bucket of a project's path; raises ValueError.

    The service answers `/app/data/x`, `app/data/x` or `/x`, all for the prefix `x`.
    """
    plain = f"{path.strip('/')}/".removeprefix(_MOUNT_POINT).strip("/")
    parts = plain.split("/")
    if not plain or "\0" in plain or any(part in {"", ".", ".."} for part in parts):
        raise ValueError(f"the path {one_line(path)!r} is none of a project")
    return plain


def _workspace(said: Mapping[str, object], default: object) -> Workspace:
    tenant = _id(said, "tenant_id")
    subscribed = said.get("has_active_subscription")
    return Workspace(
        tenant_id=tenant,
        type=_shown(said.get("workspace_type")) or "personal",
        slug=_shown(said.get("slug")) or "",
        name=_shown(said.get("name")) or "",
        role=_shown(said.get("role")) or "",
        is_default=said.get("is_default") is True or default == tenant,
        subscribed=subscribed if isinstance(subscribed, bool) else None,
    )


def _project(said: Mapping[str, object], default: object) -> CloudProject:
    name = _text(said, "name")
    return CloudProject(
        id=_id(said, "external_id"),
        name=name,
        path=prefix(_text(said, "path")),
        is_default=said.get("is_default") is True or default == name,
    )


def _lapsed(host: Host, said: Mapping[str, object]) -> SubscriptionError | None:
    """Return the subscription error, which comes bare or inside `detail`."""
    detail = said.get("detail")
    body = detail if isinstance(detail, dict) else said
    if body.get("error") != "subscription_required":
        return None
    message = _shown(body.get("message")) or "an active one is needed"
    url = body.get("subscribe_url")
    good = isinstance(url, str) and url.startswith("https://") and url.isprintable()
    what = f"subscription required at {host.name}: {message}"
    return SubscriptionError(what, url=url if good and isinstance(url, str) else PRICING)


def _words(said: Mapping[str, object]) -> str | None:
    """Return the service's own words for a refusal: FastAPI's `detail` in its three forms."""
    detail = said.get("detail", said)
    if isinstance(detail, list):
        fields = (_field(each) for each in detail if isinstance(each, dict))
        return one_line("; ".join(word for word in fields if word)) or None
    if isinstance(detail, dict):
        texts = (detail.get(key) for key in ("message", "error_description", "error"))
        detail = next((text for text in texts if isinstance(text, str)), None)
    return _shown(detail)


def _field(slip: Mapping[str, object]) -> str:
    where = slip.get("loc")
    place = str(where[-1]) if isinstance(where, list) and where else ""
    words = slip.get("msg")
    said = words if isinstance(words, str) else "not accepted"
    return f"{place}: {said}" if place else said


def _shown(value: object) -> str | None:
    return one_line(value) or None if isinstance(value, str) else None


def _object(said: object) -> dict[str, object]:
    if not isinstance(said, dict):
        raise ValueError("it is no JSON object")  # noqa: TRY004 - a wrong value of the service
    return said


def _list(said: Mapping[str, object], key: str) -> list[object]:
    found = said.get(key)
    if not isinstance(found, list):
        raise ValueError(f"there is no list of {key}")  # noqa: TRY004 - the same
    return found


def _text(said: Mapping[str, object], key: str) -> str:
    found = said.get(key)
    if not isinstance(found, str) or not found:
        raise ValueError(f"there is no {key}")
    return found


def _id(said: Mapping[str, object], key: str) -> str:
    """Return a text that may stand in a header, in an address and in a file."""
    found = _text(said, key)
    if not _ID.fullmatch(found):
        raise ValueError(f"the {key} {one_line(found)!r} is none")
    return found
