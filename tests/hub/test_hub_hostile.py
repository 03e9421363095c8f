"""Hostile names, cards and requests."""

from __future__ import annotations

import json
import socket
import struct
import threading
from urllib.parse import quote, urlencode

import lz4.frame
import pytest
from hubserving import Server, Starter
from huggingface_hub import CommitOperationAdd

from zoohub.hub import names
from zoohub.hub.commits import CommitRequest
from zoohub.hub.errors import BadRequest
from zoohub.hub.xetformat import XorbParser, parse_shard

BAD_PATHS = [
    "../x", "a/../../x", "/etc/passwd", "a//b", "./a", "a/.", "", "a/", "x\0y", "x\ny", "\u202egnp.exe",
    "a\u200b.txt",
    "\ufeffx", ".git/config", "a/.GIT/hooks/x", "CON", "nul.txt", "a/COM1.bin", "a\\b", "C:/x", "a:b",
    "x" * 256,
    "a/" * 600 + "x", "x ", "x.", " x", "a?b", 'a"b', "a|b", "a*b", "\ud800", "\ue000", "a\x7fb",
]  # fmt: skip
GOOD_PATHS = [
    "a",
    "a/b/c.txt",
    "模型/权重.bin",
    "ünïcode.txt",
    "-x",
    ".gitattributes",
    "a b.txt",
    "a%2Fb",
    "x" * 255,
    "a+b@c",
]


@pytest.mark.parametrize("path", BAD_PATHS, ids=ascii)
def test_bad_paths_are_refused(path: str) -> None:
    with pytest.raises(BadRequest):
        names.file_path(path)


@pytest.mark.parametrize("path", GOOD_PATHS, ids=ascii)
def test_good_paths_are_kept(path: str) -> None:
    assert names.file_path(path) == path


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "a/b",
        "a..b",
        "-a",
        "a-",
        ".a",
        "a b",
        "a\0",
        "resolve",
        "tree",
        "x.git",
        "con",
        "é",
        "a--b",
    ],
)
def test_bad_repository_names(name: str) -> None:
    with pytest.raises(BadRequest):
        names.repo_name(name)


@pytest.mark.parametrize(
    "name", ["api", "API", "datasets", "static", "xet", "lfs", "login", "docs", "settings"]
)
def test_reserved_namespaces(name: str) -> None:
    with pytest.raises(BadRequest):
        names.namespace(name)


@pytest.mark.parametrize(
    "ref",
    [
        "",
        "/",
        "a/",
        "/a",
        "a//b",
        "..",
        "a..b",
        ".a",
        "a/.b",
        "refs/heads/x",
        "x.lock",
        "a b",
        "a~1",
        "a" * 40,
    ],
)
def test_bad_reference_names(ref: str) -> None:
    with pytest.raises(BadRequest):
        names.branch(ref)


def test_commits_with_bad_paths_change_nothing(server: Server) -> None:
    api = server.user("bad")
    api.create_repo("bad/m")
    token = server.token("bad")
    for path in BAD_PATHS:
        if "\ud800" in path:
            continue
        line = {"key": "file", "value": {"path": path, "content": "", "encoding": "base64"}}
        body = json.dumps({"key": "header", "value": {"summary": "x"}}) + "\n" + json.dumps(line)
        answer = server.ask("POST", "/api/models/bad/m/commit/main", body, token=token)
        # A folder's '/' at the end is taken away, as clients send it so.
        assert answer.status == (200 if path == "a/" else 400), path
    assert api.list_repo_files("bad/m") == ["a"]


@pytest.mark.parametrize(
    "path", ["../../registry.db", "..%2f..%2fregistry.db", "%2e%2e/%2e%2e/x", "%00", "a%00b", "//etc/passwd"]
)
def test_downloads_stay_inside(server: Server, path: str) -> None:
    server.user("ins").create_repo("ins/m", exist_ok=True)
    with socket.create_connection(
        ("127.0.0.1", server.port)
    ) as raw:  # sent as it is, past any client's tidying
        raw.sendall(
            f"GET /ins/m/resolve/main/{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
        )
        answer = b"".join(iter(lambda: raw.recv(65536), b""))
    assert answer.split(b" ", 2)[1] in (b"404", b"400", b"401"), answer[:200]
    assert server.ask("GET", f"/static/{path}").status in (400, 401, 404)


