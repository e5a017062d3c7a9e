"""WebDAV: reading, writing, deleting, moving.

Upstream's client uses PROPFIND, GET and PUT. The rest (DELETE, MKCOL, MOVE, COPY, If-Match) is not
known; here it follows RFC 4918 and can be switched off by `refused`. Not known either: whether PUT
makes the folders above (it does, unless `put_makes_folders` is off), and what becomes of
`X-OC-Mtime` (nothing, unless `honours_mtime` is on).
"""

from __future__ import annotations

import contextlib
import email.utils
import re
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from standin.callers import Caller
from standin.dav_listing import etag_of, propfind
from standin.dav_paths import Place, destination_of, is_folder, place_of
from standin.objects import Objects, Stored
from standin.storage import holds
from standin.wire import BLOCK, Answer, Refused, Request, detail
from standin.world import World

Act = Callable[[World, Objects, Request, Caller], Answer]
_RANGE = re.compile(r"bytes=(\d*)-(\d*)$")


def serve(world: World, objects: Objects, request: Request, caller: Caller) -> Answer:
    """Answer one WebDAV request."""
    refused = world.state.switches.refused.get(request.method)
    act = _METHODS.get(request.method)
    if refused is not None or act is None:
        allowed = [name for name in _METHODS if name not in world.state.switches.refused]
        answer = detail(refused or 405, f"{request.method} is not possible here")
        headers = (*answer.headers, ("Allow", ", ".join(allowed)))
        return Answer(answer.status, headers, answer.body)
    return act(world, objects, request, caller)


def _options(world: World, _: Objects, __: Request, ___: Caller) -> Answer:
    allowed = [name for name in _METHODS if name not in world.state.switches.refused]
    return Answer(200, (("Allow", ", ".join(allowed)), ("DAV", "1")))


def _get(world: World, objects: Objects, request: Request, caller: Caller) -> Answer:
    place = place_of(world, request, caller, "viewer")
    there = objects.find(place.bucket, place.key) if place.inside else None
    if there is None:
        known = is_folder(objects, place)
        return detail(405, "This is a folder") if known else detail(404, "There is no such file")
    etag = etag_of(world, there)
    headers = [("Last-Modified", email.utils.formatdate(there.mtime_s, usegmt=True))]
    headers += [("Content-Type", "application/octet-stream"), ("Accept-Ranges", "bytes")]
    headers += [("ETag", etag)] if etag else []
    if request.headers.get("If-None-Match") and not holds(request, etag):
        return Answer(304, tuple(headers))
    path = objects.path(place.bucket, place.key)
    span = _span(request.headers.get("Range", ""), there.size)
    if span is None:
        return Answer(200, tuple(headers), _read(path, 0, there.size), there.size)
    start, end = span
    if start >= end:
        return Answer(416, (("Content-Range", f"bytes */{there.size}"),))
    headers.append(("Content-Range", f"bytes {start}-{end - 1}/{there.size}"))
    return Answer(206, tuple(headers), _read(path, start, end), end - start)


def _span(said: str, size: int) -> tuple[int, int] | None:
    """Return the first byte and the one after the last of a single range; None is everything."""
    found = _RANGE.match(said)
    if found is None or found.group(0) == "bytes=-":
        return None
    first, last = found.groups()
    if not first:
        return max(0, size - int(last)), size
    return int(first), min(size, int(last) + 1 if last else size)


def _read(path: Path, start: int, end: int) -> Iterator[bytes]:
    with path.open("rb") as stream:
        stream.seek(start)
        left = end - start
        while left and (block := stream.read(min(BLOCK, left))):
            left -= len(block)
            yield block


def _put(world: World, objects: Objects, request: Request, caller: Caller) -> Answer:
    place = place_of(world, request, caller, "editor")
    with tempfile.NamedTemporaryFile() as spool:
        for block in request.body.blocks():
            spool.write(block)
        spool.flush()
        with objects.alone(place.bucket, place.key):
            return _store(world, objects, request, place, Path(spool.name))


def _store(world: World, objects: Objects, request: Request, place: Place, source: Path) -> Answer:
    there = objects.find(place.bucket, place.key)
    _check(world, request, there)
    _check_above(world, objects, place)
    if is_folder(objects, place):
        return detail(409, "A folder has this name")
    objects.put(place.bucket, place.key, source, _mtime_of(world, request))
    stored = objects.find(place.bucket, place.key)
    etag = etag_of(world, stored) if stored else None
    headers = [("ETag", etag)] if etag else []
    if world.state.switches.honours_mtime and request.headers.get("X-OC-Mtime"):
        headers.append(("X-OC-MTime", "accepted"))
    return Answer(204 if there else 201, tuple(headers))


