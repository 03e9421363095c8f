"""Discussions and pull requests, as `HfApi.get_repo_discussions`, `merge_pull_request` and their kin ask."""

from __future__ import annotations

import html
import json
from typing import Any

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from sqlalchemy import Connection, Row

from zoohub.hub import discussions
from zoohub.hub.api.base import Ask, Asked, integer, on_repo, run, text
from zoohub.hub.api.files import find_repo, moved
from zoohub.hub.diffs import diff
from zoohub.hub.errors import BadRequest, Conflict, NotFound
from zoohub.hub.modelfacts import iso
from zoohub.hub.repos import HEADS, Repo

TYPES = {"discussion": False, "pull_request": True}

router = APIRouter()


@on_repo(router, "GET", "/discussions")
def listing(ask: Asked) -> Response:
    """List discussions and pull requests."""
    params = ask.request.query_params
    page = integer(params.get("p"), 0, 0, 1_000_000)
    kind, status = params.get("type") or "all", params.get("status") or "all"
    if kind not in (*TYPES, "all") or status not in (*discussions.STATES, "all"):
        raise BadRequest("The type is discussion, pull_request or all; the status is open, closed or all")
    with ask.hub.db.read() as connection:
        repo = find_repo(ask, connection)
        if repo.moved:
            return moved(ask, repo)
        found = discussions.listed(
            connection, repo, pull=TYPES.get(kind), author=params.get("author") or "",
            status="" if status == "all" else status, page=page,
        )  # fmt: skip
    return JSONResponse({
        "discussions": [_facts(repo, row) for row in found.rows], "count": found.count,
        "start": page * discussions.PAGE, "numClosedDiscussions": found.closed,
    })  # fmt: skip


@on_repo(router, "POST", "/discussions")
async def create(ask: Asked) -> Response:
    """Open a discussion or a draft of a pull request."""
    return await run(_create, ask, await ask.json())


@on_repo(router, "GET", "/discussions/{number}")
def details(ask: Asked) -> Response:
    """A discussion with all that happened; a pull request with its difference."""
    with ask.hub.db.read() as connection:
        repo = find_repo(ask, connection)
        if repo.moved:
            return moved(ask, repo)
        row = discussions.found(connection, repo, _number(ask))
        facts = _facts(repo, row)
        happened = discussions.history(connection, repo, row.number)
        facts["events"] = [event_facts(event) for event in happened]
        if row.pull:
            facts |= _changes(ask, connection, repo, row)
    return JSONResponse(facts)


@on_repo(router, "POST", "/discussions/{number}/merge")
async def merge(ask: Asked) -> Response:
    """Merge a pull request into main."""
    data = await ask.json(optional=True)
    return await run(_merge, ask, text(data, "comment", ""))


@on_repo(router, "POST", "/discussions/{number}/comment")
async def comment(ask: Asked) -> Response:
    """Add a comment."""
    return await run(_comment, ask, text(await ask.json(), "comment"))


@on_repo(router, "POST", "/discussions/{number}/title")
async def title(ask: Asked) -> Response:
    """Rename a discussion."""
    return await run(_title, ask, text(await ask.json(), "title"))


@on_repo(router, "POST", "/discussions/{number}/status")
async def status(ask: Asked) -> Response:
    """Open or close a discussion."""
    return await run(_status, ask, await ask.json())


@on_repo(router, "POST", "/discussions/{number}/comment/{comment}/edit")
async def edit(ask: Asked) -> Response:
    """Change a comment of one's own."""
    content = text(await ask.json(), "content")
    if not content.strip() or len(content) > discussions.MAX_COMMENT:
        raise BadRequest(f"A comment has 1 to {discussions.MAX_COMMENT} characters")
    return await run(_edit, ask, {"text": content})


@on_repo(router, "POST", "/discussions/{number}/comment/{comment}/hide")
async def hide(ask: Asked) -> Response:
    """Hide a comment for good."""
    return await run(_edit, ask, {"hidden": True})


def _create(ask: Ask, data: dict[str, Any]) -> Response:
    name, description = text(data, "title").strip(), text(data, "description", "")
    pull = data.get("pullRequest", False)
    if not isinstance(pull, bool):
        raise BadRequest("'pullRequest' is true or false")
    with ask.hub.db.write() as connection:
        repo = find_repo(ask, connection, read=True)
        number = discussions.begin(ask.hub.repos, connection, ask.user, repo, name, description, pull=pull)
    answer = {"num": number, "pullRequest": pull, "url": f"{ask.base}{repo.path}/discussions/{number}"}
    return JSONResponse(answer)


def _merge(ask: Ask, message: str) -> Response:
    done = ask.hub.merge(ask.user, ask.type, ask.name, _number(ask), message)
    if message.strip():
        with ask.hub.db.write() as connection:
            discussions.commented(connection, done.repo, _number(ask), ask.user.name, message)
    return JSONResponse({"mergeCommitId": done.oid, "status": "merged"})


