"""Pulling from a real server that fails in the ways servers fail."""

from __future__ import annotations

import json
import os
import pickle
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tests.weights.conftest import tensor_file
from tests.weights.hostile import Evil
from tests.weights.pulling import MODEL, WEIGHTS, fetch, leftovers
from tests.weights.tinyhub import COMMIT, TinyHub
from zoohub.cli.main import zoo
from zoohub.errors import (
    DigestMismatch,
    NeedsCode,
    NotPulled,
    SourceError,
    UnsafeFile,
    UsageError,
    WeightsError,
)
from zoohub.registry import ModelFile, ModelId, ModelRecord
from zoohub.weights import is_trusted, local, plan, pull, store


def test_a_pull_brings_the_files_and_lays_them_out_as_the_cache_does(hub: TinyHub) -> None:
    folder = fetch()
    assert folder == store().root / "models--me--model" / "snapshots" / COMMIT
    assert sorted(path.name for path in folder.iterdir()) == [
        "README.md",
        "config.json",
        WEIGHTS,
        "tokenizer.json",
    ]
    for path in folder.iterdir():
        assert path.read_bytes() == hub.models["me/model"][path.name]
        assert path.is_symlink()
        assert not os.path.isabs(os.readlink(path))
    assert (folder.parents[1] / "refs" / "main").read_text() == COMMIT
    assert local(MODEL) == local("me/model") == folder
    assert leftovers() == []


def test_a_second_pull_fetches_nothing(hub: TinyHub) -> None:
    fetch()
    before = dict(hub.served)
    fetch()
    assert hub.served == before
    hub.requests.clear()
    fetch(revision=COMMIT)
    assert hub.requests == [], "a pinned revision that is here needs no server at all"


def test_a_newer_commit_fetches_only_what_changed(hub: TinyHub, monkeypatch: pytest.MonkeyPatch) -> None:
    old = fetch()
    newer = "beef" + "0" * 36
    monkeypatch.setattr("tests.weights.tinyhub.COMMIT", newer)
    hub.models["me/model"]["tokenizer.json"] = b'{"v": "' + b"y" * 5000 + b'"}'
    before = hub.served[WEIGHTS]
    new = fetch()
    assert new.name == newer
    assert hub.served[WEIGHTS] == before
    assert b"yyy" in (new / "tokenizer.json").read_bytes()
    assert b"xxx" in (old / "tokenizer.json").read_bytes(), "the old revision stays as it was"
    assert local(MODEL) == new


@pytest.mark.parametrize("cuts", [[700_000], [700_000, 400_000, 1, 0, 900_000]])
def test_a_broken_connection_goes_on_where_it_stopped(hub: TinyHub, cuts: list[int]) -> None:
    hub.faults[WEIGHTS] = [("cut", cut) for cut in cuts]
    folder = fetch()
    assert (folder / WEIGHTS).read_bytes() == hub.models["me/model"][WEIGHTS]
    assert hub.served[WEIGHTS] == len(hub.models["me/model"][WEIGHTS]), "no byte was fetched twice"


def test_a_server_that_is_down_for_good_leaves_a_part_that_the_next_pull_completes(hub: TinyHub) -> None:
    hub.faults[WEIGHTS] = [("cut", 1_000_000)] + [("status", 503)] * 20
    with pytest.raises(SourceError):
        fetch()
    assert local(MODEL) is None
    assert not (store().root / "models--me--model" / "snapshots").exists()
    served = hub.served[WEIGHTS]
    hub.faults.clear()
    fetch()
    assert hub.served[WEIGHTS] == len(hub.models["me/model"][WEIGHTS])
    assert hub.served[WEIGHTS] - served < len(hub.models["me/model"][WEIGHTS]) - 900_000
    assert leftovers() == []


def test_one_flipped_bit_of_the_same_size_is_noticed_and_not_kept(hub: TinyHub) -> None:
    hub.faults[WEIGHTS] = [("flip", 2_000_000)]
    with pytest.raises(DigestMismatch, match="SHA-256"):
        fetch()
    assert local(MODEL) is None
    assert leftovers() == []
    assert fetch()


