"""What is asked: the task, the data, the hard filters - and the contradictions that no answer can satisfy."""

from __future__ import annotations

import re
from dataclasses import dataclass

from zoohub.cards import licenses
from zoohub.errors import UsageError
from zoohub.selector import strategy
from zoohub.selector.purpose import Topic
from zoohub.selector.strategy import STRATEGIES, Strategy, learns_classes, unfit

MOST_SAMPLES = 10**12  # beyond it, a number is a slip of the finger
SPEECHLESS = ("image-classification", "video-classification", "object-detection", "image-segmentation")
_LANGUAGE = re.compile(r"[a-z]{2,3}([-_][A-Za-z0-9]+)*")
# encoders that become models of a task once a head is trained on them
ENCODERS = {
    "text-classification": ("fill-mask", "sentence-similarity", "feature-extraction"),
    "token-classification": ("fill-mask",),
    "image-classification": ("image-feature-extraction", "zero-shot-image-classification"),
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """The question, and the hard filters: a license or group, a language, memory in bytes for the work.

    `room` is the memory of this machine: where no `memory` is named, models that are known to exceed it
    are left out. `any_library` lets models pass that zoohub cannot load.
    """

    task: str
    samples: int | None = None
    classes: int | None = None
    strategy: str | None = None
    license: str | None = None
    language: str | None = None
    memory: float | None = None
    room: float | None = None
    precision: str = "fp32"
    max_params: int | None = None
    topic: Topic | None = None
    any_library: bool = False

    def plan(self, size: int | None = None) -> Strategy:
        """How a model of `size` parameters would be put to work."""
        return strategy.plan(self.task, self.samples, self.classes, size, self.strategy)

    @property
    def as_it_is(self) -> bool:
        """Whether models are used untrained."""
        return self.plan().name == "zero-shot"

    @property
    def usable(self) -> tuple[str, ...]:
        """The task, and where there is data to train on, the tasks of encoders that can be trained for it."""
        return (self.task,) if self.as_it_is else (self.task, *ENCODERS.get(self.task, ()))


def check(wanted: Wanted) -> None:
    """Refuse what contradicts itself.

    Raises:
        UsageError: it names the option and what would make sense; UnknownLicense: a license that nobody knows.
    """
    _check_data(wanted.samples, wanted.classes)
    _check_strategy(wanted)
    if wanted.max_params is not None and wanted.max_params < 1:
        raise UsageError(
            f"No model has {wanted.max_params} parameters.", "Name at least 1: --max-params 30000000"
        )
    if wanted.license and wanted.license not in ("commercial", "permissive"):
        licenses.resolve(wanted.license)
    if wanted.language:
        _check_language(wanted.language, wanted)


def _check_data(samples: int | None, classes: int | None) -> None:
    if samples is not None and not 0 <= samples <= MOST_SAMPLES:
        raise UsageError(f"{samples} samples are impossible.", "Name the labeled samples at hand, or 0.")
    if samples == 1:
        raise UsageError(
            "One sample cannot train and be judged.",
            "Name 0 samples for a model to use as it is, or gather more.",
        )
    if classes is not None and classes < 2:
        raise UsageError(
            f"With classes: {classes} there is nothing to tell apart.", "Name at least 2 classes."
        )
    if samples and classes and classes > samples:
        raise UsageError(
            f"{classes} classes with {samples} samples: some class has none.",
            "Gather at least one sample per class, or use a zero-shot task.",
        )


def _check_strategy(wanted: Wanted) -> None:
    named, samples, task = wanted.strategy, wanted.samples, wanted.task
    if named is None:
        return
    if named not in STRATEGIES:
        raise UsageError(f"{named!r} is no strategy.", f"There are: {', '.join(STRATEGIES)}")
    if why := unfit(named, task):
        able = ", ".join(name for name in STRATEGIES if not unfit(name, task))
        raise UsageError(f"Strategy {named} {why}: it is nothing for {task}.", f"For it there are: {able}")
    if named != "zero-shot" and not samples and (samples == 0 or not learns_classes(task)):
        raise UsageError(f"Strategy {named} needs samples to train on.", "Add --samples N, or use zero-shot.")


def _check_language(language: str, wanted: Wanted) -> None:
    if not _LANGUAGE.fullmatch(language):
        raise UsageError(f"{language!r} is no language code.", "Write it as zh, en or pt-BR.")
    if wanted.samples != 0 and wanted.strategy != "zero-shot" and wanted.task in SPEECHLESS:
        raise UsageError(f"The data of {wanted.task} has no language.", "Leave --language out.")
