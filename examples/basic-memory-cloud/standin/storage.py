"""The object store: a thin proxy before `rclone serve s3` that admits minted keys and counts.

It honours `If-Match` and `If-None-Match: *` of an upload, which `rclone serve s3` does not know, as
Tigris does. A key opens the bucket of its workspace and no other.
"""

from __future__ import annotations

import http.client
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO
from urllib.parse import parse_qs, unquote
from xml.sax.saxutils import escape

from standin import signature
from standin.objects import LocalConnection, Objects
from standin.wire import BLOCK, Answer, Refused, Request, as_xml
from standin.world import World

_HOP_BY_HOP = ("connection", "keep-alive", "te", "upgrade", "trailer", "expect")
_CONDITIONS = ("if-match", "if-none-match")
_STATUS = {"AccessDenied": 403, "InvalidAccessKeyId": 403, "SignatureDoesNotMatch": 403}
_MESSAGE = {
    "AccessDenied": "Access Denied.",
    "InvalidAccessKeyId": "The Access Key Id you provided does not exist in our records.",
    "SignatureDoesNotMatch": "The request signature does not match.",
    "PreconditionFailed": "At least one of the pre-conditions did not hold.",
}


def kind_of(request: Request) -> str:
    """Return what a request is on S3: LIST, COPY, MULTIPART, DELETE-MANY, or its method."""
    query = set(parse_qs(request.raw_query, keep_blank_values=True))
    if query & {"uploads", "uploadId"}:
        return "MULTIPART"
    if request.method == "POST" and "delete" in query:
        return "DELETE-MANY"
    if request.method == "GET" and ({"list-type", "delimiter", "prefix"} & query):
        return "LIST"
    if request.method == "PUT" and request.headers.get("X-Amz-Copy-Source"):
        return "COPY"
    return request.method


def serve(world: World, objects: Objects, request: Request) -> Answer:
    """Answer one request of an S3 client."""
    bucket, _, key = request.plain_path.lstrip("/").partition("/")
    _admit(world, request, bucket)
    conditional = any(request.headers.get(name) for name in _CONDITIONS)
    upload = request.method == "PUT" and bool(key)
    if upload and conditional and world.state.switches.storage_conditions:
        return _conditional_put(objects, request, bucket, key)
    return _passed_on(objects.s3, request, request.body.blocks())


def _admit(world: World, request: Request, bucket: str) -> None:
    def secret_of(key_id: str) -> str | None:
        held = (k for k in world.state.storage_keys if k.access_key == key_id)
        key = next(held, None)
        if key is None:
            return None
        tenant_of_key.append(key.tenant_id)
        return key.secret_key

    tenant_of_key: list[str] = []
    with world.lock:
        code = signature.fault_in(request, secret_of)
        if code == "SignatureDoesNotMatch" and not world.state.switches.storage_signatures:
            code = ""
        if not code:
            workspace = world.workspace(tenant_of_key[0])
            if workspace is None or {bucket, _source_of(request, bucket)} != {workspace.bucket}:
                code = "AccessDenied"
    if code:
        raise Refused(error(code))


def _source_of(request: Request, bucket: str) -> str:
    """Return the bucket that a copy reads; `bucket` for all else."""
    source = unquote(request.headers.get("X-Amz-Copy-Source", bucket))
    return source.lstrip("/").partition("/")[0]


def error(code: str) -> Answer:
    """Return an error as S3 words it."""
    text = f"<Code>{code}</Code><Message>{escape(_MESSAGE.get(code, code))}</Message>"
    xml = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{text}<RequestId>0</RequestId></Error>'
    return as_xml(_STATUS.get(code, 412), xml)


def _conditional_put(objects: Objects, request: Request, bucket: str, key: str) -> Answer:
    with tempfile.TemporaryFile() as spool:
        for block in request.body.blocks():
            spool.write(block)
        spool.seek(0)
        with objects.alone(bucket, key):
            there = objects.find(bucket, key)
            if not holds(request, there.md5 if there else None):
                return error("PreconditionFailed")
            return _passed_on(objects.s3, request, _blocks_of(spool))


def holds(request: Request, etag: str | None) -> bool:
    """Return whether a request's conditions hold for what is there; None is nothing."""
    wanted, unwanted = (request.headers.get(name) for name in _CONDITIONS)
    if wanted is not None and (etag is None or not _names(wanted, etag)):
        return False
    return unwanted is None or etag is None or not _names(unwanted, etag)


def _names(condition: str, etag: str) -> bool:
    tags = [tag.strip().removeprefix("W/").strip('"') for tag in condition.split(",")]
    return "*" in tags or etag.removeprefix("W/").strip('"') in tags


def _blocks_of(stream: IO[bytes]) -> Iterator[bytes]:
    while block := stream.read(BLOCK):
        yield block


def _passed_on(socket: Path, request: Request, body: Iterable[bytes]) -> Answer:
    link = LocalConnection(socket)
    target = f"{request.path}?{request.raw_query}" if request.raw_query else request.path
    chunked = request.headers.get("Transfer-Encoding", "").lower() == "chunked"
    unwanted = {*_HOP_BY_HOP, *(_CONDITIONS if request.method == "PUT" else ())}
    try:
        link.putrequest(request.method, target, skip_host=True, skip_accept_encoding=True)
        for name, value in request.headers.items():
            if name.lower() not in unwanted:
                link.putheader(name, value)
        link.endheaders()
        for block in body:
            link.send(b"%x\r\n%b\r\n" % (len(block), block) if chunked else block)
        if chunked:
            link.send(b"0\r\n\r\n")
        answer = link.getresponse()
    except BaseException:
        link.close()
        raise
    if request.method == "HEAD":
        link.close()
    return _as_answer(answer, link.close)


def _as_answer(answer: http.client.HTTPResponse, close: Callable[[], None]) -> Answer:
    def blocks() -> Iterator[bytes]:
        try:
            while block := answer.read(BLOCK):
                yield block
        finally:
            close()

    hidden = {*_HOP_BY_HOP, "content-length", "transfer-encoding", "date", "server"}
    headers = tuple((n, v) for n, v in answer.getheaders() if n.lower() not in hidden)
    told = answer.getheader("Content-Length")
    if told is not None and answer.status != http.client.NO_CONTENT:
        return Answer(answer.status, headers, blocks(), int(told))
    return Answer(answer.status, headers, b"".join(blocks()))
