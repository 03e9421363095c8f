"""`--try`: train the best few candidates on growing parts of the user's data, and keep the better half each time.

Successive halving under a budget of time. Each run is measured on the same held-out part, becomes evidence
at once, and is read back instead of repeated: the same command goes on where it was stopped. Learning curves
(error = a x n^-b) carry what small parts show to the whole; a run that would end after the budget is not begun.
"""

from __future__ import annotations

import math
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoohub.errors import CapabilityError, DataError, UnsupportedModel, UsageError, WeightsError
from zoohub.registry import Registry
from zoohub.selector.advice import Answer, Recommendation
from zoohub.selector.refine import SCORES, UserData, present

if TYPE_CHECKING:
    from zoohub.adapters.data import Examples

Say = Callable[[str], None]

SMALLEST = 64  # examples of the first part, at least two a class
GROWTH = 4  # how much larger the next part is
HELD = 0.2  # share of the data that measures, at most HELD_MOST
HELD_MOST = 1000
TRAINED = 10  # passes over an example that training takes for each one that measuring takes, about
STEEPEST = 1.0  # exponent of a learning curve at most: two noisy points must not promise wonders
_BUDGET = re.compile(r"([\d.]+)\s*(s|sec|min|m|h)?")
_SECONDS = {None: 1.0, "s": 1.0, "sec": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}


@dataclass(frozen=True, slots=True)
class Run:
    """One training: on how many examples, what it reached on the held-out part (more is better), how long."""

    samples: int
    value: float
    seconds: float


@dataclass
class Trial:
    """All runs of one candidate; `beaten` when others went on to a larger part, `failed` with a reason; `pace`, the
    seconds that an example is estimated to take, counts where runs are remembered and were not timed. Each run is
    measured on `held` examples."""

    id: str
    strategy: str
    runs: list[Run] = field(default_factory=list)
    beaten: bool = False
    failed: str | None = None
    pace: float = 0.0
    held: int = 0

    def expected(self, samples: int) -> float:
        """The value at `samples`, extrapolated from the runs; -inf without any."""
        return extrapolate([run.samples for run in self.runs], [run.value for run in self.runs], samples)

    def cost(self, samples: int) -> float:
        """Seconds that a run on `samples` will take. A single run took time for its measuring, too; what a second one
        took more, or all of it where features were remembered, grows with the samples."""
        if not self.runs:
            return 0.0
        timed = [run for run in self.runs if run.seconds > 0]
        if not timed:
            return self.pace * samples
        last = timed[-1]
        if len(timed) == 1:
            passes = 1 if self.strategy == "probe" else TRAINED
            return last.seconds * (passes * samples + self.held) / (passes * last.samples + self.held)
        slope = (last.seconds - timed[-2].seconds) / max(last.samples - timed[-2].samples, 1)
        if slope <= 0.0:
            return last.seconds * samples / last.samples
        return last.seconds + slope * (samples - last.samples)


def budget_seconds(text: str) -> float:
    """10min, 90s, 1.5h or a number of seconds.

    Raises:
        UsageError: it is no positive length of time.
    """
    match = _BUDGET.fullmatch(text.strip().lower())
    value = (
        float(match[1]) * _SECONDS[match[2]] if match and match[1].count(".") < 2 and match[1] != "." else 0
    )
    if not 0 < value < 1e8:
        raise UsageError(f"{text!r} is no length of time.", "Write it as 10min, 90s or 1.5h.")
    return value


def extrapolate(samples: Sequence[int], values: Sequence[float], target: int) -> float:
    """The value at `target` samples on a curve error = a x n^-b through the last two points (0 <= b <= 1)."""
    if not values:
        return -math.inf
    if len(values) < 2 or target <= samples[-1] or not 0.0 <= max(values) <= 1.0:
        return values[-1]
    errors = [max(1.0 - value, 1e-3) for value in values[-2:]]
    steps = math.log(samples[-1] / samples[-2])
    exponent = min(max(math.log(errors[0] / errors[1]) / steps, 0.0), STEEPEST) if steps > 0 else 0.0
    return float(1.0 - errors[1] * (samples[-1] / target) ** exponent)


