"""PROPFIND, and the entity tags that listings and files carry."""

from __future__ import annotations

import email.utils
import hashlib
from collections.abc import Iterator
from urllib.parse import quote
from xml.sax.saxutils import escape

from standin.callers import Caller
from standin.dav_paths import Place, is_folder, is_text, place_of
from standin.objects import Objects, Stored
from standin.wire import Answer, Request, as_xml, detail
from standin.world import World

_FINITE = (
    '<?xml version="1.0" encoding="utf-8"?>\n'
    '<D:error xmlns:D="DAV:"><D:propfind-finite-depth/></D:error>'
)


def etag_of(world: World, stored: Stored) -> str | None:
    """Return the entity tag of an object, in the form that is switched on."""
    match world.state.switches.etags:
        case "md5":
            return f'"{stored.md5}"'
        case "multipart":
            return f'"{hashlib.md5(stored.md5.encode(), usedforsecurity=False).hexdigest()}-2"'
        case "weak":
            return f'W/"{stored.md5}"'
        case "opaque":
            return f'"v{int(stored.mtime_s * 1e6):x}-{stored.size:x}"'
        case _:
            return None


def propfind(world: World, objects: Objects, request: Request, caller: Caller) -> Answer:
    """List a file, a folder, or all that is below a folder."""
    place = place_of(world, request, caller, "viewer")
    there = objects.find(place.bucket, place.key) if place.inside else None
    if there is None and not is_folder(objects, place):
        return detail(404, "There is nothing of that name")
    depth = request.headers.get("Depth", "infinity").lower()
    if depth not in {"0", "1", "infinity"}:
        return detail(400, "Depth is 0, 1 or infinity")
    rows = [_file(world, place, there)] if there else [_folder(place)]
    if there is None and depth == "1":
        rows += _children(world, objects, place)
    if there is None and depth == "infinity":
        found = list(_all(world, objects, place))
        switches = world.state.switches
        limit = switches.infinite_depth_limit
        if not switches.infinite_depth or (limit and len(found) > limit):
            return as_xml(403, _FINITE)
        rows += found
    text = '<?xml version="1.0" encoding="utf-8"?>\n<D:multistatus xmlns:D="DAV:">'
    return as_xml(207, f"{text}{''.join(rows)}</D:multistatus>")


def _children(world: World, objects: Objects, place: Place) -> Iterator[str]:
    top = objects.path(place.bucket, place.key)
    for path in sorted(top.iterdir()) if top.is_dir() else ():
        if not is_text(path.name):
            continue
        below = place.below(f"{place.key}/{path.name}")
        stored = objects.find(place.bucket, below.key)
        if path.is_dir():
            yield _folder(below)
        elif stored is not None and objects.is_shown(path.name):
            yield _file(world, below, stored)


def _all(world: World, objects: Objects, place: Place) -> Iterator[str]:
    top = objects.path(place.bucket, place.key)
    for path in sorted(top.rglob("*")):
        inside = path.relative_to(top).as_posix()
        if path.is_dir() and is_text(inside):
            yield _folder(place.below(f"{place.key}/{inside}"))
    for stored in objects.below(place.bucket, place.key):
        if is_text(stored.key):
            yield _file(world, place.below(stored.key), stored)


def _folder(place: Place) -> str:
    return _response(place, "<D:resourcetype><D:collection/></D:resourcetype>", "/")


def _file(world: World, place: Place, stored: Stored) -> str:
    when = email.utils.formatdate(stored.mtime_s, usegmt=True)
    etag = etag_of(world, stored)
    told = "<D:resourcetype/>"
    told += f"<D:getcontentlength>{stored.size}</D:getcontentlength>"
    told += f"<D:getlastmodified>{when}</D:getlastmodified>"
    told += f"<D:getetag>{escape(etag)}</D:getetag>" if etag else ""
    return _response(place, told, "")


def _response(place: Place, told: str, end: str) -> str:
    href = f"{place.href}/{quote(place.inside)}" if place.inside else place.href
    name = place.inside.rpartition("/")[2] or place.project.name
    shown = "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in name)
    prop = f"<D:prop><D:displayname>{escape(shown)}</D:displayname>{told}</D:prop>"
    stat = f"<D:propstat>{prop}<D:status>HTTP/1.1 200 OK</D:status></D:propstat>"
    return f"<D:response><D:href>{escape(href + end)}</D:href>{stat}</D:response>"
