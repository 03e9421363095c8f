"""Refinement on the user's data: features of the best candidates, scored, and joined with the prior.

Only models whose weights are on this machine are scored. Each result is stored as evidence at once, under a
name
that holds a digest of the data: the same command goes on where it was stopped and repeats nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from zoohub.errors import CapabilityError, DataError, UnsupportedModel, WeightsError
from zoohub.registry import Evidence, Registry
from zoohub.selector import transfer
from zoohub.selector.advice import Answer, Recommendation
from zoohub.selector.board import Context
from zoohub.selector.strategy import learns_classes

if TYPE_CHECKING:
    from zoohub.adapters.data import Examples

SAMPLES = 2000
MOST_HERE = 200  # models in folders that are looked at
SCORED = 10  # models whose features are scored at most
TOLD = 3  # models of which it is said that they are not here
SCORES = ("probe accuracy", "H-score", "LogME")
MEASURED = "measured here"


@dataclass(frozen=True, slots=True)
class Measured:
    """Scores of one model's features on the data, in the order of SCORES."""

    id: str
    values: tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class UserData:
    """The user's labeled data; `id` names it together with a digest, so that changed data is other data."""

    examples: Examples
    id: str


def user_data(data: str | Path | Examples, task: str, columns: Mapping[str, str] | None = None) -> UserData:
    """Read the data to choose by; what cannot be read is left out.

    Raises:
        DataError: nothing there, a needed column is missing, or labels of one class only.
    """
    from zoohub.adapters.data import read
    from zoohub.adapters.remember import dataset_id

    examples = read(data, task, columns=columns, bad="skip")
    if len(examples.labels) < 2:
        raise DataError(
            f"{data} has one class only: nothing can be told apart.", "Add data of another class."
        )
    named = "".join(f" {role}={name}" for role, name in sorted((columns or {}).items()))
    return UserData(examples, dataset_id(examples.name, data) + named)


def refine(
    answer: Answer,
    data: UserData,
    target: Context,
    registry: Registry,
    *,
    say: Callable[[str], None] = lambda _: None,
) -> tuple[Answer, list[Measured]]:
    """Score the candidates of `answer` on `data` and order them anew; those without weights here keep the
    prior. Of a task without classes the answer stays as it is: the scores say how well classes can be told apart."""
    if not learns_classes(str(target.task)):
        return answer, []
    places = np.random.default_rng(0).permutation(len(data.examples))[:SAMPLES]
    chosen = data.examples.pick(sorted(int(i) for i in places))
    names = {label: i for i, label in enumerate(sorted({str(t) for t in chosen.targets}))}
    labels = np.array([names[str(t)] for t in chosen.targets], dtype=np.int64)
    measured: list[Measured] = []
    for item in present(answer.recommendations, registry, SCORED, say):
        found = _stored(registry, item.id, data.id) or _measure(
            item, chosen.inputs, labels, target, data.id, registry, say
        )
        if found is not None:
            measured.append(found)
    return _reorder(answer, measured, target), measured


def present(
    items: Sequence[Recommendation], registry: Registry, count: int, say: Callable[[str], None]
) -> list[Recommendation]:
    """The first `count` whose weights are on this machine; of the leading ones that are not, it is said."""
    from zoohub.weights import local

    found: list[Recommendation] = []
    for place, item in enumerate(items):
        record = registry.find(item.id)
        if record is not None and local(record) is not None:
            found.append(item)
        elif place < TOLD:
            say(f"{item.id}: its weights are not here (zoo pull {item.id})")
        if len(found) == count:
            break
    return found


def on_this_machine(registry: Registry) -> list[str]:
    """The ids of pulled models and of those in folders, which are the ones that can be tried at once."""
    from zoohub.registry import Query
    from zoohub.weights import store

    pulled = [manifest.id for _, manifest in store().models()]
    return [*pulled, *(record.id for record in registry.search(Query(source=("folder",), limit=MOST_HERE)))]


def _stored(registry: Registry, model: str, dataset: str) -> Measured | None:
    rows = {row.metric: row.value for row in registry.evidence(model=model) if row.dataset == dataset}
    if any(name not in rows for name in SCORES):
        return None
    return Measured(model, (rows[SCORES[0]], rows[SCORES[1]], rows[SCORES[2]]))


def _measure(
    item: Recommendation,
    inputs: object,
    labels: transfer.Labels,
    target: Context,
    dataset: str,
    registry: Registry,
    say: Callable[[str], None],
) -> Measured | None:
    from zoohub.adapters import load

    try:
        features = load(registry.get(item.id), task=target.task).embed(inputs).astype(float)
    except (CapabilityError, UnsupportedModel, WeightsError) as error:
        say(f"{item.id}: {error.message}")
        return None
    values = (
        transfer.probe(features, labels),
        transfer.h_score(features, labels),
        transfer.logme(features, labels),
    )
    say(f"{item.id}: " + ", ".join(f"{n} {v:.4g}" for n, v in zip(SCORES, values, strict=True)))
    registry.add_evidence(
        Evidence(
            item.id,
            str(target.task),
            dataset,
            name,
            value,
            n_train=len(labels),
            n_classes=int(labels.max()) + 1,
            language=target.language,
            strategy="probe",
            source=MEASURED,
        )
        for name, value in zip(SCORES, values, strict=True)
    )
    return Measured(item.id, values)


def _reorder(answer: Answer, measured: list[Measured], target: Context) -> Answer:
    """The scored models take one another's places, by what a probe reached on the data; the others keep theirs."""
    scores = {found.id: found.values for found in measured}
    items = [_told(item, scores) for item in answer.recommendations]
    places = [place for place, item in enumerate(items) if item.id in scores]
    values = _standing(places, np.array([scores[items[i].id] for i in places]), target)
    best_first = [places[i] for i in np.argsort(-values, kind="stable")]
    order = {place: items[other] for place, other in zip(places, best_first, strict=True)}
    ranked = tuple(replace(order.get(place, item), rank=place + 1) for place, item in enumerate(items))
    first = ranked[0]
    said = f" Measured on your data: a probe reaches {scores[first.id][0]:.3g}." if first.id in scores else ""
    sentence = answer.sentence if first.id == items[0].id else f"On your data, {first.id} leads."
    return replace(answer, recommendations=ranked, sentence=sentence + said)


def _standing(places: list[int], table: transfer.Array, target: Context) -> transfer.Array:
    """What the probe reached, and what the prior is worth beside it: the less the strategy resembles a probe, and the
    fewer the samples, the more. H-score and LogME, which have no scale of their own, lift the prior by rank."""
    prior: transfer.Array = -np.log(np.array(places) + 2.0)
    weight = transfer.default_weight(target)
    if len(places) < 2 or weight == 0.0:
        return prior
    reached = table[:, 0]
    error = np.sqrt((reached * (1.0 - reached)).mean() / min(target.n_train or SAMPLES, SAMPLES))
    lifted = transfer.stack(prior, table[:, 1:], weight)
    spread = float(lifted.std()) or 1.0  # none where prior and scores undo each other
    standing: transfer.Array = reached + error / weight * (lifted - lifted.mean()) / spread
    return standing


def _told(item: Recommendation, scores: Mapping[str, tuple[float, float, float]]) -> Recommendation:
    if item.id not in scores:
        return item
    reached = scores[item.id][0]
    return replace(
        item, measured=reached, pushes=(f"a probe on your data reaches {reached:.3g}", *item.pushes)
    )
