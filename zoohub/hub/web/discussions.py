"""The pages of discussions and pull requests: list, read, open, comment, close, merge."""

from __future__ import annotations

import json
from typing import Any

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy import Connection, Row

from zoohub.hub import discussions
from zoohub.hub.diffs import diff
from zoohub.hub.errors import Conflict, NotFound
from zoohub.hub.repos import HEADS, Repo
from zoohub.hub.web.models import Opened, asked_for, open_repo
from zoohub.hub.web.render import Sent, View, card_html, members_only

NOTHING: dict[str, Any] = {
    "problem": "", "conflicts": (), "files": None, "lines": [], "cut": False, "merges": False,
}  # fmt: skip
MAX_LINES = 3000  # of a difference; more make a page slow
router = APIRouter(include_in_schema=False, dependencies=[Depends(members_only)])


def list_page(request: Request) -> Response:
    """The discussions of a repository, open or closed."""
    view = View(request)
    type_, name = asked_for(request)
    query = request.query_params
    status = "closed" if query.get("status") == "closed" else "open"
    asked = query.get("p", "0")
    page = int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 7 else 0
    with view.hub.db.read() as connection:
        opened = open_repo(view, connection, type_, name)
        found = discussions.listed(connection, opened.repo, status=status, page=page)
        open_count = discussions.listed(connection, opened.repo, status="open").count
    return view.page(
        "discussions.html", opened=opened, type=type_, found=found, shown=status, page=page,
        counts={"open": open_count, "closed": found.closed}, speaks=_speaks(view, opened.repo),
        more=(page + 1) * discussions.PAGE < found.count,
    )  # fmt: skip


def one_page(request: Request) -> Response:
    """A discussion with all that happened; a pull request with what it changes."""
    view = View(request)
    type_, name = asked_for(request)
    with view.hub.db.read() as connection:
        opened = open_repo(view, connection, type_, name)
        row = discussions.found(connection, opened.repo, _number(request))
        happened = discussions.history(connection, opened.repo, row.number)
        changes = _changes(view, connection, opened, row) if row.pull else NOTHING
    speaks = _speaks(view, opened.repo)
    return view.page(
        "discussion.html", opened=opened, type=type_, row=row, speaks=speaks,
        events=[_event(view, opened.repo, event) for event in happened],
        owns=speaks and (opened.writes or view.actor.name == row.author), **changes,
    )  # fmt: skip


def begin(view: Sent, title: str = Form(""), text: str = Form("")) -> Response:
    """Open a discussion."""
    with view.hub.db.write() as connection:
        repo = _readable(view, connection)
        number = discussions.begin(view.hub.repos, connection, view.actor, repo, title, text)
    return _to(view, repo, number)


def comment(view: Sent, text: str = Form("")) -> Response:
    """Add a comment."""
    with view.hub.db.write() as connection:
        repo = _readable(view, connection)
        discussions.check_speaker(view.actor, repo)
        row = discussions.found(connection, repo, _number(view.request))
        discussions.commented(connection, repo, row.number, view.actor.name, text)
    return _to(view, repo, row.number)


def set_status(view: Sent, status: str = Form("")) -> Response:
    """Open or close a discussion."""
    with view.hub.db.write() as connection:
        repo = _readable(view, connection)
        row = discussions.found(connection, repo, _number(view.request))
        discussions.check_owner(view.hub.repos, view.actor, repo, row.author)
        wanted = "open" if status == "open" else "closed"
        discussions.set_status(connection, repo, row, wanted, view.actor.name)
    return _to(view, repo, row.number)


def merge(view: Sent) -> Response:
    """Merge a pull request."""
    type_, name = asked_for(view.request)
    number = _number(view.request)
    return _to(view, view.hub.merge(view.actor, type_, name, number).repo, number)


def _readable(view: View, connection: Connection) -> Repo:
    return view.hub.repos.readable(connection, view.actor, *asked_for(view.request))


def _to(view: View, repo: Repo, number: int) -> Response:
    return RedirectResponse(view.link(f"{repo.path}/discussions/{number}"), 303)


def _number(request: Request) -> int:
    text = str(request.path_params["number"])
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise NotFound("No such discussion")
    return int(text)


def _speaks(view: View, repo: Repo) -> bool:
    return not view.actor.anonymous and not repo.mirror


def _event(view: View, repo: Repo, row: Row[Any]) -> dict[str, Any]:
    data = json.loads(row.data)
    shown = {
        "kind": row.kind,
        "author": row.author,
        "day": view.day(row.at),
        "edited": False,
        "hidden": False,
        **data,
    }
    if row.kind == "comment":
        shown["html"] = card_html(data["text"], f"{view.root}{repo.path}/resolve/main")
    return shown


def _changes(view: View, connection: Connection, opened: Opened, row: Row[Any]) -> dict[str, Any]:
    """What a pull request that is open would change, and whether the user may merge it."""
    if row.status not in discussions.OPEN:
        return NOTHING
    hub = view.hub
    main = hub.repos.resolve(connection, opened.repo, HEADS + "main")
    try:
        found = discussions.merge_of(hub.repos, connection, opened.repo, row.number, main)
    except Conflict as error:
        return NOTHING | {"problem": error.message}
    lines: list[str] = []
    if opened.access is None:  # a difference shows content
        lines = diff(hub.blobs, connection, found, hub.db).splitlines()
    return NOTHING | {
        "conflicts": found.conflicts, "files": sorted(found.changes), "lines": lines[:MAX_LINES],
        "cut": len(lines) > MAX_LINES, "merges": opened.writes and bool(found.changes) and not found.conflicts,
    }  # fmt: skip


for _prefix in ("/datasets/{ns}/{name}", "/{ns}/{name}"):
    router.add_api_route(_prefix + "/discussions", list_page, methods=["GET"])
    router.add_api_route(_prefix + "/discussions", begin, methods=["POST"])
    router.add_api_route(_prefix + "/discussions/{number}", one_page, methods=["GET"])
    router.add_api_route(_prefix + "/discussions/{number}/comment", comment, methods=["POST"])
    router.add_api_route(_prefix + "/discussions/{number}/status", set_status, methods=["POST"])
    router.add_api_route(_prefix + "/discussions/{number}/merge", merge, methods=["POST"])
