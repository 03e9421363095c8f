"""Listing: `GET /api/models` over the whole registry, `GET /api/datasets` over this hub."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from sqlalchemy import select

from zoohub.hub.api.base import Ask, Asked, flag, integer, next_page
from zoohub.hub.api.repos import expand_keys
from zoohub.hub.errors import BadRequest
from zoohub.hub.facts import expanded, record_tags, registry_facts, repo_facts
from zoohub.hub.repos import Repo, repo_of
from zoohub.hub.tables import repos
from zoohub.registry import ModelRecord, Query

SORTS = {
    "downloads": "downloads", "likes": "likes", "lastModified": "updated", "last_modified": "updated",
    "createdAt": "updated", "created_at": "updated", "trendingScore": "relevance",
    "trending_score": "relevance", "num_parameters": "parameters",
}  # fmt: skip
# Pages are read on until this many models were looked at, where conditions must be checked one by one.
MAX_LOOKED_AT = 2000
Condition = Callable[[ModelRecord], bool]

router = APIRouter()


@router.get("")
def listing(ask: Asked) -> Response:
    """Search and list, page by page: the `Link` header leads on."""
    return _models(ask) if ask.type == "model" else _datasets(ask)


def _models(ask: Ask) -> Response:
    limit = integer(ask.request.query_params.get("limit"), 100, 1, 1000)
    query, conditions = read_query(ask)
    facts: list[dict[str, Any]] = []
    if not query.cursor:
        facts = [repo_facts(repo, None) for repo in hidden(ask, query, conditions)]
    looked_at, cursor = 0, query.cursor
    while len(facts) < limit and looked_at < MAX_LOOKED_AT:
        page = ask.hub.registry.search(replace(query, limit=limit, cursor=cursor))
        found = list(page)
        looked_at += len(found)
        facts += [registry_facts(item) for item in found if all(test(item) for test in conditions)]
        cursor = page.cursor
        if cursor is None:
            break
    headers = next_page(ask, cursor=cursor) if cursor is not None else None
    return JSONResponse([shaped(ask, item) for item in facts], headers=headers)


def shaped(ask: Ask, facts: dict[str, Any]) -> dict[str, Any]:
    """What of a model's facts was asked for."""
    if expand := expand_keys(ask):
        return expanded(facts, expand)
    query = ask.request.query_params
    full = flag(query.get("full"))
    wanted = {
        "siblings": full,
        "config": flag(query.get("config")),
        "cardData": full or flag(query.get("cardData")),
    }
    return {key: value for key, value in facts.items() if wanted.get(key, True)}


def read_query(ask: Ask) -> tuple[Query, list[Condition]]:
    """The search that the address asks for, and conditions beside it that each model is checked against.

    Raises:
        BadRequest: a value that no search can have.
    """
    params = ask.request.query_params
    facets: dict[str, list[str]] = {}
    conditions: list[Condition] = []
    values = [part for item in params.getlist("filter") for part in item.split(",") if part]
    values += [value for key in ("apps", "inference_provider") for value in params.getlist(key)]
    for value in values:
        _add_filter(ask, value, facets, conditions)
    for name, facet in (("author", "author"), ("pipeline_tag", "task"), ("library", "library")):
        if params.get(name):
            _add(facet, params[name], facets, conditions)
    if params.get("inference"):
        conditions.append(lambda _record: False)  # nothing runs here
    low, high = _bounds(params.get("num_parameters") or "")
    sort = params.get("sort")
    if sort and sort not in SORTS:
        raise BadRequest(f"Cannot sort by {sort[:40]!r}: {', '.join(SORTS)}")
    gated = flag(params["gated"]) if params.get("gated") else None
    query = Query(
        text=params.get("search") or "", **{key: tuple(items) for key, items in facets.items()},  # type: ignore[arg-type]
        gated=gated, min_params=low, max_params=high, sort=SORTS[sort] if sort else "relevance",
        ascending=params.get("direction") in ("1", "asc"), cursor=params.get("cursor"),
    )  # fmt: skip
    return query, conditions


def _add_filter(ask: Ask, value: str, facets: dict[str, list[str]], conditions: list[Condition]) -> None:
    """One `filter`: `license:mit`, `dataset:x`, `base_model:finetune:x`, or a bare word."""
    kind, colon, rest = value.partition(":")
    if colon and kind in ("license", "dataset", "language", "library"):
        _add(kind, rest, facets, conditions)
    elif colon and kind == "base_model":
        relation, inner, model = rest.partition(":")
        if inner:
            _add("relation", relation, facets, conditions)
        _add("base_model", model if inner else rest, facets, conditions)
    else:
        _add(ask.hub.words.facet_of(value), value, facets, conditions)


