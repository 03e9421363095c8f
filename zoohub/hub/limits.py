"""Limits: requests of one caller in a window of time, and guesses of passwords; per process, in memory."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from zoohub.hub.accounts import token_digest
from zoohub.hub.errors import TooManyRequests

WINDOW = 300
MAX_CALLERS = 100_000
# Health checks and metrics are for the operator, who must see them under load too.
FREE = ("/health", "/metrics", "/static/")


@dataclass(slots=True)
class _Window:
    until: float
    count: int = 0


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


class LoginGuard:
    """Slows the guessing of passwords and tokens: so many failures from one address, then none is heard."""

    def __init__(self, limit: int) -> None:
        self._limit, self._windows = limit, Windows()

    def check(self, address: str) -> None:
        """Refuse an address that failed too often.

        Raises:
            TooManyRequests.
        """
        count, wait = self._windows.add(address, 0)
        if self._limit and count >= self._limit:
            error = TooManyRequests(f"Too many failed logins from {address}. Try again in {wait} seconds.")
            error.headers["Retry-After"] = str(wait)
            raise error

    def failed(self, address: str) -> None:
        """Note a failure."""
        self._windows.add(address)


class RateLimit:
    """Answers 429 to a caller who sends more than `limit` requests in a window."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self.app, self._limit, self._windows = app, limit, Windows()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the ASGI specification."""
        if scope["type"] != "http" or not self._limit or scope["path"].startswith(FREE):
            await self.app(scope, receive, send)
            return
        count, wait = self._windows.add(_caller(scope))
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
            await send(message)

        await self.app(scope, receive, send_limited)


def _caller(scope: Scope) -> str:
    """A token counts for itself, everybody else by address."""
    for name, value in scope["headers"]:
        if name == b"authorization":
            return token_digest(value.decode("latin-1"))
    client = scope.get("client")
    return client[0] if client else "-"
