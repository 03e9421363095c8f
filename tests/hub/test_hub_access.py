"""Who may do what: private and gated repositories, roles, tokens, sessions; nothing private shows."""

from __future__ import annotations

import hashlib
import http.cookies
import json
import re
import time
from urllib.parse import urlencode

import pytest
from hubserving import Answer, Server, Starter
from huggingface_hub import CommitOperationAdd, HfApi
from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RepositoryNotFoundError
from sqlalchemy import select, update

from zoohub.hub.tables import log


def refused(status: int, call, *args, **kwargs) -> HfHubHTTPError:
    with pytest.raises(HfHubHTTPError) as caught:
        call(*args, **kwargs)
    assert caught.value.response.status_code == status, caught.value
    return caught.value


def test_a_private_repository_answers_as_one_that_is_not_there(server: Server) -> None:
    owner = server.user("pia")
    owner.create_repo("pia/hidden", private=True)
    owner.upload_file(path_or_fileobj=b"secret", path_in_repo="a.txt", repo_id="pia/hidden")
    calls = [
        ("GET", "/api/models/{}", None), ("GET", "/api/models/{}/tree/main", None),
        ("GET", "/{}/resolve/main/a.txt", None),
        ("HEAD", "/{}/resolve/main/a.txt", None), ("GET", "/api/models/{}/refs", None),
        ("GET", "/api/models/{}/commits/main", None),
        ("POST", "/api/models/{}/paths-info/main", {"paths": ["a.txt"]}),
        ("GET", "/api/models/{}/auth-check", None), ("GET", "/api/models/{}/xet-write-token/main", None),
        ("POST", "/api/models/{}/preupload/main", {"files": []}),
        ("PUT", "/api/models/{}/settings", {"private": False}),
        ("POST", "/api/models/{}/user-access-request/grant", {"user": "pia"}),
        ("POST", "/api/models/{}/ask-access", {}),
        ("POST", "/{}.git/info/lfs/objects/batch", {"operation": "upload", "objects": []}),
        ("DELETE", "/api/models/{}/branch/main", None),
        ("POST", "/api/models/{}/super-squash/main", {"message": "x"}),
        ("GET", "/{}", None), ("GET", "/{}/tree/main", None),
    ]  # fmt: skip
    for token in (None, server.token("mallory")):
        for method, path, body in calls:
            there = server.ask(method, path.format("pia/hidden"), body, token=token)
            nowhere = server.ask(method, path.format("pia/missing"), body, token=token)
            assert there.status in (401, 404), (method, path)
            assert plain(there) == plain(nowhere), (method, path)
            assert b"secret" not in there.body
    assert server.ask("GET", "/pia/hidden/resolve/main/a.txt", token=server.token("pia")).body == b"secret"


def plain(answer: Answer) -> tuple[int, dict[str, str], bytes]:
    own = ("x-request-id", "date", "ratelimit")
    headers = {key: value for key, value in answer.headers.items() if key not in own}
    return answer.status, headers, answer.body.replace(b"hidden", b"").replace(b"missing", b"")


def test_counts_and_profiles_leave_private_ones_out(server: Server) -> None:
    server.user("quin").create_repo("quin/obscure", private=True)
    overview = server.ask("GET", "/api/users/quin/overview").json()
    assert overview["numModels"] == 0
    assert list(server.user("mallory").list_models(author="quin")) == []
    assert b"obscure" not in server.ask("GET", "/search?author=quin").body
    assert [item.id for item in server.user("quin").list_models(author="quin")] == ["quin/obscure"]


def test_roles_in_an_organization(server: Server) -> None:
    accounts = server.hub.accounts
    boss = server.user("boss")
    org = accounts.create_org("team", accounts.need("boss").id)
    for name, role in (("reader", "read"), ("writer", "write")):
        server.token(name)
        accounts.set_member(org, accounts.need(name).id, role)
    reader, writer, outsider = server.user("reader"), server.user("writer"), server.user("outsider")
    writer.create_repo("team/model", private=True)
    writer.upload_file(path_or_fileobj=b"1", path_in_repo="a.txt", repo_id="team/model")
    assert reader.list_repo_files("team/model") == ["a.txt"]
    refused(403, reader.upload_file, path_or_fileobj=b"2", path_in_repo="b.txt", repo_id="team/model")
    refused(403, reader.create_repo, "team/other")
    refused(403, outsider.create_repo, "team/other")
    with pytest.raises(RepositoryNotFoundError):
        outsider.model_info("team/model")
    refused(403, writer.delete_repo, "team/model")
    refused(403, writer.update_repo_settings, "team/model", private=False)
    refused(403, writer.move_repo, "team/model", "writer/model")
    refused(403, boss.move_repo, "team/model", "outsider/model")
    accounts.set_member(org, accounts.need("reader").id, None)
    with pytest.raises(RepositoryNotFoundError):
        reader.model_info("team/model")
    boss.delete_repo("team/model")


