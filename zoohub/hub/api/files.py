"""Reading repositories: their files, folders, commits and references."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse
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
)
from zoohub.hub.errors import BadRequest, EntryNotFound
from zoohub.hub.modelfacts import iso
from zoohub.hub.repos import HEADS, PULLS, TAGS, Commit, Repo
from zoohub.hub.trees import Entry, Trees, lfs_pointer


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
