"""What a push becomes: a record that search finds, a verdict, a refusal with its reason."""

from __future__ import annotations

import json
import pickle
import struct

import pytest
from hubserving import Starter
from huggingface_hub import CommitOperationAdd
from huggingface_hub.errors import HfHubHTTPError

CARD = """---
license: apache-2.0
pipeline_tag: text-classification
language: [zh, en]
base_model: org/base
datasets: [imdb]
tags: [sentiment]
---
# A model

Tells glad from sad.
"""
CONFIG = json.dumps({"model_type": "bert", "architectures": ["BertForSequenceClassification"]})


def safetensors(values: int) -> bytes:
    header = json.dumps({"w": {"dtype": "F32", "shape": [values], "data_offsets": [0, values * 4]}}).encode()
    return struct.pack("<Q", len(header)) + header + bytes(values * 4)


class Evil:
    def __reduce__(self):
        return print, ("run",)


def test_a_push_is_found_at_once(start: Starter) -> None:
    server = start()
    api = server.user("ada")
    api.create_repo("ada/mood")
    add = [
        CommitOperationAdd("README.md", CARD.encode()),
        CommitOperationAdd("config.json", CONFIG.encode()),
        CommitOperationAdd("model.safetensors", safetensors(2_000_000)),
    ]
    head = api.create_commit("ada/mood", add, commit_message="first").oid
    for search in (
        {"search": "mood"}, {"filter": "license:apache-2.0"}, {"filter": ["text-classification", "zh"]},
        {"filter": "dataset:imdb"}, {"filter": "base_model:org/base"}, {"author": "ada"},
        {"filter": "sentiment"}, {"filter": "safetensors"}, {"filter": ["zh", "en"]},
        {"num_parameters": "min:1M,max:3M"},
    ):  # fmt: skip
        assert [item.id for item in api.list_models(**search)] == ["ada/mood"], search
    for search in ({"search": "mood", "filter": "license:mit"}, {"filter": ["zh", "fr"]}, {"filter": "nope"}):
        assert list(api.list_models(**search)) == [], search
    info = api.model_info("ada/mood", expand=["safetensors", "cardData", "sha"])
    assert (info.sha, info.safetensors.total) == (head, 2_000_000)  # type: ignore[union-attr]
    assert info.card_data.license == "apache-2.0"  # type: ignore[union-attr]
    record = server.hub.registry.get("ada/mood")
    assert record.parameters == 2_000_000
    assert {file.path for file in record.files} == {"README.md", "config.json", "model.safetensors"}


def test_private_models_are_found_by_their_own_only(start: Starter) -> None:
    server = start()
    api = server.user("ada")
    api.create_repo("ada/secret", private=True)
    api.upload_file(path_or_fileobj=CARD.encode(), path_in_repo="README.md", repo_id="ada/secret")
    assert [item.id for item in api.list_models(filter="license:apache-2.0")] == ["ada/secret"]
    assert list(server.user("eve").list_models()) == []
    assert server.hub.registry.count("") == 0
    api.update_repo_settings("ada/secret", private=False)
    assert [item.id for item in server.user("eve").list_models(search="secret")] == ["ada/secret"]
    api.update_repo_settings("ada/secret", private=True)
    assert list(server.user("eve").list_models(search="secret")) == []
    assert "ada/secret" not in server.ask("GET", "/search?q=secret&partial=1").body.decode()


def test_moving_and_deleting_reach_the_search(start: Starter) -> None:
    api = start().user("ada")
    api.create_repo("ada/one")
    api.move_repo("ada/one", "ada/two")
    assert [item.id for item in api.list_models()] == ["ada/two"]
    api.delete_repo("ada/two")
    assert list(api.list_models()) == []


