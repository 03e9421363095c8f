"""recommend: which model, how to fine-tune it, how good it will be, what it costs, and why - from the
registry alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from zoohub import tasks
from zoohub.cards import licenses
from zoohub.errors import UsageError
from zoohub.registry import Evidence, ModelRecord, Registry
from zoohub.selector import candidates, facts, footprint, relevance, store, strategy
from zoohub.selector.board import Board, Context, seed_noise
from zoohub.selector.footprint import Footprint
from zoohub.selector.forecast import Forecast, forecast
from zoohub.selector.ranking import Ranking, mixed, own_levels, rank
from zoohub.selector.strategy import Strategy
from zoohub.selector.traits import Traits

PROMISING = 250  # models with evidence that are looked up in the registry, the best first
CROWD = 6  # models that make a comparison
RELATIVES = 500  # models of the board that take part in the ranking


@dataclass(frozen=True, slots=True)
class Reason:
    """One published result behind a recommendation."""

    dataset: str
    metric: str
    value: float
    percentile: float
    source: str


@dataclass(frozen=True, slots=True)
class Recommendation:
    """One candidate. Scores are in the metric's own unit; NaN-free: None where there is no evidence."""

    id: str
    rank: int
    best: float
    score: float | None
    low: float | None
    high: float | None
    regret: float | None
    tied: bool
    records: int
    strategy: Strategy
    inference: Footprint | None
    training: Footprint | None
    license: str
    commercial: str
    parameters: int | None
    reasons: tuple[Reason, ...]
    pushes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """What `recommend` found: one plain sentence, the candidates, notes of doubt, and what filters took
    away."""

    sentence: str
    recommendations: tuple[Recommendation, ...]
    notes: tuple[str, ...]
    metric: str | None
    removed: Mapping[str, int]


def recommend(task: str, samples: int | None = None, **options: Any) -> list[Recommendation]:
    """The models to use for `task`, the best first; see `answer` for the options."""
    return list(answer(task, samples, **options).recommendations)


def answer(
    task: str,
    samples: int | None = None,
    *,
    classes: int | None = None,
    language: str | None = None,
    domain: str | None = None,
    license: str | None = None,
    memory: str | float | None = None,
    precision: str = "fp32",
    strategy: str | None = None,
    max_params: int | None = None,
    limit: int = 10,
    here: Sequence[str] = (),
    registry: Registry | None = None,
) -> Answer:
    """Rank the registry's models for a task and say how sure that is.

    `here` names models that are candidates however little is known of them, as those on this machine.

    Raises:
        UsageError: options that contradict one another; UnknownTask, UnknownLicense: a word that nobody
        knows;
        SelectorError: no model passes the filters.
    """
    known = tasks.resolve(task).id
    _check(samples, classes, limit, strategy)
    plan = _plan(known, samples, classes, strategy, None)
    wanted = candidates.Wanted(
        known,
        license,
        language,
        footprint.parse_memory(memory) if memory is not None else None,
        precision,
        plan.name,
        max_params,
    )
    if license and license not in ("commercial", "permissive"):
        licenses.resolve(license)
    target = Context("", known, None, samples, classes, language, domain, plan.name)
    if registry is None:
        with Registry.open() as opened:
            return _answer(opened, wanted, target, strategy, limit, here)
    return _answer(registry, wanted, target, strategy, limit, here)


def _check(samples: int | None, classes: int | None, limit: int, named: str | None) -> None:
    if samples is not None and samples < 0:
        raise UsageError(f"{samples} samples are impossible.")
    if samples == 1:
        raise UsageError(
            "One sample cannot train and be judged.",
            "Name 0 samples for a model to use as it is, or gather more.",
        )
    if classes is not None and classes < 2:
        raise UsageError(f"{classes} class leaves nothing to tell apart.", "Name at least 2 classes.")
    if samples and classes and classes > samples:
        raise UsageError(
            f"{classes} classes with {samples} samples: some class has none.",
            "Gather at least one sample per class, or use a zero-shot task.",
        )
    if limit < 1:
        raise UsageError("A limit below 1 shows nothing.")
    if named and named not in strategy.STRATEGIES:
        raise UsageError(f"{named!r} is no strategy.", f"There are: {', '.join(strategy.STRATEGIES)}")
    if named and named != "zero-shot" and not samples:
        raise UsageError(f"Strategy {named} needs samples to train on.", "Add --samples N, or use zero-shot.")


