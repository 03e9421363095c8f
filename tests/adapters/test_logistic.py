"""The head on frozen features is the optimum that another solver finds, and inputs are told apart."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

np = pytest.importorskip("numpy")
pytest.importorskip("scipy")
pytest.importorskip("sklearn")
from zoohub.adapters.identity import contents, marks  # noqa: E402
from zoohub.adapters.logistic import Head, fit_head  # noqa: E402

pytestmark = pytest.mark.models


def problem(count: int, width: int, classes: int, noise: float = 1.5) -> tuple[Any, Any]:
    draws = np.random.default_rng(0)
    centers, mix = draws.normal(size=(classes, width)), draws.normal(size=(width, width)) / width**0.5
    y = draws.integers(classes, size=count)
    x = (centers[y] + noise * draws.normal(size=(count, width))) @ mix * draws.uniform(0.1, 9, width) + 3
    return x.astype(np.float32), y


@pytest.mark.parametrize(("count", "width", "classes"), [(1500, 40, 5), (300, 20, 2), (60, 200, 3)])
def test_the_head_is_the_optimum(count: int, width: int, classes: int) -> None:
    from sklearn.linear_model import LogisticRegression

    x, y = problem(count, width, classes)
    head = fit_head(x, y, classes)
    scale = x.std(0)
    strength = 1 / (count * head.regularization)
    other = LogisticRegression(C=strength, tol=1e-8, max_iter=5000).fit((x - x.mean(0)) / scale, y)
    ours, theirs = (_odds(s) for s in (head.scores(x), other.decision_function((x - x.mean(0)) / scale)))
    if classes > 2:  # scikit-learn penalizes two classes by one vector, not by two
        assert np.abs(ours - theirs).max() < 0.02 * np.abs(theirs).max()
    assert (head.scores(x).argmax(1) == other.predict((x - x.mean(0)) / scale)).mean() > 0.98


def _odds(scores: Any) -> Any:
    table = scores if scores.ndim == 2 else np.stack([-scores / 2, scores / 2], 1)
    return table - table.mean(1, keepdims=True)


def test_the_validation_accuracy_is_what_fresh_examples_show() -> None:
    x, y = problem(4000, 60, 4, 6.0)
    head = fit_head(x[:1200], y[:1200], 4)
    fresh = float((head.scores(x[1200:]).argmax(1) == y[1200:]).mean())
    assert 0.3 < fresh < 0.9
    assert head.accuracy == pytest.approx(fresh, abs=0.08)


def test_rare_classes_weigh_as_much_when_balanced() -> None:
    x, y = problem(900, 10, 2, 6.0)
    kept = np.flatnonzero((y == 0) | (np.arange(len(y)) % 12 == 0))
    x, y = x[kept], y[kept]

    def found(head: Head) -> float:
        return float((head.scores(x).argmax(1) == 1)[y == 1].mean())

    assert found(fit_head(x, y, 2, balanced=True)) > found(fit_head(x, y, 2)) + 0.1


def test_files_are_told_apart_by_content_and_read_again_when_they_change(tmp_path: Path) -> None:
    paths = [str(tmp_path / f"{i}.txt") for i in range(3)]
    for path, text in zip(paths, ("one", "one", "two"), strict=True):
        Path(path).write_text(text)
    first = contents(paths)
    assert first[0] == first[1] != first[2]
    assert len(set(marks(paths))) == 3
    assert contents(paths) == first
    Path(paths[1]).write_text("new")
    os.utime(paths[1], ns=(1, 1))
    assert contents(paths)[1] not in first
    assert contents(["one", {"text": "one", "text_pair": "x"}, b"one"]) != contents(["one", "one", b"one"])


@pytest.mark.parametrize(("count", "width"), [(1500, 30), (60, 200)])
def test_several_labels_are_each_the_optimum(count: int, width: int) -> None:
    from sklearn.linear_model import LogisticRegression

    x, _ = problem(count, width, 3)
    draws = np.random.default_rng(1)
    true = (x - x.mean(0)) / x.std(0) @ draws.normal(size=(width, 4)) / width**0.5
    y = (true + draws.normal(size=true.shape) > 0.8).astype(np.int64)
    head = fit_head(x, y, 4)
    z = (x - x.mean(0)) / x.std(0)
    for label in range(4):
        other = LogisticRegression(C=1 / (count * head.regularization), tol=1e-8, max_iter=5000).fit(
            z, y[:, label]
        )
        theirs = other.decision_function(z)
        assert np.abs(head.scores(x)[:, label] - theirs).max() < 0.02 * np.abs(theirs).max()
    assert 0 < head.accuracy <= 1


def test_the_slope_of_several_labels_is_that_of_the_loss() -> None:
    from zoohub.adapters.logistic import _of_each

    draws = np.random.default_rng(0)
    scores, y = draws.normal(0, 3, (5, 3)), draws.integers(0, 2, (5, 3))
    share = np.full(5, 0.2)
    slope = scores.copy()
    value = _of_each(slope, y, share)
    chance = 1 / (1 + np.exp(-scores))
    assert value == pytest.approx(-(y * np.log(chance) + (1 - y) * np.log(1 - chance)).sum() / 5)
    assert slope == pytest.approx((chance - y) / 5)
