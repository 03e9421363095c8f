"""Listing: `GET /api/models` and `GET /api/datasets`.

Models are found by the registry's index: those of this hub, and where it mirrors another hub also those that
may be mirrored, since a client that asks for one gets it. Private ones, which the registry does not know, are
put before them for those who may see them. Datasets are few and are looked through.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from functools import partial
from typing import Any

from fastapi import APIRouter, Response
from sqlalchemy import select, tuple_

from zoohub.hub.accounts import Actor
from zoohub.hub.api.base import Ask, Asked, flag, integer, next_page, run
from zoohub.hub.api.repos import expand_keys
from zoohub.hub.errors import BadRequest
from zoohub.hub.facts import repo_facts
from zoohub.hub.finding import MAX_LOOKED_AT, Found, Shape
from zoohub.hub.modelfacts import record_tags
from zoohub.hub.repos import Repo, repo_of
from zoohub.hub.service import Hub
from zoohub.hub.tables import repos
from zoohub.registry import ModelRecord, Query

SORTS = {
    "downloads": "downloads", "likes": "likes", "lastModified": "updated", "last_modified": "updated",
    "createdAt": "created", "created_at": "created", "trendingScore": "relevance",
    "trending_score": "relevance", "num_parameters": "parameters",
}  # fmt: skip

router = APIRouter()


@router.get("")
async def listing(ask: Asked) -> Response:
    """Search and list, page by page: the `Link` header leads on."""
    limit = integer(ask.request.query_params.get("limit"), 100, 1, 1000)
    if ask.type == "dataset":
        found = await run(_datasets, ask, limit)
        return _answer(*_whole(ask, *found))
    # What strangers see is the same for all of them, so what many ask alike is looked for once.
    answers = ask.hub.answers
    stamp = None if "authorization" in ask.request.headers else ask.hub.watch.stamp()
    key = (ask.base, ask.request.scope["path"], ask.request.scope["query_string"])
    known = answers.get(key, stamp) if stamp is not None else None
    if known is None and stamp is None:
        known = _whole(ask, *await _models(ask, limit))
    elif known is None:
        known = await _shared(ask, (key, stamp), limit)
        answers.put(key, known, len(known[0]) + 1000, stamp)
    return _answer(*known)


async def _shared(ask: Ask, key: object, limit: int) -> tuple[bytes, dict[str, str]]:
    """The answer to a question that others may be asking at this moment, too: it is looked for once."""
    asked: dict[object, asyncio.Task[Found]] = ask.request.app.state.asked
    if key not in asked:

        def end(task: asyncio.Task[Found]) -> None:
            del asked[key]
            if not task.cancelled():
                task.exception()  # who is still there hears of it; nobody else needs to

        asked[key] = asyncio.create_task(_models(ask, limit))
        asked[key].add_done_callback(end)
    # The search goes on for the others, should this one's client go away.
    return _whole(ask, *await asyncio.shield(asked[key]))


def _whole(ask: Ask, found: list[bytes], cursor: str | None) -> tuple[bytes, dict[str, str]]:
    return b"[" + b",".join(found) + b"]", next_page(ask, cursor) if cursor is not None else {}


def _answer(text: bytes, headers: dict[str, str]) -> Response:
    return Response(text, headers=headers, media_type="application/json")


# --- models ---------------------------------------------------------------------------------------------


async def _models(ask: Ask, limit: int) -> Found:
    shape, order, wanted = _shape(ask), _order(ask), read_query(ask)
    if ask.request.query_params.get("inference"):
        return [], None  # nothing runs here
    if order == "created" and shape.mirrored is None:
        return await run(_looked_through, ask, Query(**wanted), shape, limit, "created")
    wanted |= {"sort": "updated" if order == "created" else order, "limit": limit}
    own: list[bytes] = []
    if not wanted["cursor"] and "authorization" in ask.request.headers:
        own = await run(_own, ask, Query(**wanted), shape)
    found, cursor = await ask.request.app.state.searchers.find(wanted, shape)
    return own + found, cursor


def _own(ask: Ask, query: Query, shape: Shape) -> list[bytes]:
    return [shape.write(repo_facts(repo, None)) for repo in hidden(ask.hub, ask.actor, query)]


def _shape(ask: Ask) -> Shape:
    """The shape that the address asks for."""
    query, expand, mirror = ask.request.query_params, expand_keys(ask), ask.hub.mirror
    flags = (flag(query.get(name)) for name in ("full", "config", "cardData"))
    return Shape.of(tuple(expand), *flags, mirror.config.upstream_allow if mirror.asks else None)


def _order(ask: Ask) -> str:
    sort = ask.request.query_params.get("sort")
    if sort and sort not in SORTS:
        raise BadRequest(f"Cannot sort by {sort[:40]!r}: {', '.join(SORTS)}")
    return SORTS[sort] if sort else "relevance"


# --- what is asked for ----------------------------------------------------------------------------------


def read_query(ask: Ask) -> dict[str, Any]:
    """The search that the address asks for, all of whose values must hold, as fields of `Query`.

    Raises:
        BadRequest: a value that no search can have.
    """
    params = ask.request.query_params
    required: dict[str, list[str]] = {}
    values = [part for item in params.getlist("filter") for part in item.split(",") if part]
    values += [value for key in ("apps", "inference_provider") for value in params.getlist(key)]
    wanted = [pair for value in values for pair in _filter(ask, value)]
    wanted += [
        (facet, params[name])
        for name, facet in (("author", "author"), ("pipeline_tag", "task"), ("library", "library"))
        if params.get(name)
    ]
    for facet, value in wanted:
        required.setdefault(facet, []).append(value)
    low, high = _bounds(params.get("num_parameters") or "")
    return {
        "text": params.get("search") or "", "require": {key: tuple(items) for key, items in required.items()},
        "gated": flag(params["gated"]) if params.get("gated") else None, "min_params": low, "max_params": high,
        "ascending": params.get("direction") in ("1", "asc"), "cursor": params.get("cursor"),
    }  # fmt: skip


def _filter(ask: Ask, value: str) -> Iterator[tuple[str, str]]:
    """Facet and value of one `filter`: `license:mit`, `dataset:x`, `base_model:finetune:x`, or a bare word."""
    kind, colon, rest = value.partition(":")
    if colon and kind in ("license", "dataset", "language", "library"):
        yield kind, rest
    elif colon and kind == "base_model":
        relation, inner, model = rest.partition(":")
        if inner:
            yield "relation", relation
        yield "base_model", model if inner else rest
    else:
        yield ask.hub.words.facet_of(value), value


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


# --- what is looked through -----------------------------------------------------------------------------


def hidden(hub: Hub, actor: Actor, query: Query, limit: int = 1000) -> list[Repo]:
    """Private models that somebody may see and that match, the last changed first."""
    if actor.anonymous:
        return []
    wanted = select(repos).where(repos.c.type == "model", repos.c.private.is_(True))
    if not actor.admin:
        wanted = wanted.where(repos.c.owner_id.in_(actor.roles))
    with hub.db.read() as connection:
        rows = connection.execute(wanted.order_by(repos.c.updated.desc()).limit(limit))
        found = [repo_of(row) for row in rows]
    return [repo for repo in found if hub.repos.can_see(actor, repo) and matches(repo, query)]


def _datasets(ask: Ask, limit: int) -> Found:
    params = ask.request.query_params
    tags = [part for item in params.getlist("filter") for part in item.split(",") if part]
    required = {"tag": tuple(tags), "author": (params["author"],) if params.get("author") else ()}
    query = Query(text=params.get("search") or "", require=required, cursor=params.get("cursor"))
    order = _order(ask)
    return _looked_through(
        ask, query, _shape(ask), limit, order if order in ("downloads", "created") else "updated"
    )


def _looked_through(ask: Ask, query: Query, shape: Shape, limit: int, column: str) -> Found:
    """Repositories of this hub in the order of a column of their table, judged one by one."""
    place = (repos.c[column], repos.c.id)
    wanted = select(repos).where(repos.c.type == ask.type)
    wanted = wanted.order_by(*(each.asc() if query.ascending else each.desc() for each in place))
    if query.cursor:
        after = tuple_(*place), tuple_(*_place(query.cursor))
        wanted = wanted.where(after[0] > after[1] if query.ascending else after[0] < after[1])
    found: list[bytes] = []
    with ask.hub.db.read() as connection:
        rows = connection.execute(wanted.limit(MAX_LOOKED_AT + 1)).all()
    for number, row in enumerate(rows):
        if len(found) == limit or number == MAX_LOOKED_AT:
            last = rows[number - 1]
            return found, f"{getattr(last, column)!r}:{last.id}"
        repo = repo_of(row)
        if ask.hub.repos.can_see(ask.actor, repo) and matches(repo, query):
            found.append(shape.write(repo_facts(repo, None)))
    return found, None


def _place(cursor: str) -> tuple[float, int]:
    value, _, number = cursor.partition(":")
    try:
        return float(value), int(number[:18])
    except ValueError as error:
        raise BadRequest(f"{cursor[:40]!r} is no cursor") from error


def matches(repo: Repo, query: Query) -> bool:
    """Whether a repository fits a search, judged by its record."""
    record = ModelRecord.from_dict(json.loads(repo.record) if repo.record else {"id": repo.name})
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
    held = partial(_held, repo, record, tags)
    return all(
        any(value.lower() in held(facet) for value in values) for facet, values in query.facets()
    ) and all(value.lower() in held(facet) for facet, values in query.require.items() for value in values)


def _held(repo: Repo, record: ModelRecord, tags: set[str], facet: str) -> set[str]:
    """The values of a facet that a repository has, in lower case."""
    if facet == "author":
        return {repo.namespace.lower()}
    if facet == "relation":
        return {base.relation or "" for base in record.base_models}
    prefix = {"license": "license:", "dataset": "dataset:", "base_model": "base_model:"}.get(facet)
    return {tag.removeprefix(prefix) for tag in tags if tag.startswith(prefix)} if prefix else tags