def _comment(ask: Ask, content: str) -> Response:
    with ask.hub.db.write() as connection:
        repo = find_repo(ask, connection, read=True)
        discussions.check_speaker(ask.user, repo)
        row = discussions.found(connection, repo, _number(ask))
        event = discussions.commented(connection, repo, row.number, ask.user.name, content)
    return JSONResponse({"newMessage": event_facts(event)})


def _title(ask: Ask, new: str) -> Response:
    with ask.hub.db.write() as connection:
        repo, row = _owned(ask, connection)
        event = discussions.set_title(connection, repo, row, new, ask.user.name)
    return JSONResponse({"newTitle": event_facts(event)})


def _status(ask: Ask, data: dict[str, Any]) -> Response:
    wanted = data.get("status")
    if wanted not in ("open", "closed"):
        raise BadRequest("The status is open or closed")
    with ask.hub.db.write() as connection:
        repo, row = _owned(ask, connection)
        event = discussions.set_status(connection, repo, row, wanted, ask.user.name)
        if data.get("comment"):
            discussions.commented(connection, repo, row.number, ask.user.name, text(data, "comment"))
    return JSONResponse({"newStatus": event_facts(event)})


def _edit(ask: Ask, changes: dict[str, Any]) -> Response:
    with ask.hub.db.write() as connection:
        repo = find_repo(ask, connection, read=True)
        wanted = ask.parts["comment"]
        happened = discussions.history(
            connection, repo, discussions.found(connection, repo, _number(ask)).number
        )
        found = [event for event in happened if event_id(event) == wanted and event.kind == "comment"]
        if not found:
            raise NotFound("No such comment")
        if "hidden" in changes:
            discussions.check_owner(ask.hub.repos, ask.user, repo, found[0].author)
        else:
            discussions.check_author(ask.user, repo, found[0].author)
        event = discussions.edit(connection, found[0], **changes)
    return JSONResponse({"updatedComment": event_facts(event)})


def _owned(ask: Ask, connection: Connection) -> tuple[Repo, Row[Any]]:
    repo = find_repo(ask, connection, read=True)
    row = discussions.found(connection, repo, _number(ask))
    discussions.check_owner(ask.hub.repos, ask.user, repo, row.author)
    return repo, row


def _number(ask: Ask) -> int:
    found = ask.parts["number"]
    if not (found.isascii() and found.isdigit() and len(found) < 10):
        raise NotFound("No such discussion")
    return int(found)


def _facts(repo: Repo, row: Row[Any]) -> dict[str, Any]:
    return {
        "num": row.number, "title": row.title, "status": row.status, "isPullRequest": row.pull,
        "author": {"name": row.author, "type": "user"}, "createdAt": iso(row.created), "pinned": False,
        "locked": False, "repo": {"name": repo.name, "type": repo.type},
        "repoOwner": {"name": repo.namespace, "isParticipating": False, "isDiscussionAuthor": False},
    }  # fmt: skip


def _changes(ask: Ask, connection: Connection, repo: Repo, row: Row[Any]) -> dict[str, Any]:
    changes: dict[str, Any] = {"base": HEADS + "main"}
    if row.merged:
        return {"changes": changes | {"mergeCommitId": row.merged}, "filesWithConflicts": []}
    main = ask.hub.repos.resolve(connection, repo, HEADS + "main")
    try:
        found = discussions.merge_of(ask.hub.repos, connection, repo, row.number, main)
    except Conflict:
        return {"changes": changes, "filesWithConflicts": True}
    facts: dict[str, Any] = {"changes": changes, "filesWithConflicts": list(found.conflicts)}
    # The difference shows content, so only to those who may read it.
    if ask.request.query_params.get("diff") and ask.hub.repos.may_read(connection, ask.actor, repo):
        facts["diff"] = diff(ask.hub.blobs, connection, found, ask.hub.db)
    return facts


def event_id(event: Row[Any]) -> str:
    """An event's number as the client writes ids."""
    return f"{event.id:024x}"


def event_facts(event: Row[Any]) -> dict[str, Any]:
    """An event as the client reads it."""
    data = json.loads(event.data)
    author = {"name": event.author, "type": "user"}
    if event.kind == "comment":
        changed = iso(data.get("edited") or event.at)
        latest = {"raw": data["text"], "html": f"<p>{html.escape(data['text'])}</p>", "updatedAt": changed}
        data = {
            "edited": "edited" in data, "hidden": bool(data.get("hidden")), "latest": latest | {"author": author},
            "numEdits": int("edited" in data), "history": [],
        }  # fmt: skip
    return {
        "id": event_id(event), "type": event.kind, "author": author, "createdAt": iso(event.at), "data": data,
    }  # fmt: skip
