"""zoo recommend, evidence, fit and profile: answers and bad input."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace

import pytest

from zoohub.errors import DataError, InvalidRecord, SelectorError, UsageError
from zoohub.registry import Metric, ModelRecord
from zoohub.selector import answer, profile, store
from zoohub.selector.footprint import Shape, estimate, fit, header_parameters, parse_memory, shape

TASK = "tabular-classification"


def test_the_best_documented_model_comes_first_with_its_reasons(registry, evidence):
    registry.add_evidence(evidence)
    found = answer(TASK, 900, classes=5, registry=registry)
    first = found.recommendations[0]
    assert first.id == "org/good"
    assert first.records == 6
    assert found.sentence.startswith("Use org/good")
    assert first.reasons[0].source == "a table"
    assert first.low <= first.score <= first.high
    assert {"org/unseen"} <= {item.id for item in found.recommendations}
    assert first.pushes[0].startswith("6 own results, better than")
    unseen = next(item for item in found.recommendations if item.id == "org/unseen")
    assert unseen.pushes[0].startswith("no own result")


def test_results_that_cards_state_are_evidence(registry):
    for place in range(7):
        metrics = (Metric("accuracy", 0.5 + place / 20, TASK, "shared set"),)
        registry.add([ModelRecord(id=f"card/m{place}", task=TASK, parameters=10_000_000, metrics=metrics)])
    first = answer(TASK, 900, classes=5, registry=registry).recommendations[0]
    assert first.id == "card/m6"
    assert first.reasons[0].source == "card"


def test_filters_are_hard(registry, evidence):
    registry.add_evidence(evidence)
    found = answer(TASK, 900, classes=5, license="commercial", registry=registry)
    assert "org/fair" not in {item.id for item in found.recommendations}
    assert found.removed["license commercial"] == 1
    only = answer(TASK, 900, classes=5, language="de", registry=registry)
    assert [item.id for item in only.recommendations] == ["org/good"]


def test_no_evidence_is_said(registry, evidence):
    found = answer(TASK, 900, classes=5, registry=registry)
    assert any("No evidence" in note for note in found.notes)
    assert found.recommendations[0].score is None
    registry.add([ModelRecord(id="org/zh", task=TASK, languages=("zh",), parameters=10)])
    registry.add_evidence(evidence)
    found = answer(TASK, 900, classes=5, language="zh", registry=registry)
    assert any("in zh" in note for note in found.notes)


def test_zero_samples_means_as_it_is(registry):
    assert answer(TASK, 0, registry=registry).recommendations[0].strategy.name == "zero-shot"


def test_evidence_goes_through_csv_and_back(tmp_path, evidence):
    file = tmp_path / "evidence.csv"
    assert store.write_csv(evidence, file) == len(evidence)
    assert store.read_csv(file) == evidence


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (",text-classification,c,d,1,,", "line 2: model is empty"),
        ("a,text-classification,c,d,high,,", "no finite number"),
        ("a,text-classification,c,d,1,-5,", "negative"),
        ("a,text-classification,c,d,1,,maybe", "neither true nor false"),
    ],
)
def test_bad_evidence_is_refused_with_its_line(tmp_path, row, said):
    file = tmp_path / "bad.csv"
    file.write_text(f"model,task,dataset,metric,value,n_train,higher_is_better\n{row}\n")
    with pytest.raises(DataError, match=said):
        store.read_csv(file)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_results_that_are_no_numbers_are_refused_and_change_nothing(registry, evidence, value):
    registry.add_evidence(evidence)
    before = answer(TASK, 900, classes=5, registry=registry)
    with pytest.raises(InvalidRecord, match="no finite number"):
        registry.add_evidence([replace(evidence[0], value=value)])
    assert answer(TASK, 900, classes=5, registry=registry) == before


def test_bundled_facts_are_read_and_finite():
    rows = store.bundled("image-classification")
    assert len(rows) > 10_000
    assert all(row.source and row.value == row.value for row in rows)
    assert store.bundled("no-such-task") == []


@pytest.mark.parametrize(
    ("text", "number"),
    [("8GB", 8e9), ("8GiB", 8 * 2**30), ("512 MB", 512e6), ("1.5g", 1.5e9), (1000, 1000.0)],
)
def test_memory_is_read(text, number):
    assert parse_memory(text) == number


def test_footprints_grow_as_they_should():
    small, large = Shape(10**7, 384, 6, 128), Shape(10**9, 2048, 20, 128)
    for name in ("inference", "probe", "lora", "full"):
        assert estimate(small, name).memory.middle < estimate(large, name).memory.middle
    order = [estimate(large, name, batch=1).memory.middle for name in ("inference", "lora", "full")]
    assert order == sorted(order)
    assert estimate(large, "full").memory.middle > 16e9
    with pytest.raises(UsageError, match="no precision"):
        estimate(small, precision="fp7")


def test_fit_says_what_would_make_it_fit():
    found = fit(Shape(10**9, 2048, 20, 128), 16e9, "full")
    assert not found.fits
    assert any("lora" in advice for advice in found.advice)
    assert fit(Shape(10**7, 384, 6, 128), 8e9).advice == ()


def test_sizes_come_from_headers_alone(tmp_path):
    header = json.dumps({"w": {"dtype": "F32", "shape": [10, 20], "data_offsets": [0, 800]}}).encode()
    file = tmp_path / "model.safetensors"
    file.write_bytes(len(header).to_bytes(8, "little") + header)  # no weights follow
    assert header_parameters(file) == 200
    assert shape(ModelRecord(id="a/b"), tmp_path).parameters == 200
    file.write_bytes(b"\xff" * 20)
    with pytest.raises(SelectorError, match="no valid safetensors header"):
        header_parameters(file)


def test_profile_finds_what_is_wrong(tmp_path):
    (tmp_path / "train.csv").write_text("text,label\n好的酒店,1\n差的房间,0\n好的酒店,0\n很好的地方,1\n")
    (tmp_path / "test.csv").write_text("text,label\n差的房间,0\n")
    found = profile(tmp_path)
    assert (found.samples, found.eval_samples, found.duplicates, found.conflicting, found.leaked) == (
        4,
        1,
        1,
        1,
        1,
    )
    assert found.language == "zh"
    assert any("noise" in warning for warning in found.warnings)


def test_profile_names_broken_images(tmp_path):
    image = pytest.importorskip("PIL.Image")
    for label in ("cat", "dog"):
        (tmp_path / label).mkdir()
        image.new("RGB", (20, 10), (label == "cat" and "red") or "blue").save(tmp_path / label / "a.png")
    (tmp_path / "cat" / "b.png").write_bytes(b"not a picture")
    found = profile(tmp_path)
    assert found.kind == "image"
    assert found.classes == {"cat": 1, "dog": 1}
    assert len(found.broken) == 1
    assert found.length == (10, 10, 10)


def test_profile_of_nothing(tmp_path):
    with pytest.raises(DataError, match="holds no data"):
        profile(tmp_path)
    with pytest.raises(DataError, match="does not exist"):
        profile(tmp_path / "none")


def zoo(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "zoohub.cli", *args], capture_output=True, text=True, env=os.environ
    )


def test_the_command_answers_without_torch(tmp_path):
    code = (
        "import sys; from zoohub.selector import answer; "
        "found = answer('image-classification', 5000, classes=10, "
        "license='commercial'); assert 'torch' not in sys.modules; print(found.sentence)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=os.environ)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Use ")
    shown = zoo("recommend", "--task", "图像分类", "--samples", "5000", "--classes", "10", "--format", "json")
    assert json.loads(shown.stdout)["recommendations"][0]["tied"] in (True, False)
    assert zoo("recommend", "--task", "图像分类", "--samples", "1").returncode == 2
    assert zoo("fit", "timm/resnet50.a1_in1k", "--memory", "1MB").returncode == 1


def test_the_chart_is_a_picture(tmp_path, registry, evidence):
    pytest.importorskip("matplotlib")
    from zoohub.selector.plot import draw

    registry.add_evidence(evidence)
    draw(answer(TASK, 900, classes=5, registry=registry), tmp_path / "chart.png")
    assert (tmp_path / "chart.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
