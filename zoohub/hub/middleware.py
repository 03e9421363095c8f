"""What happens around every request: encoded slashes, request ids, logs, metrics."""

from __future__ import annotations

import json
import logging
import re
import secrets
import sys
import time
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# Stands for a '/' that was sent as %2F: part of a name, no separator. Refused everywhere else.
SLASH = "\ue000"
_SIGNED = re.compile(r"/lfs/(put|part|complete|verify)/[^/]+")
_ID = re.compile(r"[A-Za-z0-9._:-]{1,80}")
access_log = logging.getLogger("zoohub.hub.access")
log = logging.getLogger("zoohub.hub")


class EncodedSlashes:
    """Keeps `%2F` apart from '/', so that the branch `refs%2Fpr%2F1` is one part of the path."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the ASGI specification."""
        raw = scope.get("raw_path") if scope["type"] == "http" else None
        if raw is not None and b"%2" in raw.upper() and b"%2F" in raw.upper():
            encoded = re.sub("%2[fF]", quote_slash, raw.decode("latin-1"))
            scope = {**scope, "path": unquote(encoded)}
        await self.app(scope, receive, send)


def quote_slash(_match: re.Match[str]) -> str:
    """The stand-in of an encoded slash, percent-encoded."""
    return "%EE%80%80"


class Metrics:
    """Counters of one server process, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        labels = ("method", "route", "status")
        requests = Counter("zoo_hub_requests", "Requests answered", labels, registry=self.registry)
        seconds = Histogram(
            "zoo_hub_request_seconds", "Time to the end of an answer", ("route",), registry=self.registry
        )
        # Finding the counter of some labels costs more than counting; routes and methods are few.
        self.requests = lru_cache(maxsize=4096)(requests.labels)
        self.seconds = lru_cache(maxsize=1024)(seconds.labels)
        self.sent = Counter("zoo_hub_sent_bytes", "Bytes of answers", registry=self.registry)
        self.pushes = Counter("zoo_hub_commits", "Commits made", registry=self.registry)
        self.running = Gauge("zoo_hub_running_requests", "Requests being answered", registry=self.registry)


class Observe:
    """Gives each request an id, and writes what came of it to the log and the metrics."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app, self.metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the ASGI specification."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"")
        request_id = given.decode("latin-1")
        if not _ID.fullmatch(request_id):
            request_id = secrets.token_hex(16)
        scope.setdefault("state", {})["request_id"] = request_id
        began, status, sent = time.perf_counter(), 500, 0

        async def send_observed(message: Message) -> None:
            nonlocal status, sent
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode())]
            elif message["type"] == "http.response.body":
                sent += len(message.get("body", b""))
            await send(message)

        self.metrics.running.inc()
        try:
            await self.app(scope, receive, send_observed)
        finally:
            self.metrics.running.dec()
            self._record(scope, status, sent, time.perf_counter() - began)

    def _record(self, scope: Scope, status: int, sent: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", None) or "other"
        self.metrics.requests(scope["method"], route, status).inc()
        self.metrics.seconds(route).observe(seconds)
        self.metrics.sent.inc(sent)
        state = scope["state"]
        client = scope.get("client")
        if not access_log.isEnabledFor(logging.INFO):
            return
        # The query is left out: it may hold what is nobody's business.
        facts = {
            "method": scope["method"], "path": _redacted(scope["path"]), "status": status, "bytes": sent,
            "ms": round(seconds * 1000, 2), "id": state.get("request_id"), "user": state.get("actor"),
            "client": client[0] if client else None,
        }  # fmt: skip
        # `info` would look for the line of code that calls it, which takes longer than all the rest.
        line = logging.LogRecord(access_log.name, logging.INFO, __file__, 0, "request", None, None)
        line.facts = facts
        access_log.handle(line)


def _redacted(path: str) -> str:
    """A path without signed parts and without line breaks."""
    return _SIGNED.sub(r"/lfs/\1/...", path)[:500] if "/lfs/" in path else path[:500]


class JsonLog(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """See `logging.Formatter`."""
        data: dict[str, Any] = {
            "time": f"{_second(int(record.created))}.{int(record.msecs):03}Z",
            "level": record.levelname.lower(),
            "message": record.getMessage(),
        }
        data |= getattr(record, "facts", {})
        if record.exc_info:
            data["error"] = self.formatException(record.exc_info)
        return _encode(data)


_encode = json.JSONEncoder(ensure_ascii=False, default=str).encode


@lru_cache(maxsize=4)
def _second(moment: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(moment))


class TextLog(logging.Formatter):
    """One line for people."""

    def format(self, record: logging.LogRecord) -> str:
        """See `logging.Formatter`."""
        facts = getattr(record, "facts", None)
        clock = time.strftime("%H:%M:%S", time.localtime(record.created))
        if facts and "path" in facts:
            path = facts["path"].encode("ascii", "backslashreplace").decode()
            who = facts["user"] or "-"
            return f"{clock} {facts['status']} {facts['method']:6} {path} {facts['ms']} ms {who}"
        return f"{clock} {record.levelname.lower()} {super().format(record)}"


def configure_logs(kind: str) -> None:
    """Send the hub's log to stderr, as `json` or `text`."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLog() if kind == "json" else TextLog())
    root = logging.getLogger("zoohub.hub")
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    root.propagate = False
