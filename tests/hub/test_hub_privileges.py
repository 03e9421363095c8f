"""Nobody changes what is another's: every writing call of the API, asked by those who may not."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hubserving import Server, Starter
from sqlalchemy import select

from zoohub.hub.tables import metadata

# What anybody who is logged in may do to a public repository: look, talk, propose.
FREE = ("/paths-info/", "/discussions", "/ask-access", "/duplicate")
COMMIT = '{"key":"header","value":{"summary":"x"}}\n{"key":"deletedFile","value":{"path":"a.txt"}}'
BODIES: dict[str, Any] = {
    "/settings": {"visibility": "private", "gated": "auto"}, "/tag/": {"tag": "t2"},
    "/user-access-request/grant": {"user": "eve"},
    "/user-access-request/handle": {"user": "eve", "status": "accepted"}, "/super-squash/": {"message": "x"},
    "/lfs-files/batch": {"deletions": {"sha": ["a" * 64]}}, "/preupload/": {"files": []},
    "/duplicate": {"repository": "ann/copy"}, "/status": {"status": "closed"}, "/title": {"title": "mine"},
    "/edit": {"content": "mine"}, "/comment": {"comment": "x"}, "/branch/": {},
}  # fmt: skip


def state(server: Server) -> dict[str, list[Any]]:
    """All rows of the hub's tables but the log, which notes refused logins, and who used which token when."""
    with server.hub.db.read() as connection:
        return {
            table.name: sorted(map(repr, connection.execute(select(table))))
            for table in metadata.sorted_tables
            if table.name.startswith("hub_") and table.name not in ("hub_log", "hub_tokens")
        }


def calls(server: Server) -> list[tuple[str, str]]:
    """Method and path of all writing calls below a repository, as the OpenAPI description has them."""
    described = server.ask("GET", "/openapi.json").json()["paths"]
    return [
        (method.upper(), path)
        for path, methods in described.items()
        for method in methods
        if method != "get" and re.match(r"/api/(models|datasets)/\{ns\}/\{name\}", path)
    ]


@pytest.mark.parametrize("who", ["stranger", "reader", "read token", "scoped token", "nobody"])
def test_no_call_changes_what_is_anothers(start: Starter, who: str) -> None:
    server = start()
    accounts = server.hub.accounts
    owner = server.user("ann")
    org = accounts.create_org("team", accounts.need("ann").id)
    server.token("eve")
    eve = accounts.need("eve").id
    if who != "stranger":
        accounts.set_member(org, eve, "write" if "token" in who else "read")
    facts: dict[str, Any] = {"role": "read"} if who == "read token" else {"role": "write"}
    if who == "scoped token":
        facts["scope"] = ["eve", "team/other"]
    token = None if who == "nobody" else accounts.create_token(eve, "t", **facts)
    for kind in ("model", "dataset"):
        owner.create_repo("team/m", repo_type=kind)
        owner.upload_file(path_or_fileobj=b"x", path_in_repo="a.txt", repo_id="team/m", repo_type=kind)
        owner.create_branch("team/m", branch="b", repo_type=kind)
        owner.create_tag("team/m", tag="t", repo_type=kind)
        owner.create_discussion("team/m", title="talk", description="x", repo_type=kind)
    before = state(server)
    asked = calls(server)
    assert len(asked) > 30
    wrong = []
    for method, pattern in asked:
        if any(part in pattern for part in FREE) and not re.search(
            r"/(merge|status|title|edit|hide)$", pattern
        ):
            continue
        path = pattern.replace("{ns}", "team").replace("{name}", "m")
        home = re.match(r"/api/\w+/team/m", path)
        assert home
        event = server.ask("GET", f"{home[0]}/discussions/1").json()["events"][0]["id"]
        ref = "t" if "/tag/" in path and method == "DELETE" else "b"
        for name, value in (("rev", ref), ("number", "1"), ("comment", event), ("status", "pending")):
            path = path.replace(f"{{{name}}}", value)
        body = next((json.dumps(body) for part, body in BODIES.items() if part in path), "{}")
        answer = server.ask(method, path, COMMIT if "/commit/" in path else body, token=token)
        if answer.status not in (401, 403, 404):
            wrong.append((method, path, answer.status, answer.body[:200]))
    assert wrong == []
    for method, path, sent in (
        ("DELETE", "/api/repos/delete", {"name": "team/m", "type": "model"}),
        ("POST", "/api/repos/move", {"fromRepo": "team/m", "toRepo": "eve/m", "type": "model"}),
        ("POST", "/api/repos/create", {"name": "m2", "organization": "team" if "read" in who or who == "stranger" else "ann"}),
        ("POST", "/team/m.git/info/lfs/objects/batch", {"operation": "upload", "objects": [{"oid": "x", "size": 1}]}),
    ):  # fmt: skip
        assert server.ask(method, path, sent, token=token).status in (400, 401, 403, 404), path
    assert state(server) == before


def test_the_owner_may_do_what_others_may_not(start: Starter) -> None:
    """The calls above are refused for who asks, not for how."""
    server = start()
    owner, token = server.user("ann"), server.token("ann")
    owner.create_repo("ann/m")
    owner.upload_file(path_or_fileobj=b"x", path_in_repo="a.txt", repo_id="ann/m")
    owner.create_branch("ann/m", branch="b")
    for method, path in (
        ("POST", "preupload/b"), ("POST", "commit/b"), ("POST", "tag/b"), ("POST", "super-squash/b"),
        ("DELETE", "tag/t2"), ("DELETE", "branch/b"), ("PUT", "settings"),
    ):  # fmt: skip
        body = next((json.dumps(body) for part, body in BODIES.items() if part in f"/{path}"), None)
        sent = COMMIT if path.startswith("commit") else body
        answer = server.ask(method, f"/api/models/ann/m/{path}", sent, token=token)
        assert answer.status == 200, (path, answer.body)
