"""zoo recommend --try: curves, parts, budgets, and real training of tiny models."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from zoohub.cli.recommend import _row
from zoohub.errors import DataError, UsageError
from zoohub.registry import Evidence, ModelRecord, Registry
from zoohub.selector import answer, refine, trial
from zoohub.selector.board import Context
from zoohub.selector.refine import Measured, user_data
from zoohub.selector.trial import Run, Trial, attempt, budget_seconds, extrapolate, parts

TASK = "text-classification"


@pytest.mark.parametrize(
    ("text", "seconds"), [("10min", 600), ("90s", 90), ("1.5h", 5400), ("30", 30), (" 2 m ", 120)]
)
def test_budgets_are_read(text, seconds):
    assert budget_seconds(text) == seconds


@pytest.mark.parametrize("text", ["soon", "-5min", "0s", "", "1.2.3s", ".", "nan", "1e9h"])
def test_what_is_no_time_is_refused(text):
    with pytest.raises(UsageError, match="no length of time"):
        budget_seconds(text)


def test_curves_carry_on_and_promise_no_wonders():
    assert extrapolate([], [], 100) == float("-inf")
    assert extrapolate([64], [0.7], 1000) == 0.7
    assert extrapolate([100, 400], [0.6, 0.8], 1600) == pytest.approx(0.9)
    assert extrapolate([100, 400], [0.2, 0.9999], 1600) <= 1.0
    assert extrapolate([100, 400], [0.8, 0.7], 1600) == pytest.approx(0.7)  # a curve does not fall


def test_parts_grow_to_the_whole():
    assert parts(50, 2) == [50]
    assert parts(1000, 2) == [64, 256, 1000]
    assert parts(1000, 100) == [200, 1000]


def test_the_cost_of_the_next_part_is_foreseen():
    one = Trial("m", "full", runs=[Run(64, 0.5, 2.0)])
    assert one.cost(256) == pytest.approx(8.0)
    two = Trial("m", "full", runs=[Run(64, 0.5, 12.0), Run(256, 0.6, 18.0)])
    assert two.cost(1024) == pytest.approx(18 + 6 / 192 * 768)


def test_measuring_costs_the_same_for_any_part_and_remembered_features_cost_nothing():
    probe = Trial("m", "probe", runs=[Run(64, 0.5, 117.0)], held=1000)
    assert probe.cost(1000) == pytest.approx(117 * 2000 / 1064)
    trained = Trial("m", "full", runs=[Run(64, 0.5, 117.0)], held=1000)
    assert trained.cost(1000) == pytest.approx(117 * 11_000 / 1640)
    cached = Trial("m", "probe", runs=[Run(64, 0.5, 53.0), Run(256, 0.7, 11.0)], held=1000)
    assert cached.cost(1024) == pytest.approx(44.0)


def test_remembered_runs_without_a_time_cost_what_is_estimated():
    resumed = Trial("a", "probe", [Run(64, 0.5, 0.0)], pace=0.5)
    assert resumed.cost(256) == 128.0
    resumed.runs.append(Run(256, 0.6, 4.0))
    assert resumed.cost(1024) == pytest.approx(16.0)


@pytest.fixture
def tiny_models(tmp_path: Path) -> list[str]:
    pytest.importorskip("torch")
    sys.path.insert(0, str(Path(__file__).parents[1] / "adapters"))
    import tiny

    from zoohub.adapters.saving import register

    names = []
    for name in ("one", "two"):
        folder = tiny.bert_encoder(tmp_path / name)
        names.append(register(folder).id)
    return names


@pytest.fixture
def reviews(tmp_path: Path) -> Path:
    file = tmp_path / "reviews.csv"
    words = [f"{'good nice great' if n % 2 else 'bad terrible not'} hotel {n},{n % 2}" for n in range(200)]
    file.write_text("text,label\n" + "\n".join(words) + "\n")
    return file


@pytest.mark.models
@pytest.mark.slow
def test_candidates_are_trained_remembered_and_not_trained_again(tiny_models, reviews):
    said: list[str] = []
    with Registry.open() as registry:
        found = answer(TASK, 160, classes=2, registry=registry, limit=1000, here=tiny_models)
        assert set(tiny_models) <= {item.id for item in found.recommendations}
        better, trials = attempt(
            found, user_data(reviews, TASK), TASK, registry, count=2, budget=120, say=said.append
        )
        assert {t.id for t in trials} == set(tiny_models)
        assert better.recommendations[0].id == trials[0].id
        assert better.sentence.startswith(f"Of 2 tried on your data {trials[0].id} leads")
        assert trials[0].runs[-1].samples == 160
        assert len(trials[1].runs) < len(trials[0].runs)  # only the better half saw all of it
        rows = registry.evidence(task=TASK, model=trials[0].id)
        assert {row.n_train for row in rows} == {64, 160}
        assert all(row.dataset.startswith("reviews") and row.source == "measured here" for row in rows)
        said.clear()
        attempt(found, user_data(reviews, TASK), TASK, registry, count=2, budget=120, say=said.append)
        assert sum("(known)" in line for line in said) == 3


@pytest.mark.models
@pytest.mark.slow
def test_a_spent_budget_stops_and_says_so(tiny_models, reviews):
    said: list[str] = []
    with Registry.open() as registry:
        found = answer(TASK, 160, classes=2, registry=registry, limit=1000, here=tiny_models)
        _, trials = attempt(
            found, user_data(reviews, TASK), TASK, registry, count=2, budget=1e-6, say=said.append
        )
    assert not any(t.runs for t in trials)
    assert any("budget is spent" in line for line in said)


def test_nothing_to_try_and_nothing_to_tell_apart(tmp_path, reviews):
    with Registry.open(catalog=False) as registry:
        registry.add([ModelRecord("org/far", task=TASK, parameters=10)])
        found = answer(TASK, 160, classes=2, registry=registry)
        with pytest.raises(UsageError, match="None of the candidates"):
            attempt(found, user_data(reviews, TASK), TASK, registry)
        alike = tmp_path / "alike.csv"
        alike.write_text("text,label\na,1\nb,1\nc,1\n")
        with pytest.raises(DataError, match="one class only"):
            user_data(alike, TASK)


def test_scores_of_features_are_not_taken_for_runs():
    with Registry.open(catalog=False) as registry:
        rows = [
            Evidence("org/m", TASK, "data#1", name, 0.9, n_train=64, strategy="probe")
            for name in ("probe accuracy", "H-score", "LogME")
        ]
        registry.add_evidence(rows)
        assert trial._stored(registry, Trial("org/m", "probe"), "data#1", 64) is None
        registry.add_evidence(
            [Evidence("org/m", TASK, "data#1", "accuracy", 0.8, n_train=64, strategy="probe")]
        )
        assert trial._stored(registry, Trial("org/m", "probe"), "data#1", 64) == 0.8


def test_what_was_measured_stands_first_and_the_untried_favorite_is_named():
    with Registry.open(catalog=False) as registry:
        registry.add(
            ModelRecord(f"org/{name}", task=TASK, parameters=10**size)
            for name, size in (("cold", 8), ("best", 7), ("next", 6))
        )
        found = answer(TASK, 160, classes=2, registry=registry)
        assert found.recommendations[0].id == "org/cold"
        trials = [
            Trial("org/best", "probe", runs=[Run(64, 0.7, 1.0), Run(128, 0.8, 1.0)]),
            Trial("org/next", "probe", runs=[Run(64, 0.6, 1.0)], beaten=True),
        ]
        better = trial._ordered(found, trials, 128)
    assert [item.id for item in better.recommendations] == ["org/best", "org/next", "org/cold"]
    assert [item.measured for item in better.recommendations] == [0.8, 0.6, None]
    assert "128 examples reaches 0.8." in better.sentence
    assert better.notes[-1] == "org/cold, first by published results, was not tried: zoo pull org/cold"
    half = trial._ordered(found, trials, 512)
    assert "expected on all 512." in half.sentence
    one = trial._ordered(found, [Trial("org/best", "full", runs=[Run(64, 0.2, 1.0)])], 512)
    assert "reaches 0.2, which tells little of all 512" in one.sentence
    assert not any("A probe on" in note for note in one.notes)
    scored = replace(found, recommendations=tuple(replace(i, measured=0.7) for i in found.recommendations))
    one = trial._ordered(scored, [Trial("org/best", "full", runs=[Run(64, 0.2, 1.0)])], 512)
    assert any(note.startswith("A probe on org/best reaches 0.7") for note in one.notes)
    row = _row(better.recommendations[0])
    assert (row["measured"], row["p_best"], row["score"]) == ("0.8", None, None)


def test_scores_of_one_model_are_told_and_move_nothing():
    with Registry.open(catalog=False) as registry:
        registry.add(
            [
                ModelRecord("org/one", task=TASK, parameters=10),
                ModelRecord("org/two", task=TASK, parameters=9),
            ]
        )
        found = answer(TASK, 160, classes=2, registry=registry)
    last = found.recommendations[-1].id
    target = Context("", TASK, n_train=160, strategy="probe")
    alone = refine._reorder(found, [Measured(last, (0.9, 1.0, 0.1))], target)
    assert [item.id for item in alone.recommendations] == [item.id for item in found.recommendations]
    assert alone.recommendations[-1].measured == 0.9
    both = [Measured(found.recommendations[0].id, (0.6, 0.5, 0.0)), Measured(last, (0.9, 1.0, 0.1))]
    moved = refine._reorder(found, both, target)
    assert moved.recommendations[0].id == last
    near = [Measured(found.recommendations[0].id, (0.88, 0.5, 0.0)), Measured(last, (0.9, 0.4, 0.0))]
    assert (
        refine._reorder(found, near, target).recommendations[-1].id == last
    )  # within the error, the prior counts
    assert moved.sentence == f"On your data, {last} leads. Measured on your data: a probe reaches 0.9."


def test_what_a_probe_reached_goes_before_scores_without_a_scale():
    """As measured: features that were trained on few images have the highest H-score and serve a probe badly."""
    with Registry.open(catalog=False) as registry:
        registry.add(ModelRecord(f"org/m{n}", task=TASK, parameters=10**n) for n in range(1, 5))
        found = answer(TASK, 500, classes=10, registry=registry)
    names = [item.id for item in found.recommendations]
    values = [(0.562, 8.17, -0.07), (0.682, 8.08, 0.01), (0.536, 7.9, -0.11), (0.686, 7.86, -0.03)]
    scores = [Measured(name, value) for name, value in zip(names, values, strict=True)]
    moved = refine._reorder(found, scores, Context("", TASK, n_train=500, strategy="probe"))
    assert [item.id for item in moved.recommendations] == [names[1], names[3], names[0], names[2]]


def test_scores_move_nothing_where_full_training_of_images_is_planned():
    task = "image-classification"
    with Registry.open(catalog=False) as registry:
        registry.add(
            [
                ModelRecord("org/one", task=task, parameters=10),
                ModelRecord("org/two", task=task, parameters=9),
            ]
        )
        found = answer(task, 5000, classes=2, registry=registry)
    first, last = (item.id for item in found.recommendations)
    scores = [Measured(first, (0.6, 0.5, 0.0)), Measured(last, (0.9, 1.0, 0.1))]
    same = refine._reorder(found, scores, Context("", task, n_train=5000, strategy="full"))
    assert [item.id for item in same.recommendations] == [first, last]
    assert [item.measured for item in same.recommendations] == [0.6, 0.9]


def test_a_model_to_be_used_as_it_is_is_tried_as_a_probe():
    assert trial._trainable("zero-shot") == "probe"
    assert trial._trainable("setfit") == "setfit"


@pytest.mark.models
@pytest.mark.slow
def test_own_finetune_and_evaluate_runs_are_evidence(tiny_models, reviews, tmp_path):
    from click.testing import CliRunner

    from zoohub import load
    from zoohub.cli.main import zoo

    load(tiny_models[0], task=TASK).finetune(
        reviews, strategy="probe", output=tmp_path / "tuned", progress=False
    )
    evaluated = CliRunner().invoke(
        zoo, ["evaluate", str(tmp_path / "tuned"), str(reviews)], catch_exceptions=False
    )
    assert evaluated.exit_code == 0, evaluated.output
    with Registry.open() as registry:
        tuned = registry.evidence(task=TASK, model=tiny_models[0])
        others = [row for row in registry.evidence(task=TASK) if row.model != tiny_models[0]]
    assert [(row.strategy, row.source, row.n_classes) for row in tuned] == [("probe", "measured here", 2)]
    assert 0 < tuned[0].n_train < 200
    assert len(others) == 1
    assert others[0].dataset == tuned[0].dataset