def _mtime_of(world: World, request: Request) -> float | None:
    said = request.headers.get("X-OC-Mtime")
    if said is None or not world.state.switches.honours_mtime:
        return None
    try:
        return float(said)
    except ValueError as e:
        raise Refused(detail(400, "X-OC-Mtime is no number")) from e


def _check(world: World, request: Request, there: Stored | None) -> None:
    """Raise Refused (412) when a condition does not hold, as far as conditions are honoured."""
    switches = world.state.switches
    etag = etag_of(world, there) or '""' if there else None
    asked = {
        "If-Match": switches.honours_if_match,
        "If-None-Match": switches.honours_if_none_match,
    }
    for name, honoured in asked.items():
        if not honoured:
            del request.headers[name]
    if not holds(request, etag):
        raise Refused(detail(412, "A condition of the request does not hold"))


def _check_above(world: World, objects: Objects, place: Place) -> None:
    parts = place.inside.split("/")[:-1]
    for count in range(1, len(parts) + 1):
        above = objects.path(place.bucket, f"{place.project.path}/{'/'.join(parts[:count])}")
        if above.is_file():
            raise Refused(detail(409, "A file stands where a folder is needed"))
        if not above.is_dir() and not world.state.switches.put_makes_folders:
            raise Refused(detail(409, "The folder above does not exist"))


def _delete(world: World, objects: Objects, request: Request, caller: Caller) -> Answer:
    place = place_of(world, request, caller, "editor")
    if not place.inside:
        return detail(403, "A project is not deleted by WebDAV")
    with objects.alone(place.bucket, place.key):
        there = objects.find(place.bucket, place.key)
        if there is not None:
            _check(world, request, there)
            objects.delete(place.bucket, place.key)
            return Answer(204)
        if not is_folder(objects, place):
            return detail(404, "There is nothing of that name")
        delete_below(objects, place.bucket, place.key)
    return Answer(204)


def delete_below(objects: Objects, bucket: str, prefix: str) -> None:
    """Delete everything below a folder, and the folder."""
    for stored in list(objects.below(bucket, prefix)):
        objects.delete(bucket, stored.key)
    top = objects.path(bucket, prefix)
    for folder in sorted(top.rglob("*"), reverse=True):
        with contextlib.suppress(OSError):
            folder.rmdir()
    with contextlib.suppress(OSError):
        top.rmdir()


def _mkcol(world: World, objects: Objects, request: Request, caller: Caller) -> Answer:
    place = place_of(world, request, caller, "editor")
    path = objects.path(place.bucket, place.key)
    if path.exists() or not place.inside:
        return detail(405, "Something has this name already")
    top = objects.path(place.bucket, place.project.path)
    if path.parent != top and not path.parent.is_dir():
        return detail(409, "The folder above does not exist")
    path.mkdir(parents=True)
    return Answer(201)


def _copy(world: World, objects: Objects, request: Request, caller: Caller) -> Answer:
    source = place_of(world, request, caller, "editor")
    target = destination_of(request, caller, source)
    return _transfer(world, objects, request, source, target)


def _move(world: World, objects: Objects, request: Request, caller: Caller) -> Answer:
    source = place_of(world, request, caller, "editor")
    target = destination_of(request, caller, source)
    answer = _transfer(world, objects, request, source, target)
    if objects.find(source.bucket, source.key):
        objects.delete(source.bucket, source.key)
    else:
        delete_below(objects, source.bucket, source.key)
    return answer


def _transfer(
    world: World, objects: Objects, request: Request, source: Place, target: Place
) -> Answer:
    there = objects.find(source.bucket, source.key) if source.inside else None
    if there is None and (not source.inside or not is_folder(objects, source)):
        return _raise(404, "There is nothing of that name")
    inside = f"{target.inside}/".startswith(f"{source.inside}/")
    if inside or not target.inside:
        return _raise(403, "The destination is the source, or inside it")
    _check_above(world, objects, target)
    occupied = objects.path(target.bucket, target.key).exists()
    if occupied and request.headers.get("Overwrite", "T").upper() == "F":
        return _raise(412, "The destination is taken")
    if occupied and (there is None or is_folder(objects, target)):
        return _raise(409, "A folder is not replaced, and nothing is replaced by one")
    found = [there] if there else list(objects.below(source.bucket, source.key))
    for stored in found:
        objects.copy(source.bucket, stored.key, target.key + stored.key[len(source.key) :])
    return Answer(204 if occupied else 201)


def _raise(status: int, why: str) -> Answer:
    """Raise Refused; a MOVE must not go on to delete what was not copied."""
    raise Refused(detail(status, why))


_METHODS: dict[str, Act] = {
    "OPTIONS": _options,
    "GET": _get,
    "HEAD": _get,
    "PUT": _put,
    "DELETE": _delete,
    "PROPFIND": propfind,
    "MKCOL": _mkcol,
    "MOVE": _move,
    "COPY": _copy,
}