@pytest.mark.parametrize("name", ["weights.pkl", "pytorch_model.bin"])
def test_code_in_files_is_refused_or_flagged(start: Starter, name: str) -> None:
    body = pickle.dumps(Evil())
    strict = start(on_unsafe="refuse").user("ada")
    strict.create_repo("ada/evil")
    with pytest.raises(HfHubHTTPError, match="can run code") as caught:
        strict.upload_file(path_or_fileobj=body, path_in_repo=name, repo_id="ada/evil")
    assert name in str(caught.value)
    assert strict.list_repo_files("ada/evil") == []
    mild = start(on_unsafe="flag")
    api = mild.user("ada")
    api.create_repo("ada/evil")
    api.upload_file(path_or_fileobj=body, path_in_repo=name, repo_id="ada/evil")
    page = mild.ask("GET", "/ada/evil", Accept="text/html").body.decode()
    assert f"{name}: a pickle that imports" in page


def test_a_lying_safetensors_header_is_refused(start: Starter) -> None:
    api = start(on_unsafe="refuse").user("ada")
    api.create_repo("ada/liar")
    for body in (struct.pack("<Q", 1 << 60) + b"{}" * 100, safetensors(1000)[:-4], b"\0" * 7):
        with pytest.raises(HfHubHTTPError, match="safetensors"):
            api.upload_file(path_or_fileobj=body, path_in_repo="model.safetensors", repo_id="ada/liar")


def test_bad_metadata_are_told_before_the_commit(start: Starter) -> None:
    api = start().user("ada")
    api.create_repo("ada/card")
    with pytest.raises(ValueError, match="Invalid metadata"):
        api.upload_file(
            path_or_fileobj=b"---\nlicense: [mit\n---\n", path_in_repo="README.md", repo_id="ada/card"
        )


RESEARCH_ONLY = CARD.replace("apache-2.0", "cc-by-nc-4.0").replace("base_model: org/base\n", "")


def test_a_license_that_the_policy_denies(start: Starter) -> None:
    strict = start(on_deny="refuse", policy="commercial").user("ada")
    strict.create_repo("ada/nc")
    with pytest.raises(HfHubHTTPError, match="license policy") as caught:
        strict.upload_file(path_or_fileobj=RESEARCH_ONLY.encode(), path_in_repo="README.md", repo_id="ada/nc")
    assert "ommercial" in str(caught.value)
    blocking = start(on_deny="block", policy="commercial")
    owner, reader = blocking.user("ada"), blocking.token("bob")
    owner.create_repo("ada/nc")
    owner.upload_file(path_or_fileobj=RESEARCH_ONLY.encode(), path_in_repo="README.md", repo_id="ada/nc")
    answer = blocking.ask("GET", "/ada/nc/resolve/main/README.md", token=reader)
    assert (answer.status, "license policy" in answer.json()["error"]) == (403, True)
    assert owner.model_info("ada/nc").disabled
    assert "Denied" in blocking.ask("GET", "/ada/nc", Accept="text/html").body.decode()
    owner.upload_file(path_or_fileobj=CARD.encode(), path_in_repo="README.md", repo_id="ada/nc")
    assert blocking.ask("GET", "/ada/nc/resolve/main/README.md", token=reader).status == 200


def test_audit_and_recommend_in_the_browser(start: Starter) -> None:
    server = start(catalog=True)
    api = server.user("ada")
    api.create_repo("ada/nc", private=True)
    api.upload_file(path_or_fileobj=RESEARCH_ONLY.encode(), path_in_repo="README.md", repo_id="ada/nc")
    page = server.ask("GET", "/audit?policy=commercial&models=ada%2Fnc%0Ano%2Fwhere").body.decode()
    assert "cc-by-nc" not in page.lower()  # a private model is audited as one that is not there
    assert "it is in no registry here" in page
    advice = server.ask(
        "GET", "/recommend?task=image-classification&samples=500&classes=5&memory=8GB"
    ).body.decode()
    assert advice.count("<li><h3>") == 10
    assert 'class="problem"' not in advice
    for query in ("task=nope", "task=image-classification&samples=x", "task=image-classification&memory=x"):
        answer = server.ask("GET", f"/recommend?{query}")
        assert (answer.status, 'class="problem"' in answer.body.decode()) == (200, True), query
