"""Reading repositories: their files, folders, commits and references."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse, StreamingResponse
from sqlalchemy import Connection

from zoohub.hub.api.base import (
    Ask,
    Asked,
    flag,
    integer,
    next_page,
    on_repo,
    run,
    split_revision,
    stream,
)
from zoohub.hub.blobs import Blob, Piece
from zoohub.hub.errors import BadRequest, EntryNotFound
from zoohub.hub.modelfacts import iso
from zoohub.hub.repos import HEADS, PULLS, TAGS, Commit, Repo
from zoohub.hub.service import Place
from zoohub.hub.trees import Entry, Trees, lfs_pointer

# One read of one of these counts as a download of the model.
COUNTED = frozenset({"config.json", "model_index.json", "adapter_config.json", "params.json"})
INLINE = 1 << 20
PICTURES = (".png", ".jpg", ".jpeg", ".gif", ".webp")
MEDIA = {
    ".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".gif": "image/gif",
    ".webp": "image/webp",
    ".md": "text/plain; charset=utf-8", ".txt": "text/plain; charset=utf-8",
    ".json": "text/plain; charset=utf-8",
}  # fmt: skip


def find_repo(ask: Ask, connection: Connection, *, read: bool = False) -> Repo:
    """The repository of the address: visible, and with `read` also readable."""
    look = ask.hub.repos.readable if read else ask.hub.repos.visible
    return look(connection, ask.actor, ask.type, ask.name)


def file_facts(path: str, entry: Entry) -> dict[str, Any]:
    """A file or folder as the tree endpoints give it."""
    if entry.folder:
        return {"type": "directory", "oid": entry.oid, "size": 0, "path": path}
    facts: dict[str, Any] = {"type": "file", "oid": entry.oid, "size": entry.size, "path": path}
    if entry.lfs:
        pointer = len(lfs_pointer(entry.sha256 or "0" * 64, entry.size))
        facts["lfs"] = {"oid": entry.sha256, "size": entry.size, "pointerSize": pointer}
    return facts


# Below `/api/models` and `/api/datasets`: what read files.
router = APIRouter()


@on_repo(router, "GET", "/tree/{rev}")
@on_repo(router, "GET", "/tree/{rev}/{path:path}")
def tree(ask: Asked) -> Response:
    """List the files of a revision."""
    revision, path = split_revision(ask.parts["rev"], ask.parts.get("path", ""))
    query = ask.request.query_params
    limit = integer(query.get("limit"), 1000, 1, 1000)
    start = integer(query.get("cursor"), 0, 0, 1 << 40)
    ask.refresh(revision)
    with ask.hub.db.read() as connection:
        repo = find_repo(ask, connection)
        if repo.moved:
            return moved(ask, repo)
        commit = ask.hub.repos.resolve(connection, repo, revision)
        trees = Trees(ask.hub.db, connection)
        top = trees.find(commit.tree, path.strip("/"))
        if top is None:
            raise EntryNotFound(commit.oid)
        prefix = path.strip("/") + "/" if path.strip("/") else ""
        found = list(
            trees.walk(top.oid, prefix, recursive=flag(query.get("recursive")))
            if top.folder
            else [(path.strip("/"), top)]
        )
        page = [(path, entry) for path, entry in found[start : start + limit]]
        facts = [file_facts(path, entry) for path, entry in page]
        if flag(query.get("expand")):
            add_last_commits(ask, connection, commit, facts)
    headers = {"X-Repo-Commit": commit.oid}
    if start + limit < len(found):
        headers |= next_page(ask, cursor=start + limit)
    return JSONResponse(facts, headers=headers)


@on_repo(router, "POST", "/paths-info/{rev}")
async def paths_info(ask: Asked) -> Response:
    """Facts about some paths of a revision."""
    body = await ask.body()
    return await run(_paths_info, ask, body)


@on_repo(router, "GET", "/commits/{rev}")
def commits(ask: Asked) -> Response:
    """The history of a revision."""
    revision, _ = split_revision(ask.parts["rev"], "")
    query = ask.request.query_params
    limit = integer(query.get("limit"), 50, 1, 100)
    ask.refresh(revision)
    with ask.hub.db.read() as connection:
        repo = find_repo(ask, connection)
        if repo.moved:
            return moved(ask, repo)
        head = ask.hub.repos.resolve(connection, repo, query.get("cursor") or revision)
        page: list[Commit] = []
        rest: Commit | None = None
        for commit in ask.hub.repos.history(connection, head):
            if len(page) == limit:
                rest = commit
                break
            page.append(commit)
    return JSONResponse(
        [commit_facts(commit) for commit in page],
        headers=next_page(ask, cursor=rest.oid) if rest else None,
    )


@on_repo(router, "GET", "/refs")
def refs(ask: Asked) -> Response:
    """Branches, tags and pull requests."""
    ask.refresh()
    with ask.hub.db.read() as connection:
        repo = find_repo(ask, connection)
        if repo.moved:
            return moved(ask, repo)
        rows = ask.hub.repos.refs(connection, repo)
    answer: dict[str, Any] = {"branches": _refs(rows, HEADS), "converts": [], "tags": _refs(rows, TAGS)}
    if flag(ask.request.query_params.get("include_prs")):
        answer["pullRequests"] = _refs(rows, PULLS)
    return JSONResponse(answer)


@on_repo(router, "GET", "/auth-check")
def auth_check(ask: Asked) -> dict[str, bool]:
    """Whether the caller may read the repository."""
    with ask.hub.db.read() as connection:
        find_repo(ask, connection, read=True)
    return {"ok": True}


# Downloads: `/{repo}/resolve/{revision}/{path}`.
resolve_router = APIRouter()


@on_repo(resolve_router, "GET|HEAD", "/resolve/{rev}/{path:path}")
async def resolve(ask: Asked) -> Response:
    """Download a file."""
    return await run(_resolve, ask)


def _resolve(ask: Ask) -> Response:
    revision, path = split_revision(ask.parts["rev"], ask.parts["path"])
    hub, key = ask.hub, (ask.type, ask.name, revision, path)
    stamp = None if hub.mirror.asks else hub.watch.stamp()
    place = hub.places.get(key, stamp)
    if place is not None and hub.repos.can_see(ask.actor, place.repo):
        return _delivered(ask, path, place)
    ask.refresh(revision)
    with hub.db.read() as connection:
        repo, commit = _head(ask, connection, revision, stamp)
        if repo.moved:
            return moved(ask, repo)
        entry = Trees(hub.db, connection).find(commit.tree, path)
        if entry is None or entry.folder:
            raise EntryNotFound(commit.oid)
        if repo.mirror:
            blob = hub.mirror.blob(connection, repo, entry)
        else:
            blob = hub.blobs.get(entry.sha256 or "", connection)
    if blob is not None:
        place = Place(repo, commit, entry, blob)
        if not (repo.gated or repo.blocked):  # who may read those is asked each time
            hub.places.put(key, place, 1000 + len(path) + 200 * len(blob.pieces), stamp)
        return _delivered(ask, path, place)
    if not repo.mirror:
        raise EntryNotFound(commit.oid)
    _count(ask, repo, path)
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


def _delivered(ask: Ask, path: str, place: Place) -> Response:
    _count(ask, place.repo, path)
    return serve(ask, place.blob, place.commit, place.entry)


def _count(ask: Ask, repo: Repo, path: str) -> None:
    if ask.request.method == "GET" and path in COUNTED:
        ask.hub.count_download(repo.id)


def _pass_through(ask: Ask, repo: Repo, commit: Commit, path: str, entry: Entry) -> Response:
    """A mirrored file that is not here yet: sent on while it is fetched."""
    headers = file_headers(commit, entry) | {"Content-Length": str(entry.size)}
    if ask.request.method == "HEAD":
        return Response(headers=headers, media_type=media_type(entry.name))
    chunks = ask.hub.mirror.fetch(repo, commit, path, entry)
    first = next(chunks, b"")  # an upstream that does not answer is an error before anything was sent
    return StreamingResponse(itertools.chain([first], chunks), 200, headers, media_type(entry.name))


def moved(ask: Ask, repo: Repo) -> Response:
    """Send the client from a repository's old id to the new one."""
    path = ask.request.scope["path"].replace("\ue000", "%2F")
    target = path.replace(f"/{ask.name}", f"/{repo.name}", 1)
    query = ask.request.url.query
    return RedirectResponse(ask.base + target + (f"?{query}" if query else ""), status_code=307)


