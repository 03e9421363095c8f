"""What the Hugging Face client relies on beyond the endpoints as such: headers, codes, exact words, odd calls."""

from __future__ import annotations

import hashlib
import json
import pickle
import random
import re
from base64 import b64encode
from urllib.parse import quote

import pytest
from hubserving import Server, Starter
from huggingface_hub import CommitOperationAdd
from huggingface_hub.errors import HfHubHTTPError

LARGE = random.Random(5).randbytes(40_000)


@pytest.fixture(scope="module")
def model(server: Server) -> str:
    """A repository with a text, a large file and a pull request; returns its head."""
    api = server.user("con")
    api.create_repo("con/m")
    add = [CommitOperationAdd("a.txt", b"text"), CommitOperationAdd("d/w.bin", LARGE)]
    head = api.create_commit("con/m", add, commit_message="files").oid
    api.create_commit("con/m", [CommitOperationAdd("b.txt", b"b")], commit_message="pull", create_pr=True)
    return head


def test_what_every_start_of_the_client_asks(server: Server) -> None:
    answer = server.ask("GET", "/api/agent-harnesses")
    assert answer.status == 404 or isinstance(answer.json(), dict)  # a list would break every later call
    assert server.ask("HEAD", "/api/telemetry/transformers").status == 404
    assert server.ask("GET", "/api/whoami-v2", token="hf_nobody").headers["x-error-message"] == (
        "Invalid credentials in Authorization header"
    )


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/api/models/con/nowhere", 404, "RepoNotFound"),
        ("/con/nowhere/resolve/main/a.txt", 404, "RepoNotFound"),
        ("/api/datasets/con/m", 404, "RepoNotFound"),
        ("/api/models/con/m/revision/nope", 404, "RevisionNotFound"),
        ("/api/models/con/m/tree/nope", 404, "RevisionNotFound"),
        ("/con/m/resolve/nope/a.txt", 404, "RevisionNotFound"),
        ("/con/m/resolve/main/nope.txt", 404, "EntryNotFound"),
        ("/con/m/resolve/main/d", 404, "EntryNotFound"),
        ("/api/models/con/m/tree/main/nope", 404, "EntryNotFound"),
        ("/api/models/con/m/tree/main/additional_chat_templates", 404, "EntryNotFound"),
    ],
)
def test_what_is_missing_is_told_in_headers(
    server: Server, model: str, path: str, status: int, code: str
) -> None:
    for method in ("GET", "HEAD") if "/resolve/" in path else ("GET",):
        answer = server.ask(method, path, token=server.token("con"), X_Request_Id="abc-1")
        assert (answer.status, answer.headers["x-error-code"]) == (status, code)
        assert answer.headers["x-error-message"]
        assert answer.headers["x-request-id"] == "abc-1"
        # The client remembers what a commit does not have.
        assert (answer.headers.get("x-repo-commit") == model) == (code == "EntryNotFound")
        if code == "RevisionNotFound":
            assert answer.headers["x-error-message"].startswith("Invalid rev id")


def test_the_head_of_a_file(server: Server, model: str) -> None:
    text_id = hashlib.sha1(b"blob 4\0text", usedforsecurity=False).hexdigest()
    for path, etag, size in (
        ("a.txt", text_id, 4),
        ("d/w.bin", hashlib.sha256(LARGE).hexdigest(), len(LARGE)),
    ):
        for revision in ("main", model, model[:10]):
            answer = server.ask("HEAD", f"/con/m/resolve/{revision}/{path}", Accept_Encoding="identity")
            assert answer.status == 200
            assert answer.headers["x-repo-commit"] == model
            assert (answer.headers["etag"], answer.headers["content-length"]) == (f'"{etag}"', str(size))
            assert "x-xet-hash" not in answer.headers  # else the client would read by Xet


def test_revisions_with_a_slash(server: Server, model: str) -> None:
    for revision in ("refs%2Fpr%2F1", "refs%2fpr%2f1", "refs/pr/1"):
        tree = server.ask("GET", f"/api/models/con/m/tree/{revision}?recursive=true").json()
        assert {item["path"] for item in tree} == {"a.txt", "b.txt", "d", "d/w.bin"}, revision
        assert server.ask("GET", f"/con/m/resolve/{revision}/b.txt").body == b"b", revision


def test_facts_about_some_paths(server: Server, model: str) -> None:
    found = server.user("con").get_paths_info("con/m", ["d/w.bin", "d", "nope", "a.txt"], expand=True)
    facts = {item.path: item for item in found}
    assert set(facts) == {"d/w.bin", "d", "a.txt"}
    assert (facts["d/w.bin"].size, facts["d/w.bin"].lfs.sha256) == (  # type: ignore[union-attr]
        len(LARGE),
        hashlib.sha256(LARGE).hexdigest(),
    )
    assert {item.last_commit.oid for item in facts.values()} == {model}  # type: ignore[union-attr]
    (sibling,) = [
        item
        for item in server.user("con").model_info("con/m", files_metadata=True).siblings or ()
        if item.rfilename == "d/w.bin"
    ]
    assert (sibling.size, sibling.lfs.sha256) == (len(LARGE), hashlib.sha256(LARGE).hexdigest())  # type: ignore[union-attr]