def test_tokens_do_what_they_are_for(server: Server) -> None:
    accounts = server.hub.accounts
    api = server.user("tom")
    api.create_repo("tom/one", private=True)
    api.create_repo("tom/two", private=True)
    user = accounts.need("tom").id

    def client(**facts) -> HfApi:
        return HfApi(endpoint=server.url, token=accounts.create_token(user, "t", **facts))

    reader = client(role="read")
    assert reader.model_info("tom/one").private
    refused(403, reader.upload_file, path_or_fileobj=b"x", path_in_repo="x.txt", repo_id="tom/one")
    refused(403, reader.create_repo, "tom/three")
    scoped = client(role="write", scope=["tom/one"])
    scoped.upload_file(path_or_fileobj=b"x", path_in_repo="x.txt", repo_id="tom/one")
    with pytest.raises(RepositoryNotFoundError):
        scoped.model_info("tom/two")
    refused(403, scoped.create_repo, "tom/three")
    assert [item.id for item in scoped.list_models(author="tom")] == ["tom/one"]
    short = client(role="write", life=0.3)
    assert short.whoami()["name"] == "tom"
    time.sleep(0.4)
    refused(401, short.whoami)
    row = next(row for row in accounts.tokens(user) if row.scope)
    accounts.revoke(user, row.id)
    refused(401, scoped.whoami)
    stored = server.hub.db
    with stored.read() as connection:
        dump = str(connection.exec_driver_sql("SELECT * FROM hub_tokens").all())
    assert str(server.tokens["tom/write"]) not in dump


def test_a_token_in_the_address_counts_for_nothing(server: Server) -> None:
    server.user("una").create_repo("una/private", private=True)
    token = server.token("una")
    for query in (f"token={token}", f"access_token={token}", f"authorization=Bearer%20{token}"):
        assert server.ask("GET", f"/api/models/una/private?{query}").status == 401