def parts(samples: int, classes: int) -> list[int]:
    """The sizes of the growing parts, the whole at the end."""
    sizes, size = [], max(SMALLEST, 2 * classes)
    while size * 2 < samples:
        sizes.append(size)
        size *= GROWTH
    return [*sizes, samples]


def attempt(
    answer: Answer,
    data: UserData,
    task: str,
    registry: Registry,
    *,
    count: int = 3,
    budget: float = 600.0,
    say: Say = lambda _: None,
) -> tuple[Answer, list[Trial]]:
    """Train the first `count` candidates whose weights are here on parts of `data`, within `budget` seconds.

    Returns the answer ordered by what they reached, and the trials, the best first.

    Raises:
        DataError: too few examples; UsageError: no candidate's weights are here.
    """
    ends = time.monotonic() + budget
    train, held = _divided(data.examples)
    chosen = present(answer.recommendations, registry, count, say)
    if not chosen:
        named = ", ".join(item.id for item in answer.recommendations[:count])
        raise UsageError("None of the candidates is on this machine.", f"Pull some first: {named}")
    trials = [
        Trial(item.id, _trainable(item.strategy.name), pace=_pace(item, len(data.examples)), held=len(held))
        for item in chosen
    ]
    alive = list(trials)
    for size in parts(len(train), len(train.labels)):
        for trial in list(alive):
            left = ends - time.monotonic()
            if left <= 0:
                say(f"{trial.id}: no time was left for {size} examples")
                continue
            if trial.cost(size) > left:
                say(f"{trial.id}: {size} examples would take {trial.cost(size):.0f} s, {left:.0f} s are left")
                continue
            _step(trial, train, held, size, data.id, task, registry, say)
        alive = [trial for trial in alive if not trial.failed and trial.runs]
        alive = _better_half(alive, len(train)) if size < len(train) else alive
        if ends <= time.monotonic():
            say("The budget is spent; the same command goes on.")
            break
    best = sorted(trials, key=lambda trial: (not trial.beaten, trial.expected(len(train))), reverse=True)
    return _ordered(answer, best, len(train)), best


def _divided(examples: Examples) -> tuple[Examples, Examples]:
    """What trains and what measures: the data's own held-out part, or a share of it."""
    if examples.held_out is not None and len(examples.held_out):
        train, held = replace(examples, held_out=None), examples.held_out
    else:
        train, held = examples.split(min(HELD, HELD_MOST / max(len(examples), 1)), 0)
    if len(held) > HELD_MOST:
        _, held = held.split(HELD_MOST / len(held), 0)
    if len(train) < 2 or not len(held):
        raise DataError(f"{len(train) + len(held)} examples are too few to train and to measure on.")
    return train, held


def _pace(item: Recommendation, samples: int) -> float:
    """Seconds that training takes an example, as estimated for all `samples`."""
    return item.training.seconds.middle / samples if item.training else 0.0


def _trainable(strategy: str) -> str:
    """The nearest strategy that `finetune` has."""
    return "probe" if strategy == "zero-shot" else strategy


def _step(
    trial: Trial,
    train: Examples,
    held: Examples,
    size: int,
    dataset: str,
    task: str,
    registry: Registry,
    say: Say,
) -> None:
    """One run, or its memory; what cannot be trained is said and left."""
    known = _stored(registry, trial, dataset, size)
    if known is not None:
        trial.runs.append(Run(size, known, 0.0))
        say(f"{trial.id}: {size} examples: {known:.4g} (known)")
        return
    part = train if size >= len(train) else train.split(size / len(train), 0)[1]
    began = time.monotonic()
    try:
        measured = _trained(trial, part, held, task, registry)
    except (CapabilityError, UnsupportedModel, WeightsError, DataError) as error:
        trial.failed = error.message
        say(f"{trial.id}: {error.message}")
        return
    seconds = time.monotonic() - began
    from zoohub.adapters.remember import remember
    from zoohub.registry.evidence import is_loss

    remember(trial.id, measured, dataset, n_train=size, n_classes=len(train.labels), strategy=trial.strategy,
             registry=registry)  # fmt: skip
    value = -measured.value if is_loss(measured.main) else measured.value
    trial.runs.append(Run(size, value, seconds))
    say(f"{trial.id}: {size} examples: {measured.main} {measured.value:.4g} in {seconds:.1f} s")