def _paths_info(ask: Ask, body: bytes) -> Response:
    paths, expand = _wanted_paths(ask.request, body)
    revision, _ = split_revision(ask.parts["rev"], "")
    ask.refresh(revision)
    with ask.hub.db.read() as connection:
        repo = find_repo(ask, connection)
        if repo.moved:
            return moved(ask, repo)
        commit = ask.hub.repos.resolve(connection, repo, revision)
        trees = Trees(ask.hub.db, connection)
        found = [(path, trees.find(commit.tree, path.strip("/"))) for path in paths if path.strip("/")]
        facts = [file_facts(path.strip("/"), entry) for path, entry in found if entry is not None]
        if expand:
            add_last_commits(ask, connection, commit, facts)
    return JSONResponse(facts, headers={"X-Repo-Commit": commit.oid})


def _wanted_paths(request: Request, body: bytes) -> tuple[list[str], bool]:
    if "json" in request.headers.get("content-type", ""):
        import json

        try:
            data = json.loads(body)
            paths, expand = data.get("paths", []), bool(data.get("expand"))
        except (ValueError, AttributeError, RecursionError) as error:
            raise BadRequest("The body is no JSON object") from error
    else:
        try:
            form = parse_qs(body.decode("utf-8"), max_num_fields=20_000)
        except ValueError as error:
            raise BadRequest("The body is no form") from error
        paths, expand = form.get("paths", []), flag(form.get("expand", [""])[0])
    if not isinstance(paths, list) or not all(isinstance(path, str) for path in paths) or len(paths) > 10_000:
        raise BadRequest("'paths' is no list of at most 10000 texts")
    return paths, expand


