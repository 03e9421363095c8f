"""`Model.finetune`: read the data, look at it, train, measure, write the new model and make it known.

Nothing is half-written: the work goes on in a hidden folder beside the output, which appears when it is
whole. When the process is stopped the checkpoints stay there, and `resume=True` goes on from the last one.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoohub import settings as places
from zoohub.adapters import card, data, remember, saving, tables
from zoohub.adapters.base import Model
from zoohub.adapters.evaluate import evaluate
from zoohub.adapters.metrics import Evaluation, measure
from zoohub.adapters.report import Report, environment
from zoohub.errors import CapabilityError, DataError, UsageError, did_you_mean, suggest

if TYPE_CHECKING:
    from zoohub.adapters.logistic import Head

CLASSIFIES = frozenset({"image-classification", "text-classification", "audio-classification"})
_EMBEDS = frozenset({"feature-extraction", "sentence-similarity"})
_BECOMES = {
    "feature-extraction": "text-classification",
    "sentence-similarity": "text-classification",
    "fill-mask": "text-classification",
    "image-feature-extraction": "image-classification",
    "zero-shot-image-classification": "image-classification",
    "speaker-verification": "audio-classification",
}


@dataclass(frozen=True, slots=True)
class Settings:
    """How to fine-tune. What is None or "auto" is chosen by the data, the model and the machine.

    strategy: `probe` (frozen features, exact head), `setfit` (few texts, compared with each other), `lora`,
    `full`, `probe-then-full` or `auto`.
    output: the new folder (default: below `$ZOO_HOME/models`); `overwrite` replaces a model that is there.
    eval: data to measure on, or the share of `data` to set aside (default: the data's own test part, else a
    fifth). columns: role -> column. bad: `raise` or `skip` rows and files that cannot be used. task: the task
    to train for, where it is not the model's own. balance: let rare classes weigh as much as frequent ones.
    patience: epochs without a better metric before training stops (None: never). accumulate: batches a step.
    augment: show pictures mirrored and moved a little, another way in each epoch; not where left and right, or the
    place, tell classes apart. checkpointing: less memory, more time. callbacks: `transformers.TrainerCallback` objects.
    """

    strategy: str = "auto"
    output: str | Path | None = None
    overwrite: bool = False
    resume: bool = False
    eval: Any = None
    columns: Mapping[str, str] | None = None
    bad: data.Bad = "raise"
    task: str | None = None
    epochs: float | None = None
    learning_rate: float | None = None
    batch_size: int | str = "auto"
    accumulate: int = 1
    checkpointing: bool = False
    augment: bool = True
    precision: str = "auto"
    weight_decay: float = 0.01
    rank: int = 8
    balance: bool = False
    patience: int | None = 2
    seed: int = 0
    register: bool = True
    progress: bool = False
    callbacks: Sequence[Any] = ()

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Settings:
        """From keyword arguments.

        Raises:
            UsageError: one that does not exist (near ones are named), or an impossible value.
        """
        known = [f.name for f in fields(cls)]
        if unknown := [name for name in given if name not in known]:
            near = did_you_mean(suggest(unknown[0], known))
            raise UsageError(
                f"finetune has no setting {unknown[0]!r}.{near}", f"There are: {', '.join(known)}."
            )
        made = cls(**given)
        positive = {"epochs": made.epochs, "learning_rate": made.learning_rate, "accumulate": made.accumulate,
                    "rank": made.rank}  # fmt: skip
        if wrong := [name for name, value in positive.items() if value is not None and value <= 0]:
            raise UsageError(f"{wrong[0]} must be above zero.")
        if made.batch_size != "auto" and (not isinstance(made.batch_size, int) or made.batch_size < 1):
            raise UsageError("batch_size must be 'auto' or a whole number above zero.")
        return made

    def to_dict(self) -> dict[str, Any]:
        """Plain values for the record of the run."""
        left_out = {"eval", "callbacks", "output", "progress", "register", "overwrite", "resume"}
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name not in left_out}


@dataclass(frozen=True, slots=True)
class Fit:
    """What a strategy gives back: the trained model in memory, how it went, and its results if it has them
    already.

    `history` has one dict a log line (epoch, loss, learning_rate, eval metric); `facts` are for the card.
    """

    model: Model
    evaluation: Evaluation | None = None
    history: Sequence[Mapping[str, Any]] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Job:
    """All that a strategy needs: the base, the data, the settings, and a folder for its checkpoints."""

    base: Model
    train: data.Examples
    held: data.Examples
    labels: tuple[str, ...]
    settings: Settings
    work: Path


def finetune(model: Model, given: Any, settings: Mapping[str, Any]) -> Model:
    """See `Model.finetune`."""
    chosen = Settings.of(settings)
    stated = given
    given, base = for_task(model, given, chosen)
    if not base.strategies:
        raise CapabilityError(f"{type(base).__name__} models cannot be fine-tuned for {base.task}.")
    output = _output(base, chosen)
    saving.require_free(output, chosen.overwrite)
    train, held = base.arrange(*read_both(base, given, chosen))
    labels = labels_for(base, train, held, balance=chosen.balance)
    report = Report.of(train, held, labels)
    strategy, reason = choose_strategy(base, train, labels, chosen.strategy)
    _say(f"{report}\nstrategy: {strategy} ({reason})", chosen.progress)
    with _workplace(output, base, train, strategy, chosen) as work:
        job = Job(base, train, held, labels, replace(chosen, strategy=strategy), work)
        began = time.monotonic()
        fit = _strategy(strategy)(job)
        seconds = time.monotonic() - began
        measured = fit.evaluation or evaluate(fit.model, held, bad=chosen.bad)
        _publish(job, fit, measured, report, output, seconds, reason)
    if chosen.register:
        saving.register(output)
        remember.remember(
            base.id, measured, remember.dataset_id(train.name, stated), n_train=len(train),
            n_classes=len(labels) if base.task in CLASSIFIES else None, strategy=strategy,
        )  # fmt: skip
    return reopened(base, output, fit.model.task)


def for_task(model: Model, given: Any, settings: Settings) -> tuple[Any, Model]:
    """The data, and the model opened for the task to train.

    An encoder becomes a classifier where the data has labels; one of texts learns which are alike where it
    has pairs.
    """
    from zoohub.adapters.loading import open_bundle
    from zoohub.tasks import resolve

    task = resolve(settings.task).id if settings.task else model.task
    if not settings.task and model.task in _EMBEDS:
        given = given if isinstance(given, data.Examples) else tables.read(given, model.task)
        ready = isinstance(given, data.Examples)
        paired = given.task in _EMBEDS if ready else data.has_pairs(given, settings.columns)
        task = "sentence-similarity" if paired else _BECOMES[model.task]
    elif not settings.task and not model.strategies:
        task = _BECOMES.get(model.task, model.task)
    task = "sentence-similarity" if task == "feature-extraction" else task
    if task == model.task:
        return given, model
    return given, open_bundle(model.bundle, task=task, device=model.device, precision=model.precision)


def read_both(model: Model, given: Any, settings: Settings) -> tuple[data.Examples, data.Examples]:
    """The examples to train on, and those to measure on.

    Raises:
        DataError: nothing is left, one class only, or a part has labels that the other lacks.
    """
    train = data.read(given, model.task, columns=settings.columns, bad=settings.bad)
    if isinstance(settings.eval, float):
        if not 0 < settings.eval < 1:
            raise UsageError("eval, as a share, must lie between 0 and 1.")
        train, held = train.split(settings.eval, settings.seed)
    elif settings.eval is not None:
        held = data.read(settings.eval, model.task, columns=settings.columns, bad=settings.bad)
        held = held.held_out or held
    elif train.held_out:
        held = train.held_out
    else:
        train, held = train.split(0.2, settings.seed)
    if len(train) < 2 or not len(held):
        raise DataError(f"{len(train) + len(held)} examples are too few to train and to measure on.")
    return train, held


def labels_for(
    model: Model, train: data.Examples, held: data.Examples, *, balance: bool = False
) -> tuple[str, ...]:
    """The labels to learn: the model's own order where they are the same, else those of the data.

    Raises:
        DataError: there is one label only, or the evaluation has labels that the training lacks.
    """
    if model.task not in CLASSIFIES:
        return model.target_labels(train)
    if several_labels(train, held) and not hasattr(model, "set_several"):
        raise DataError(
            f"{train.name} has several labels an example; {model.task} by {type(model).__name__} gives one.",
            "Give each example one label.",
        )
    if several_labels(train, held) and balance:
        raise UsageError("balance=True weighs classes of which an example has one; these data have several.")
    found = train.labels
    if len(found) < 2:
        raise DataError(
            f"{train.name} has one class only ({found[0]!r}); a classifier needs two or more.",
            "Check the label column or the subfolders.",
        )
    if strange := sorted(set(held.labels) - set(found)):
        raise DataError(f"The evaluation data has labels that the training data lacks: {data.some(strange)}.")
    return model.labels if set(model.labels) == set(found) else found


def several_labels(*parts: data.Examples) -> bool:
    """Whether examples may have several labels at once."""
    return any(isinstance(target, list) for part in parts for target in part.targets)


def fresh(job: Job) -> Model:
    """A copy of the base with a new head for the labels of the data."""
    model = job.base.relabel(job.labels)
    if job.base.task in CLASSIFIES and hasattr(model, "set_several"):
        model.set_several(several_labels(job.train, job.held))
    return model


def choose_strategy(
    model: Model, train: data.Examples, labels: Sequence[str], wanted: str
) -> tuple[str, str]:
    """The strategy and why. `auto` goes by examples a class, by the model's size and by the machine.

    Raises:
        CapabilityError: the family cannot be fine-tuned so.
    """
    can = model.strategies
    if model.task in CLASSIFIES and several_labels(train):
        can = tuple(
            name for name in can if name != "setfit"
        )  # it compares texts of one class with those of others
    if wanted != "auto":
        if wanted not in can:
            raise CapabilityError(
                f"{type(model).__name__} has no strategy {wanted!r} for these data.",
                f"It has: {', '.join(can)}.",
            )
        return wanted, "as asked"
    if "probe" not in can:
        large = model.parameters > 500_000_000 and "lora" in can
        return ("lora", "a large model") if large else (can[-1], "the task trains the whole model")
    each = len(train) / max(1, len(labels))
    if "setfit" in can and 8 <= each <= 64:
        return "setfit", f"{each:.0f} examples a class: comparing them with each other leads up to 64"
    if each <= 64 or len(train) < 1000:
        return "probe", f"{each:.0f} examples a class are few for training more than a head"
    if not model.device.startswith("cuda") and model.parameters * len(train) > 2e9:
        return "probe", "without a GPU, training the whole model would take long; strategy='full' does it"
    return "probe-then-full", f"{each:.0f} examples a class are enough to train the whole model"


def _strategy(name: str) -> Any:
    if name == "probe":
        return fit_probe
    if name == "setfit":
        from zoohub.adapters import contrastive

        return contrastive.fit_setfit
    from zoohub.adapters import training

    return training.fit_trained


def probe_head(job: Job, model: Model) -> Head:
    """Fit the exact head on the model's frozen features, and write it into the model."""
    from zoohub.adapters import logistic, probe

    x, y, _ = _table(job, model, job.train)
    head = logistic.fit_head(x, y, len(job.labels), seed=job.settings.seed, balanced=job.settings.balance)
    probe.set_head(model, head)
    return head


