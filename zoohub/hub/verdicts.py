"""May this model be used? The license's own answers, and the verdict of the policy in force."""

from __future__ import annotations

from dataclasses import dataclass

from zoohub.cards import licenses
from zoohub.registry import ModelRecord

SHOWN = ("commercial", "modify", "redistribute", "finetune", "train_on_outputs")


@dataclass(frozen=True, slots=True)
class Judgment:
    """What is said of a model's license: answers by operation, conditions, the policy's word with reasons."""

    license: str
    name: str
    url: str | None
    answers: tuple[tuple[str, str], ...]
    conditions: tuple[str, ...]
    verdict: str | None = None  # allow | review | deny
    reasons: tuple[str, ...] = ()


def judge(record: ModelRecord, policy: str = "") -> Judgment:  # noqa: ARG001
    """The judgment on a model; unknown answers stay unknown."""
    found = licenses.get(record.license)
    answers = tuple((operation, found.answer(operation)) for operation in SHOWN)
    conditions = tuple(dict.fromkeys(condition.text for condition in found.conditions if condition.text))
    return Judgment(record.license, found.name, record.license_link or found.url, answers, conditions)
