"""A small hub that speaks the part of the Hugging Face API that a download needs, and can fail.

Files are given as {model id: {path: bytes}}. `faults` says what to do with the next downloads of a path:
("cut", n) ends the connection after n bytes, ("flip", n) turns one bit of byte n, ("status", code) refuses,
("slow", seconds) waits between pieces of 64 KiB.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
import time
from collections import defaultdict
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

COMMIT = "c0ffee" + "0" * 34
PIECE = 64 << 10


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        """A client that goes away in the middle is what these tests are about."""


class TinyHub:
    def __init__(self, models: dict[str, dict[str, bytes]]) -> None:
        self.models = models
        self.faults: dict[str, list[tuple[str, float]]] = defaultdict(list)
        self.cdn: str | None = None  # the address that files are redirected to, as the real hub does
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.served: dict[str, int] = defaultdict(int)
        self.server = _Server(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self) -> TinyHub:
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()

    def downloads(self, path: str) -> list[str | None]:
        """The Range header of each GET of a file."""
        return [headers.get("range") for method, asked, headers in self.requests
                if method == "GET" and f"/resolve/{COMMIT}/{path}" in asked]  # fmt: skip

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args: Any) -> None:
                pass

            def do_HEAD(self) -> None:
                self.do_GET()

            def do_GET(self) -> None:
                path = unquote(urlsplit(self.path).path)
                hub.requests.append((self.command, path, {k.lower(): v for k, v in self.headers.items()}))
                try:
                    self._answer(path)
                except (BrokenPipeError, ConnectionResetError):
                    self.close_connection = True

            def _answer(self, path: str) -> None:
                if found := re.fullmatch(r"/api/models/(.+?)(?:/(tree|revision)/([^/]+)(?:/.*)?)?", path):
                    model, what, _ = found.groups()
                    if model in hub.models:
                        self._json(hub.tree(model) if what == "tree" else hub.info(model))
                        return
                elif found := re.fullmatch(r"/(.+?)/resolve/([^/]+)/(.+)", path):
                    model, _, name = found.groups()
                    if hub.cdn:
                        self.send_response(302)
                        self.send_header("Location", hub.cdn + self.path)
                        self.send_header("Content-Length", "0")
                        self.end_headers()
                        return
                    if name in hub.models.get(model, {}):
                        self._file(hub.models[model][name], name)
                        return
                    if model in hub.models:
                        self._refuse(404, "EntryNotFound")
                        return
                self._refuse(404, "RepoNotFound")

            def _json(self, data: Any) -> None:
                body = json.dumps(data).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(body)

            def _refuse(self, code: int, error: str = "") -> None:
                self.send_response(code)
                if error:
                    self.send_header("X-Error-Code", error)
                self.send_header("X-Repo-Commit", COMMIT)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def _file(self, data: bytes, name: str) -> None:
                fault, amount = ("", 0.0)
                if self.command == "GET" and hub.faults[name]:
                    fault, amount = hub.faults[name].pop(0)
                if fault == "status":
                    self._refuse(int(amount))
                    return
                start = 0
                if wanted := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "")):
                    start = int(wanted[1])
                end = int(wanted[2]) + 1 if wanted and wanted[2] else len(data)
                self.send_response(206 if wanted else 200)
                self.send_header("ETag", f'"{sha256_of(data)}"')
                self.send_header("X-Repo-Commit", COMMIT)
                self.send_header("Accept-Ranges", "bytes")
                self.send_header("Content-Length", str(end - start))
                if wanted:
                    self.send_header("Content-Range", f"bytes {start}-{end - 1}/{len(data)}")
                self.end_headers()
                if self.command == "HEAD":
                    return
                if fault == "flip":
                    changed = bytearray(data)
                    changed[int(amount)] ^= 1
                    data = bytes(changed)
                if fault == "cut":
                    end = min(end, start + int(amount))
                for at in range(start, end, PIECE):
                    piece = data[at : min(at + PIECE, end)]
                    self.wfile.write(piece)
                    hub.served[name] += len(piece)
                    if fault == "slow":
                        time.sleep(amount)
                if fault == "cut":
                    self.close_connection = True

        return Handler

    def info(self, model: str) -> dict[str, Any]:
        return {
            "_id": "1", "id": model, "modelId": model, "sha": COMMIT, "private": False, "gated": False,
            "tags": [], "downloads": 1, "likes": 0, "createdAt": "2024-01-01T00:00:00.000Z",
            "lastModified": "2024-01-01T00:00:00.000Z",
            "siblings": [{"rfilename": path, "size": len(data), **self._lfs(data)}
                         for path, data in self.models[model].items()],
        }  # fmt: skip

    def tree(self, model: str) -> list[dict[str, Any]]:
        return [{"type": "file", "path": path, "size": len(data), "oid": git_oid(data), **self._lfs(data)}
                for path, data in self.models[model].items()]  # fmt: skip

    @staticmethod
    def _lfs(data: bytes) -> dict[str, Any]:
        """Files of more than 1 KiB are known by their SHA-256, smaller ones by git's SHA-1 only."""
        if len(data) <= 1024:
            return {"blobId": git_oid(data)}
        sha256 = sha256_of(data)
        return {
            "blobId": git_oid(data),
            "lfs": {"sha256": sha256, "oid": sha256, "size": len(data), "pointerSize": 130},
        }


@lru_cache(maxsize=256)
def sha256_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@lru_cache(maxsize=256)
def git_oid(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
