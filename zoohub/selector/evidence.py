"""Evidence: one published or own result of one model, the unit from which the selector learns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zoohub.selector.board import Context


@dataclass(frozen=True, slots=True)
class Evidence:
    """One result: `model` reached `value` of `metric` on `dataset`, under the conditions that are known."""

    model: str
    dataset: str
    value: float
    task: str | None = None
    metric: str | None = None
    higher_is_better: bool = True
    n_train: float | None = None
    n_classes: float | None = None
    language: str | None = None
    domain: str | None = None
    strategy: str | None = None
    seeds: int | None = None
    source: str | None = None

    @property
    def context(self) -> Context:
        """The conditions under which results are comparable."""
        from zoohub.selector.board import Context

        return Context(
            self.dataset, self.task, self.metric, self.n_train, self.n_classes, self.language, self.domain,
            self.strategy,
        )  # fmt: skip
