"""The store for Xet uploads against clients that lie, vanish, or take what others sent."""

from __future__ import annotations

import hashlib
import random
import re
import socket
import struct
import time

import pytest
from hubserving import Answer, Server

from zoohub.hub.maintenance import check
from zoohub.hub.xetformat import node, xorb_hash

CHUNKS = [random.Random(number).randbytes(50_000) for number in range(3)]
BODY = b"".join(CHUNKS)
OID = hashlib.sha256(BODY).hexdigest()
HASH = xorb_hash([node(chunk) for chunk in CHUNKS])
XORB = b"".join(
    b"\0" + len(chunk).to_bytes(3, "little") + b"\0" + len(chunk).to_bytes(3, "little") + chunk
    for chunk in CHUNKS
)


def words(text: str) -> bytes:
    """A hash as Xet stores it."""
    return struct.pack("<4Q", *(int(part, 16) for part in re.findall(".{16}", text)))


def shard(sha256: str = OID, xorb: str = HASH, size: int = len(BODY), start: int = 0, end: int = 3) -> bytes:
    """A shard of one file that is one run of chunks of one xorb."""
    header = b"HFRepoMetaData\0" + bytes(17) + struct.pack("<QQ", 2, 0)
    file = bytes(32) + struct.pack("<II", 1 << 30, 1) + bytes(8)
    segment = words(xorb) + struct.pack("<4I", 0, size, start, end)
    return header + file + segment + words(sha256) + bytes(16) + b"\xff" * 32 + bytes(16)


class Sender:
    """What a client does with a write token."""

    def __init__(self, server: Server, repo: str) -> None:
        user = repo.split("/")[0]
        server.user(user).create_repo(repo, exist_ok=True)
        self.server = server
        grant = server.ask("GET", f"/api/models/{repo}/xet-write-token/main", token=server.token(user))
        assert grant.headers["x-xet-access-token"] == grant.json()["accessToken"]
        self.path = grant.headers["x-xet-cas-url"].removeprefix(server.url)
        self.token = grant.headers["x-xet-access-token"]

    def post(self, path: str, body: bytes, token: str | None = None) -> Answer:
        return self.server.ask("POST", self.path + path, body, token=token or self.token)


def test_a_file_in_chunks(server: Server) -> None:
    sender = Sender(server, "xtt/m")
    for fresh in (True, False):
        assert sender.post(f"/v1/xorbs/default/{HASH}", XORB).json() == {"was_inserted": fresh}
    assert sender.post("/v1/shards", shard()).json() == {"result": 1}
    commit = (
        b'{"key":"header","value":{"summary":"x"}}\n{"key":"lfsFile","value":{"path":"w.bin","oid":"%s"}}'
    )
    path, token = "/api/models/xtt/m/commit/main", server.token("xtt")
    assert server.ask("POST", path, commit % OID.encode(), token=token).status == 200
    assert server.ask("GET", "/xtt/m/resolve/main/w.bin").body == BODY


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"sha256": "a" * 64}, "SHA-256"),
        ({"xorb": "b" * 64}, "not here"),
        ({"size": len(BODY) - 1}, "size"),
        ({"end": 4}, "does not have"),
        ({"start": 1}, "size"),
        ({"start": 3, "end": 3}, "empty segment"),
    ],
    ids=str,
)
def test_a_shard_that_lies_makes_no_file(server: Server, wrong: dict[str, object], reason: str) -> None:
    sender = Sender(server, "lie/m")
    assert sender.post(f"/v1/xorbs/default/{HASH}", XORB).status == 200
    answer = sender.post("/v1/shards", shard(**{"sha256": hashlib.sha256(b"other").hexdigest(), **wrong}))  # type: ignore[arg-type]
    # 400 and never 5xx: that a client would try again for minutes.
    assert (answer.status, reason in answer.json()["error"]) == (400, True), answer.body
    assert server.hub.blobs.get(str(wrong.get("sha256", hashlib.sha256(b"other").hexdigest()))) is None


def test_a_xorb_of_another_hash_is_not_kept(server: Server) -> None:
    sender = Sender(server, "oth/m")
    for digest, body in (("c" * 64, XORB), (HASH, XORB[:-1]), (HASH, XORB[:-50_008]), (HASH, b"")):
        assert sender.post(f"/v1/xorbs/default/{digest}", body).status == 400
    assert sender.post("/v1/xorbs/default/nonsense", XORB).status == 400
    assert list(server.hub.incoming.folder.iterdir()) == []
    assert check(server.hub).faults == []


def test_what_one_user_sent_is_not_there_for_another(server: Server) -> None:
    assert Sender(server, "own/m").post(f"/v1/xorbs/default/{HASH}", XORB).status == 200
    thief = Sender(server, "thf/m")
    answer = thief.post("/v1/shards", shard())
    assert (answer.status, "not here" in answer.json()["error"]) == (400, True)
    owner = Sender(server, "own/m")
    assert owner.post("/v1/shards", shard(), token=thief.token).status == 400
    for token in ("nonsense", server.token("own")):
        assert owner.post("/v1/shards", shard(), token=token).status == 401


def test_what_this_hub_does_not_offer_is_404(server: Server) -> None:
    sender = Sender(server, "nwr/m")
    for path in ("/v2/shards", f"/v1/xorb-grants/default/{HASH}", "/v1/telemetry"):
        assert sender.post(path, b"x" * 100).status == 404, path
    known = server.ask("GET", f"{sender.path}/v1/chunks/default/{HASH}", token=sender.token)
    assert known.status == 404


def test_a_client_that_vanishes_within_a_xorb(server: Server) -> None:
    sender = Sender(server, "gon/m")
    head = (
        f"POST {sender.path}/v1/xorbs/default/{HASH} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(XORB)}\r\n"
    )
    for _ in range(6):  # more often than xorbs are taken in at once: each gives its place back
        with socket.create_connection(("127.0.0.1", server.port)) as raw:
            raw.sendall(f"{head}Authorization: Bearer {sender.token}\r\n\r\n".encode() + XORB[:70_000])
    deadline = time.monotonic() + 10
    while list(server.hub.incoming.folder.iterdir()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert sender.post(f"/v1/xorbs/default/{HASH}", XORB).status == 200
