"""The two servers as functions: the service itself, and the object store."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from standin import admin, control, dav, projects, sign_in, snapshots, storage
from standin.callers import caller_of
from standin.faults import Faults, Record, Seen
from standin.objects import Objects
from standin.wire import Answer, Refused, Request, Reset, detail
from standin.world import Project, Workspace, World

_V2 = r"/proxy/v2/projects"
_NOT_TOLD = {"authorization", "cookie"}


@dataclass
class Service:
    """Everything that answers; `url` and `storage_url` are set once the ports are known."""

    world: World
    objects: Objects
    faults: Faults
    record: Record
    url: str = ""
    storage_url: str = ""

    def __post_init__(self) -> None:
        """Build the table of calls."""
        self._calls = [(m, re.compile(p + r"\Z"), act) for m, p, act in self._table()]

    def answer(self, request: Request) -> Answer:
        """Answer a request to the service."""
        path = request.path
        if path.startswith("/_standin/"):
            return admin.serve(self._admin(), request)
        server = "webdav" if path.startswith("/webdav/") else "control"
        server = "oauth" if path.startswith(("/oauth2/", "/device")) else server
        kind = request.method if server == "webdav" else f"{request.method} {path}"
        return self._answered(server, kind, request, partial(self._serve, server))

    def answer_storage(self, request: Request) -> Answer:
        """Answer a request to the object store."""
        serve = partial(storage.serve, self.world, self.objects)
        return self._answered("storage", storage.kind_of(request), request, serve)

    def _admin(self) -> admin.Reach:
        urls = {"host": self.url, "storage": self.storage_url}
        return admin.Reach(self.world, self.objects, self.faults, self.record, urls)

    def _answered(
        self, server: str, kind: str, request: Request, serve: Callable[[Request], Answer]
    ) -> Answer:
        status = 0
        try:
            answer = self.faults.strike(server, request.method, request.path) or serve(request)
            status = answer.status
        except Refused as refused:
            status = refused.answer.status
            raise
        except Reset:
            status = -1
            raise
        finally:
            self.record.add(_seen(server, kind, request, status))
        return answer

    def _serve(self, server: str, request: Request) -> Answer:
        if server == "webdav":
            caller = caller_of(self.world, request)
            return dav.serve(self.world, self.objects, request, caller)
        known = False
        for method, form, act in self._calls:
            found = form.match(request.plain_path)
            known = known or found is not None
            if found and method == request.method:
                return self._called(act, request, found.groups(), open_=server == "oauth")
        return detail(405, "Method Not Allowed") if known else detail(404, "Not Found")

    def _called(
        self, act: Callable[..., Answer], request: Request, groups: tuple[str, ...], *, open_: bool
    ) -> Answer:
        if open_:
            return act(self.world, request)
        return act(self.world, request, caller_of(self.world, request), *groups)

    def _table(self) -> list[tuple[str, str, Callable[..., Answer]]]:
        authorize: Callable[..., Answer] = lambda w, r: sign_in.authorize(w, r, self.url)  # noqa: E731
        forgotten = partial(projects.delete, forget=self._forget)
        kept: Callable[..., Callable[..., Answer]] = self._with_objects
        return [
            ("POST", "/oauth2/device_authorization", authorize),
            ("POST", "/oauth2/token", sign_in.give_token),
            ("GET", "/device", sign_in.page),
            ("POST", "/device", sign_in.page),
            ("GET", "/proxy/health", control.health),
            ("GET", "/workspaces/", control.workspaces),
            ("POST", "/api/keys", control.make_api_key),
            ("GET", "/tenant/mount/info", control.mount_info),
            ("POST", "/tenant/mount/credentials", control.mint),
            ("GET", "/admin/tenants/([^/]+)/index-status", control.index_status),
            ("GET", f"(?:{_V2}/|/proxy/projects/projects)", projects.listing),
            ("POST", f"(?:{_V2}/|/proxy/projects/projects)", projects.create),
            ("POST", f"{_V2}/resolve", projects.resolve),
            ("GET", f"{_V2}/([^/]+)", projects.one),
            ("DELETE", f"{_V2}/([^/]+)", forgotten),
            ("PUT", f"{_V2}/([^/]+)/default", projects.make_default),
            ("POST", f"{_V2}/([^/]+)/(?:sync|index)", projects.files_changed),
            ("POST", "/proxy/([^/]+)/project/sync", projects.files_changed),
            ("POST", "/api/bucket-snapshots", kept(snapshots.create)),
            ("GET", "/api/bucket-snapshots", kept(snapshots.listing)),
            ("GET", "/api/bucket-snapshots/([^/]+)", kept(snapshots.one)),
            ("DELETE", "/api/bucket-snapshots/([^/]+)", kept(snapshots.one)),
            ("GET", "/api/bucket-snapshots/([^/]+)/browse", kept(snapshots.browse)),
            ("POST", "/api/bucket-snapshots/([^/]+)/restore", kept(snapshots.restore)),
            ("POST", "/api/shares", kept(snapshots.share)),
            ("GET", "/api/shares", kept(snapshots.share)),
            ("PATCH", "/api/shares/([^/]+)", kept(snapshots.change_share)),
            ("DELETE", "/api/shares/([^/]+)", kept(snapshots.change_share)),
        ]

    def _with_objects(self, act: Callable[..., Answer]) -> Callable[..., Answer]:
        def acting(world: World, *more: Any) -> Answer:  # noqa: ANN401 - what the call takes
            return act(world, self.objects, *more)

        return acting

    def _forget(self, workspace: Workspace, project: Project) -> None:
        dav.delete_below(self.objects, workspace.bucket, project.path)


def _seen(server: str, kind: str, request: Request, status: int) -> Seen:
    credential = request.headers.get("Authorization", "").removeprefix("Bearer ")
    by_key = "key" if credential.startswith("bmc_") else "token"
    return Seen(
        server=server,
        kind=kind,
        method=request.method,
        path=request.plain_path.encode(errors="replace").decode(),
        query=request.raw_query,
        status=status,
        workspace=request.headers.get("X-Workspace-ID", ""),
        bearer=by_key if credential and server != "storage" else "",
        consistent=request.headers.get("X-Tigris-Consistent", "").lower() == "true",
        headers=tuple(sorted({n.lower() for n in request.headers} - _NOT_TOLD)),
    )
