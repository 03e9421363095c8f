"""Names that lead out of a folder: from another hub's list of files, and from within archives."""

from __future__ import annotations

import hashlib
import io
import json
import os
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from hubserving import Starter

from zoohub.hub.transfer import export_repo, import_model

OUT = [
    "../../escaped.txt",
    "/tmp/escaped.txt",
    "a/../../escaped.txt",
    "..\\escaped.txt",
    "a\0b",
    "./../x",
    "",
]
GOOD = b"good"


class Hostile(BaseHTTPRequestHandler):
    """A hub that lists a good file among names that lead elsewhere, and would serve them all."""

    def log_message(self, *_args: object) -> None:
        """Silent."""

    def do_GET(self) -> None:
        oid = hashlib.sha1(b"blob 4\0" + GOOD, usedforsecurity=False).hexdigest()
        siblings = [{"rfilename": name, "size": 4, "blobId": oid} for name in [*OUT, "sub/good.txt"]]
        info = json.dumps({"id": "evil/m", "sha": "a" * 40, "siblings": siblings}).encode()
        body = info if self.path.startswith("/api/") else GOOD
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def hostile() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hostile)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def everything(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_what_another_hub_lists_stays_inside(start: Starter, hostile: str, tmp_path: Path) -> None:
    server = start()
    server.token("root", admin=True)
    actor = server.hub.accounts.as_user(server.hub.accounts.need("root").id)
    import_model(server.hub, actor, "evil/m", origin=hostile)
    out = tmp_path / "a" / "b" / "out"
    before = everything(tmp_path)
    assert export_repo(server.hub, "model", "evil/m", "main", out) == 1
    new = {path for path in everything(tmp_path) - before if not path.startswith("server0/")}
    assert new == {"a/b/out/sub/good.txt"}
    assert not Path("/tmp/escaped.txt").exists()


def test_an_archive_is_looked_into_and_never_unpacked(start: Starter, tmp_path: Path) -> None:
    server = start()
    api = server.user("ada")
    api.create_repo("ada/zip")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name in ("../../escaped.txt", "/tmp/escaped.txt", "archive/version"):
            archive.writestr(name, "3")
    before = everything(tmp_path)
    api.upload_file(path_or_fileobj=packed.getvalue(), path_in_repo="model.bin", repo_id="ada/zip")
    new = everything(tmp_path) - before
    assert {path.split("/")[0] for path in new} <= {"server0", "zoo-home"}
    assert not [path for path in new if os.path.basename(path) in ("escaped.txt", "version")]
    assert not Path("/tmp/escaped.txt").exists()
