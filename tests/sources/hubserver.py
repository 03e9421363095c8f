"""A small real HTTP server that speaks the Hub's API and ModelScope's, for tests of whatever talks to a hub.

    with HubServer() as hub:
        hub.add("org/model", {"config.json": b"{}"}, pipeline_tag="text-classification")
        ... HF_ENDPOINT=hub.url, MODELSCOPE_ENDPOINT=hub.url ...

`hub.requests` holds what was asked; `hub.fail(...)` lets coming requests fail in a chosen way.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

PAGE = 1000


@dataclass
class Reply:
    """An HTTP answer; `cut` bytes are sent and then the line is dropped, `delay` seconds pass before."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    cut: int | None = None
    delay: float = 0.0


def as_json(data: Any, status: int = 200, **headers: str) -> Reply:
    """A JSON answer."""
    return Reply(status, json.dumps(data).encode(), {"Content-Type": "application/json", **headers})


class HubServer:
    """Models in memory, served on a port of this machine."""

    def __init__(self, page: int = PAGE) -> None:
        self.page = page
        self.models: dict[str, dict[str, Any]] = {}
        self.files: dict[str, dict[str, bytes]] = {}
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.rules: list[tuple[re.Pattern[str], Callable[[str], Reply | None]]] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": self}))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._clock = 0

    @property
    def url(self) -> str:
        """The address: what HF_ENDPOINT and MODELSCOPE_ENDPOINT are set to."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> HubServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def add(self, id: str, files: dict[str, bytes] | None = None, **facts: Any) -> dict[str, Any]:
        """A model, or a newer state of it; each call is a little later than the one before."""
        self._clock += 1
        moment = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(1_750_000_000 + self._clock * 60))
        self.files[id] = files if files is not None else self.files.get(id, {"config.json": b"{}"})
        digest = hashlib.sha1(repr(sorted(self.files[id].items())).encode()).hexdigest()
        known = self.models.get(
            id, {"createdAt": moment, "downloads": 0, "likes": 0, "gated": False, "tags": []}
        )
        self.models[id] = {
            **known,
            "id": id,
            "author": id.split("/")[0],
            "sha": digest,
            "lastModified": moment,
            **facts,
        }
        return self.models[id]

    def fill(self, count: int, **facts: Any) -> list[str]:
        """Many plain models: org0/model-0 ..."""
        tasks = ("text-classification", "image-classification", "automatic-speech-recognition", None)
        ids = [f"org{number % 7}/model-{number}" for number in range(count)]
        for number, name in enumerate(ids):
            self.add(name, None, **{"pipeline_tag": tasks[number % 4], "downloads": number * 3,
                                  "cardData": {"license": "apache-2.0"}, **facts})  # fmt: skip
        return ids

    def fail(self, pattern: str, *replies: Reply, forever: bool = False) -> None:
        """Let requests whose path matches get these replies, one after the other; then all is well again."""
        queue = list(replies)

        def rule(_path: str) -> Reply | None:
            if not queue:
                return None
            return queue[0] if forever else queue.pop(0)

        self.rules.append((re.compile(pattern), rule))

    def asked(self, part: str) -> int:
        """How many requests had this in their path."""
        return sum(part in path for _, path, _ in self.requests)

    # --- answers ---------------------------------------------------------------------------------

    def answer(self, method: str, path: str, headers: dict[str, str]) -> Reply:
        self.requests.append((method, path, headers))
        for pattern, rule in self.rules:
            if pattern.search(path) and (found := rule(path)) is not None:
                return found
        parts = urlsplit(path)
        query = parse_qs(parts.query)
        place = parts.path
        if place == "/api/models":
            return self._list(query)
        if place == "/openapi/v1/models":
            return self._list_modelscope(query)
        if match := re.fullmatch(r"/api/v1/models/([^/]+/[^/]+)/repo/files", place):
            return self._files_modelscope(match[1])
        if match := re.fullmatch(r"/api/v1/models/([^/]+/[^/]+)/repo", place):
            return self._content(match[1], query["FilePath"][0], headers, "master")
        if match := re.fullmatch(r"/api/models/([^/]+/[^/]+?)(?:/revision/([^/]+))?", place):
            return self._info(match[1], unquote(match[2] or "main"))
        if match := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", place):
            return self._content(match[1], unquote(match[3]), headers, match[2])
        return as_json({"error": "not found"}, 404)

    def _list(self, query: dict[str, list[str]]) -> Reply:
        found = sorted(self.models.values(), key=lambda item: item["lastModified"], reverse=True)
        author, task = query.get("author", [None])[0], query.get("pipeline_tag", [None])[0]
        found = [
            item
            for item in found
            if author in (None, item["author"]) and task in (None, item.get("pipeline_tag"))
        ]
        start = int(query.get("cursor", ["0"])[0])
        size = min(int(query.get("limit", [PAGE])[0]), self.page)
        part = [{**item, "siblings": [{"rfilename": name} for name in self.files[item["id"]]]}
                for item in found[start : start + size]]  # fmt: skip
        headers = {}
        if start + size < len(found):
            following = urlencode({**query, "cursor": start + size}, doseq=True)
            headers["Link"] = f'<{self.url}/api/models?{following}>; rel="next"'
        return as_json(part, **headers)

    def _info(self, id: str, revision: str) -> Reply:
        item = self.models.get(id)
        if item is None:
            return as_json({"error": "Repository not found"}, 404, **{"X-Error-Code": "RepoNotFound"})
        if revision not in ("main", item["sha"]):
            return as_json({"error": "Invalid rev id"}, 404, **{"X-Error-Code": "RevisionNotFound"})
        rows = [
            {"rfilename": name, "size": len(data), **self._lfs(name, data)}
            for name, data in self.files[id].items()
        ]
        return as_json({**item, "siblings": rows, "private": False})

    @staticmethod
    def _lfs(name: str, data: bytes) -> dict[str, Any]:
        if not name.endswith((".safetensors", ".onnx", ".bin")):
            return {"blobId": hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()}
        return {"lfs": {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 134}}

    def _content(self, id: str, name: str, headers: dict[str, str], revision: str) -> Reply:
        data = self.files.get(id, {}).get(name)
        if data is None:
            return as_json({"error": "Entry not found"}, 404, **{"X-Error-Code": "EntryNotFound"})
        digest = hashlib.sha256(data).hexdigest()
        stated = {"ETag": f'"{digest}"', "X-Repo-Commit": self.models[id]["sha"], "Accept-Ranges": "bytes"}
        if asked := re.fullmatch(r"bytes=(\d+)-(\d*)", headers.get("range", "")):
            start, end = int(asked[1]), int(asked[2]) if asked[2] else len(data) - 1
            if start >= len(data):
                return Reply(416, b"", {"Content-Range": f"bytes */{len(data)}"})
            stated["Content-Range"] = f"bytes {start}-{end}/{len(data)}"
            return Reply(206, data[start : end + 1], stated)
        return Reply(200, data, stated)

    def _list_modelscope(self, query: dict[str, list[str]]) -> Reply:
        found = sorted(self.models.values(), key=lambda item: item["lastModified"], reverse=True)
        owner, task = query.get("owner", [None])[0], query.get("filter.task", [None])[0]
        found = [
            item
            for item in found
            if owner in (None, item["author"]) and task in (None, item.get("pipeline_tag"))
        ]
        number, size = int(query["page_number"][0]), int(query["page_size"][0])
        if number * size > 3000:
            return as_json({"message": "page_number * page_size must be <= 3000"}, 400)
        rows = [
            {
                "id": item["id"],
                "license": (item.get("cardData") or {}).get("license"),
                "tasks": [item["pipeline_tag"]] if item.get("pipeline_tag") else [],
                "last_modified": item["lastModified"],
                "created_at": item["createdAt"],
                **{key: item[key] for key in ("downloads", "likes", "tags")},
            }
            for item in found[(number - 1) * size : number * size]
        ]
        return as_json(
            {"success": True, "data": {"models": rows, "total_count": len(found), "page_number": number}}
        )

    def _files_modelscope(self, id: str) -> Reply:
        if id not in self.files:
            return as_json({"Code": 404, "Message": "not found"}, 404)
        rows = [{"Type": "blob", "Path": name, "Size": len(data), "Sha256": hashlib.sha256(data).hexdigest()}
                for name, data in self.files[id].items()]  # fmt: skip
        return as_json({"Code": 200, "Data": {"Files": [*rows, {"Type": "tree", "Path": "folder"}]}})


class _Handler(BaseHTTPRequestHandler):
    hub: HubServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._serve("GET")

    def do_HEAD(self) -> None:
        self._serve("HEAD")

    def _serve(self, method: str) -> None:
        headers = {key.lower(): value for key, value in self.headers.items()}
        reply = self.hub.answer(method, self.path, headers)
        time.sleep(reply.delay)
        self.send_response(reply.status)
        for key, value in reply.headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        if method == "HEAD":
            return
        if reply.cut is None:
            self.wfile.write(reply.body)
        else:
            self.wfile.write(reply.body[: reply.cut])
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass
