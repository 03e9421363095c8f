"""The policy in force, where a command would use a model."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from zoohub import settings

if TYPE_CHECKING:
    from zoohub.registry import ModelRecord, Registry


def enforce(model: str, operation: str) -> None:
    """Refuse `operation` where the policy in force denies the model; warn where it wants a review.

    Raises:
        PolicyDenied: with what stands against it.
    """
    if not settings.policy_file():
        return
    from zoohub.audit import enforce as judged

    for finding in judged(model, operation):
        click.echo(f"Policy: {finding.model}: {finding.what} [{finding.term}]", err=True)


def verdicts(registry: Registry) -> Callable[[ModelRecord], str] | None:
    """What the policy in force says of a record, its lineage included; None where no policy is in force."""
    if not settings.policy_file():
        return None
    from zoohub.audit import Auditor, load_policy

    auditor = Auditor(load_policy(), registry)
    return lambda record: auditor.model(record).verdict