def test_no_secret_of_an_address_is_logged(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", logger="zoohub.hub"):
        server.ask("GET", "/api/models?token=hf_in_the_address")
        server.ask("PUT", "/lfs/put/signed_part", b"x")
        server.ask("GET", "/api/whoami-v2", token="hf_in_a_header")
    told = [json.dumps(getattr(record, "facts", {})) + record.getMessage() for record in caplog.records]
    assert len([line for line in told if '"path"' in line]) >= 3
    assert [line for line in told if re.search("hf_in|signed_part", line)] == []


def test_gated_repositories(server: Server, tmp_path) -> None:
    owner, guest = server.user("vic"), server.user("wanda")
    owner.create_repo("vic/gated")
    owner.upload_file(path_or_fileobj=b"x", path_in_repo="a.txt", repo_id="vic/gated")
    owner.update_repo_settings("vic/gated", gated="manual")
    assert guest.model_info("vic/gated").gated == "manual"
    with pytest.raises(GatedRepoError):
        guest.hf_hub_download("vic/gated", "a.txt", cache_dir=tmp_path)
    with pytest.raises(GatedRepoError):
        HfApi(endpoint=server.url, token=False).hf_hub_download("vic/gated", "a.txt", cache_dir=tmp_path)
    asked = server.ask(
        "POST", "/api/models/vic/gated/ask-access", {"why": "tests"}, token=server.token("wanda")
    )
    assert asked.json() == {"status": "pending"}
    request = next(iter(owner.list_pending_access_requests("vic/gated")))
    assert (request.username, request.fields) == ("wanda", {"why": "tests"})
    refused(403, guest.accept_access_request, "vic/gated", "wanda")
    owner.accept_access_request("vic/gated", "wanda")
    guest.hf_hub_download("vic/gated", "a.txt", cache_dir=tmp_path)
    owner.reject_access_request("vic/gated", "wanda", rejection_reason="no")
    with pytest.raises(GatedRepoError):
        guest.hf_hub_download("vic/gated", "a.txt", cache_dir=tmp_path / "again")
    server.token("xena")
    owner.grant_access("vic/gated", "xena")
    server.user("xena").hf_hub_download("vic/gated", "a.txt", cache_dir=tmp_path / "x")


def test_bytes_of_others_are_not_taken_for_their_hash(server: Server) -> None:
    owner, thief = server.user("yan"), server.user("zed")
    body = b"a secret that is long enough to be a file" * 100
    oid = hashlib.sha256(body).hexdigest()
    owner.create_repo("yan/vault", private=True)
    owner.create_commit("yan/vault", [CommitOperationAdd("w.bin", body)], commit_message="x")
    thief.create_repo("zed/loot")
    batch = {"operation": "upload", "transfers": ["basic"], "objects": [{"oid": oid, "size": len(body)}]}
    token = server.token("zed")
    answer = server.ask("POST", "/zed/loot.git/info/lfs/objects/batch", batch, token=token).json()
    assert "upload" in answer["objects"][0]["actions"]
    commit = b'{"key":"header","value":{"summary":"x"}}\n' + (
        b'{"key":"lfsFile","value":{"path":"w.bin","algo":"sha256","oid":"%s","size":%d}}'
        % (oid.encode(), len(body))
    )
    refusal = server.ask("POST", "/api/models/zed/loot/commit/main", commit, token=token)
    assert (refusal.status, "not uploaded" in refusal.json()["error"]) == (400, True)
    owner_batch = server.ask(
        "POST", "/yan/vault.git/info/lfs/objects/batch", batch, token=server.token("yan")
    )
    assert "actions" not in owner_batch.json()["objects"][0]


def test_quota(start: Starter) -> None:
    server = start(quota="1MB")
    api = server.user("ann")
    api.create_repo("ann/m")
    api.upload_file(path_or_fileobj=bytes(600_000), path_in_repo="a.bin", repo_id="ann/m")
    error = refused(
        403, api.upload_file, path_or_fileobj=b"1" * 600_000, path_in_repo="b.bin", repo_id="ann/m"
    )
    assert "quota" in str(error)
    assert api.list_repo_files("ann/m") == ["a.bin"]


def test_every_write_is_in_the_log(server: Server) -> None:
    api = server.user("lola")
    api.create_repo("lola/m")
    api.upload_file(path_or_fileobj=b"1", path_in_repo="a", repo_id="lola/m")
    api.create_tag("lola/m", tag="v1")
    api.move_repo("lola/m", "lola/n")
    api.delete_repo("lola/n")
    with server.hub.db.read() as connection:
        rows = connection.execute(select(log.c.action).where(log.c.actor == "lola").order_by(log.c.id)).all()
    assert [row.action for row in rows] == ["repo.create", "commit", "ref.create", "repo.move", "repo.delete"]


def test_rate_limit_in_the_clients_words(start: Starter) -> None:
    server = start(rate=5)
    answers = [server.ask("GET", "/api/models") for _ in range(7)]
    assert [answer.status for answer in answers] == [200] * 5 + [429] * 2
    from huggingface_hub.utils._http import parse_ratelimit_headers

    info = parse_ratelimit_headers(answers[-1].headers)
    assert info is not None
    assert (info.remaining, info.limit) == (0, 5)
    assert int(answers[-1].headers["retry-after"]) > 0
    assert server.ask("GET", "/health").status == 200


class Browser:
    """A browser without a screen: cookies and forms."""

    def __init__(self, server: Server) -> None:
        self.server, self.cookie = server, ""

    def get(self, path: str) -> str:
        headers = {"Accept": "text/html"} | ({"Cookie": self.cookie} if self.cookie else {})
        return self.server.ask("GET", path, **headers).body.decode()

    def post(
        self, path: str, page: str | None = None, headers: dict[str, str] | None = None, **fields: str
    ) -> Answer:
        token = re.search(r'name="token" value="([^"]+)"', self.get(page or path))
        body = urlencode({"token": token[1] if token else "", **fields})
        sent = {"Content-Type": "application/x-www-form-urlencoded", "Cookie": self.cookie, **(headers or {})}
        answer = self.server.ask("POST", path, body, **sent)
        if "set-cookie" in answer.headers:
            jar = http.cookies.SimpleCookie(answer.headers["set-cookie"])
            self.cookie = "; ".join(f"{item.key}={item.value}" for item in jar.values())
        return answer


def test_login_tokens_and_logout_in_the_browser(server: Server) -> None:
    server.token("web")
    browser = Browser(server)
    assert browser.post("/login", name="web", password="wrong").status == 401
    answer = browser.post("/login", name="web", password="password", next="//evil.example")
    assert (answer.status, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Log out web" in browser.get("/")
    made = browser.post("/settings/tokens", name="ci", role="write", scope="web/m", days="1").body.decode()
    token = re.search(r"HF_TOKEN=(\w+)", made)
    assert token
    assert HfApi(endpoint=server.url, token=token[1]).whoami()["auth"]["accessToken"]["displayName"] == "ci"
    number = re.search(r'name="revoke" value="(\d+)" aria-label="Revoke ci"', browser.get("/settings/tokens"))
    assert number
    browser.post("/settings/tokens", revoke=number[1])
    refused(401, HfApi(endpoint=server.url, token=token[1]).whoami)
    session = browser.cookie
    assert server.ask("GET", "/api/whoami-v2", Cookie=session).status == 401  # a cookie is no API token
    browser.post("/logout", page="/")
    browser.cookie = session
    assert "Log in" in browser.get("/")


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}],
)
def test_forms_of_other_sites_are_refused(server: Server, headers: dict[str, str]) -> None:
    server.token("victim")
    browser = Browser(server)
    assert browser.post("/login", name="victim", password="password").status == 303
    before = len(server.hub.accounts.tokens(server.hub.accounts.need("victim").id))
    assert browser.post("/settings/tokens", name="evil", role="write", headers=headers).status == 401
    other = Browser(server)
    assert other.post("/login", name="victim", password="password").status == 303
    foreign = re.search(r'name="token" value="([^"]+)"', other.get("/settings/tokens"))
    assert foreign
    body = urlencode({"token": foreign[1], "name": "evil", "role": "write"})
    kind = "application/x-www-form-urlencoded"
    answer = server.ask("POST", "/settings/tokens", body, Cookie=browser.cookie, Content_Type=kind)
    assert answer.status == 401
    assert len(server.hub.accounts.tokens(server.hub.accounts.need("victim").id)) == before


