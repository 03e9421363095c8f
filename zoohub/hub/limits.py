"""Limits: requests of one caller in a window of time; per process, in memory."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from zoohub.hub.accounts import token_digest

WINDOW = 300
MAX_CALLERS = 100_000
# Health checks and metrics are for the operator, who must see them under load too.
FREE = ("/health", "/metrics", "/static/")


@dataclass(slots=True)
class _Window:
    until: float
    count: int = 0
    good: bool = False


class Windows:
    """Counts by key in windows of `WINDOW` seconds; the least recent keys are forgotten first."""

    def __init__(self) -> None:
        self._windows: OrderedDict[str, _Window] = OrderedDict()
        self._lock = threading.Lock()

    def add(self, key: str, amount: int = 1) -> tuple[int, int]:
        """Count and return the new count and the seconds until the window ends."""
        now = time.monotonic()
        with self._lock:
            window = self._windows.get(key)
            if window is None or window.until <= now:
                window = self._windows[key] = _Window(now + WINDOW)
                while len(self._windows) > MAX_CALLERS:
                    self._windows.popitem(last=False)
            self._windows.move_to_end(key)
            window.count += amount
            return window.count, max(1, int(window.until - now))

    def mark_good(self, key: str) -> None:
        """Note that a key is that of somebody who is known."""
        if (window := self._windows.get(key)) is not None:
            window.good = True

    def is_good(self, key: str) -> bool:
        """Whether that was noted in the key's present window."""
        window = self._windows.get(key)
        return window is not None and window.good


class RateLimit:
    """Answers 429 to a caller who sends more than `limit` requests in a window.

    A token counts for itself, everybody else by address. Tokens that nobody has recognized count by address, too: who
    makes them up has no more requests than who has none, not even of pages that anybody may see.
    """

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self.app, self._limit, self._windows = app, limit, Windows()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the ASGI specification."""
        if scope["type"] != "http" or not self._limit or scope["path"].startswith(FREE):
            await self.app(scope, receive, send)
            return
        address, token = _caller(scope)
        count, wait = self._windows.add(token or address)
        if token and not self._windows.is_good(token):
            made_up, rest = self._windows.add(address, 0)
            if made_up > self._limit:
                count, wait = made_up, rest
        left = max(0, self._limit - count)
        headers = [
            (b"ratelimit", f'"api";r={left};t={wait}'.encode()),
            (b"ratelimit-policy", f'"fixed window";"api";q={self._limit};w={WINDOW}'.encode()),
        ]
        if count > self._limit:
            text = f"Too many requests. Try again in {wait} seconds."
            answer = JSONResponse({"error": text}, 429, {"Retry-After": str(wait), "X-Error-Message": text})
            answer.raw_headers.extend(headers)
            await answer(scope, receive, send)
            return

        async def send_limited(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *headers]
                if token and scope["state"].get("actor"):  # whom an endpoint has recognized
                    self._windows.mark_good(token)
                elif token:
                    self._windows.add(address)
            await send(message)

        await self.app(scope, receive, send_limited)


def _caller(scope: Scope) -> tuple[str, str]:
    """The address of a caller, and the digest of its token, if it sends one."""
    client = scope.get("client")
    for name, value in scope["headers"]:
        if name == b"authorization":
            return client[0] if client else "-", token_digest(value.decode("latin-1"))
    return client[0] if client else "-", ""