@pytest.mark.parametrize("name", ["config.json", "README.md"])
def test_a_flipped_bit_in_a_small_file_is_noticed_by_its_git_digest(hub: TinyHub, name: str) -> None:
    hub.faults[name] = [("flip", 3)]
    with pytest.raises(DigestMismatch, match="git"):
        fetch()
    assert local(MODEL) is None


def test_a_rotten_part_is_fetched_again_from_the_start(hub: TinyHub) -> None:
    hub.faults[WEIGHTS] = [("cut", 1_000_000)] + [("status", 503)] * 20
    with pytest.raises(SourceError):
        fetch()
    [part] = store().root.rglob("*.incomplete")
    data = bytearray(part.read_bytes())
    data[500_000] ^= 1
    part.write_bytes(data)
    hub.faults.clear()
    assert (fetch() / WEIGHTS).read_bytes() == hub.models["me/model"][WEIGHTS]


def test_the_digest_that_the_record_pins_counts_more_than_the_servers_word(hub: TinyHub) -> None:
    size = len(hub.models["me/model"][WEIGHTS])
    pinned = replace(MODEL, files=(ModelFile(WEIGHTS, size, "0" * 64),))
    with pytest.raises(DigestMismatch, match=WEIGHTS):
        fetch(pinned)
    with pytest.raises(DigestMismatch, match="bytes"):
        fetch(replace(MODEL, files=(ModelFile(WEIGHTS, size - 1),)))


def test_a_file_that_is_longer_than_promised_is_stopped(hub: TinyHub) -> None:
    promised = hub.info("me/model")
    hub.info = lambda model: promised  # type: ignore[method-assign]
    hub.models["me/model"]["config.json"] = b'{"model_type": "bert", "x": "' + b"x" * 3_000_000 + b'"}'
    with pytest.raises(DigestMismatch, match="bytes"):
        fetch()


# --- what is refused ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["../../evil.json", "/etc/cron.d/x", "a\\b.json", "con.json", "x\u202egnp.json"]
)
def test_a_hostile_file_name_refuses_the_whole_model(hub: TinyHub, name: str) -> None:
    hub.models["me/model"][name] = b"{}"
    with pytest.raises((UnsafeFile, SourceError)):
        fetch()
    assert not list(store().root.glob("models--me--model/blobs/*"))


def test_broken_weights_are_refused_and_not_kept(hub: TinyHub) -> None:
    hub.models["me/model"][WEIGHTS] = tensor_file(2_000_000)[:-400]
    with pytest.raises(UnsafeFile, match="the file holds"):
        fetch()
    assert local(MODEL) is None
    sizes = [path.stat().st_size for path in store().root.glob("models--me--model/blobs/*")]
    assert all(size < 1_000_000 for size in sizes)


def test_code_is_refused_before_the_weights_are_fetched_unless_it_is_trusted_by_name(hub: TinyHub) -> None:
    hub.models["me/model"]["config.json"] = json.dumps({"auto_map": {"AutoModel": "modeling_x.X"}}).encode()
    hub.models["me/model"]["modeling_x.py"] = b"class X: pass\n"
    with pytest.raises(NeedsCode, match=f"--trust me/model@{COMMIT}"):
        fetch()
    assert hub.served[WEIGHTS] == 0
    with pytest.raises(UsageError, match="revision is missing"):
        fetch(trust="me/model")
    for wrong in (f"other/model@{COMMIT}", "me/model@main", f"me/model@{'a' * 40}"):
        with pytest.raises(NeedsCode):
            fetch(trust=wrong)
    folder = fetch(trust=f"me/model@{COMMIT}")
    assert (folder / "modeling_x.py").is_file()
    assert is_trusted(folder)


