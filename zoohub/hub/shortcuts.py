"""A short way to the few endpoints that are asked most: lists of models, and files by the thousand.

FastAPI's own way - matching among a hundred routes, resolving dependencies, stacks of contexts - takes longer
than most of these answers. The routes stay in the application, which describes them; requests for them just do
not pass through it. What is known without any waiting does not even become a request object.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import Request, Response
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from zoohub.hub.api.base import Ask, ask_of
from zoohub.hub.api.downloads import at_once, resolve_router

Endpoint = Callable[[Ask], Awaitable[Response]]
DOWNLOAD = resolve_router.routes[0]


class Shortcuts:
    """Answers requests that fit one of its routes (methods, path, endpoint); passes on all others."""

    def __init__(self, app: ASGIApp, routes: list[tuple[str, str, Endpoint]]) -> None:
        self.app = app
        self.routes = [
            (Route(path, _unused, methods=methods.split("|")), endpoint) for methods, path, endpoint in routes
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the ASGI specification."""
        if scope["type"] == "http":
            if (known := at_once(scope)) is not None:
                scope["route"] = DOWNLOAD
                headers, body = known
                await send({"type": "http.response.start", "status": 200, "headers": headers})
                await send({"type": "http.response.body", "body": body})
                return
            for route, endpoint in self.routes:
                match, found = route.matches(scope)
                if match is Match.FULL:
                    scope.update(found, route=route)
                    answer = await _answer(Request(scope, receive, send), endpoint)
                    await answer(scope, receive, send)
                    return
        await self.app(scope, receive, send)


async def _answer(request: Request, endpoint: Endpoint) -> Response:
    try:
        return await endpoint(await ask_of(request))
    except Exception as error:  # noqa: BLE001  # the application's handlers know what to make of each
        handlers: dict[Any, Any] = request.app.exception_handlers
        handler = next(handlers[kind] for kind in type(error).__mro__ if kind in handlers)
        found: Response = await handler(request, error)
        return found


async def _unused(_request: Request) -> Response:
    raise NotImplementedError
