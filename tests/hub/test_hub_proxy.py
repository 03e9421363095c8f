"""Mirror and import through the proxy of the environment, and what it is never asked for."""

from __future__ import annotations

import http.server
import select
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hubserving import Server, Starter

from zoohub.hub.errors import Unavailable
from zoohub.hub.proxies import is_public_name, proxy_for
from zoohub.hub.transfer import import_model
from zoohub.hub.upstream import Upstream

NAME = "hub.zoohub.example"  # known to the proxy alone


class Proxy(http.server.ThreadingHTTPServer):
    """A proxy in whose network `NAME` is a server on a port of this machine."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.port_of_name, self.asked, self.authorizations = 0, [], set()
        threading.Thread(target=self.serve_forever, daemon=True).start()


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Proxy

    def do_GET(self) -> None:
        self._note(self.path)
        path = self.path.removeprefix(f"http://{NAME}")
        lines = [
            f"GET {path} HTTP/1.1",
            *(f"{key}: {value}" for key, value in self.headers.items()),
            "Connection: close",
        ]
        with socket.create_connection(("127.0.0.1", self.server.port_of_name)) as there:
            there.sendall("\r\n".join([*lines, "", ""]).encode())
            while data := there.recv(1 << 16):
                self.wfile.write(data)
        self.close_connection = True

    def do_CONNECT(self) -> None:
        self._note(self.path)
        self.send_response(200)
        self.end_headers()
        with socket.create_connection(("127.0.0.1", self.server.port_of_name)) as there:
            ends = {there: self.connection, self.connection: there}
            while True:
                for end in select.select(list(ends), [], [])[0]:
                    if not (data := end.recv(1 << 16)):
                        self.close_connection = True
                        return
                    ends[end].sendall(data)

    def _note(self, what: str) -> None:
        self.server.asked.append(what)
        self.server.authorizations.add(self.headers.get("Proxy-Authorization"))

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    with Proxy() as running:
        address = f"http://me:s%3Acret@127.0.0.1:{running.server_port}"
        monkeypatch.setenv("HTTP_PROXY", address)
        monkeypatch.setenv("HTTPS_PROXY", address)
        yield running
        running.shutdown()


@pytest.fixture
def origin(start: Starter, proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> Server:
    server = start()
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")  # while the client fills it
    api = server.user("up")
    api.create_repo("up/model")
    for path, body in (("README.md", b"---\nlicense: mit\n---\n"), ("w.bin", bytes(range(256)) * 10_000)):
        api.upload_file(path_or_fileobj=body, path_in_repo=path, repo_id="up/model")
    monkeypatch.delenv("NO_PROXY")
    proxy.port_of_name = server.port
    return server


def test_mirror_and_import_go_through_it(start: Starter, origin: Server, proxy: Proxy) -> None:
    mirror = start(upstream=f"http://{NAME}")
    answer = mirror.ask("GET", "/up/model/resolve/main/w.bin")
    assert (answer.status, answer.body) == (200, bytes(range(256)) * 10_000)
    other = start()
    actor = other.hub.accounts.as_user(other.hub.accounts.create_user("root", "password", admin=True))
    import_model(other.hub, actor, "up/model", origin=f"http://{NAME}", target="root/copy")
    assert other.ask("GET", "/root/copy/resolve/main/w.bin").body == bytes(range(256)) * 10_000
    assert len(proxy.asked) >= 4
    assert all(asked.startswith(f"http://{NAME}/") for asked in proxy.asked)
    assert proxy.authorizations == {"Basic bWU6czpjcmV0"}


def test_https_goes_through_a_tunnel_and_the_certificate_is_checked(
    proxy: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate, "-days", "2",
         "-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME}"],
        check=True, capture_output=True,
    )  # fmt: skip

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "5")
            self.end_headers()
            self.wfile.write(b"hello")

        def log_message(self, *args: object) -> None:
            pass

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        proxy.port_of_name = server.server_port
        upstream = Upstream(f"https://{NAME}")
        with pytest.raises(Unavailable, match="certificate"), upstream.open("/x"):
            pass
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        with upstream.open("/x") as answer:
            assert answer.read() == b"hello"
        server.shutdown()
    assert proxy.asked == [f"{NAME}:443"] * 2


@pytest.mark.parametrize(
    "url", ["http://169.254.169.254/latest", "http://localhost/", "http://10.0.0.1/", "http://metadata/",
            "http://metadata.google.internal/", "http://printer.lan/", "http://0x7f.1/", "http://[::1]/"],
)  # fmt: skip
def test_it_is_not_asked_for_what_lies_inside(proxy: Proxy, url: str) -> None:
    with pytest.raises(Unavailable, match=r"private network|public internet"), Upstream(url).open("/x"):
        pass
    assert proxy.asked == []


def test_private_hosts_are_asked_directly(origin: Server, proxy: Proxy) -> None:
    assert Upstream(origin.url, private=True).info("model", "up/model", "main")["id"] == "up/model"
    assert proxy.asked == []


def test_no_proxy_is_heard(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", f"{NAME},.example.org")
    assert proxy_for("https", NAME) is None
    assert proxy_for("https", "a.example.org") is None
    assert proxy_for("https", "example.com") is not None
    monkeypatch.setenv("HTTPS_PROXY", "socks5://127.0.0.1:1")
    with pytest.raises(Unavailable, match="no http://"):
        proxy_for("https", "example.com")


@pytest.mark.parametrize("host", ["example", "a.localhost", "1.2.3", "a..com", "", "x.internal", "127.1"])
def test_names_without_a_public_form(host: str) -> None:
    assert not is_public_name(host)
    assert is_public_name("cdn-lfs.hf.co")
