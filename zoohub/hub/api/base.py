"""What every endpoint uses: who asks and for what, reading bodies within limits, common answers."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, TypeVar
from urllib.parse import quote

from anyio import to_thread
from fastapi import APIRouter, Depends, Request

from zoohub.hub.accounts import NOBODY, Actor
from zoohub.hub.errors import BadRequest, RevisionNotFound, TooLarge, Unauthorized
from zoohub.hub.middleware import SLASH
from zoohub.hub.service import Hub
from zoohub.hub.storage import IncomingFile

T = TypeVar("T")
WRITE_SIZE = 2 << 20  # bytes of a body that are handed to a thread at once


class Ask:
    """One request: the hub, who asks, and the parts of the address."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.hub: Hub = request.app.state.hub
        self.parts: dict[str, str] = {
            key: str(value).replace(SLASH, "/") for key, value in request.path_params.items()
        }

    @cached_property
    def actor(self) -> Actor:
        """Who asks, by the bearer token.

        Raises:
            Unauthorized: a token that is not valid.
        """
        scheme, _, token = self.request.headers.get("authorization", "").partition(" ")
        if not token:
            return NOBODY
        if scheme.lower() != "bearer":
            raise Unauthorized
        actor = self.hub.accounts.actor(token.strip())
        self.request.state.actor = actor.name
        return actor

    @property
    def user(self) -> Actor:
        """Who asks, which must be somebody."""
        if self.actor.anonymous:
            raise Unauthorized
        return self.actor

    @property
    def type(self) -> str:
        """What the address speaks of: a model or a dataset."""
        path = self.request.scope["path"].removeprefix(self.request.scope.get("root_path", ""))
        return "dataset" if path.startswith(("/api/datasets", "/datasets/")) else "model"

    @property
    def name(self) -> str:
        """The repository's id as the address gives it."""
        name = self.parts["name"]
        return f"{self.parts['ns']}/{name}" if "ns" in self.parts else name

    @property
    def base(self) -> str:
        """The hub's own address as the client sees it, without '/' at the end."""
        config = self.hub.config
        return config.public_url.rstrip("/") if config.public_url else str(self.request.base_url).rstrip("/")

    @property
    def address(self) -> str | None:
        """The caller's network address."""
        return self.request.client.host if self.request.client else None

    def refresh(self, revision: str = "main") -> None:
        """Let the upstream hub, if there is one, fill in or renew the repository of the address."""
        if not (self.hub.config.login_required and self.actor.anonymous):
            self.hub.mirror.refresh(self.actor, self.type, self.name, revision)

    async def body(self, limit: int | None = None) -> bytes:
        """The request's body in memory.

        Raises:
            TooLarge: more than `limit` bytes (the configured limit), said or sent.
        """
        found = bytearray()
        async for chunk in self.chunks(self.hub.config.max_body if limit is None else limit):
            found += chunk
        return bytes(found)

    async def chunks(self, most: int) -> AsyncIterator[bytes]:
        """The request's body as it arrives.

        Raises:
            TooLarge: more than `most` bytes, said or sent.
        """
        size = said(self.request) or 0
        if size <= most:
            size = 0
            async for chunk in self.request.stream():
                size += len(chunk)
                if size > most:
                    break
                yield chunk
        if size > most:
            raise TooLarge(f"The body is larger than {most} bytes")

    async def json(self, *, optional: bool = False) -> dict[str, Any]:
        """The body as a JSON object; with `optional`, an empty body is an empty object.

        Raises:
            BadRequest: it is none.
        """
        body = await self.body()
        try:
            data = json.loads(body) if body or not optional else {}
        except (ValueError, RecursionError) as error:
            raise BadRequest("The body is no JSON") from error
        if not isinstance(data, dict):
            raise BadRequest("The body is no JSON object")
        return data


async def ask_of(request: Request) -> Ask:
    """The request as endpoints see it; where the hub is closed, of somebody who is known.

    Raises:
        Unauthorized.
    """
    ask = Ask(request)
    # Addresses below these are signed; everything else names its caller where the hub is closed.
    signed = (
        request.scope["path"].removeprefix(request.scope.get("root_path", "")).startswith(("/lfs/", "/xet/"))
    )
    if ask.hub.config.login_required and not signed:
        await run(lambda: ask.user)
    return ask


Asked = Annotated[Ask, Depends(ask_of)]
REPO = ("/{ns}/{name}", "/{name}")  # with and without a namespace


def on_repo(
    router: APIRouter, methods: str, path: str, prefixes: tuple[str, ...] = REPO
) -> Callable[[Any], Any]:
    """Register an endpoint below a repository, whose id may come with and without a namespace."""

    def register(function: Any) -> Any:
        for prefix in prefixes:
            for method in methods.split("|"):
                # HEAD is what GET is, without the body; it needs no description of its own.
                shown = method != "HEAD"
                router.add_api_route(prefix + path, function, methods=[method], include_in_schema=shown)
        return function

    return register