def test_guessing_passwords_is_slowed(start: Starter) -> None:
    server = start(login_rate=4)
    server.token("ann")
    browser = Browser(server)
    statuses = [browser.post("/login", name="ann", password=f"guess{n}").status for n in range(6)]
    assert statuses == [401] * 4 + [429] * 2
    assert browser.post("/login", name="ann", password="password").status == 429
    # Another worker of the same database counts on, and refusals do not count.
    other = start(login_rate=4, database=server.hub.config.database_url)
    assert Browser(other).post("/login", name="ann", password="password").status == 429
    with server.hub.db.write() as connection:  # five minutes later
        connection.execute(update(log).values(at=log.c.at - 301))
    assert Browser(other).post("/login", name="ann", password="password").status == 303


def test_made_up_tokens_count_as_one_caller(start: Starter) -> None:
    server = start(rate=10)
    token = server.token("ann")
    assert server.ask("GET", "/api/whoami-v2", token=token).status == 200
    statuses = [server.ask("GET", "/api/whoami-v2", token=f"zoo_{n}").status for n in range(14)]
    assert statuses == [401] * 11 + [429] * 3
    assert server.ask("GET", "/api/models").status == 429  # the same address
    assert server.ask("GET", "/api/whoami-v2", token=token).status == 200  # somebody who is known


def test_a_page_for_everybody_makes_no_token_a_known_one(start: Starter) -> None:
    server = start(rate=10)
    statuses = [server.ask("GET", "/openapi.json", token=f"zoo_{n}").status for n in range(14)]
    assert statuses == [200] * 11 + [429] * 3


def test_login_required_hides_everything(start: Starter) -> None:
    server = start(login_required=True)
    api = server.user("ann")
    api.create_repo("ann/m")
    assert server.ask("GET", "/api/models/ann/m").status == 401
    for path in ("/ann/m", "/ann/nothing", "/ann/m/tree/main"):
        assert server.ask("GET", path).headers["location"].startswith("/login")
    assert server.ask("GET", "/api/models").status == 401
    assert server.ask("GET", "/search").headers["location"].startswith("/login")
    assert api.model_info("ann/m").id == "ann/m"
