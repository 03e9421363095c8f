"""The Xet endpoints: the write token that a repository gives, and the store that chunks are sent to.

Each user has an address of one's own (`/xet/<user>`), because the client remembers by address which chunks
the store has: what one user has sent is never taken for granted for another.
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse

from zoohub.hub.api.base import Ask, Asked, flag, on_repo, run
from zoohub.hub.errors import BadRequest, NotFound, Unauthorized
from zoohub.hub.names import sha256
from zoohub.hub.xetformat import MAX_XORB

LIFE = 6 * 3600
# A xorb's serialized form may exceed its chunks by their headers and a footer.
BODY = MAX_XORB + (8 << 20)


# `/api/models/{repo}/xet-write-token/{rev}`.
token_router = APIRouter()


@on_repo(token_router, "GET", "/xet-write-token/{rev:path}")
def write_token(ask: Asked) -> Response:
    """A token to send chunks with."""
    with ask.hub.db.read() as connection:
        create_pr = flag(ask.request.query_params.get("create_pr"))
        repo = ask.hub.commits.allowed(connection, ask.user, ask.type, ask.name, ask.parts["rev"], create_pr)
    data = {"user": ask.user.id, "repo": repo.id}
    token = ask.hub.signer.sign("xet", data, LIFE)
    expires = ask.hub.signer.read("xet", token)["exp"]
    cas = f"{ask.base}/xet/{ask.user.id}"
    headers = {
        "X-Xet-Cas-Url": cas, "X-Xet-Access-Token": token, "X-Xet-Token-Expiration": str(expires),
    }  # fmt: skip
    return JSONResponse({"casUrl": cas, "accessToken": token, "exp": expires}, headers=headers)


# `/xet/{user}/v1/...`: what hf_xet calls.
store_router = APIRouter(prefix="/xet/{user}", include_in_schema=False)


@store_router.post("/v1/xorbs/{prefix}/{digest}")
async def xorb(ask: Asked) -> Response:
    """Take a xorb: chunks that the store does not have."""
    data = _claims(ask)
    digest = sha256(ask.parts["digest"])
    # A client sends several at once; they wait here, unread, so that memory holds one or two.
    async with ask.request.app.state.xorbs:
        body = await ask.buffer(BODY)
        fresh = await run(ask.hub.xet.add_xorb, digest, body, data["user"])
    return JSONResponse({"was_inserted": fresh})


@store_router.post("/v1/shards")
@store_router.post("/shards")
async def shard(ask: Asked) -> Response:
    """Take a shard: of which chunks files are made."""
    data = _claims(ask)
    body = await ask.body()
    await run(ask.hub.xet.add_shard, body, data["user"], data["repo"])
    return JSONResponse({"result": 1})


@store_router.api_route("/{rest:path}", methods=["GET", "POST", "PUT", "HEAD"])
async def other(ask: Asked) -> Response:
    """Newer or optional calls: 404 makes the client use the ones above."""
    _claims(ask)
    await ask.body(BODY)
    raise NotFound("This hub does not offer that")


def _claims(ask: Ask) -> dict[str, Any]:
    scheme, _, token = ask.request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        raise Unauthorized
    data = ask.hub.signer.read("xet", token)
    if str(data["user"]) != ask.parts["user"]:
        raise BadRequest("This token is for another user's store")
    return data