def test_the_words_that_the_client_looks_for(server: Server) -> None:
    api = server.user("wor")
    api.create_repo("wor/m")
    api.create_branch("wor/m", branch="x")
    api.create_branch("wor/m", branch="x", exist_ok=True)
    api.create_tag("wor/m", tag="v1")
    api.create_tag("wor/m", tag="v1", exist_ok=True)
    assert api.create_repo("wor/m", exist_ok=True).repo_id == "wor/m"
    for call, words in (
        (lambda: api.create_branch("wor/m", branch="x"), "Reference refs/heads/x already exists"),
        (lambda: api.delete_branch("wor/m", branch="main"), "Cannot delete refs/heads/main"),
        (lambda: api.create_branch("wor/m", branch="y", revision="nope"), "Invalid rev id"),
    ):
        with pytest.raises(HfHubHTTPError, match=words):
            call()


def test_old_ids_lead_on_by_a_redirect(server: Server) -> None:
    api = server.user("mov")
    for kind, place in (("model", ""), ("dataset", "datasets/")):
        api.create_repo("mov/old", repo_type=kind)
        api.upload_file(path_or_fileobj=b"x", path_in_repo="a b.txt", repo_id="mov/old", repo_type=kind)
        api.move_repo("mov/old", "mov/new", repo_type=kind)
        answer = server.ask("HEAD", f"/{place}mov/old/resolve/main/a%20b.txt")
        assert answer.status == 307
        assert answer.headers["location"].endswith(f"/{place}mov/new/resolve/main/a%20b.txt")
        api_path = f"/api/{kind}s/mov/old/tree/refs%2Fpr%2F1?recursive=true"
        location = server.ask("GET", api_path).headers["location"]
        assert location.endswith(f"/api/{kind}s/mov/new/tree/refs%2Fpr%2F1?recursive=true")
        api.upload_file(path_or_fileobj=b"y", path_in_repo="c.txt", repo_id="mov/old", repo_type=kind)
        assert api.list_repo_files("mov/new", repo_type=kind) == ["a b.txt", "c.txt"]


def test_a_warning_reaches_the_client(start: Starter) -> None:
    server = start(on_unsafe="flag")
    server.user("ada").create_repo("ada/m")
    for name, content, warned in (("w.pkl", pickle.dumps(exec), True), ("w.txt", b"x", False)):
        lines = (
            {"key": "header", "value": {"summary": "x"}},
            {"key": "file", "value": {"path": name, "content": b64encode(content).decode(), "encoding": "base64"}},
        )  # fmt: skip
        body = "\n".join(map(json.dumps, lines))
        answer = server.ask("POST", "/api/models/ada/m/commit/main", body, token=server.token("ada"))
        assert answer.status == 200
        assert (name in answer.headers.get("x-hf-warning", "")) == warned


def test_lists_narrow_and_widen(server: Server) -> None:
    api = server.user("lis")
    for number in range(3):
        api.create_repo(f"lis/m{number}")
    api.update_repo_settings("lis/m1", gated="auto")
    assert [item.id for item in api.list_models(author="lis", gated=True)] == ["lis/m1"]
    assert {item.id for item in api.list_models(author="lis", gated=False)} == {"lis/m0", "lis/m2"}
    assert list(api.list_models(author="lis", inference="warm")) == []
    (one,) = api.list_models(author="lis", search="m2", expand=["sha", "downloads"])
    assert (one.sha, one.downloads) == (api.model_info("lis/m2").sha, 0)
    assert one.likes is None
    first = server.ask("GET", "/api/models?author=lis&limit=2")
    link = re.fullmatch(r'<(.+)>; rel="next"', first.headers["link"])
    assert link
    assert link[1].startswith(f"{server.url}/api/models?author=lis&limit=2&cursor=")
    rest = server.ask("GET", link[1].removeprefix(server.url))
    assert "link" not in rest.headers
    assert {item["id"] for item in first.json() + rest.json()} == {"lis/m0", "lis/m1", "lis/m2"}


def test_tags_by_type(start: Starter) -> None:
    server = start()
    api = server.user("ada")
    api.create_repo("ada/open")
    api.create_repo("ada/hidden", private=True)
    for name, tag in (("open", "seen"), ("hidden", "unseen")):
        card = f"---\nlicense: mit\npipeline_tag: fill-mask\ntags: [{tag}]\n---\n".encode()
        api.upload_file(path_or_fileobj=card, path_in_repo="README.md", repo_id=f"ada/{name}")
    tags = server.ask("GET", "/api/models-tags-by-type", token=server.token("ada")).json()
    shown = {(kind, item["id"]) for kind, items in tags.items() for item in items}
    assert {("pipeline_tag", "fill-mask"), ("license", "license:mit"), ("other", "seen")} <= shown
    assert not any("unseen" in value for _, value in shown)


def test_what_a_repository_may_be_called_in_an_address(server: Server) -> None:
    api = server.user("cas")
    api.create_repo("cas/Mixed")
    assert api.model_info("CAS/mixed").id == "cas/Mixed"
    assert server.ask("GET", "/api/models/" + quote("cas/Mixed", safe="")).status in (200, 404)
    assert server.ask("GET", "/api/models/gpt2").status == 401  # a bare name, of nobody here
    assert server.ask("GET", "/gpt2/resolve/main/config.json").headers["x-error-code"] == "RepoNotFound"
