"""Who there is: whoami, users and organizations, access to gated repositories."""

from __future__ import annotations

import json
import time
from typing import Any

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from sqlalchemy import func, select, update

from zoohub.hub.accounts import note
from zoohub.hub.api.base import Ask, Asked, on_repo, run, text
from zoohub.hub.api.push import yaml_findings
from zoohub.hub.api.repos import storage_rows
from zoohub.hub.errors import BadRequest, NotFound
from zoohub.hub.gating import request_access
from zoohub.hub.modelfacts import iso
from zoohub.hub.tables import access, repos, tokens, users

STATES = ("pending", "accepted", "rejected")


# Endpoints of the Hugging Face API that concern no single repository.
router = APIRouter(prefix="/api")


@router.get("/whoami-v2")
def whoami(ask: Asked) -> dict[str, Any]:
    """Who the token belongs to."""
    return _whoami(ask)


@router.post("/validate-yaml")
async def validate_yaml(ask: Asked) -> Response:
    """Check a card's metadata."""
    data = await ask.json()
    errors, warnings = await run(yaml_findings, text(data, "content"))
    return JSONResponse({"errors": errors, "warnings": warnings}, 400 if errors else 200)


@router.get("/settings/repositories")
def own_repositories(ask: Asked) -> list[dict[str, Any]]:
    """The caller's repositories and the room they take."""
    return storage_rows(ask, ask.user.id or 0)


@router.get("/organizations/{org}/settings/repositories")
def org_repositories(ask: Asked) -> list[dict[str, Any]]:
    """The repositories of an organization."""
    row = ask.hub.accounts.find(ask.parts["org"])
    if row is None or row.id not in ask.user.roles:
        raise NotFound("No such organization")
    return storage_rows(ask, row.id)


@router.get("/users/{user}/overview")
def user_overview(ask: Asked) -> dict[str, Any]:
    """A user's public facts."""
    return _overview(ask, ask.parts["user"], "user")


@router.get("/organizations/{org}/overview")
def org_overview(ask: Asked) -> dict[str, Any]:
    """An organization's public facts."""
    return _overview(ask, ask.parts["org"], "org")


@router.get("/organizations/{org}/members")
def org_members(ask: Asked) -> list[dict[str, Any]]:
    """The members of an organization."""
    row = ask.hub.accounts.need(ask.parts["org"], "org")
    if row.id not in ask.user.roles and not ask.user.admin:
        raise NotFound("No such organization")
    return [
        {"user": member.name, "fullname": member.fullname or member.name, "role": member.role,
         "type": "user", "isPro": False, "avatarUrl": ""}
        for member in ask.hub.accounts.members(row.id)
    ]  # fmt: skip


@router.get("/models-tags-by-type")
def model_tags(ask: Asked) -> dict[str, list[dict[str, str]]]:
    """The tags that models of this hub have, by type."""
    return ask.hub.tags("model")


@router.get("/datasets-tags-by-type")
def dataset_tags(ask: Asked) -> dict[str, list[dict[str, str]]]:
    """The tags that public datasets of this hub have, by type."""
    return ask.hub.tags("dataset")


@router.get("/agent-harnesses", include_in_schema=False)
def agent_harnesses() -> dict[str, Any]:
    """Nothing; but the client asks this at every start, and anything else than an object breaks it."""
    return {}


# Requests for access to gated repositories.
gate_router = APIRouter()


@on_repo(gate_router, "GET", "/user-access-request/{status}")
def requests(ask: Asked) -> Response:
    """Requests for access."""
    return _requests(ask)


@on_repo(gate_router, "POST", "/user-access-request/handle")
async def handle(ask: Asked) -> Response:
    """Accept, reject or cancel a request."""
    return await run(_handle, ask, await ask.json())


@on_repo(gate_router, "POST", "/user-access-request/grant")
async def grant(ask: Asked) -> Response:
    """Grant access unasked."""
    return await run(_grant, ask, await ask.json())


@on_repo(gate_router, "POST", "/ask-access")
async def ask_access(ask: Asked) -> Response:
    """Request access."""
    data = await ask.json(optional=True)
    status = await run(request_access, ask.hub, ask.user, ask.type, ask.name, data)
    return JSONResponse({"status": status})


