"""Downloads: `/{repo}/resolve/{revision}/{path}`, by far what a hub is asked most.

A client that fetches a repository asks twice for each of its files, one after the other. So what the first request
finds is kept, together with the files that come next; the others are answered `at_once`, between two turns of the
event loop, without a thread and without the framework.
"""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

from fastapi import APIRouter, Response
from fastapi.responses import StreamingResponse
from sqlalchemy import Connection
from starlette.types import Scope

from zoohub.hub.api.base import Ask, Asked, on_repo, run, split_revision, stream
from zoohub.hub.api.files import find_repo, moved
from zoohub.hub.blobs import Blob, Piece
from zoohub.hub.errors import EntryNotFound
from zoohub.hub.repos import Commit, Repo
from zoohub.hub.service import Headers, Hub, Place
from zoohub.hub.trees import Entry, Trees

# One read of one of these counts as a download of the model.
COUNTED = frozenset({"config.json", "model_index.json", "adapter_config.json", "params.json"})
INLINE = 1 << 20  # bytes; larger answers are read piece by piece
AT_ONCE = 64 << 10  # bytes; larger files are read in threads
AHEAD = 200  # files that are looked up with the one that is asked for
PICTURES = (".png", ".jpg", ".jpeg", ".gif", ".webp")
MEDIA = {
    ".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".gif": "image/gif",
    ".webp": "image/webp",
    ".md": "text/plain; charset=utf-8", ".txt": "text/plain; charset=utf-8",
    ".json": "text/plain; charset=utf-8",
}  # fmt: skip
_CONDITIONS = frozenset({b"range", b"if-range", b"if-none-match"})

resolve_router = APIRouter()


@on_repo(resolve_router, "GET|HEAD", "/resolve/{rev}/{path:path}")
async def resolve(ask: Asked) -> Response:
    """Download a file."""
    return await run(_resolve, ask)


def at_once(scope: Scope) -> tuple[Headers, bytes] | None:
    """Headers and body of the answer, if giving it takes no more than looking into memory; else None.

    Nothing here waits: who asks, and for what, is known from before, and a file is read only where the operating
    system has it in memory. Whatever is not plain is left to `resolve`.
    """
    if scope["method"] not in ("GET", "HEAD") or "/resolve/" not in scope["path"]:
        return None
    hub: Hub = scope["app"].state.hub
    stamp = None if hub.mirror.asks else hub.watch.stamp()
    place = hub.places.get(scope["path"], stamp)
    if place is None:
        return None
    token = ""
    for name, value in scope["headers"]:
        if name == b"authorization":
            token = value.decode("latin-1")
        elif name in _CONDITIONS:
            return None
    actor = hub.accounts.known(token, stamp)
    if actor is None or not hub.repos.can_see(actor, place.repo):
        return None
    body = _from_memory(hub, place.blob) if scope["method"] == "GET" else b""
    if body is None:
        return None
    _count(hub, scope["method"], place.repo, place.path)
    scope["state"]["actor"] = actor.name
    return place.headers, body


def _from_memory(hub: Hub, blob: Blob) -> bytes | None:
    if blob.size > AT_ONCE:
        return None
    parts = []
    for piece in blob.pieces:
        part = hub.storage.read_now(piece.key, piece.start, piece.end)
        if part is None:
            return None
        parts.append(part)
    return b"".join(parts)


def _resolve(ask: Ask) -> Response:
    revision, path = split_revision(ask.parts["rev"], ask.parts["path"])
    hub = ask.hub
    stamp = None if hub.mirror.asks else hub.watch.stamp()
    place = hub.places.get(ask.request.scope["path"], stamp)
    if place is not None and hub.repos.can_see(ask.actor, place.repo):
        return _delivered(ask, place)
    ask.refresh(revision)
    with hub.db.read() as connection:
        repo, commit = _head(ask, connection, revision, stamp)
        if repo.moved:
            return moved(ask, repo)
        trees = Trees(hub.db, connection)
        entry = trees.find(commit.tree, path)
        if entry is None or entry.folder:
            raise EntryNotFound(commit.oid)
        if repo.mirror:
            blob = hub.mirror.blob(connection, repo, entry)
        else:
            blob = hub.blobs.get(entry.sha256 or "", connection)
        if blob is not None:
            place = _place(repo, commit, path, entry, blob)
            if stamp is not None and not (
                repo.gated or repo.blocked
            ):  # who may read those is asked each time
                _keep(ask, connection, place, trees, stamp)
            return _delivered(ask, place)
    if not repo.mirror:
        raise EntryNotFound(commit.oid)
    _count(hub, ask.request.method, repo, path)
    return _pass_through(ask, repo, commit, path, entry)


def _head(ask: Ask, connection: Connection, revision: str, stamp: int | None) -> tuple[Repo, Commit]:
    """The repository that is asked for, which the caller may read, and its commit."""
    hub, key = ask.hub, (ask.type, ask.name, revision)
    known = hub.heads.get(key, stamp)
    if known is not None and hub.repos.can_see(ask.actor, known[0]):
        return known
    repo = replace(find_repo(ask, connection, read=True), record=None)  # which may be large
    commit = hub.repos.resolve(connection, repo, revision)
    if not (repo.gated or repo.blocked):  # who may read those is asked each time
        hub.heads.put(key, (repo, commit), 2000 + len(commit.message), stamp)
    return repo, commit


