"""ONNX models: sessions over graphs built here, decoded by hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny_onnx import classifier, grid_detector

from zoohub.adapters import load
from zoohub.errors import UnsafeFile, UnsupportedModel

onnx = pytest.importorskip("onnx")
pytestmark = pytest.mark.models


def test_grid_cells_become_boxes_in_pixels(tmp_path: Path) -> None:
    grid = np.zeros((7, 4, 4))
    grid[:, 1, 2] = [1.0, 0.0, 0.0, 0.0, 0.0, 0.1, 0.9]  # objectness, x, y, w, h, cat, dog
    grid[:, 1, 3] = [0.6, -9.0, 0.0, 0.0, 0.0, 0.1, 0.9]  # the same box, less sure: suppressed
    model = load(grid_detector(tmp_path, grid), task="object-detection")
    (found,) = model.predict(Image.new("RGB", (200, 100)), threshold=0.3)
    assert found.label == "dog"
    assert found.score == pytest.approx(1.0**0.6 * 0.9**0.4)
    # centre at (2 + tanh 0) / 4 of the width, 1 / 4 of the height; half of each side
    assert found.box == pytest.approx((50, 0, 150, 50))
    assert model.predict(Image.new("RGB", (9, 9)), threshold=0.99) == []


def test_classifier_uses_the_transform_of_its_config(tmp_path: Path) -> None:
    model = load(classifier(tmp_path), task="image-classification")
    colors = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255)}
    answers = model.predict([Image.new("RGB", (12, 9), color) for color in colors.values()])
    assert [answer.label for answer in answers] == list(colors)
    assert answers[0].score == pytest.approx(np.e / (np.e + 2), abs=1e-5)


def test_two_files_and_none_named_is_refused(tmp_path: Path) -> None:
    folder = classifier(tmp_path)
    (folder / "other.onnx").write_bytes((folder / "model.onnx").read_bytes())
    with pytest.raises(UnsupportedModel, match=r"model\.onnx, other\.onnx"):
        load(folder, task="image-classification")


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    folder = classifier(tmp_path)
    (folder / "model.onnx").write_bytes(b"junk")
    with pytest.raises(UnsafeFile, match=r"model\.onnx is refused"):
        load(folder, task="image-classification")


def test_the_best_path_is_the_best_of_all_paths() -> None:
    from itertools import product

    from zoohub.adapters.lac import best_path

    rng = np.random.default_rng(0)
    scores, transitions = rng.standard_normal((5, 3)), rng.standard_normal((3, 3))

    def total(path: tuple[int, ...]) -> float:
        steps = sum(scores[i, tag] for i, tag in enumerate(path))
        return float(steps + sum(transitions[a, b] for a, b in zip(path, path[1:], strict=False)))

    best = max(product(range(3), repeat=5), key=total)
    assert best_path(scores, transitions) == list(best)


def test_a_config_may_name_a_set_of_labels(tmp_path: Path) -> None:
    folder = grid_detector(tmp_path, np.zeros((85, 4, 4)))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "label_names": "coco-80"}))
    model = load(folder, task="object-detection")
    assert len(model.labels) == 80
    assert model.labels[27] == "tie"
    (folder / "config.json").write_text(json.dumps({**config, "label_names": "koko"}))
    with pytest.raises(UnsupportedModel, match="coco-80"):
        load(folder, task="object-detection")
