"""Catalogs that others publish as files, each read by its own importer."""

from __future__ import annotations

import io
import json
import os
import tarfile
from pathlib import Path

import pytest

from zoohub.errors import SourceError
from zoohub.registry import Registry
from zoohub.registry.records import BaseModel, Metric, ModelRecord
from zoohub.registry.sources import records
from zoohub.registry.sources.importers import from_file
from zoohub.registry.sync import sync

OPEN_MODEL_ZOO = """
description: >-
  Person detector for the retail scenario.
task_type: detection
files:
  - name: FP32/person.xml
    size: 193787
    checksum: 9a2b0b7f4b3a4b1f0f3a0c3c2f0a8b4f0b0f4d8d1a0a1f2e3d4c5b6a79880011
    source: https://storage.openvinotoolkit.org/person.xml
  - name: FP32/person.bin
    size: 2891180
    sha256: 1a2b0b7f4b3a4b1f0f3a0c3c2f0a8b4f0b0f4d8d1a0a1f2e3d4c5b6a79880022
    source: {$type: google_drive, id: 0B}
framework: dldt
license: https://raw.githubusercontent.com/openvinotoolkit/open_model_zoo/master/LICENSE
"""


def test_an_open_model_zoo_tree(tmp_path: Path, registry: Registry) -> None:
    for name, text in (("person-detection-0013", OPEN_MODEL_ZOO), ("broken", "files: ["), ("list", "- a")):
        folder = tmp_path / "intel" / name
        folder.mkdir(parents=True)
        (folder / "model.yml").write_text(text)
    report = sync("file", tmp_path, registry=registry)
    assert (report.new, report.refusals) == (1, 2)
    record = registry.get("openvino:person-detection-0013")
    assert (record.task, record.library, record.size) == ("object-detection", "openvino", 193787 + 2891180)
    assert [file.sha256 is not None for file in record.files] == [True, True]
    assert list(record.config["urls"]) == ["FP32/person.xml"]
    assert record.license_link
    assert record.description == "Person detector for the retail scenario."


def test_an_onnx_hub_manifest(tmp_path: Path) -> None:
    entry = {
        "model": "ResNet50-v2",
        "model_path": "vision/classification/resnet/model/resnet50-v2-7.onnx",
        "opset_version": 7,
        "metadata": {"model_sha": "a" * 64, "model_bytes": 102442452, "tags": ["vision", "classification"]},
    }
    file = tmp_path / "ONNX_HUB_MANIFEST.json"
    file.write_text(json.dumps([entry, {"model_path": 3}, {"model_path": "..."}]))
    [page] = from_file(file).pages()
    [record] = page.records
    assert (record.id, record.task, record.size) == ("onnx:resnet50-v2-7", "image-classification", 102442452)
    assert (record.files[0].path, record.files[0].sha256) == ("resnet50-v2-7.onnx", "a" * 64)
    assert len(page.refused) == 2


def test_timm_results_add_metrics_to_what_is_known(tmp_path: Path, registry: Registry) -> None:
    known = ModelRecord(
        id="timm/resnet50.a1_in1k", license="apache-2.0", license_raw="apache-2.0", library="timm"
    )
    registry.add([known])
    file = tmp_path / "results-imagenet.csv"
    file.write_text(
        "model,top1,top1_err,top5,top5_err,param_count,img_size,crop_pct,interpolation\n"
        "resnet50.a1_in1k,81.214,18.786,95.344,4.656,25.56,288,1.000,bicubic\n"
        "new.model,80.0,20,95,5,1.5,224,0.9,bicubic\n"
        "bad,eighty,20,95,5,1.5,224,0.9,bicubic\n"
    )
    report = sync("file", file, registry=registry)
    assert (report.new, report.changed, report.refusals) == (1, 1, 1)
    record = registry.get("timm/resnet50.a1_in1k")
    assert (record.license, record.parameters) == ("apache-2.0", 25_560_000)
    assert Metric("accuracy", 81.214, "image-classification", "imagenet-1k", file.name) in record.metrics


