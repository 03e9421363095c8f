"""What an audit says: findings by model, and the verdict over all."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from zoohub.audit.codescan import CodeScan, ModelUse
from zoohub.audit.policy import SEVERITIES, Policy
from zoohub.registry import ModelRecord


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding: `term` is its kind, `what` and `why` in words with the clause, `evidence` what it rests
    on (card tag,
    license file, lineage, place in code), `fix` how to mend it; `severity` is deny, review, or allow for a
    duty."""

    model: str
    term: str
    severity: str
    what: str
    why: str
    evidence: str = ""
    fix: str = ""
    license: str | None = None
    clause: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values, without what is empty."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {name: value for name, value in values.items() if value not in (None, "")}


@dataclass(frozen=True, slots=True)
class ModelAudit:
    """The audit of one model: its record (None: in no registry), the licenses its bases bring, findings,
    uses in code."""

    model: str
    record: ModelRecord | None
    license: str
    inherited: tuple[str, ...]
    findings: tuple[Finding, ...]
    uses: tuple[ModelUse, ...] = ()

    @property
    def verdict(self) -> str:
        """deny, review or allow."""
        return strictest(finding.severity for finding in self.findings)

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {"model": self.model, "verdict": self.verdict, "license": self.license,
                "inherited": list(self.inherited), "used_at": [use.where for use in self.uses],
                "findings": [finding.to_dict() for finding in self.findings]}  # fmt: skip


@dataclass(frozen=True, slots=True, repr=False)
class AuditReport:
    """The audit of several models, and of code where some was given; `extra` are findings about no single
    model. Printed it is Markdown, as a notebook shows it too."""

    policy: Policy
    models: tuple[ModelAudit, ...] = ()
    extra: tuple[Finding, ...] = ()
    code: CodeScan = field(default_factory=CodeScan)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All findings, the strictest first."""
        every = [finding for model in self.models for finding in model.findings] + list(self.extra)
        return tuple(sorted(every, key=lambda finding: -SEVERITIES.index(finding.severity)))

    @property
    def verdict(self) -> str:
        """deny, review or allow: the strictest of all findings."""
        return strictest(finding.severity for finding in self.findings)

    def __repr__(self) -> str:
        return f"<AuditReport under {self.policy.name}: {self.verdict}, models {len(self.models)}>"

    def __str__(self) -> str:
        from zoohub.audit.render import markdown

        return markdown(self)

    _repr_markdown_ = __str__

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {"verdict": self.verdict, "policy": self.policy.name,
                "models": [model.to_dict() for model in self.models],
                "code": [finding.to_dict() for finding in self.extra]}  # fmt: skip


def strictest(severities: Iterable[str]) -> str:
    """The strictest of some severities; allow where there are none."""
    found = set(severities)
    return next((severity for severity in reversed(SEVERITIES) if severity in found), "allow")
