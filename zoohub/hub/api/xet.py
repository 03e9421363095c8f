"""The Xet endpoints: the write token that a repository gives, and the store that chunks are sent to.

Each user has an address of one's own (`/xet/<user>`), because the client remembers by address which chunks
the store has: what one user has sent is never taken for granted for another.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse

from zoohub.hub.api.base import Ask, Asked, flag, hand_over, on_repo, run, said
from zoohub.hub.errors import DISK_FULL, BadRequest, NotFound, StorageFull, TooLarge, Unauthorized
from zoohub.hub.names import sha256
from zoohub.hub.xetformat import MAX_XORB

LIFE = 6 * 3600
AT_A_TIME = 4  # xorbs that are taken in at once, some mebibytes of memory each
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
    # A client sends many at once. Those beyond a few wait here, unread, so that they take no memory.
    async with ask.request.app.state.xorbs, _room():
        receiver = await run(ask.hub.xet.receive, digest, data["user"], said(ask.request) or 0)
        try:
            await hand_over(ask.chunks(BODY), receiver.take)
            fresh = await run(receiver.keep)
        finally:
            await run(receiver.close)
    return JSONResponse({"was_inserted": fresh})


@store_router.post("/v1/shards")
@store_router.post("/shards")
async def shard(ask: Asked) -> Response:
    """Take a shard: of which chunks files are made."""
    data = _claims(ask)
    body = await ask.body()
    async with _room():
        await run(ask.hub.xet.add_shard, body, data["user"], data["repo"])
    return JSONResponse({"result": 1})


@contextlib.asynccontextmanager
async def _room() -> AsyncIterator[None]:
    """Says of a full disk what ends an upload; what is the server's own fault hf_xet tries again for minutes."""
    try:
        yield
    except StorageFull as error:
        raise TooLarge(error.message) from error
    except OSError as error:
        if error.errno not in DISK_FULL:
            raise
        raise TooLarge(StorageFull.MESSAGE) from error


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
