"""Login at an OpenID Connect provider, against a small real one."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Iterator
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from hubserving import Answer, Server, Starter

pytest.importorskip("authlib")
from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT, SECRET = "the-hub", "a secret of the hub"


class Provider(ThreadingHTTPServer):
    """An OpenID Connect provider whose user is always logged in; `claims` and `key` may be bent by a test."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.issuer = f"http://127.0.0.1:{self.server_port}"
        self.key = self.published = RSAKey.generate_key(2048, {"kid": "one"})
        self.codes: dict[str, dict[str, str]] = {}
        self.claims: dict[str, Any] = {"sub": "4711", "preferred_username": "Ada L."}
        self.algorithm = "RS256"

    def authorize(self, query: dict[str, str]) -> str:
        assert query["client_id"] == CLIENT
        assert query["response_type"] == "code"
        assert query["code_challenge_method"] == "S256"
        assert "openid" in query["scope"].split()
        code = secrets.token_urlsafe(8)
        self.codes[code] = query
        return f"{query['redirect_uri']}?{urlencode({'code': code, 'state': query['state']})}"

    def token(self, form: dict[str, str], authorization: str) -> tuple[int, dict[str, Any]]:
        asked = self.codes.pop(form.get("code", ""), None)
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        basic = "Basic " + base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        if not asked or challenge != asked["code_challenge"] or authorization != basic:
            return 400, {"error": "invalid_grant"}
        claims = {"iss": self.issuer, "aud": CLIENT, "exp": int(time.time()) + 60, "nonce": asked["nonce"]}
        header = {"alg": self.algorithm, "kid": "one"}
        if self.algorithm == "none":
            parts = (json.dumps(part).encode() for part in (header, claims | self.claims))
            token = ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts) + "."
        else:
            token = jwt.encode(header, claims | self.claims, self.key)
        return 200, {"access_token": "x", "token_type": "Bearer", "id_token": token}


class _Answers(BaseHTTPRequestHandler):
    server: Provider

    def log_message(self, *_args: object) -> None:
        """Silent."""

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        issuer = self.server.issuer
        if parts.path == "/authorize":
            query = {key: values[0] for key, values in parse_qs(parts.query).items()}
            self.send_response(302)
            self.send_header("Location", self.server.authorize(query))
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif parts.path == "/keys":
            self._json(200, {"keys": [self.server.published.as_dict(private=False)]})
        else:
            self._json(200, {
                "issuer": issuer, "authorization_endpoint": f"{issuer}/authorize", "jwks_uri": f"{issuer}/keys",
                "token_endpoint": f"{issuer}/token",
            })  # fmt: skip

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        form = {key: values[0] for key, values in parse_qs(body).items()}
        self._json(*self.server.token(form, self.headers.get("Authorization", "")))

    def _json(self, status: int, data: dict[str, Any]) -> None:
        body = json.dumps(data).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def provider() -> Iterator[Provider]:
    server = Provider()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


def configured(start: Starter, provider: Provider, **settings: Any) -> Server:
    return start(oidc_issuer=provider.issuer, oidc_client_id=CLIENT, oidc_client_secret=SECRET, **settings)


def leave(server: Server, provider: Provider, target: str = "/upload") -> tuple[str, str]:
    """Go to the provider and take its redirect; the address to come back to, and the cookie to bring."""
    answer = server.ask("GET", f"/login/oidc?next={target}")
    assert answer.status == 303, answer.body
    assert "httponly" in answer.headers["set-cookie"].lower()
    cookie = SimpleCookie(answer.headers["set-cookie"])["zoo_oidc"].value
    query = {key: values[0] for key, values in parse_qs(urlsplit(answer.headers["location"]).query).items()}
    back = urlsplit(provider.authorize(query))
    return f"{back.path}?{back.query}", cookie


def come_back(server: Server, path: str, cookie: str) -> Answer:
    return server.ask("GET", path, Cookie=f"zoo_oidc={cookie}")


def users(server: Server) -> list[str]:
    return [row.name for row in server.hub.accounts.everyone("user")]


