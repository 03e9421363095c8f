"""Repositories as such: information, creating, moving, deleting, settings, the files that take room."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from sqlalchemy import delete, func, select

from zoohub.hub import names
from zoohub.hub.api.base import Ask, Asked, flag, on_repo, run, split_revision, text
from zoohub.hub.api.files import find_repo, moved
from zoohub.hub.errors import BadRequest, Conflict
from zoohub.hub.facts import repo_facts
from zoohub.hub.modelfacts import expanded, iso
from zoohub.hub.repos import Repo
from zoohub.hub.tables import blobs, holdings, repos
from zoohub.hub.trees import Trees


def expand_keys(ask: Ask) -> list[str]:
    """The values of `expand`, in each of the spellings that clients use."""
    query = ask.request.query_params
    return [
        part for key in ("expand", "expand[]") for value in query.getlist(key) for part in value.split(",")
    ]


# `/api/models/{repo}` and what belongs to a repository as a whole.
info_router = APIRouter()


@on_repo(info_router, "GET", "/revision/{rev:path}")
def revision_info(ask: Asked) -> Response:
    """Information about a revision."""
    return _info(ask, split_revision(ask.parts["rev"], "")[0])


@on_repo(info_router, "PUT", "/settings")
async def settings(ask: Asked) -> Response:
    """Change visibility or gating."""
    return await run(_configure, ask, await ask.json())


@on_repo(info_router, "GET", "/lfs-files")
def lfs_files(ask: Asked) -> Response:
    """The large files that the repository holds."""
    return _lfs_files(ask)


@on_repo(info_router, "POST", "/lfs-files/batch")
async def delete_lfs_files(ask: Asked) -> Response:
    """Delete large files for good."""
    return await run(_delete_lfs_files, ask, await ask.json())


@on_repo(info_router, "POST", "/duplicate")
async def duplicate(ask: Asked) -> Response:
    """Copy a repository to a new one."""
    return await run(_duplicate, ask, await ask.json())


@on_repo(info_router, "GET", "")
def info(ask: Asked) -> Response:
    """Information about a repository."""
    return _info(ask, None)


# `/api/repos/...`: creating, moving, deleting.
manage_router = APIRouter(prefix="/api/repos")


@manage_router.post("/create")
async def create(ask: Asked) -> Response:
    """Create a repository."""
    return await run(_create, ask, await ask.json())


@manage_router.delete("/delete")
async def remove(ask: Asked) -> Response:
    """Delete a repository."""
    data = await ask.json()
    name = text(data, "name")
    namespace = data.get("organization") or (ask.user.name if "/" not in name else None)
    full = f"{namespace}/{name}" if namespace else name
    await run(ask.hub.delete_repo, ask.user, _type(data), full)
    return Response(status_code=200)


@manage_router.post("/move")
async def move(ask: Asked) -> Response:
    """Move or rename a repository."""
    data = await ask.json()
    repo = await run(ask.hub.move_repo, ask.user, _type(data), text(data, "fromRepo"), text(data, "toRepo"))
    return JSONResponse({"url": ask.base + repo.path})


def _type(data: dict[str, Any]) -> str:
    kind = data.get("type") or "model"
    if kind not in names.REPO_TYPES:
        raise BadRequest(f"This hub keeps models and datasets, no {kind!r}")
    return str(kind)


def _private(data: dict[str, Any], default: bool | None) -> bool | None:
    if "visibility" in data:
        if data["visibility"] not in ("public", "private"):
            raise BadRequest("The visibility is public or private")
        return bool(data["visibility"] == "private")
    value = data.get("private", default)
    if value is not None and not isinstance(value, bool):
        raise BadRequest("'private' is true or false")
    return value


def _create(ask: Ask, data: dict[str, Any]) -> Response:
    name, namespace = text(data, "name"), data.get("organization")
    if namespace is not None and not isinstance(namespace, str):
        raise BadRequest("'organization' is no text")
    if "/" in name:
        namespace, _, name = name.partition("/")
    private = _private(data, ask.hub.config.default_private)
    kind = _type(data)
    full = f"{namespace or ask.user.name}/{name}"
    return _made(
        ask,
        kind,
        full,
        lambda: ask.hub.create_repo(ask.user, name, namespace, type=kind, private=bool(private)),
    )


def _duplicate(ask: Ask, data: dict[str, Any]) -> Response:
    target, private = text(data, "repository"), _private(data, None)
    full = target if "/" in target else f"{ask.user.name}/{target}"
    return _made(
        ask, ask.type, full, lambda: ask.hub.duplicate_repo(ask.user, ask.type, ask.name, full, private)
    )


def _made(ask: Ask, kind: str, full: str, make: Callable[[], Repo]) -> Response:
    """The address of a new repository, or 409 with that of the one that is there."""
    try:
        repo = make()
    except Conflict as error:
        # The client reads where the repository is even from this answer.
        url = f"{ask.base}{'/datasets' if kind == 'dataset' else ''}/{full}"
        return JSONResponse(
            {"error": error.message, "url": url}, 409, headers={"X-Error-Message": error.message}
        )
    return JSONResponse({"url": ask.base + repo.path, "name": repo.name, "id": f"{repo.id:024x}"})


def _configure(ask: Ask, data: dict[str, Any]) -> Response:
    facts: dict[str, Any] = {}
    private = _private(data, None)
    if private is not None:
        facts["private"] = private
    if "gated" in data:
        if data["gated"] not in (False, "auto", "manual"):
            raise BadRequest('\'gated\' is false, "auto" or "manual"')
        facts["gated"] = data["gated"] or None
    repo = ask.hub.configure_repo(ask.user, ask.type, ask.name, **facts)
    return JSONResponse({"private": repo.private, "gated": repo.gated or False})


def _info(ask: Ask, revision: str | None) -> Response:
    expand = expand_keys(ask)
    blobs_too = flag(ask.request.query_params.get("blobs"))
    ask.refresh(revision or "main")
    with ask.hub.db.read() as connection:
        repo = find_repo(ask, connection)
        if repo.moved:
            return moved(ask, repo)
        commit = ask.hub.repos.resolve(connection, repo, revision or "main")
        files = Trees(ask.hub.db, connection).files(commit.tree)
        facts = repo_facts(repo, commit, files, blobs=blobs_too)
    return JSONResponse(expanded(facts, expand) if expand else facts, headers={"X-Repo-Commit": commit.oid})


def _lfs_files(ask: Ask) -> Response:
    with ask.hub.db.read() as connection:
        repo = ask.hub.repos.writable(connection, ask.user, ask.type, ask.name)
        query = (
            select(holdings, blobs.c.size)
            .join(blobs, blobs.c.sha256 == holdings.c.sha256)
            .where(holdings.c.repo_id == repo.id)
            .order_by(holdings.c.at)
        )
        rows = connection.execute(query).all()
        head = ask.hub.repos.resolve(connection, repo, "main")
        large = {e.sha256 for _, e in Trees(ask.hub.db, connection).files(head.tree) if e.lfs}
    return JSONResponse([
        {
            "oid": row.sha256, "fileOid": row.sha256, "filename": row.path or "", "size": row.size,
            "pushedAt": iso(row.at), "ref": "refs/heads/main" if row.sha256 in large else None,
        }
        for row in rows
        if row.sha256 in large or not row.committed
    ])  # fmt: skip


def _delete_lfs_files(ask: Ask, data: dict[str, Any]) -> Response:
    """Forget blobs that no reference reaches any more; those still in use are refused."""
    wanted = (data.get("deletions") or {}).get("sha")
    if not isinstance(wanted, list) or len(wanted) > 1000:
        raise BadRequest("'deletions.sha' is no list of at most 1000")
    digests = [names.sha256(item) for item in wanted]
    with ask.hub.db.write() as connection:
        repo = ask.hub.repos.administered(connection, ask.user, ask.type, ask.name)
        used = ask.hub.reachable(connection, repo)
        if busy := [digest for digest in digests if digest in used]:
            raise Conflict(
                f"{len(busy)} of these files are still in a branch or tag: delete them there first, "
                "and squash the history"
            )
        connection.execute(
            delete(holdings).where(holdings.c.repo_id == repo.id, holdings.c.sha256.in_(digests))
        )
    return JSONResponse({"deleted": len(digests)})


def storage_rows(ask: Ask, owner_id: int) -> list[dict[str, Any]]:
    """The repositories of a namespace with the room they take, for `hf repos list`."""
    size = func.coalesce(func.sum(blobs.c.size), 0).label("size")
    query = (
        select(repos, size)
        .outerjoin(holdings, holdings.c.repo_id == repos.c.id)
        .outerjoin(blobs, blobs.c.sha256 == holdings.c.sha256)
        .where(repos.c.owner_id == owner_id)
        .group_by(repos.c.id)
        .order_by(repos.c.updated.desc())
    )
    with ask.hub.db.read() as connection:
        rows = connection.execute(query).all()
        total = sum(int(row.size) for row in rows) or 1
    return [
        {
            "id": row.name, "type": row.type, "updatedAt": iso(row.updated), "storage": int(row.size),
            "visibility": "private" if row.private else "public", "storagePercent": int(row.size) / total,
        }
        for row in rows
        if ask.actor.covers(row.key)
    ]  # fmt: skip