def _keep(ask: Ask, connection: Connection, place: Place, trees: Trees, stamp: int) -> None:
    """Keep where a file lies, and the small files that follow it in its folder: they are asked for next."""
    address = ask.request.scope["path"].removesuffix(place.entry.name)
    found = {place.entry.name: place}
    if not place.repo.mirror:
        folder, inner = (
            place.path.removesuffix(place.entry.name),
            trees.find(place.commit.tree, place.path.rpartition("/")[0]),
        )
        following = [
            entry
            for name, entry in sorted(trees.load(inner.oid).items() if inner else ())
            if name > place.entry.name and entry.sha256 and entry.size <= INLINE
        ][:AHEAD]
        if following and ask.hub.places.get(address + following[0].name, stamp) is None:
            blobs = ask.hub.blobs.several(connection, [entry.sha256 or "" for entry in following])
            for entry in following:
                if (blob := blobs.get(entry.sha256 or "")) is not None:
                    found[entry.name] = _place(place.repo, place.commit, folder + entry.name, entry, blob)
    ask.hub.places.put_all(
        [
            (address + name, each, 2500 + len(each.path) + 200 * len(each.blob.pieces))
            for name, each in found.items()
        ],
        stamp,
    )


def _place(repo: Repo, commit: Commit, path: str, entry: Entry, blob: Blob) -> Place:
    plain = Response(
        None, 200, file_headers(commit, entry) | {"Content-Length": str(blob.size)}, media_type(entry.name)
    )
    return Place(repo, commit, path, entry, blob, tuple(plain.raw_headers))


def _delivered(ask: Ask, place: Place) -> Response:
    _count(ask.hub, ask.request.method, place.repo, place.path)
    return serve(ask, place.blob, place.commit, place.entry)


def _count(hub: Hub, method: str, repo: Repo, path: str) -> None:
    if method == "GET" and path in COUNTED:
        hub.count_download(repo.id)


def _pass_through(ask: Ask, repo: Repo, commit: Commit, path: str, entry: Entry) -> Response:
    """A mirrored file that is not here yet: sent on while it is fetched."""
    headers = file_headers(commit, entry) | {"Content-Length": str(entry.size)}
    if ask.request.method == "HEAD":
        return Response(headers=headers, media_type=media_type(entry.name))
    chunks = ask.hub.mirror.fetch(repo, commit, path, entry)
    first = next(chunks, b"")  # an upstream that does not answer is an error before anything was sent
    return StreamingResponse(itertools.chain([first], chunks), 200, headers, media_type(entry.name))


def file_headers(commit: Commit, entry: Entry) -> dict[str, str]:
    """The headers of a file, which the Hugging Face client reads before it downloads."""
    etag = entry.sha256 if entry.lfs else entry.oid
    name = entry.name.encode("ascii", "replace").decode().replace('"', "'").replace("\\", "_")
    return {
        "ETag": f'"{etag}"', "X-Repo-Commit": commit.oid, "Accept-Ranges": "bytes",
        "X-Linked-Size": str(entry.size), "X-Linked-ETag": f'"{etag}"',
        "Content-Disposition": f'{"inline" if name.endswith(PICTURES) else "attachment"}; filename="{name}"',
        # What people upload is never run as a page of this site.
        "Content-Security-Policy": "default-src 'none'; sandbox", "X-Content-Type-Options": "nosniff",
        "Cache-Control": "private, max-age=0, must-revalidate",
    }  # fmt: skip


def media_type(name: str) -> str:
    """What a file is sent as: pictures as such for cards, text as plain text, all else as bytes."""
    suffix = "." + name.rsplit(".", 1)[-1].lower()
    return MEDIA.get(suffix, "application/octet-stream")


def serve(ask: Ask, blob: Blob, commit: Commit, entry: Entry) -> Response:
    """A file as an answer: whole, a range, or headers only."""
    headers, media = file_headers(commit, entry), media_type(entry.name)
    etag = headers["ETag"]
    if ask.request.headers.get("if-none-match") == etag:
        return Response(status_code=304, headers=headers)
    span = byte_range(ask.request.headers.get("range"), blob.size)
    if ask.request.headers.get("if-range") not in (None, etag):
        span = (0, blob.size, False)
    start, end, partial = span
    if start < 0:
        return Response(status_code=416, headers=headers | {"Content-Range": f"bytes */{blob.size}"})
    if partial:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{blob.size}"
    headers["Content-Length"] = str(end - start)
    status = 206 if partial else 200
    if ask.request.method == "HEAD":
        return Response(status_code=status, headers=headers, media_type=media)
    if end - start <= INLINE:
        return Response(ask.hub.blobs.read(blob, start, end), status, headers, media)
    return StreamingResponse(stream(blob.cut(start, end), _reader(ask)), status, headers, media)


def _reader(ask: Ask) -> Any:
    storage = ask.hub.storage

    def read(piece: Piece) -> bytes:
        data = storage.read(piece.key, piece.start, piece.end)
        if len(data) != piece.end - piece.start:
            raise OSError(f"{piece.key} is shorter than its row says")
        return data

    return read


def byte_range(header: str | None, size: int) -> tuple[int, int, bool]:
    """`(start, end, partial)` of a Range header; start -1: not satisfiable. Several ranges count as none."""
    if not header or not header.startswith("bytes=") or "," in header:
        return 0, size, False
    first, dash, last = header[6:].strip().partition("-")
    if not dash or (first and not first.isdigit()) or (last and not last.isdigit()) or not (first or last):
        return 0, size, False
    if not first:
        start, end = max(size - int(last), 0), size
        return (start, end, True) if int(last) and size else (-1, -1, False)
    start, end = int(first), min(int(last) + 1, size) if last else size
    if start >= size:
        return -1, -1, False
    return (start, end, True) if end > start else (0, size, False)
