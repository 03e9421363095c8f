"""recommend: which model, how to fine-tune it, how good it will be, what it costs, and why - from the
registry alone."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from zoohub import tasks
from zoohub.cards import licenses
from zoohub.errors import SelectorError, UsageError
from zoohub.registry import Evidence, ModelRecord, Registry
from zoohub.selector import candidates, facts, footprint, relevance, store, telling
from zoohub.selector.board import Board, Context
from zoohub.selector.footprint import Footprint
from zoohub.selector.forecast import Forecast, forecast
from zoohub.selector.hardware import machine
from zoohub.selector.purpose import made_for, topic
from zoohub.selector.question import Wanted, check
from zoohub.selector.ranking import Ranking, mixed, own_levels, rank
from zoohub.selector.strategy import Strategy, learns_classes
from zoohub.selector.traits import Traits

PROMISING = 250  # models with evidence that are looked up in the registry, the best first
CROWD = 6  # models that make a comparison; where there is none, FEWEST do
FEWEST = 3
RELATIVES = 500  # models of the board that take part in the ranking
ASSUMED = 1000  # samples of a task that must be learned, where nobody said how many
# Tasks for which what fine-tuning makes of a base model says nothing of how it does untrained.
GENERATIVE = ("text-generation",)
# the task of models that take classes of the user's own without training
ZERO_SHOT = {
    "text-classification": "zero-shot-classification",
    "image-classification": "zero-shot-image-classification",
}


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
    """One candidate. Scores are in the metric's own unit; NaN-free: None where there is no evidence.

    `best` is the chance that no candidate scores higher, `near` that none scores higher by more than noise between
    seeds. `needs_code` says that the model runs code of its own, which is refused until it is trusted. `measured` is
    what it reached on the user's data: by a cross-validated probe on features, or trained by `--try`.
    """

    id: str
    rank: int
    best: float
    near: float | None
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
    needs_code: bool
    parameters: int | None
    reasons: tuple[Reason, ...]
    pushes: tuple[str, ...]
    measured: float | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What `recommend` found for `task` (which may be another than asked: zero-shot models take any classes): one plain
    sentence, the candidates, notes of doubt, and what filters took away."""

    task: str
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

    `here` names models that are candidates however little is known of them, as those on this machine. Where a task
    must be learned and `samples` is None, ASSUMED samples are assumed, and the sentence says so; 0 asks for models
    to use as they are. Where `memory` is None, models known to exceed this machine's are left out.

    Raises:
        UsageError: options that contradict one another; UnknownTask, UnknownLicense: a word that nobody
        knows;
        SelectorError: no model passes the filters.
    """
    wanted = Wanted(
        tasks.resolve(task).id,
        samples,
        classes,
        strategy,
        license,
        language and re.split("[-_]", language)[0],  # models state languages, hardly ever regions
        footprint.parse_memory(memory) if memory is not None else None,
        machine().training_memory,
        precision,
        max_params,
        topic(task),
    )
    check(wanted)
    if limit < 1:
        raise UsageError("A limit below 1 shows nothing.", "Name at least 1.")
    assumed = samples is None and strategy != "zero-shot" and learns_classes(wanted.task)
    if assumed:
        wanted = replace(wanted, samples=ASSUMED)
    if registry is None:
        with Registry.open() as opened:
            found = _answer(opened, wanted, domain, limit, here)
    else:
        found = _answer(registry, wanted, domain, limit, here)
    return replace(found, sentence=telling.assuming(ASSUMED, found.sentence)) if assumed else found


def _answer(
    registry: Registry, wanted: Wanted, domain: str | None, limit: int, here: Sequence[str]
) -> Answer:
    """The answer; where classes are to be told apart untrained, by models that take them as words, if there are
    any."""
    other = ZERO_SHOT.get(wanted.task) if wanted.as_it_is and not wanted.topic else None
    if other is not None:
        try:
            found = _ranked(registry, replace(wanted, task=other), domain, limit, here)
        except SelectorError:
            pass  # what was asked for is told of, not what was tried instead
        else:
            return replace(found, sentence=telling.untrained(other, found.sentence))
    return _ranked(registry, wanted, domain, limit, here)


def _ranked(
    registry: Registry, wanted: Wanted, domain: str | None, limit: int, here: Sequence[str]
) -> Answer:
    plan = wanted.plan().name
    target = Context("", wanted.task, None, wanted.samples, wanted.classes, wanted.language, domain, plan)
    evidence = _evidence(registry, wanted)
    board = _board(evidence)
    found = candidates.gather(registry, wanted, _promising(board, target), here)
    names = list(found.records)
    if claims := _claims(found.records.values(), wanted.task, evidence):
        evidence = [*evidence, *claims]
        board = _board(evidence)
    full, board = board, _fewer(board, names)
    traits = {name: _traits(found.records.get(name), name) for name in {*names, *board.models}}
    ranking = rank(board, traits, target, names)
    made = forecast(ranking, full, target.n_train)
    order = _prefer(made, ranking, found.records, wanted.language)
    known = _Known(wanted, target, found.records, evidence, board, ranking, made)
    items = tuple(known.of(index, place) for place, index in enumerate(order[:limit], start=1))
    notes = telling.notes(board, wanted, domain, items, [found.records[names[index]] for index in order])
    return Answer(
        wanted.task, telling.sentence(items, made, names), items, notes, made.metric, dict(found.removed)
    )


def _evidence(registry: Registry, wanted: Wanted) -> list[Evidence]:
    """All results of the task, but of GENERATIVE models that are used as they are none of trained ones."""
    evidence = store.gather(registry, wanted.task)
    if wanted.as_it_is and wanted.task in GENERATIVE:
        return [row for row in evidence if row.strategy in (None, "zero-shot")]
    return evidence


def _claims(records: Iterable[ModelRecord], task: str, known: Sequence[Evidence]) -> list[Evidence]:
    """What cards state of the task, where a better source does not state the same."""
    there = {(row.model, row.dataset, row.metric) for row in known}
    rows = [row for record in records for row in store.of_card(record, task)]
    return [row for row in rows if (row.model, row.dataset, row.metric) not in there]


def _board(evidence: Sequence[Evidence]) -> Board:
    """Results by context; a comparison of a handful of models says little of a rank among all, and is left
    out where there are larger ones."""
    board = Board.build(evidence)
    counts = (~np.isnan(board.values)).sum(axis=0)
    board = board.only(np.flatnonzero(counts >= (CROWD if (counts >= CROWD).any() else FEWEST)))
    return replace(board, contexts=tuple(facts.complete(context) for context in board.contexts))


def _promising(board: Board, target: Context) -> list[str]:
    """The models with evidence, the best first."""
    if not board.contexts:
        return []
    told, alike = relevance.weights(board.contexts, target), relevance.alike(board.contexts, target)
    level = own_levels(board.utilities, mixed(told, alike))
    order = np.argsort(-np.nan_to_num(level, nan=-9.0), kind="stable")[:PROMISING]
    return [board.models[i] for i in order]


def _fewer(board: Board, names: Sequence[str]) -> Board:
    """The board with the candidates and the best-documented relatives; ranks stay those among all models."""
    if len(board.models) <= RELATIVES:
        return board
    counts = (~np.isnan(board.ranks)).sum(axis=1)
    asked = np.isin(np.array(board.models), np.array(list(names)))
    return board.rows(np.sort(np.argsort(-(counts + 1e6 * asked), kind="stable")[:RELATIVES]))


def _traits(record: ModelRecord | None, name: str) -> Traits:
    size = facts.size(record) if record else facts.published_size(name)
    family = name.rsplit("/", 1)[-1].lower().replace("_", "-").split("-")[0]
    kinds = {"family": family}
    if record and record.base_models:
        kinds["base"] = record.base_models[0].id
    return Traits(size, {}, kinds, record.downloads if record else None)


def _prefer(
    made: Forecast, ranking: Ranking, records: Mapping[str, ModelRecord], language: str | None
) -> list[int]:
    """Expected order, but models of the tie-set within seed noise of its best go first: those that need no code of
    their own, the smaller, the one with the freer license. Without evidence the same holds of equals, after those
    made for the language."""

    def burden(index: int) -> tuple[bool, float, bool]:
        record = records[ranking.models[index]]
        unfree = not licenses.in_group(record.license, "commercial")
        return facts.needs_code(record), facts.size(record) or 1e15, unfree

    def of_others(index: int) -> bool:
        return language is not None and not made_for(records[ranking.models[index]], language)

    if made.metric is None:
        return sorted(
            made.everyone, key=lambda i: (-round(float(ranking.mean[i]), 3), of_others(i), *burden(i))
        )
    score = dict(zip(made.order, made.typical, strict=True))
    tied = [i for i in made.tie_set if i in score]
    best = max(score[i] for i in tied)
    near = [i for i in tied if best - score[i] <= made.margin and ranking.records[i]]
    near.sort(key=burden)
    ahead = set(near)
    return near + [i for i in made.everyone if i not in ahead]


@dataclass(frozen=True, slots=True)
class _Known:
    """All that an answer's candidates are described from."""

    wanted: Wanted
    target: Context
    records: Mapping[str, ModelRecord]
    evidence: Sequence[Evidence]
    board: Board
    ranking: Ranking
    made: Forecast

    def of(self, index: int, place: int) -> Recommendation:
        """The candidate at `index` of the ranking, recommended in this place."""
        made, record = self.made, self.records[self.ranking.models[index]]
        spot = made.order.index(index) if index in made.order else None
        size = facts.size(record)
        plan = self.wanted.plan(size)
        known = record.license != "unknown"
        return Recommendation(
            id=record.id,
            rank=place,
            best=float(made.best[spot]) if spot is not None else 0.0,
            near=_number(made.near, spot),
            score=_number(made.score, spot),
            low=_number(made.low, spot),
            high=_number(made.high, spot),
            regret=_number(made.regret, spot),
            tied=index in made.tie_set,
            records=int(self.ranking.records[index]),
            strategy=plan,
            inference=self._cost(record, size, "inference"),
            training=self._cost(record, size, plan.name) if plan.name != "zero-shot" else None,
            license=record.license,
            commercial=licenses.get(record.license).answer("commercial") if known else "unknown",
            needs_code=facts.needs_code(record),
            parameters=size,
            reasons=self._reasons(record.id),
            pushes=telling.pushes(self.ranking, index, size),
        )

    def _cost(self, record: ModelRecord, size: int | None, work: str) -> Footprint | None:
        shape = footprint.shape(record, parameters=size)
        if shape is None:
            return None
        return footprint.estimate(
            shape, work, precision=self.wanted.precision, samples=self.wanted.samples or 0
        )

    def _reasons(self, model: str) -> tuple[Reason, ...]:
        """The model's results in the contexts that agree most with what is asked."""
        board = self.board
        if model not in board.models:
            return ()
        row = board.models.index(model)
        near = relevance.agreement(board.contexts, self.target)
        known = [i for i in np.argsort(-near, kind="stable") if not np.isnan(board.values[row, i])][:3]
        sources = {(e.dataset, e.metric): e.source for e in self.evidence if e.model == model}
        found = []
        for i in known:
            dataset, metric = board.contexts[i].dataset, board.contexts[i].metric or ""
            value, rank = abs(float(board.values[row, i])), float(board.ranks[row, i])
            found.append(Reason(dataset, metric, value, rank, sources.get((dataset, metric), "")))
        return tuple(found)


def _number(values: Any, spot: int | None) -> float | None:
    return None if spot is None or np.isnan(values[spot]) else float(values[spot])