def test_first_and_second_login(start: Starter, provider: Provider) -> None:
    server = configured(start, provider)
    assert "/login/oidc" in server.ask("GET", "/login", Accept="text/html").body.decode()
    for _ in range(2):
        answer = come_back(server, *leave(server, provider))
        assert (answer.status, answer.headers["location"]) == (303, "/upload"), answer.body
        assert users(server) == ["Ada-L"]
    row = server.hub.accounts.find("ada-l")
    assert row is not None
    assert row.subject == f"{provider.issuer} 4711"
    assert row.password is None
    provider.claims["preferred_username"] = "admin"  # a new name there changes nothing here
    assert come_back(server, *leave(server, provider)).status == 303
    assert users(server) == ["Ada-L"]
    server.hub.accounts.change(row.id, disabled=True)
    assert come_back(server, *leave(server, provider)).status == 403


def test_the_session_works(start: Starter, provider: Provider) -> None:
    server = configured(start, provider, login_required=True)
    assert server.ask("GET", "/search").status == 303
    path, cookie = leave(server, provider)
    connection_cookies = raw_cookies(server, path, cookie)
    page = server.ask("GET", "/search", Cookie=f"zoo_session={connection_cookies['zoo_session']}")
    assert page.status == 200
    assert "Ada-L" in page.body.decode()


def raw_cookies(server: Server, path: str, cookie: str) -> dict[str, str]:
    """All cookies of an answer, of which `Server.ask` keeps the last only."""
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.request("GET", path, headers={"Cookie": f"zoo_oidc={cookie}"})
    found = connection.getresponse().headers.get_all("set-cookie") or []
    connection.close()
    return {name: morsel.value for text in found for name, morsel in SimpleCookie(text).items()}


def test_a_name_that_is_taken_is_not_taken_over(start: Starter, provider: Provider) -> None:
    server = configured(start, provider)
    server.user("ada-l")
    for name, expected in (("Ada L.", "Ada-L-2"), ("api", "api-2"), ("../\u202e", "user"), ("", "user-2")):
        provider.claims = {"sub": name or "nameless", "preferred_username": name}
        assert come_back(server, *leave(server, provider)).status == 303
        assert expected in users(server), name


def test_where_nobody_is_made(start: Starter, provider: Provider) -> None:
    server = configured(start, provider, oidc_create=False)
    answer = come_back(server, *leave(server, provider))
    assert answer.status == 403
    assert users(server) == []


@pytest.mark.parametrize(
    "bent",
    [
        {"nonce": "another"}, {"aud": "another-client"}, {"iss": "https://evil.example"}, {"exp": 1000},
        {"sub": None}, {"key": True}, {"algorithm": "none"}, {"code": "guessed"}, {"state": "guessed"},
    ],
    ids=lambda bent: next(iter(bent)),
)  # fmt: skip
def test_a_login_that_does_not_hold(start: Starter, provider: Provider, bent: dict[str, Any]) -> None:
    server = configured(start, provider)
    path, cookie = leave(server, provider)
    (name, value), *_ = bent.items()
    if name == "key":
        provider.key = RSAKey.generate_key(2048, {"kid": "one"})
    elif name == "algorithm":
        provider.algorithm = value
    elif name in ("code", "state"):
        parts = urlsplit(path)
        query = {key: values[0] for key, values in parse_qs(parts.query).items()} | {name: value}
        path = f"{parts.path}?{urlencode(query)}"
    else:
        provider.claims[name] = value
    answer = come_back(server, path, cookie)
    assert answer.status == 403, answer.body
    assert "zoo_session" not in str(answer.headers)
    assert users(server) == []


def test_a_login_that_began_elsewhere(start: Starter, provider: Provider) -> None:
    """Who is sent a finished address by somebody else is not logged in as that one."""
    server = configured(start, provider)
    path, cookie = leave(server, provider)
    other = leave(server, provider)[1]
    assert server.ask("GET", path).status == 401
    assert come_back(server, path, other).status == 403
    assert come_back(server, path, cookie[:-2] + "xx").status == 401
    assert come_back(server, path, cookie).status == 303
    assert come_back(server, path, cookie).status == 403  # a code is good once


def test_a_target_elsewhere_is_not_gone_to(start: Starter, provider: Provider) -> None:
    server = configured(start, provider)
    assert come_back(server, *leave(server, provider, "//evil.example/")).headers["location"] == "/"


def test_a_provider_that_is_away(start: Starter, provider: Provider) -> None:
    server = start(oidc_issuer="http://127.0.0.1:9", oidc_client_id=CLIENT)
    assert server.ask("GET", "/login/oidc").status == 503
    assert start().ask("GET", "/login/oidc").status == 404
    assert start().ask("GET", "/login/oidc/callback").status == 404