MODELS = [
    {"id": "org/one", "pipeline_tag": "text-generation", "cardData": {"license": "mit"}, "downloads": 5},
    {"id": "org/two", "last_modified": "2026-01-01T00:00:00+00:00", "card_data": {"license": "apache-2.0"}},
    {"id": "not an id"},
]
RADAR = {
    "schema": 1, "id": "org/radar", "author": "org", "license": "llama3.1", "pipeline_tag": "text-generation",
    "library": "transformers", "languages": ["en"], "tags": ["base_model:quantized:meta/base", "gguf"],
    "downloads_30d": 11, "parameters": 8_000_000_000, "storage_bytes": 5, "base_model": "meta/base",
    "formats": ["gguf"], "likes": 2, "gated": False,
    "updated_at": "2026-08-22T01:01:43.000Z", "created_at": "2026-08-22T01:01:37.000Z",
}  # fmt: skip


@pytest.mark.parametrize("form", ["json", "jsonl", "jsonl.gz", "folder", "tar.xz"])
def test_a_dump_of_the_hub_in_each_form(tmp_path: Path, form: str) -> None:
    import gzip

    texts = [json.dumps(model) for model in MODELS]
    path = tmp_path / f"dump.{form}"
    if form == "json":
        path.write_text(f"[{','.join(texts)}]")
    elif form == "jsonl":
        path.write_text("\n".join(texts) + "\n")
    elif form == "jsonl.gz":
        path.write_bytes(gzip.compress("\n".join(texts).encode()))
    elif form == "folder":
        path.mkdir()
        for number, text in enumerate(texts):
            (path / f"{number}.json").write_text(text)
    else:
        with tarfile.open(path, "w:xz") as archive:
            for number, text in enumerate(texts):
                member = tarfile.TarInfo(f"../../evil/{number}.json")
                member.size = len(text)
                archive.addfile(member, io.BytesIO(text.encode()))
    [page] = from_file(path).pages()
    found = {record.id: record.license for record in page.records}
    assert found == {"org/one": "mit", "org/two": "apache-2.0"}
    assert page.records[1].updated == "2026-01-01T00:00:00Z"
    assert [refusal.reason for refusal in page.refused] == ["its id is no model id"]


def test_one_json_for_each_model(tmp_path: Path) -> None:
    (tmp_path / "org").mkdir()
    (tmp_path / "org" / "radar.json").write_text(json.dumps(RADAR))
    [record] = records(from_file(tmp_path))
    assert (record.license, record.parameters, record.size, record.downloads) == (
        "llama3.1",
        8_000_000_000,
        5,
        11,
    )
    assert record.base_models == (BaseModel("meta/base", "quantized"),)
    assert record.formats == ("gguf",)


@pytest.mark.parametrize(
    ("name", "content"),
    [("x.csv", "a,b\n1,2\n"), ("x.json", "{"), ("x.json", "[" * 100_000), ("x.tar.gz", "?"), ("x.bin", "?")],
)
def test_a_file_of_no_known_form(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(SourceError):
        list(from_file(tmp_path / name).pages())


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no file"):
        from_file(tmp_path / "nothing.json")


@pytest.mark.skipif(
    not os.environ.get("ZOO_BENCH_DATA"), reason="ZOO_BENCH_DATA names no folder with real hub records"
)
def test_a_real_update_of_the_hub(registry: Registry) -> None:
    """Two real states of the hub, three days apart: every change of a license is in the history."""
    first, second = (
        Path(os.environ["ZOO_BENCH_DATA"]) / f"hub_records_2026-08-{day}.tar.xz" for day in (19, 22)
    )
    before = {record.id.lower(): record for record in records(from_file(first))}
    after = {record.id.lower(): record for record in records(from_file(second))}
    sync("file", first, registry=registry)
    report = sync("file", second, registry=registry)
    assert report.new == len(set(after) - set(before))
    changed = sum(before[name].license_raw != after[name].license_raw for name in set(before) & set(after))
    assert len(registry.changes(field="license")) == changed
