"""Pulling from other places than the first, or from none: mirrors, copies that are here, no network."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.weights.pulling import WEIGHTS, fetch
from tests.weights.tinyhub import TinyHub
from zoohub.errors import DigestMismatch, NotPulled
from zoohub.registry import ModelFile, ModelRecord
from zoohub.weights import local, store


def test_offline_uses_what_is_here_and_says_what_is_not(
    hub: TinyHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = fetch()
    hub.requests.clear()
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert fetch() == folder
    with pytest.raises(NotPulled, match="zoo pull me/other"):
        fetch(ModelRecord(id="me/other"))
    assert hub.requests == []


def test_a_copy_that_is_here_serves_when_no_server_answers(
    hub: TinyHub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = fetch()
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr("zoohub.registry.sources.transport.ATTEMPTS", 1)
    assert fetch() == folder
    assert "the copy on this machine is used" in capsys.readouterr().err


def test_the_stored_token_goes_to_the_hub_it_is_for(hub: TinyHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_for_this_endpoint")
    fetch()
    sent = {headers.get("authorization") for _, _, headers in hub.requests}
    assert sent == {"Bearer hf_for_this_endpoint"}


def test_a_redirect_to_another_host_is_followed_without_the_token(
    hub: TinyHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    with TinyHub(hub.models) as elsewhere:
        hub.cdn = elsewhere.url.replace("127.0.0.1", "localhost")
        assert (fetch() / WEIGHTS).read_bytes() == hub.models["me/model"][WEIGHTS]
        assert elsewhere.requests
        assert {headers.get("authorization") for _, _, headers in elsewhere.requests} == {None}


def test_mirrors_are_tried_in_order_and_get_no_token(hub: TinyHub, monkeypatch: pytest.MonkeyPatch) -> None:
    with TinyHub(hub.models) as mirror, TinyHub({}) as empty:
        monkeypatch.setenv("HF_TOKEN", "hf_secret")
        monkeypatch.setenv("HF_ENDPOINT", empty.url)
        monkeypatch.setenv("ZOO_MIRRORS", f"{empty.url}/nothing, {mirror.url}")
        folder = fetch()
        assert (folder / WEIGHTS).is_file()
        assert folder.parents[1].name == "models--me--model", "a mirror of the hub holds the same model"
        assert {headers.get("authorization") for _, _, headers in mirror.requests} == {None}


def test_a_model_is_taken_from_another_place_that_the_record_names(hub: TinyHub) -> None:
    record = ModelRecord(id="gone/model", mirrors=("me/model",))
    folder = fetch(record)
    assert folder.parents[1].name == "models--me--model"
    assert local(record) == folder
    wrong = replace(record, files=(ModelFile(WEIGHTS, None, "0" * 64),))
    shutil.rmtree(store().root)
    with pytest.raises(DigestMismatch):
        fetch(wrong)


def test_what_the_hugging_face_client_downloaded_is_taken_and_verified(
    hub: TinyHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "theirs"))
    blobs = tmp_path / "theirs" / "models--me--model" / "blobs"
    blobs.mkdir(parents=True)
    data = hub.models["me/model"][WEIGHTS]
    theirs = blobs / hashlib.sha256(data).hexdigest()
    theirs.write_bytes(data)
    folder = fetch()
    assert hub.served[WEIGHTS] == 0
    assert (folder / WEIGHTS).read_bytes() == data

    shutil.rmtree(store().root)
    theirs.write_bytes(data[:-1] + b"?")  # rotten on their disk: fetched after all
    assert (fetch() / WEIGHTS).read_bytes() == data
    assert hub.served[WEIGHTS] == len(data)


@pytest.mark.models
def test_transformers_finds_the_model_in_the_store_offline(hub: TinyHub, tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    config = transformers.BertConfig(vocab_size=30, hidden_size=8, num_hidden_layers=1, num_attention_heads=2,
                                     intermediate_size=16)  # fmt: skip
    transformers.BertModel(config).save_pretrained(tmp_path / "tiny")
    hub.models["me/tiny"] = {path.name: path.read_bytes() for path in (tmp_path / "tiny").iterdir()}
    fetch(ModelRecord(id="me/tiny"))
    code = (
        "import transformers; model = transformers.AutoModel.from_pretrained('me/tiny'); "
        "print(sum(p.numel() for p in model.parameters()))"
    )
    environment = {
        **os.environ,
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_CACHE": str(store().root),
        "HF_HOME": str(tmp_path),
    }
    hub.requests.clear()
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 0
    assert hub.requests == []