def _stored(registry: Registry, trial: Trial, dataset: str, size: int) -> float | None:
    for row in registry.evidence(model=trial.id):
        same = (row.dataset, row.n_train, row.strategy) == (dataset, size, trial.strategy)
        if same and row.metric not in SCORES:  # scores of features are no runs
            return row.value if row.higher_is_better else -row.value
    return None


def _trained(trial: Trial, part: Examples, held: Examples, task: str, registry: Registry) -> Any:
    """Fine-tune into a folder that is thrown away, and measure."""
    import json

    from zoohub.adapters import load
    from zoohub.adapters.metrics import Estimate, Evaluation

    folder = Path(tempfile.mkdtemp(prefix="zoo-try-"))
    try:
        labels = set(part.labels)
        seen = held.pick(i for i, target in enumerate(held.targets) if str(target) in labels)
        model = load(registry.get(trial.id), task=task)
        tuned = model.finetune(
            part, eval=seen, strategy=trial.strategy, output=folder / "m", register=False, bad="skip"
        )
        run = json.loads((folder / "m" / "training.json").read_text(encoding="utf-8"))["evaluation"]
        metrics = {name: Estimate(**value) for name, value in run["metrics"].items()}
        return Evaluation(tuned.task, run["n"], metrics)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _better_half(alive: list[Trial], samples: int) -> list[Trial]:
    ranked = sorted(alive, key=lambda trial: trial.expected(samples), reverse=True)
    kept = math.ceil(len(ranked) / 2)
    for trial in ranked[kept:]:
        trial.beaten = True
    return ranked[:kept]


def _ordered(answer: Answer, trials: Sequence[Trial], samples: int) -> Answer:
    """Tried models first, by what they are expected to reach on all data; the others keep their order."""
    ran = [trial for trial in trials if trial.runs]
    if not ran:
        return answer
    items = {item.id: item for item in answer.recommendations}
    tried = [_told(items[trial.id], trial) for trial in ran]
    rest = [item for item in answer.recommendations if item.id not in {trial.id for trial in ran}]
    ranked = tuple(replace(item, rank=place) for place, item in enumerate([*tried, *rest], start=1))
    best, last = ran[0], ran[0].runs[-1]
    sentence = (
        f"Of {len(ran)} tried on your data {best.id} leads: {best.strategy} on {last.samples} examples reaches "
        f"{abs(last.value):.3g}{_outlook(best, samples)}."
    )
    cold = answer.recommendations[0]
    notes = (*answer.notes, *_probe_leads(items[best.id], best, samples))
    if cold.id not in {trial.id for trial in ran}:
        notes = (*notes, f"{cold.id}, first by published results, was not tried: zoo pull {cold.id}")
    return replace(answer, recommendations=ranked, sentence=sentence, notes=notes)


def _outlook(trial: Trial, samples: int) -> str:
    """What the runs let expect of all samples: a single small part gives no curve."""
    if trial.runs[-1].samples >= samples:
        return ""
    if len(trial.runs) == 1:
        return f", which tells little of all {samples} (a larger --budget tells more)"
    return f", {abs(trial.expected(samples)):.3g} expected on all {samples}"


def _probe_leads(item: Recommendation, trial: Trial, samples: int) -> list[str]:
    """Where the probe that scored a model reached more than its training lets expect."""
    if trial.strategy == "probe" or item.measured is None or item.measured <= trial.expected(samples):
        return []
    reached = f"A probe on {item.id} reaches {item.measured:.3g} on your data"
    return [f"{reached}, more than its training so far: --strategy probe"]


def _told(item: Recommendation, trial: Trial) -> Recommendation:
    last = trial.runs[-1]
    reached = f"{trial.strategy} on {last.samples} of your examples reaches {abs(last.value):.3g}"
    return replace(item, measured=abs(last.value), pushes=(reached, *item.pushes))
