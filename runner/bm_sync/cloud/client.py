"""The calls of the service, each a method: asked with the account's credential, within bounds.

A call that meets a passing failure is sent again, one that the credential was refused for once with
a renewed one. What is left is a `CloudError` in one sentence.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Self, TypeVar
from urllib.parse import quote

import httpx

from bm_sync.cloud import wire
from bm_sync.cloud.account import Account
from bm_sync.cloud.calls import (
    PATIENT,
    AnswerTooLargeError,
    Call,
    Repeat,
    Reply,
    RetryPace,
    open_http,
    persistent,
)
from bm_sync.cloud.faults import CloudError as CloudError  # noqa: PLC0414 - told here too
from bm_sync.cloud.faults import CloudFault as CloudFault  # noqa: PLC0414 - the same
from bm_sync.cloud.places import Host
from bm_sync.cloud.tokens import Keys as Keys  # noqa: PLC0414 - the same
from bm_sync.cloud.unanswered import unanswered
from bm_sync.cloud.wire import Healthy
from bm_sync.model.cloud import CloudProject as CloudProject  # noqa: PLC0414 - the same
from bm_sync.model.cloud import Mount as Mount  # noqa: PLC0414 - the same
from bm_sync.model.cloud import Workspace as Workspace  # noqa: PLC0414 - the same
from bm_sync.model.permalink import permalink
from bm_sync.secret import Secret, redact
from bm_sync.structs import replace

T = TypeVar("T")

_UNAUTHORIZED = 401
_PROJECTS = "/proxy/v2/projects/"


class Cloud:
    """One service as one account sees it; use it as an async context manager."""

    def __init__(self, host: Host, account: Account, pace: RetryPace = PATIENT) -> None:
        if account.host.url != host.url:
            raise ValueError("a credential is sent only to the host it was made for")
        self.host = host
        self.account = account
        self._pace = pace
        self._http: httpx.AsyncClient | None = None

    async def __aenter__(self) -> Self:
        self._http = open_http(self.host)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        http, self._http = self._http, None
        if http is not None:
            await http.aclose()

    @property
    def http(self) -> httpx.AsyncClient:
        """Return the open HTTP client; it carries no credential of its own."""
        if self._http is None:
            raise RuntimeError("the cloud is used outside its context")
        return self._http

    async def bearer(self) -> Secret:
        """Return what goes after `Bearer`, good for a minute at least; raises CloudError."""
        return await self.account.bearer(self.http)

    async def renewed(self, refused: Secret) -> Secret:
        """Return another bearer than one that was answered with 401; raises CloudError."""
        return await self.account.renewed(self.http, refused)

    async def health(self) -> Healthy:
        """Ask whether the service is well; raises SubscriptionError for a lapsed account."""
        return wire.healthy(await self._ask(self._get("/proxy/health"), "look at the service"))

    async def workspaces(self) -> tuple[Workspace, ...]:
        """Return the workspaces of the account."""
        what = "list the workspaces"
        return self._read(await self._ask(self._get("/workspaces/"), what), wire.workspaces)

    async def mount(self, tenant: str | None = None) -> Mount:
        """Return where the files of a workspace lie, of the account's default without one."""
        what = "find the storage of the workspace"
        reply = await self._ask(self._get("/tenant/mount/info", tenant), what)
        return self._read(reply, wire.mount)

    async def mint(self, tenant: str | None = None) -> Keys:
        """Make new keys for the bucket of a workspace; only its owner may.

        Every call makes another pair, and the service keeps the earlier ones (basic-memory issue
        922), so never ask "to be sure". Therefore this is sent again only when it was not carried
        out for certain: no connection, 429 or 503. When the answer was lost, a pair that nobody
        knows may remain at the service, the error says so, and the next call makes another one.
        """
        url = f"{self.host.url}/tenant/mount/credentials"
        call = Call("POST", url, headers=_routed(tenant), repeat=Repeat.UNSENT)
        return self._read(await self._ask(call, "get keys for the storage"), wire.keys)

    async def projects(self, tenant: str | None = None) -> tuple[CloudProject, ...]:
        """Return the projects of a workspace."""
        reply = await self._ask(self._get(_PROJECTS, tenant), "list the projects")
        return self._read(reply, wire.projects)

    async def create_project(self, tenant: str | None, name: str) -> CloudProject:
        """Make a project, visible to the workspace, and return it; one that is there is returned.

        Nothing of this machine is sent but the name.
        """
        body: dict[str, object] = {
            "name": name,
            "path": permalink(name),
            "set_default": False,
            "visibility": "workspace",
        }
        url = f"{self.host.url}{_PROJECTS}"
        call = Call("POST", url, headers=_routed(tenant), body=body)
        made = self._read(await self._ask(call, f"create the project {name!r}"), wire.created)
        if made is not None:
            return made
        for project in await self.projects(tenant):
            if permalink(project.name) == permalink(name):
                return project
        raise wire.garbled(self.host, f"it says {name!r} is created and does not list it")

    async def delete_project(self, tenant: str | None, id: str) -> str:  # noqa: A002 - the project's
        """Delete a project with its files and return how far that is; the service does it later.

        Sent again only when it was not carried out for certain.
        """
        url = f"{self.host.url}{_PROJECTS}{quote(id, safe='')}?delete_notes=true"
        call = Call("DELETE", url, headers=_routed(tenant), repeat=Repeat.UNSENT)
        return wire.deletion(await self._ask(call, "delete the project"))

    def _get(self, path: str, tenant: str | None = None) -> Call:
        return Call("GET", f"{self.host.url}{path}", headers=_routed(tenant))

    async def _ask(self, call: Call, what: str) -> Reply:
        """Send a call and return its good answer; raises CloudError."""
        bearer = await self.bearer()
        reply = await self._sent(call, bearer, what)
        if reply.status == _UNAUTHORIZED:
            bearer = await self.renewed(bearer)
            reply = await self._sent(call, bearer, what)
        refused = wire.refusal(self.host, reply, what)
        if refused is not None:
            refused.what = redact(refused.what, self.account.secrets())
            raise refused
        return reply

    async def _sent(self, call: Call, bearer: Secret, what: str) -> Reply:
        headers = {**call.headers, "Authorization": f"Bearer {bearer.reveal()}"}
        try:
            return await persistent(self.http, replace(call, headers=headers), self._pace)
        except (httpx.TransportError, AnswerTooLargeError) as e:
            error = unanswered(self.host.name, e)
            if call.repeat is Repeat.UNSENT and not isinstance(e, httpx.ConnectError):
                error.what += f"; whether it did {what} is not known"
            raise error from e

    def _read(self, reply: Reply, parse: Callable[[object], T]) -> T:
        try:
            said = reply.json()
        except ValueError:
            raise wire.garbled(self.host, "it is no JSON") from None
        try:
            return parse(said)
        except ValueError as e:
            raise wire.garbled(self.host, str(e)) from e


def _routed(tenant: str | None) -> Mapping[str, str]:
    return {"X-Workspace-ID": tenant} if tenant is not None else {}