def fit_probe(job: Job) -> Fit:
    """Frozen features once, the exact head on them; measured on features too."""
    import numpy as np

    from zoohub.adapters.heads import classification_of

    model = fresh(job)
    head = probe_head(job, model)
    x, y, failed = _table(job, model, job.held)
    several = y.ndim == 2
    targets = [[job.labels[i] for i in np.flatnonzero(row)] if several else job.labels[row] for row in y]
    given = classification_of(head.scores(x), job.labels, several=several)
    measured = measure(model.task, targets, given, job.labels)
    facts = {
        "regularization": head.regularization,
        "validation F1" if several else "validation accuracy": round(head.accuracy, 4),
        "features": head.weight.shape[1],
    }
    return Fit(model, replace(measured, skipped=tuple(failed)), facts=facts)


def _table(job: Job, model: Model, examples: data.Examples) -> tuple[Any, Any, list[str]]:
    """Features, class numbers (or a 0 or 1 for each class), and the inputs that could not be read (refused unless
    `bad="skip"`)."""
    import numpy as np

    from zoohub.adapters import probe

    x, failed = probe.features(model, examples, progress=job.settings.progress)
    if failed and job.settings.bad == "raise":
        raise data.unusable(examples.name, failed, len(examples))
    place = {label: i for i, label in enumerate(job.labels)}
    if several_labels(job.train, job.held):
        y = np.zeros((len(examples), len(place)), np.int64)
        for row, target in zip(y, examples.targets, strict=True):
            row[[place[label] for label in (target if isinstance(target, list) else [target])]] = 1
    else:
        y = np.asarray([place[target] for target in examples.targets])
    if failed:
        good = np.flatnonzero(~np.isnan(x[:, 0]))
        x, y = np.asarray(x[good]), y[good]
    return x, y, failed


