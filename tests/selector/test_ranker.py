"""The ranker: ranks, leaks, relevance, shrinkage, forecasts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from zoohub.registry import Evidence
from zoohub.selector import facts, relevance, strategy, telling, transfer, units
from zoohub.selector.board import Board, Context, percentiles, seed_noise
from zoohub.selector.forecast import forecast
from zoohub.selector.ranking import rank
from zoohub.selector.traits import Traits
from zoohub.selector.utility import percentile, utility


def board(values, **conditions):
    values = np.asarray(values, float)
    contexts = [Context(f"d{chr(97 + i)}x", **conditions) for i in range(values.shape[1])]
    return Board.of([f"m{i}" for i in range(len(values))], contexts, values)


def test_percentiles_share_ties_and_keep_gaps():
    ranks = percentiles(np.array([[1.0], [2.0], [2.0], [np.nan], [9.0]]))[:, 0]
    assert ranks[[0, 1, 2, 4]].tolist() == [0.125, 0.5, 0.5, 0.875]
    assert np.isnan(ranks[3])


def test_lower_is_better_is_turned_and_seeds_are_weighed():
    rows = [
        Evidence("a", "t", "d", "loss", 1.0, False, seeds=3),
        Evidence("a", "t", "d", "loss", 2.0, False),
        Evidence("b", "t", "d", "loss", 9.0, False),
    ]
    made = Board.build(rows)
    assert made.values[0, 0] == -1.25
    assert made.ranks[0, 0] > made.ranks[1, 0]


def test_a_record_that_beats_its_base_by_far_is_masked():
    made = board([[0.80], [0.84], [0.95], [0.95]])
    masked, count = made.mask_leaks({"m1": "m0", "m2": "m0"})
    assert count == 1
    assert np.isnan(masked.values[2, 0])
    assert masked.values[3, 0] == 0.95  # no base is known: nothing can be said


def test_utility_and_percentile_are_inverse():
    ranks = np.linspace(0.01, 0.99, 9)
    assert percentile(utility(ranks)) == pytest.approx(ranks)


def test_a_comparison_of_strong_models_lifts_all_that_take_part():
    quality = np.arange(12.0)[:, None]
    full = board(np.repeat(quality, 8, axis=1))
    assert (full.lifts == 0).all()
    values = full.values.copy()
    values[:7, 5:] = np.nan  # three data sets compare the five best alone ...
    values[7:, :3] = np.nan  # ... three the others
    made = Board.of(full.models, full.contexts, values)
    assert (made.lifts[5:] > 0.1).all()
    assert (made.lifts[:3] < -0.1).all()
    assert made.only([0, 6]).lifts.tolist() == made.lifts[[0, 6]].tolist()
    plain = replace(made, lifts=np.zeros(8))
    with_lifts, without = (rank(one, {}, Context("x"), list(made.models)).mean for one in (made, plain))
    assert (
        with_lifts[7] - with_lifts[6] > without[7] - without[6] + 0.2
    )  # the last of the five, the first of the others


def test_the_nearer_context_weighs_more_and_copies_count_less():
    target = Context("x", "t", n_train=1000)
    near, far = Context("a", "t", n_train=1000), Context("b", "t", n_train=1_000_000)
    weights = relevance.weights([near, far], target)
    assert weights[0] > 1.5 * weights[1]
    copies = relevance.weights([near, *(Context("b", "t", n_train=1000 + i) for i in range(5))], target)
    assert copies[0] > 1.2 * copies[1]
    assert (copies >= 0).all()


def test_names_with_a_common_word_are_nearer():
    contexts = [Context("STS12"), Context("ArxivClustering")]
    near = relevance.agreement(contexts, Context("STS13"))
    assert near[0] > near[1]


def test_the_ranking_depends_on_the_training_size():
    small = [Context(f"s{i}", n_train=100) for i in range(4)]
    large = [Context(f"l{i}", n_train=1_000_000) for i in range(4)]
    values = np.array([[1.0] * 4 + [3.0] * 4, [2.0] * 8, [3.0] * 4 + [1.0] * 4])
    made = Board.of(["big", "middle", "little"], small + large, values)
    names = list(made.models)
    first = rank(made, {}, Context("x", n_train=100), names)
    last = rank(made, {}, Context("x", n_train=1_000_000), names)
    assert names[first.order()[0]] == "little"
    assert names[last.order()[0]] == "big"


def test_what_moved_a_model_is_told_in_points_of_rank():
    small = [Context(f"s{i}", n_train=100) for i in range(4)]
    large = [Context(f"l{i}", n_train=1_000_000) for i in range(4)]
    values = np.array([[1.0] * 4 + [3.0] * 4, [2.0] * 8, [3.0] * 4 + [1.0] * 4])
    made = Board.of(["big", "middle", "little"], small + large, values)
    ranking = rank(made, {}, Context("x", n_train=100), list(made.models))
    assert any("conditions like yours put it down" in push for push in telling.pushes(ranking, 0, None))
    assert any("conditions like yours put it up" in push for push in telling.pushes(ranking, 2, None))
    assert not any("conditions" in push for push in telling.pushes(ranking, 1, None))


def test_a_model_without_a_record_stands_with_its_family():
    rng = np.random.default_rng(0)
    families = ["good"] * 6 + ["bad"] * 6
    values = np.array([[(f == "good") + 0.1 * rng.random() for _ in range(5)] for f in families])
    made = board(values)
    traits = {m: Traits(kinds={"family": f}) for m, f in zip(made.models, families, strict=True)}
    traits |= {"new-a": Traits(kinds={"family": "good"}), "new-b": Traits(kinds={"family": "bad"})}
    ranking = rank(made, traits, Context("x"), ["new-b", "new-a"])
    assert ranking.models[ranking.order()[0]] == "new-a"
    assert ranking.records.tolist() == [0, 0]


def test_forecasts_agree_with_themselves():
    rng = np.random.default_rng(1)
    made = board(np.linspace(0.3, 0.9, 12)[:, None] + 0.02 * rng.standard_normal((12, 8)))
    ranking = rank(made, {}, Context("x"), list(made.models))
    found = forecast(ranking, made)
    assert found.best.sum() == pytest.approx(1.0)
    assert ranking.models[found.order[0]] == "m11"
    assert (found.low <= found.score).all()
    assert (found.score <= found.high).all()
    assert found.regret[0] == min(found.regret)
    assert 1 <= len(found.tie_set) <= 4
    assert sum(found.best[found.order.index(i)] for i in found.tie_set) >= 0.9
    assert (found.near >= found.best).all()
    assert found.margin == seed_noise(None)


def test_equals_are_rarely_the_best_and_mostly_near_it():
    rng = np.random.default_rng(1)
    made = board(0.8 + 0.004 * rng.standard_normal((40, 8)))
    found = forecast(rank(made, {}, Context("x"), list(made.models)), made, n_train=3000)
    assert found.best.max() < 0.3
    assert found.near.min() > 0.9


@pytest.mark.parametrize(
    ("metric", "scores", "scale"),
    [
        ("accuracy", [0.7], 1.0),
        ("score", [71.0], 100.0),
        ("wer", [-8.0], 100.0),
        ("test_loss", [-1.9, -2.1], 2.0),
    ],
)
def test_noise_is_a_share_of_the_metrics_scale(metric, scores, scale):
    assert units.scale(metric, np.array(scores)) == scale


def test_without_any_evidence_there_is_no_score():
    empty = Board.of([], [], np.zeros((0, 0)))
    found = forecast(rank(empty, {}, Context("x", "t"), ["a", "b"]), empty)
    assert np.isnan(found.score).all()


def test_scores_do_nothing_for_full_training_of_images_and_much_for_a_probe():
    prior, scores = np.array([1.0, 0.5, 0.0]), np.array([[0.0], [1.0], [5.0]])
    full = transfer.stack(
        prior, scores, transfer.default_weight(Context("x", "image-classification", strategy="full"))
    )
    assert full.tolist() == prior.tolist()
    probe = transfer.stack(
        prior, scores, transfer.default_weight(Context("x", "image-classification", strategy="probe"))
    )
    assert probe[2] - probe[0] > -1.0


def test_public_facts_complete_a_context():
    made = facts.complete(Context("CIFAR-100"))
    assert (made.n_train, made.n_classes, made.domain) == (50000, 100, "natural/objects")
    assert facts.complete(Context("CIFAR-100", n_train=10)).n_train == 10
    assert facts.complete(Context("nobody knows")) == Context("nobody knows")


@pytest.mark.parametrize(
    ("task", "samples", "classes", "size", "name"),
    [
        ("text-classification", 16, 2, None, "setfit"),
        ("text-classification", 60, 2, None, "setfit"),
        ("text-classification", 5000, 2, None, "full"),
        ("image-classification", 50, 10, None, "probe"),
        ("image-classification", 500, 10, None, "probe-then-full"),
        ("image-classification", 5000, 10, None, "full"),
        ("text-classification", 5000, 2, 7_000_000_000, "lora"),
        ("text-classification", None, None, None, "zero-shot"),
    ],
)
def test_the_strategy_follows_the_size(task, samples, classes, size, name):
    assert strategy.choose(task, samples, classes, size).name == name


def test_seed_noise_falls_with_size():
    assert [seed_noise(n) for n in (500, 3000, 10_000, 50_000, 1e6)] == [0.056, 0.020, 0.008, 0.007, 0.005]


def test_scores_of_features_tell_useful_features_from_noise():
    rng = np.random.default_rng(0)
    labels = np.arange(120) % 3
    noise = rng.standard_normal((120, 10))
    useful = noise + 2.0 * np.eye(10)[labels]
    for score in (transfer.h_score, transfer.logme, transfer.probe):
        assert score(useful, labels) > score(noise, labels)
    assert transfer.probe(useful, labels) > 0.75
    assert transfer.probe(noise, labels) < 0.55