MALFORMED = [
    b"", b"{}", b"nonsense", b'{"key":"header"}', b'{"key":"header","value":{"summary":1}}', b'[1,2]',
    b'{"key":"x","value":{}}',
    b'{"key":"header","value":{"summary":"x"}}\n{"key":"file","value":{"path":"a"}}',
    b'{"key":"header","value":{"summary":"x"}}\n{"key":"file","value":{"path":"a","content":"!","encoding":"base64"}}',
    b'{"key":"header","value":{"summary":"x"}}\n{"key":"lfsFile","value":{"path":"a","oid":"zz","size":1}}',
    b'{"key":"header","value":{"summary":"x"}}\n'
    b'{"key":"lfsFile","value":{"path":"a","oid":"' + b"a" * 64 + b'","size":"x"}}',
    b"[" * 100_000, b'{"key":"header","value":{"summary":"x"}}\n{"key":"deletedFile","value":{"path":7}}',
]  # fmt: skip


@pytest.mark.parametrize("body", MALFORMED, ids=lambda body: ascii(body[:30]))
def test_malformed_commits(body: bytes) -> None:
    with pytest.raises(BadRequest):
        CommitRequest.parse(body.split(b"\n"))


def unpacked(body: bytes, step: int) -> list[bytes]:
    """The chunks of a xorb that arrives `step` bytes at a time."""
    parser = XorbParser()
    chunks = [chunk for at in range(0, len(body), step) for chunk in parser.feed(body[at : at + step])]
    parser.close()
    return chunks


def test_a_xorb_in_pieces_of_any_size() -> None:
    raw = [bytes([number]) * (number + 1) for number in range(40)]
    packed = [lz4.frame.compress(chunk) if number % 3 else chunk for number, chunk in enumerate(raw)]
    body = b"".join(
        bytes([0])
        + len(part).to_bytes(3, "little")
        + bytes([bool(number % 3)])
        + (number + 1).to_bytes(3, "little")
        + part
        for number, part in enumerate(packed)
    )
    for step in (1, 2, 7, 8, 9, 64, 1000, len(body)):
        for footer in (b"", b"XETBLOB" + bytes(50)):
            assert unpacked(body + footer, step) == raw, step
        with pytest.raises(BadRequest):
            unpacked(body[:-1], step)


def test_malformed_xet_bytes() -> None:
    good = bytes([0]) + (5).to_bytes(3, "little") + bytes([0]) + (5).to_bytes(3, "little") + b"hello"
    assert unpacked(good, len(good)) == [b"hello"]
    bomb = bytes([0]) + (5).to_bytes(3, "little") + bytes([1]) + (1 << 20).to_bytes(3, "little") + b"hello"
    for body in (
        b"",
        b"x",
        good[:-1],
        good[:7],
        bomb,
        bytes([9]) + good[1:],
        good[:4] + bytes([7]) + good[5:],
    ):
        with pytest.raises(BadRequest):
            unpacked(body, 100)
    header = b"HFRepoMetaData\0" + bytes(17) + struct.pack("<QQ", 2, 0)
    assert parse_shard(header + b"\xff" * 32 + bytes(16)) == []
    lying = header + bytes(32) + struct.pack("<II", 0, 0xFFFFFFFF) + bytes(8)
    for body in (b"", header[:20], header, lying, header[:32] + struct.pack("<QQ", 9, 0) + bytes(96)):
        with pytest.raises(BadRequest):
            parse_shard(body)


def test_cards_cannot_run_anything(start: Starter) -> None:
    server = start()
    api = server.user("ann")
    api.create_repo("ann/m")
    attack = """---
license: "<script>alert(1)</script>"
tags: ["<img src=x onerror=alert(1)>"]
---
<script>alert(1)</script><img src=x onerror=alert(1)><a href="javascript:alert(1)">x</a>
<svg onload=alert(1)><iframe src="https://evil.example"></iframe><form action=/logout><input></form>
[link](javascript:alert(1)) ![](https://evil.example/track.png)
<div style="position:fixed" onclick="x()">d</div>
"""
    header = json.dumps({"__metadata__": {"x": "<script>alert(2)</script>"}}).encode()
    add = [
        CommitOperationAdd("README.md", attack.encode()),
        CommitOperationAdd("model.safetensors", struct.pack("<Q", len(header)) + header),
        CommitOperationAdd("&lt;img onerror=x&gt;.txt", b"x"),
    ]
    api.create_commit("ann/m", add, commit_message="<script>alert(3)</script>")
    for path in (
        "/ann/m",
        "/ann/m/tree/main",
        "/ann/m/commits/main",
        "/search",
        "/search?q=%3Cscript%3Ealert(4)%3C/script%3E",
    ):
        answer = server.ask("GET", path)
        page = answer.body.decode().lower()
        assert answer.status == 200, path
        assert "<script>alert" not in page, path
        for word in (
            "onerror=alert",
            "onload=",
            "onclick=",
            'href="javascript',
            "<iframe",
            "style=",
            "evil.example/track",
        ):
            assert word not in page, (path, word)
        assert "script-src 'self'" in answer.headers["content-security-policy"]
    raw = server.ask("GET", "/ann/m/resolve/main/README.md")
    assert raw.headers["content-type"].startswith("text/plain")
    assert "sandbox" in raw.headers["content-security-policy"]
    assert raw.headers["x-content-type-options"] == "nosniff"