def add_last_commits(ask: Ask, connection: Connection, head: Commit, facts: list[dict[str, Any]]) -> None:
    """Add to each file or folder the newest commit that changed it."""
    trees = Trees(ask.hub.db, connection)
    open_facts = {fact["path"]: fact for fact in facts}
    newer: Commit | None = None
    for commit in ask.hub.repos.history(connection, head):
        if newer is not None:
            for path, fact in list(open_facts.items()):
                entry = trees.find(commit.tree, path)
                if entry is None or entry.oid != fact["oid"]:
                    fact["lastCommit"] = _last(newer)
                    del open_facts[path]
        if not open_facts:
            return
        newer = commit
    for fact in open_facts.values():
        if newer is not None:
            fact["lastCommit"] = _last(newer)


def _last(commit: Commit) -> dict[str, Any]:
    return {"id": commit.oid, "title": commit.title, "date": iso(commit.at)}


def commit_facts(commit: Commit) -> dict[str, Any]:
    """A commit as the history endpoint gives it."""
    import html

    return {
        "id": commit.oid, "title": commit.title, "message": commit.message, "date": iso(commit.at),
        "authors": [{"user": commit.author}],
        "formatted": {"title": html.escape(commit.title), "message": html.escape(commit.message)},
    }  # fmt: skip


def _refs(rows: list[Any], prefix: str) -> list[dict[str, str]]:
    return [
        {"name": row.name.removeprefix(prefix), "ref": row.name, "targetCommit": row.oid}
        for row in rows
        if row.name.startswith(prefix)
    ]


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
    return StreamingResponse(stream(_pieces(blob, start, end), _reader(ask)), status, headers, media)


def _pieces(blob: Blob, start: int, end: int) -> Iterator[Piece]:
    return blob.cut(start, end)


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