def _whoami(ask: Ask) -> dict[str, Any]:
    actor = ask.user
    with ask.hub.db.read() as connection:
        row = connection.execute(select(users).where(users.c.id == actor.id)).one()
        token = connection.execute(select(tokens).where(tokens.c.id == actor.token_id)).first()
    orgs = [
        {"type": "org", "id": name, "name": name, "fullname": name, "roleInOrg": role, "isEnterprise": False}
        for name, role in actor.orgs
    ]
    return {
        "type": "user", "id": f"{row.id:024x}", "name": row.name, "fullname": row.fullname or row.name,
        "email": row.email, "emailVerified": False, "canPay": False, "isPro": False, "avatarUrl": "",
        "orgs": orgs,
        "auth": {"type": "access_token", "accessToken": {
            "displayName": actor.token_name, "role": actor.role,
            "createdAt": iso(token.created) if token else None,
        }},
    }  # fmt: skip


def _overview(ask: Ask, name: str, kind: str) -> dict[str, Any]:
    row = ask.hub.accounts.find(name)
    if row is None or row.kind != kind or (ask.hub.config.login_required and ask.actor.anonymous):
        raise NotFound(f"No {kind} {name!r}")
    with ask.hub.db.read() as connection:
        # Only public ones are counted: the number must not tell of private ones.
        public = select(repos.c.type, func.count().label("n")).where(
            repos.c.owner_id == row.id, repos.c.private.is_(False)
        )
        counts = {item.type: item.n for item in connection.execute(public.group_by(repos.c.type))}
    facts = {
        "fullname": row.fullname or row.name, "avatarUrl": "", "numModels": counts.get("model", 0),
        "numDatasets": counts.get("dataset", 0), "numSpaces": 0, "type": kind,
    }  # fmt: skip
    return facts | ({"user": row.name, "isPro": False} if kind == "user" else {"name": row.name})


def _requests(ask: Ask) -> Response:
    status = ask.parts["status"]
    if status not in STATES:
        raise BadRequest(f"The status is one of {', '.join(STATES)}")
    with ask.hub.db.read() as connection:
        repo = ask.hub.repos.administered(connection, ask.user, ask.type, ask.name)
        if not repo.gated:
            raise BadRequest("The repository is not gated")
        query = (
            select(access, users.c.name, users.c.fullname, users.c.email)
            .join(users, users.c.id == access.c.user_id)
            .where(access.c.repo_id == repo.id, access.c.status == status)
            .order_by(access.c.at)
        )
        rows = connection.execute(query).all()
    return JSONResponse([
        {
            "requestId": str(row.id), "status": row.status, "timestamp": iso(row.at),
            "user": {"user": row.name, "fullname": row.fullname or row.name, "email": row.email},
            **({"fields": json.loads(row.fields)} if row.fields else {}),
        }
        for row in rows
    ])  # fmt: skip


def _handle(ask: Ask, data: dict[str, Any]) -> Response:
    status = text(data, "status")
    if status not in STATES:
        raise BadRequest(f"The status is one of {', '.join(STATES)}")
    reason = data.get("rejectionReason")
    with ask.hub.db.write() as connection:
        repo = ask.hub.repos.administered(connection, ask.user, ask.type, ask.name)
        where = [access.c.repo_id == repo.id]
        if "requestId" in data:
            number = str(data["requestId"])
            where.append(access.c.id == (int(number) if number.isdigit() and len(number) < 10 else -1))
        else:
            who = select(users.c.id).where(users.c.key == text(data, "user").lower())
            where.append(access.c.user_id.in_(who))
        values = {"status": status, "reason": reason if isinstance(reason, str) else None}
        if not connection.execute(update(access).where(*where).values(**values)).rowcount:
            raise NotFound("No such access request")
        note(connection, ask.user.name, "access.handle", f"{ask.type}:{repo.name}", {"status": status})
    return JSONResponse({"status": status})


def _grant(ask: Ask, data: dict[str, Any]) -> Response:
    who = ask.hub.accounts.need(text(data, "user"), "user")
    with ask.hub.db.write() as connection:
        repo = ask.hub.repos.administered(connection, ask.user, ask.type, ask.name)
        if not repo.gated:
            raise BadRequest("The repository is not gated")
        row = {"repo_id": repo.id, "user_id": who.id, "status": "accepted", "at": time.time()}
        if not ask.hub.db.insert_new(connection, access, row):
            where = (access.c.repo_id == repo.id, access.c.user_id == who.id, access.c.status != "accepted")
            if not connection.execute(update(access).where(*where).values(status="accepted")).rowcount:
                raise BadRequest(f"{who.name} has access already")
        note(connection, ask.user.name, "access.grant", f"{ask.type}:{repo.name}", {"user": who.name})
    return JSONResponse({"status": "accepted"})