def test_an_html_file_is_never_a_page(server: Server) -> None:
    api = server.user("htm")
    api.create_repo("htm/m")
    for name in ("x.html", "x.svg", "x.xhtml", "x.js"):
        api.upload_file(path_or_fileobj=b"<script>1</script>", path_in_repo=name, repo_id="htm/m")
        answer = server.ask("GET", f"/htm/m/resolve/main/{name}")
        assert answer.headers["content-type"] == "application/octet-stream"
        assert answer.headers["content-disposition"].startswith("attachment")


def raw_request(server: Server, data: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as raw:
        raw.sendall(data)
        raw.settimeout(5)
        try:
            return b"".join(iter(lambda: raw.recv(65536), b""))
        except TimeoutError:
            return b""


def test_smuggled_sizes_are_refused(server: Server) -> None:
    both = b"POST /api/validate-yaml HTTP/1.1\r\nHost: x\r\n"
    both += b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
    both += b"0\r\n\r\nGET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    assert raw_request(server, both).count(b"HTTP/1.1 200") <= 1
    for sizes in (b"Content-Length: -1", b"Content-Length: 5\r\nContent-Length: 6", b"Content-Length: 0x5"):
        head = (
            b"POST /api/validate-yaml HTTP/1.1\r\nHost: x\r\n" + sizes + b"\r\nConnection: close\r\n\r\nhello"
        )
        assert raw_request(server, head)[9:12] in (b"400", b""), sizes


def test_bodies_have_limits(start: Starter) -> None:
    server = start(max_body=10_000, max_commit=20_000)
    api = server.user("ann")
    api.create_repo("ann/m")
    token = server.token("ann")
    for path, size in (("/api/validate-yaml", 10_001), ("/api/models/ann/m/commit/main", 20_001)):
        assert server.ask("POST", path, b"x" * size, token=token).status == 413
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n"
        chunk = b"%x\r\n" % size + b"x" * size + b"\r\n0\r\n\r\n"  # no length is said before
        answer = raw_request(server, head.encode() + b"Transfer-Encoding: chunked\r\n\r\n" + chunk)
        assert answer.startswith(b"HTTP/1.1 413")


def test_two_hundred_clients_at_once(server: Server) -> None:
    api = server.user("two")
    api.create_repo("two/m")
    api.upload_file(path_or_fileobj=b"x" * 50_000, path_in_repo="a.txt", repo_id="two/m")
    wrong: list[object] = []

    def visit() -> None:
        for path in ("/two/m/resolve/main/a.txt", "/api/models/two/m", "/search?q=m&partial=1"):
            answer = server.ask("GET", path)
            if answer.status != 200:
                wrong.append((path, answer.status))

    threads = [threading.Thread(target=visit) for _ in range(200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_errors_tell_nothing_of_the_machine(server: Server) -> None:
    for path in (
        "/api/models/x/y",
        "/x/y/resolve/main/z",
        "/api/models?sort=nope",
        "/api/models?cursor=%00",
        "/search?cursor=zzz",
    ):
        body = server.ask("GET", path).body.decode()
        assert str(server.folder) not in body
        assert "Traceback" not in body


@pytest.mark.slow
def test_the_described_api_never_fails(start: Starter) -> None:
    """Every operation of the OpenAPI description, with values that schemathesis makes up."""
    schemathesis = pytest.importorskip("schemathesis")
    from hypothesis import HealthCheck, Phase, given, settings

    server = start(rate=0)
    server.user("ann").create_repo("ann/m")
    token = server.token("ann")
    schemathesis.serializer.alias("application/x-ndjson", "text/plain")
    schema = schemathesis.openapi.from_url(f"{server.url}/openapi.json")
    failed: list[tuple[str, str, int, str]] = []
    count = 0
    for result in schema.get_all_operations():
        operation = result.ok()

        @settings(max_examples=6, deadline=None, database=None, derandomize=True, phases=[Phase.generate],
                  suppress_health_check=list(HealthCheck))  # fmt: skip
        @given(case=operation.as_strategy())
        def attack(case) -> None:
            path = quote(case.formatted_path, safe="/%:@+,;=&$!~*'()-._")
            if case.query:
                path += "?" + urlencode(case.query, doseq=True, errors="surrogatepass")
            body = case.body if isinstance(case.body, bytes | str | dict) else b"{}"
            body = body.encode("utf-8", "surrogatepass") if isinstance(body, str) else body
            if case.method in ("GET", "HEAD"):
                body = None
            answer = server.ask(case.method, path, body, token=token)
            if answer.status >= 500:
                failed.append((case.method, path, answer.status, answer.body.decode()[:200]))

        attack()
        count += 1
    assert count > 50
    assert failed == []