# --- folders --------------------------------------------------------------------------------------


def _output(model: Model, settings: Settings) -> Path:
    if settings.output:
        return Path(settings.output).expanduser().absolute()
    name = f"{model.record.name}-{model.task}"
    folder, number = places.home() / "models" / name, 1
    while folder.exists() and any(folder.iterdir()):
        number += 1
        folder = folder.with_name(f"{name}-{number}")
    return folder


class _workplace:  # noqa: N801 - used as a function
    """The hidden folder beside the output: gone after success, kept with its checkpoints after a stop."""

    def __init__(
        self, output: Path, base: Model, train: data.Examples, strategy: str, settings: Settings
    ) -> None:
        self.path = output.parent / f".{output.name}.training"
        self.settings = settings
        said = {**settings.to_dict(), "strategy": strategy, "base": base.id, "examples": len(train)}
        self.run = json.loads(json.dumps(said, default=str))

    def __enter__(self) -> Path:
        before = self.path / "run.json"
        if self.settings.resume and before.is_file():
            if (found := json.loads(before.read_text(encoding="utf-8"))) != self.run:
                differ = ", ".join(sorted(k for k in self.run if found.get(k) != self.run[k]))
                raise UsageError(
                    f"The stopped run in {self.path} had other settings: {differ}.",
                    "Resume with the same ones, or start anew without resume.",
                )
        else:
            shutil.rmtree(self.path, ignore_errors=True)
        self.path.mkdir(parents=True, exist_ok=True)
        before.write_text(json.dumps(self.run), encoding="utf-8")
        return self.path

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None or not any(self.path.glob("checkpoint-*")):
            shutil.rmtree(self.path, ignore_errors=True)