def _plan(
    task: str, samples: int | None, classes: int | None, named: str | None, size: int | None
) -> Strategy:
    chosen = strategy.choose(task, samples, classes, size)
    return chosen if named in (None, chosen.name) else Strategy(str(named), "as asked", chosen.settings)


def _answer(
    registry: Registry,
    wanted: candidates.Wanted,
    target: Context,
    named: str | None,
    limit: int,
    here: Sequence[str],
) -> Answer:
    evidence = store.gather(registry, wanted.task)
    board = _board(evidence)
    weights = relevance.weights(board.contexts, target) if board.contexts else np.zeros(0)
    found = candidates.gather(registry, wanted, _promising(board, weights), here)
    names = list(found.records)
    if claims := [row for record in found.records.values() for row in store.of_card(record, wanted.task)]:
        evidence = [*evidence, *claims]
        board = _board(evidence)
    full, board = board, _fewer(board, names)
    traits = {name: _traits(found.records.get(name), name) for name in {*names, *board.models}}
    ranking = rank(board, traits, target, names)
    made = forecast(ranking, full)
    order = _prefer(made, ranking, found.records, target)
    items = tuple(
        _recommendation(
            place, index, made, ranking, board, target, found.records[names[index]], named, evidence
        )
        for place, index in enumerate(order[:limit], start=1)
    )
    metric = _metric(board, ranking)
    notes = _notes(board, target, items)
    return Answer(_sentence(items, made, metric), items, notes, metric, dict(found.removed))


def _board(evidence: Sequence[Evidence]) -> Board:
    """Results by context; a comparison of a handful of models says little of a rank among all, and is left
    out."""
    board = Board.build(evidence)
    counts = (~np.isnan(board.values)).sum(axis=0)
    if (counts >= CROWD).any():
        board = board.only(np.flatnonzero(counts >= CROWD))
    return Board(board.models, tuple(facts.complete(c) for c in board.contexts), board.values, board.ranks)


def _promising(board: Board, weights: Any) -> list[str]:
    if not board.contexts:
        return []
    _, _, level = own_levels(board.ranks, mixed(weights))
    order = np.argsort(-np.nan_to_num(level, nan=-9.0), kind="stable")[:PROMISING]
    return [board.models[i] for i in order]


def _fewer(board: Board, names: Sequence[str]) -> Board:
    """The board with the candidates and the best-documented relatives; ranks stay those among all models."""
    if len(board.models) <= RELATIVES:
        return board
    counts = (~np.isnan(board.ranks)).sum(axis=1)
    asked = np.isin(np.array(board.models), np.array(list(names)))
    keep = np.sort(np.argsort(-(counts + 1e6 * asked), kind="stable")[:RELATIVES])
    models = tuple(board.models[i] for i in keep)
    return Board(models, board.contexts, board.values[keep], board.ranks[keep])


def _traits(record: ModelRecord | None, name: str) -> Traits:
    size = (record.parameters if record else None) or facts.parameters().get(name)
    family = name.rsplit("/", 1)[-1].lower().replace("_", "-").split("-")[0]
    kinds = {"family": family}
    if record and record.base_models:
        kinds["base"] = record.base_models[0].id
    return Traits(size, {}, kinds)


def _prefer(
    made: Forecast, ranking: Ranking, records: Mapping[str, ModelRecord], target: Context
) -> list[int]:
    """Expected order, but between models of the tie-set that differ by less than seed noise the smaller goes
    first."""
    tied = list(made.order[: made.tied])
    rest = list(made.everyone[len(tied) :])
    if np.isnan(made.score).any() or len(tied) < 2:
        return tied + rest
    scale = 100.0 if np.abs(made.score).max() > 1.5 else 1.0
    noise = scale * seed_noise(target.n_train)
    score = dict(zip(made.order, made.typical, strict=True))
    best = max(score[i] for i in tied)

    def cost(index: int) -> tuple[int, float, int]:
        """Near the best and with results of its own: by size, then freer license; otherwise by score."""
        record = records[ranking.models[index]]
        if best - score[index] > noise or not ranking.records[index]:
            return (1, -score[index], 0)
        size = record.parameters or facts.parameters().get(record.id)
        return (0, float(size or 1e15), int(not licenses.in_group(record.license, "commercial")))

    return sorted(tied, key=cost) + rest


