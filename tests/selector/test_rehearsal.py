"""The rehearsal: forecasts are as sure as the evidence shows that they may be."""

from __future__ import annotations

import numpy as np
import pytest

from zoohub.selector import relevance
from zoohub.selector.board import Board, Context
from zoohub.selector.forecast import forecast
from zoohub.selector.ranking import mixed, rank
from zoohub.selector.rehearsal import Rehearsal, rehearse
from zoohub.selector.utility import percentile, utility


def board(noise: float, models: int = 20, datasets: int = 12, seed: int = 0) -> Board:
    """Models of known level, each data set a noisy view of it."""
    random = np.random.default_rng(seed)
    level = np.linspace(0.3, 0.9, models)
    values = level[:, None] + noise * random.standard_normal((models, datasets))
    contexts = [Context(f"d{chr(97 + i)}x") for i in range(datasets)]
    return Board.of([f"m{i}" for i in range(models)], contexts, values)


def test_the_best_stands_further_from_the_top_where_results_scatter():
    sure, unsure = rehearse(board(0.01)), rehearse(board(0.3))
    assert sure is not None
    assert unsure is not None
    assert sure.front(0.8) <= 0.1
    assert unsure.front(0.8) >= 0.3
    assert len(sure.places) == len(sure.falls) == 12


def test_four_data_sets_are_needed_and_parts_of_one_count_once():
    assert rehearse(board(0.1, datasets=3)) is None
    made = board(0.1, datasets=16)
    parts = [Context(f"{c}/{i}") for c in "abcdefgh" for i in (1, 2)]
    found = rehearse(Board.of(made.models, parts, made.values))
    assert found is not None
    assert len(found.places) == 16
    copies = Board.of(made.models, parts, np.repeat(made.values[:, :8], 2, axis=1))
    assert np.mean(rehearse(copies).places) >= np.mean(rehearse(board(0.1, datasets=8)).places) - 1e-9


@pytest.mark.parametrize("noise", [0.05, 0.2])
def test_intervals_and_tie_sets_hold_what_they_promise(noise):
    held, covered = [], []
    for seed in range(12):
        made = board(noise, seed=seed)
        seen, hidden = made.only(range(11)), made.values[:, 11]
        ranking = rank(seen, {}, Context("new"), list(seen.models))
        found = forecast(ranking, seen)
        held.append(hidden[list(found.tie_set)].max() == hidden.max())
        truth = hidden[list(found.order)]
        covered.append(np.mean((truth >= found.low) & (truth <= found.high)))
    assert np.mean(held) >= 0.75
    assert 0.65 <= np.mean(covered) <= 0.95


def test_the_chance_to_be_near_the_best_follows_what_the_rehearsal_met():
    said = np.array([0.2, 0.6, 0.9])

    def after(*was: float) -> np.ndarray:
        near = np.array([(0.6, one) for one in was])
        return Rehearsal(np.zeros(len(was)), (), near, len(was)).odds(said)

    assert after(1, 1, 1, 0, 0) == pytest.approx(said)
    assert (after(0, 0, 0, 0, 1) < said).all()
    assert (np.diff(after(0, 0, 0, 0, 1)) > 0).all()
    assert (after(0, 0, 0, 0) > after(*[0] * 40)).all()
    assert (after(1, 1, 1, 1) > said).all()


def test_half_of_a_level_is_the_mean_over_like_contexts():
    assert mixed(np.array([1.0, 3.0]), np.ones(2)).tolist() == [0.375, 0.625]
    assert mixed(np.array([1.0, 1.0]), np.array([3.0, 1.0])).tolist() == [0.625, 0.375]
    assert mixed(np.zeros(4), np.ones(4)).tolist() == [0.25] * 4


def test_no_training_is_far_from_a_single_sample():
    none, one, many = (Context("a", n_train=n) for n in (0, 1, 1000))
    to_none, to_many = relevance.alike([none, many], one)
    assert to_none == pytest.approx(to_many)


def test_the_steady_model_leads_before_one_that_fails_at_times():
    random = np.random.default_rng(0)
    steady, moody = np.full(8, 0.86), np.where(np.arange(8) < 6, 0.95, 0.2)
    others = 0.2 + 0.6 * random.random((10, 8))
    made = Board.of(
        ["steady", "moody", *(f"o{i}" for i in range(10))],
        [Context(f"d{chr(97 + i)}x") for i in range(8)],
        np.vstack([steady, moody, others]),
    )
    ranking = rank(made, {}, Context("new"), list(made.models))
    assert ranking.models[ranking.order()[0]] == "steady"
    assert ranking.standing().argmax() == 0


def test_an_uneven_model_counts_among_those_that_may_be_the_best():
    random = np.random.default_rng(0)
    even, uneven = np.full(12, 0.7), np.where(np.arange(12) % 2 == 0, 0.95, 0.3)
    others = 0.2 + 0.6 * random.random((10, 12))
    made = Board.of(
        ["even", "uneven", *(f"o{i}" for i in range(10))],
        [Context(f"d{chr(97 + i)}x") for i in range(12)],
        np.vstack([even, uneven, others]),
    )
    ranking = rank(made, {}, Context("new"), list(made.models))
    assert ranking.spread[1] > 2 * ranking.spread[0]
    assert ranking.models[ranking.hopeful()[0]] == "uneven"
    assert {0, 1} <= set(forecast(ranking, made).tie_set)


def test_utilities_rise_with_the_rank_and_invert():
    ranks = np.linspace(0.005, 0.995, 50)
    assert (np.diff(utility(ranks)) > 0).all()
    assert percentile(utility(ranks)) == pytest.approx(ranks, abs=2e-3)
