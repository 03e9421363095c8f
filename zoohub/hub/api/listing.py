"""Listing models and datasets: `GET /api/models` and `GET /api/datasets`."""

from __future__ import annotations

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from sqlalchemy import select

from zoohub.hub.api.base import Asked, integer, next_page
from zoohub.hub.api.repos import expand_keys
from zoohub.hub.facts import expanded, repo_facts
from zoohub.hub.repos import repo_of
from zoohub.hub.tables import repos

# The listing of one kind of repository.
router = APIRouter()


@router.get("")
def listing(ask: Asked) -> Response:
    """Search and list."""
    query = ask.request.query_params
    limit = integer(query.get("limit"), 100, 1, 1000)
    start = integer(query.get("cursor"), 0, 0, 1 << 40)
    with ask.hub.db.read() as connection:
        rows = connection.execute(
            select(repos).where(repos.c.type == ask.type).order_by(repos.c.updated.desc())
        )
        found = [repo_of(row) for row in rows]
    found = [repo for repo in found if ask.hub.repos.can_see(ask.actor, repo)]
    word = (query.get("search") or "").lower()
    author = (query.get("author") or "").lower()
    found = [
        repo for repo in found
        if word in repo.key and (not author or repo.key.startswith(author + "/"))
    ]  # fmt: skip
    expand = expand_keys(ask)
    facts = [repo_facts(repo, None) for repo in found[start : start + limit]]
    headers = next_page(ask, cursor=start + limit) if start + limit < len(found) else None
    return JSONResponse([expanded(item, expand) if expand else item for item in facts], headers=headers)