def test_a_trusted_revision_does_not_make_the_next_one_trusted(
    hub: TinyHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.models["me/model"]["config.json"] = json.dumps({"auto_map": {"AutoModel": "modeling_x.X"}}).encode()
    fetch(trust=f"me/model@{COMMIT}")
    fetch()
    monkeypatch.setattr("tests.weights.tinyhub.COMMIT", "beef" + "0" * 36)
    with pytest.raises(NeedsCode):
        fetch()


def test_python_files_stay_away_from_a_model_that_does_not_need_them(hub: TinyHub) -> None:
    hub.models["me/model"]["train.py"] = b"import os\n"
    assert not (fetch() / "train.py").exists()
    assert not (fetch(include=["*"]) / "train.py").exists()


@pytest.mark.models
def test_a_pickle_is_converted_only_when_asked(hub: TinyHub) -> None:
    torch = pytest.importorskip("torch")
    from io import BytesIO

    from safetensors.torch import load_file

    buffer = BytesIO()
    torch.save({"w": torch.arange(1000.0)}, buffer)
    del hub.models["me/model"][WEIGHTS]
    hub.models["me/model"]["pytorch_model.bin"] = buffer.getvalue()
    with pytest.raises(UnsafeFile, match="--convert"):
        fetch()
    folder = fetch(convert=True)
    assert torch.equal(load_file(folder / WEIGHTS)["w"], torch.arange(1000.0))
    assert not (folder / "pytorch_model.bin").exists()
    digests = {path.name for path in (folder.parents[1] / "blobs").iterdir()}
    assert all((folder.parents[1] / "blobs" / digest).read_bytes()[:2] != b"PK" for digest in digests)
    served = hub.served["pytorch_model.bin"]
    assert fetch(convert=True) == folder
    assert hub.served["pytorch_model.bin"] == served, "what was converted is not fetched again"


@pytest.mark.models
def test_a_torchvision_pickle_becomes_a_folder_that_says_what_it_is(hub: TinyHub, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    torchvision = pytest.importorskip("torchvision")
    made = torchvision.models.shufflenet_v2_x0_5(num_classes=3)
    torch.save(made.state_dict(), tmp_path / "m.pth")
    hub.models["me/model"] = {"m.pth": (tmp_path / "m.pth").read_bytes()}
    settings = {"crop_size": 96, "resize_size": 100}
    config = {
        "layout": "torchvision",
        "architecture": "shufflenet_v2_x0_5",
        "num_classes": 3,
        "transforms": settings,
    }
    folder = fetch(replace(MODEL, library="torchvision", config=config), convert=True)
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", WEIGHTS]
    from zoohub.adapters import load

    shutil.copytree(folder, tmp_path / "alone")
    model = load(tmp_path / "alone")
    assert model.transform.resize == 100
    assert model.transform.crop == (96, 96)
    assert all(value.equal(model.module.state_dict()[key]) for key, value in made.state_dict().items())


@pytest.mark.models
def test_weights_in_several_pickles_load_after_the_conversion(hub: TinyHub, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    config = transformers.BertConfig(vocab_size=30, hidden_size=8, num_hidden_layers=1, num_attention_heads=2,
                                     intermediate_size=16)  # fmt: skip
    model = transformers.BertModel(config)
    names = list(model.state_dict())
    files: dict[str, bytes] = {"config.json": config.to_json_string().encode()}
    where: dict[str, str] = {}
    for number, part in enumerate((names[::2], names[1::2]), 1):
        file = f"pytorch_model-{number:05}-of-00002.bin"
        torch.save({name: model.state_dict()[name] for name in part}, tmp_path / file)
        files[file] = (tmp_path / file).read_bytes()
        where |= dict.fromkeys(part, file)
    files["pytorch_model.bin.index.json"] = json.dumps({"metadata": {}, "weight_map": where}).encode()
    hub.models["me/parts"] = files
    folder = fetch(ModelRecord(id="me/parts"), convert=True)
    assert sorted(path.name for path in folder.glob("model*")) == [
        "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors",
        "model.safetensors.index.json",
    ]  # fmt: skip
    loaded = transformers.BertModel.from_pretrained(folder)
    assert all(torch.equal(loaded.state_dict()[name], model.state_dict()[name]) for name in names)


@pytest.mark.models
def test_a_hostile_pickle_is_not_converted_and_not_kept(hub: TinyHub) -> None:
    pytest.importorskip("torch")
    del hub.models["me/model"][WEIGHTS]
    hub.models["me/model"]["pytorch_model.bin"] = pickle.dumps({"x": Evil(), "pad": "x" * 2000}, 2)
    with pytest.raises(UnsafeFile, match=r"posix\.system"):
        fetch(convert=True)
    assert local(MODEL) is None
    assert not any(b"posix" in path.read_bytes() for path in store().root.rglob("*") if path.is_file())


# --- choosing files -----------------------------------------------------------------------------


def test_include_exclude_and_the_plan(hub: TinyHub) -> None:
    hub.models["me/model"]["pytorch_model.bin"] = b"\x80\x02}."
    hub.models["me/model"]["onnx/model.onnx"] = b"x" * 2000
    told = plan(MODEL)
    assert told.revision == COMMIT
    assert {file.path for file in told.selection.take} == {
        "config.json",
        "tokenizer.json",
        "README.md",
        WEIGHTS,
    }
    left = {file.path: why for file, why in told.selection.leave}
    assert left["pytorch_model.bin"] == "a safe format is there"
    assert not store().root.exists(), "a plan writes nothing"

    folder = fetch(include=["*.json"])
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "tokenizer.json"]
    assert local(MODEL) is None, "a part of a model is no model"
    whole = fetch()
    assert whole == folder
    assert local(MODEL) == folder
    fetch(exclude=["*.safetensors"])
    assert local(MODEL) == folder, "a later pull of a part takes nothing away"


def test_nothing_to_pull_is_said(hub: TinyHub) -> None:
    with pytest.raises(WeightsError, match="no file"):
        fetch(include=["nothing*"])
    with pytest.raises(SourceError):
        fetch(ModelRecord(id="me/unknown"))


# --- the commands -------------------------------------------------------------------------------


def test_the_commands(hub: TinyHub) -> None:
    def run(*arguments: str, code: int = 0) -> Any:
        done = CliRunner().invoke(zoo, list(arguments))
        assert done.exit_code == code, (done.output, done.exception)
        return done

    dry = run("pull", "me/model", "--dry-run", "--format", "jsonl")
    assert {json.loads(line)["what"] for line in dry.stdout.splitlines()} == {"fetch", "leave"}
    folder = Path(run("pull", "me/model", "-q").stdout.strip())
    assert (folder / WEIGHTS).is_file()
    [row] = json.loads(run("store", "list", "--format", "json").stdout)
    assert (row["id"], row["files"], row["path"]) == ("me/model", 4, str(folder))
    assert run("check", "me/model").exit_code == 0
    assert run("store", "verify").exit_code == 0

    blob = (folder / WEIGHTS).resolve()
    data = bytearray(blob.read_bytes())
    data[1_000_000] ^= 1
    blob.write_bytes(data)
    [bad] = json.loads(run("store", "verify", "me/model", "--fix", "--format", "json", code=1).stdout)
    assert bad["damaged"] == [WEIGHTS]
    assert local("me/model") is None
    run("pull", "me/model", "-q")
    assert (folder / WEIGHTS).read_bytes() == hub.models["me/model"][WEIGHTS]

    run("store", "rm", "me/model")
    assert run("store", "list").stdout == ""
    assert isinstance(CliRunner().invoke(zoo, ["store", "rm", "me/model"]).exception, NotPulled)
    assert isinstance(CliRunner().invoke(zoo, ["check", "me/model"]).exception, NotPulled)


def test_a_folder_of_ones_own_is_checked_and_returned_as_it_is(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / WEIGHTS).write_bytes(tensor_file(1000))
    assert pull(str(folder)) == folder == local(str(folder))
    (folder / "x.pkl").write_bytes(pickle.dumps(Evil(), 2))
    with pytest.raises(UnsafeFile, match=r"posix\.system"):
        pull(str(folder))
    with pytest.raises(WeightsError, match="no folder"):
        pull(ModelId("folder", str(tmp_path / "gone")))