def _recommendation(
    place: int,
    index: int,
    made: Forecast,
    ranking: Ranking,
    board: Board,
    target: Context,
    record: ModelRecord,
    named: str | None,
    evidence: Sequence[Evidence],
) -> Recommendation:
    spot = made.order.index(index) if index in made.order else None
    size = record.parameters or facts.parameters().get(record.id)
    samples = int(target.n_train) if target.n_train else None
    classes = int(target.n_classes) if target.n_classes else None
    plan = _plan(str(target.task), samples, classes, named, size)
    shape = footprint.shape(record, parameters=size)
    reasons = _reasons(record.id, board, target, evidence)
    return Recommendation(
        record.id,
        place,
        float(made.best[spot]) if spot is not None else 0.0,
        _known(made.score, spot),
        _known(made.low, spot),
        _known(made.high, spot),
        _known(made.regret, spot),
        index in made.tie_set,
        int(ranking.records[index]),
        plan,
        footprint.estimate(shape) if shape else None,
        footprint.estimate(shape, plan.name, samples=samples or 0)
        if shape and plan.name != "zero-shot"
        else None,
        record.license,
        licenses.get(record.license).answer("commercial") if record.license != "unknown" else "unknown",
        size,
        reasons,
        _pushes(ranking, index, size),
    )


def _known(values: Any, spot: int | None) -> float | None:
    return None if spot is None or np.isnan(values[spot]) else float(values[spot])


def _reasons(model: str, board: Board, target: Context, evidence: Sequence[Evidence]) -> tuple[Reason, ...]:
    """The model's results in the contexts that agree most with what is asked."""
    if model not in board.models:
        return ()
    row = board.models.index(model)
    near = relevance.agreement(board.contexts, target)
    known = [i for i in np.argsort(-near, kind="stable") if not np.isnan(board.values[row, i])][:3]
    sources = {(e.dataset, e.metric): e.source for e in evidence if e.model == model}
    found = []
    for i in known:
        context = board.contexts[i]
        key = (context.dataset, context.metric or "")
        value = abs(float(board.values[row, i]))
        found.append(Reason(context.dataset, key[1], value, float(board.ranks[row, i]), sources.get(key, "")))
    return tuple(found)


def _pushes(ranking: Ranking, index: int, size: int | None) -> tuple[str, ...]:
    """What moved the model up or down."""
    found = []
    if ranking.records[index]:
        found.append(f"{ranking.records[index]} own results")
    else:
        found.append("no own result: placed among its relatives by size, family and name")
        if size is None:
            found.append("size not known")
    return tuple(found)


def _metric(board: Board, ranking: Ranking) -> str | None:
    if not board.contexts or not ranking.weights.sum() > 0:
        return None
    return board.contexts[int(np.argmax(ranking.weights))].metric


def _notes(board: Board, target: Context, items: Sequence[Recommendation]) -> tuple[str, ...]:
    found = []
    spoken = {context.language for context in board.contexts}
    if not board.contexts:
        found.append(f"No evidence for {target.task}: the order follows size and popularity, not results.")
    elif target.language and target.language not in spoken:
        found.append(
            f"No evidence for {target.task} in {target.language}: results in other languages stand in."
        )
    if board.contexts and items and not items[0].records:
        found.append("The first has no result of its own.")
    return tuple(found)


def _sentence(items: Sequence[Recommendation], made: Forecast, metric: str | None) -> str:
    first = items[0]
    how = {
        "zero-shot": "as it is",
        "probe": "with a linear probe",
        "setfit": "with contrastive (SetFit) training",
        "lora": "with LoRA",
        "full": "fine-tuned in full",
        "probe-then-full": "with a probe first, then in full",
    }[first.strategy.name]
    if first.score is None:
        return f"Try {first.id} {how}; no evidence for this task says how good it will be."
    tie = f"; {made.tied} models are too close to call, the smaller go first" if made.tied > 1 else ""
    return (
        f"Use {first.id} {how}: expect {metric} {abs(first.score):.3g} "
        f"({abs(first.low or 0):.3g} to {abs(first.high or 0):.3g}){tie}."
    )
