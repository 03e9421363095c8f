"""A look at the data before training: labels, lengths, duplicates, what was left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from zoohub.adapters.data import Examples, some
from zoohub.adapters.identity import contents
from zoohub.tasks import modality


@dataclass(frozen=True, slots=True)
class Report:
    """The data at a glance. `lengths` are (shortest, median, longest), in characters."""

    name: str
    train: int
    held: int
    counts: Mapping[str, int]
    lengths: tuple[int, int, int] | None
    duplicates: int
    leaked: int
    problems: tuple[str, ...]

    @classmethod
    def of(cls, train: Examples, held: Examples, labels: Sequence[str]) -> Report:
        """Look at both parts."""
        ours, theirs = contents(train.inputs), contents(held.inputs)
        seen = set(ours)
        counted = train.counts() if labels else {}
        return cls(
            train.name,
            len(train),
            len(held),
            {label: counted.get(label, 0) for label in labels},
            _lengths(train),
            len(ours) - len(seen),
            sum(digest in seen for digest in theirs),
            (*train.problems, *held.problems),
        )

    @property
    def imbalance(self) -> float:
        """The most frequent label's count over the rarest one's; 1 without labels."""
        counts = [count for count in self.counts.values() if count]
        return max(counts) / min(counts) if counts else 1.0

    def __str__(self) -> str:
        lines = [f"data: {self.name}, {self.train} to train on, {self.held} to measure on"]
        if self.counts:
            shown = [f"{label} {count}" for label, count in self.counts.items()]
            lines.append(f"labels: {len(shown)} ({some(shown, 10)})")
        if self.imbalance > 5:
            lines.append(
                f"labels are uneven, {self.imbalance:.0f} to 1: balance=True lets the rare ones weigh more"
            )
        if self.lengths:
            shortest, median, longest = self.lengths
            lines.append(f"characters: {shortest} to {longest}, median {median}")
        if self.duplicates:
            lines.append(f"{self.duplicates} training inputs occur more than once")
        if self.leaked:
            lines.append(f"{self.leaked} inputs to measure on are also trained on: the metric will flatter")
        if self.problems:
            lines.append(f"{len(self.problems)} left out: {some(self.problems)}")
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def _lengths(examples: Examples) -> tuple[int, int, int] | None:
    if modality(examples.task) != "text" or not all(isinstance(item, str) for item in examples.inputs):
        return None
    texts = [len(item) for item in examples.inputs]
    ordered = sorted(texts)
    return ordered[0], ordered[len(ordered) // 2], ordered[-1]


def environment(device: str) -> dict[str, str]:
    """What the numbers may depend on: versions, machine, device."""
    import platform
    from importlib.metadata import PackageNotFoundError, version

    found = {"python": platform.python_version(), "machine": platform.machine(), "device": device}
    for package in ("zoohub", "torch", "transformers", "timm", "peft", "numpy"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