def _add(facet: str, value: str, facets: dict[str, list[str]], conditions: list[Condition]) -> None:
    """Add a condition; a second one on the same facet is checked model by model, since both must hold."""
    if facet not in facets:
        facets[facet] = [value]
    elif value not in facets[facet]:
        full = {
            "license": f"license:{value}",
            "dataset": f"dataset:{value}",
            "base_model": f"base_model:{value}",
        }
        tag = full.get(facet, value)
        conditions.append(lambda record: tag in record_tags(record) or value in record.tasks)


def _bounds(text: str) -> tuple[int | None, int | None]:
    """`min:3B,max:70B` as numbers."""
    found: dict[str, int] = {}
    for part in filter(None, text.split(",")):
        name, _, number = part.partition(":")
        units = {"K": 10**3, "M": 10**6, "B": 10**9, "T": 10**12}
        unit = units.get(number[-1:].upper(), 1)
        try:
            found[name] = int(float(number[:-1] if unit > 1 else number) * unit)
        except (ValueError, OverflowError) as error:
            raise BadRequest(f"{part[:40]!r} is no bound of the number of parameters") from error
    return found.get("min"), found.get("max")


def hidden(ask: Ask, query: Query, conditions: Iterable[Condition]) -> list[Repo]:
    """Private repositories that the caller may see and that match: the registry knows none of them."""
    if ask.actor.anonymous:
        return []
    wanted = select(repos).where(repos.c.type == ask.type, repos.c.private.is_(True))
    if not ask.actor.admin:
        wanted = wanted.where(repos.c.owner_id.in_(ask.actor.roles))
    with ask.hub.db.read() as connection:
        rows = connection.execute(wanted.order_by(repos.c.updated.desc()).limit(1000))
        found = [repo_of(row) for row in rows]
    return [
        repo for repo in found
        if ask.hub.repos.can_see(ask.actor, repo) and matches(repo, query) and _holds(repo, conditions)
    ]  # fmt: skip


def _holds(repo: Repo, conditions: Iterable[Condition]) -> bool:
    record = ModelRecord.from_dict(_record(repo))
    return all(test(record) for test in conditions)


def _record(repo: Repo) -> dict[str, Any]:
    import json

    return json.loads(repo.record) if repo.record else {"id": repo.name}


def matches(repo: Repo, query: Query) -> bool:
    """Whether a repository that the registry does not know fits a search, judged by its record."""
    record = ModelRecord.from_dict(_record(repo))
    tags = {tag.lower() for tag in record_tags(record)}
    text = f"{repo.key} {record.description or ''} {' '.join(tags)}".lower()
    if not all(word in text for word in query.text.lower().split()):
        return False
    if query.gated is not None and query.gated != bool(repo.gated):
        return False
    if query.min_params and (record.parameters or 0) < query.min_params:
        return False
    if query.max_params and not 0 < (record.parameters or 0) <= query.max_params:
        return False
    prefixes = {"license": "license:", "dataset": "dataset:", "base_model": "base_model:"}
    for facet, values in query.facets():
        if facet == "author":
            held = {repo.namespace.lower()}
        elif facet == "relation":
            held = {base.relation or "" for base in record.base_models}
        else:
            held = tags
        if not any(f"{prefixes.get(facet, '')}{value}".lower() in held for value in values):
            return False
    return True


def _datasets(ask: Ask) -> Response:
    params = ask.request.query_params
    limit = integer(params.get("limit"), 100, 1, 1000)
    start = integer(params.get("cursor"), 0, 0, 1 << 40)
    order = repos.c.downloads if params.get("sort") == "downloads" else repos.c.updated
    with ask.hub.db.read() as connection:
        rows = connection.execute(select(repos).where(repos.c.type == "dataset").order_by(order.desc()))
        found = [repo for repo in map(repo_of, rows) if ask.hub.repos.can_see(ask.actor, repo)]
    query = Query(text=params.get("search") or "", author=(params["author"],) if params.get("author") else ())
    tags = [part.lower() for item in params.getlist("filter") for part in item.split(",") if part]
    found = [repo for repo in found if matches(repo, query) and _tagged(repo, tags)]
    facts = [shaped(ask, repo_facts(repo, None)) for repo in found[start : start + limit]]
    more = start + limit < len(found)
    return JSONResponse(facts, headers=next_page(ask, cursor=start + limit) if more else None)


def _tagged(repo: Repo, wanted: list[str]) -> bool:
    held = {tag.lower() for tag in record_tags(ModelRecord.from_dict(_record(repo)))}
    return all(tag in held for tag in wanted)
