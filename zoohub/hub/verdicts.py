"""May this model be used? The license's own answers, and the policy's verdict with its reasons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from zoohub.audit import Auditor, load_policy
from zoohub.cards import licenses
from zoohub.registry import ModelRecord, Registry

SHOWN = ("commercial", "modify", "redistribute", "finetune", "train_on_outputs")
POLICIES = ("commercial", "permissive-only", "research")


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


@dataclass(frozen=True, slots=True)
class Audited:
    """The verdict on one model with its reasons."""

    id: str
    verdict: str
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """The verdict on several models."""

    verdict: str
    models: tuple[Audited, ...]


def judge(record: ModelRecord, policy: str, registry: Registry) -> Judgment:
    """The judgment on a model; unknown answers stay unknown."""
    found = licenses.get(record.license)
    answers = tuple((operation, found.answer(operation)) for operation in SHOWN)
    conditions = tuple(dict.fromkeys(condition.text for condition in found.conditions if condition.text))
    audited = audit_models([record], policy, registry).models[0]
    url = record.license_link or found.url
    safe = url if url and url.startswith(("https://", "http://")) else None
    return Judgment(record.license, found.name, safe, answers, conditions, audited.verdict, audited.reasons)


def audit_models(models: Sequence[str | ModelRecord], policy: str, registry: Registry) -> Report:
    """The audit of several models under a policy; "" is the one in force.

    Raises:
        PolicyError: there is no such policy.
    """
    auditor = Auditor(load_policy(policy or None), registry)
    audited = [auditor.model(model) for model in models]
    found = tuple(Audited(item.model, item.verdict, _reasons(item)) for item in audited)
    strictest = next(word for word in ("deny", "review", "allow") if word == "allow" or _any(found, word))
    return Report(strictest, found)


def _any(found: Sequence[Audited], verdict: str) -> bool:
    return any(item.verdict == verdict for item in found)


def _reasons(audited: Any) -> tuple[str, ...]:
    return tuple(
        f"{finding.what}: {finding.why}" for finding in audited.findings if finding.severity != "allow"
    )