def said(request: Request) -> int | None:
    """The size of the body in bytes that the request names, if it names one."""
    text_ = request.headers.get("content-length", "")
    return int(text_) if text_.isdigit() else None


async def run(function: Callable[..., T], *args: Any) -> T:
    """Call a function in a worker thread."""
    return await to_thread.run_sync(function, *args)


def text(data: dict[str, Any], key: str, default: str | None = None) -> str:
    """A text of a JSON body.

    Raises:
        BadRequest: missing or no text.
    """
    value = data.get(key, default)
    if not isinstance(value, str):
        raise BadRequest(f"{key!r} is missing or no text")
    return value.replace("\0", "")


def split_revision(revision: str, path: str) -> tuple[str, str]:
    """Join what a client sent as `refs/pr/1/file` instead of `refs%2Fpr%2F1/file`."""
    if revision == "refs":
        parts = path.split("/", 2)
        if len(parts) >= 2 and parts[0] in ("pr", "heads", "tags", "convert"):
            return f"refs/{parts[0]}/{parts[1]}", parts[2] if len(parts) > 2 else ""
    if not revision or len(revision) > 300:
        raise RevisionNotFound(revision)
    return revision, path


def next_page(ask: Ask, cursor: object) -> dict[str, str]:
    """The `Link` header that leads to the next page: the same address with another cursor."""
    scope = ask.request.scope
    sent = scope["query_string"].decode("latin-1").split("&")
    kept = [part for part in sent if part and not part.startswith("cursor=")]
    query = quote("&".join(kept), safe="%&=+,:;/?@!$'()*~[]")
    path = quote(scope["path"].replace(SLASH, "%2F"), safe="/%")
    link = f"{ask.base}{path}?{query}{'&' if query else ''}cursor={quote(str(cursor), safe='')}"
    return {"Link": f'<{link}>; rel="next"'}


def integer(value: str | None, default: int, low: int, high: int) -> int:
    """A number of a query within bounds.

    Raises:
        BadRequest: no number.
    """
    if value is None or value == "":
        return default
    try:
        return max(low, min(int(value), high))
    except ValueError as error:
        raise BadRequest(f"{value[:40]!r} is no number") from error


def flag(value: str | None) -> bool:
    """A yes or no of a query."""
    return (value or "").lower() in ("1", "true", "yes", "on")


async def receive(ask: Ask, path: Path, limit: int) -> tuple[str, int]:
    """Write the request's body to `path`, durably; returns SHA-256 and size.

    Raises:
        TooLarge: more than `limit` bytes; StorageFull; ClientDisconnect: the client went away.
    """
    expected = said(ask.request) or 0
    if expected > limit:
        raise TooLarge(f"The file is larger than {limit} bytes")
    digest, size = hashlib.sha256(), 0
    file = IncomingFile(path, ask.hub.config.disk_reserve, expected)

    def take(parts: Sequence[bytes]) -> None:
        nonlocal size
        size += sum(map(len, parts))
        if size > limit:
            raise TooLarge(f"The file is larger than {limit} bytes")
        for part in parts:  # one by one: what was just hashed is in the processor's cache
            digest.update(part)
            file.write([part])

    try:
        await hand_over(ask.request.stream(), take)
        await run(file.sync)
    finally:
        await run(lambda: file.close(keep=True))
    return digest.hexdigest(), size


async def hand_over(stream: AsyncIterator[bytes], take: Callable[[Sequence[bytes]], None]) -> None:
    """Give what arrives to `take`, a few mebibytes at a time: in a thread, while the next ones arrive.

    At the end, however it comes, no thread works on it any more.
    """
    parts: list[bytes] = []
    size = 0
    running: asyncio.Task[None] | None = None
    try:
        async for part in stream:
            parts.append(part)
            size += len(part)
            if size >= WRITE_SIZE:
                if running is not None:
                    await running
                running = asyncio.create_task(run(take, parts))
                parts, size = [], 0
        if running is not None:
            await running
        if parts:
            await run(take, parts)
    finally:
        if running is not None:
            await asyncio.wait(
                [running]
            )  # its error, if it has one, is no news beside the one that ended this
            running.cancelled() or running.exception()


async def stream(steps: Iterator[Any], read: Callable[[Any], bytes]) -> AsyncIterator[bytes]:
    """Read piece after piece in a thread, one ahead of what is being sent."""
    ahead: asyncio.Task[bytes] | None = None
    try:
        for step in steps:
            task = asyncio.create_task(to_thread.run_sync(read, step))
            if ahead is not None:
                yield await ahead
            ahead = task
        if ahead is not None:
            yield await ahead
    finally:
        if ahead is not None and not ahead.done():
            ahead.cancel()
