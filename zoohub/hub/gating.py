"""Requests for access to gated repositories, as the API and the pages both make them."""

from __future__ import annotations

import json
import time
from typing import Any

from sqlalchemy import Connection, select

from zoohub.hub.accounts import Actor, note
from zoohub.hub.errors import BadRequest, Forbidden, Unauthorized
from zoohub.hub.repos import Repo
from zoohub.hub.service import Hub
from zoohub.hub.tables import access


def access_status(connection: Connection, actor: Actor, repo: Repo) -> str:
    """The state of an actor's request: pending, accepted, rejected, or nothing."""
    if actor.anonymous:
        return ""
    where = (access.c.repo_id == repo.id, access.c.user_id == actor.id)
    return str(connection.scalar(select(access.c.status).where(*where)) or "")


def request_access(hub: Hub, actor: Actor, type: str, name: str, fields: dict[str, Any]) -> str:
    """Ask to read a gated repository; returns the state of the request.

    Raises:
        BadRequest: it is not gated; Forbidden: an earlier request was rejected.
    """
    if actor.anonymous:
        raise Unauthorized
    with hub.db.write() as connection:
        repo = hub.repos.visible(connection, actor, type, name)
        if not repo.gated:
            raise BadRequest("The repository is not gated")
        row = {
            "repo_id": repo.id, "user_id": actor.id, "at": time.time(),
            "status": "accepted" if repo.gated == "auto" else "pending",
            "fields": json.dumps(fields)[:10_000] if fields else None,
        }  # fmt: skip
        hub.db.insert_new(connection, access, row)
        status = access_status(connection, actor, repo)
        if status == "rejected":
            raise Forbidden("Your request was rejected by the repository's owner")
        note(connection, actor.name, "access.request", f"{type}:{repo.name}", {"status": status})
        return status