def _publish(
    job: Job, fit: Fit, measured: Evaluation, report: Report, output: Path, seconds: float, reason: str
) -> None:
    """Write the folder: weights, config, card, and what is needed to repeat the run."""
    run = {
        "base": {"id": job.base.id, "revision": job.base.record.revision},
        "settings": {**job.settings.to_dict(), "reason": reason},
        "facts": dict(fit.facts),
        "data": report.to_dict(),
        "seconds": round(seconds, 2),
        "environment": environment(fit.model.device),
        "history": [dict(line) for line in fit.history],
        "evaluation": measured.to_dict(),
    }

    def write(folder: Path) -> None:
        fit.model.write(folder)
        text = json.dumps(run, indent=2, ensure_ascii=False, default=str)
        (folder / "training.json").write_text(text + "\n", encoding="utf-8")
        card.pictures(folder, fit.history, measured)
        card.write(folder, job, fit, measured, report, output, run)

    saving.write_folder(output, write, overwrite=job.settings.overwrite)


def reopened(base: Model, folder: Path, task: str) -> Model:
    """The new model as anyone will load it."""
    from zoohub.adapters.bundle import Bundle
    from zoohub.adapters.loading import folder_record, open_bundle

    bundle = Bundle.read(folder, folder_record(folder))
    return open_bundle(bundle, task=task, device=base.device, precision=base.precision)


def _say(text: str, show: bool) -> None:
    if show:
        import sys

        print(text, file=sys.stderr)
