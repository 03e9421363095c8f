"""MAY I USE IT: policies, the audit of models, registries and code, bills of materials."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zoohub.audit.audit import Auditor as Auditor
    from zoohub.audit.audit import audit as audit
    from zoohub.audit.audit import enforce as enforce
    from zoohub.audit.audit import verdict as verdict
    from zoohub.audit.codescan import scan as scan
    from zoohub.audit.policy import Policy as Policy
    from zoohub.audit.policy import load as load_policy
    from zoohub.audit.report import AuditReport as AuditReport
    from zoohub.audit.report import Finding as Finding
    from zoohub.audit.whole import audit_registry as audit_registry

_HOME = {
    "AuditReport": ("report", "AuditReport"),
    "Auditor": ("audit", "Auditor"),
    "Finding": ("report", "Finding"),
    "Policy": ("policy", "Policy"),
    "audit": ("audit", "audit"),
    "audit_registry": ("whole", "audit_registry"),
    "enforce": ("audit", "enforce"),
    "load_policy": ("policy", "load"),
    "scan": ("codescan", "scan"),
    "verdict": ("audit", "verdict"),
}

__all__ = [
    "AuditReport", "Auditor", "Finding", "Policy", "audit", "audit_registry", "enforce", "load_policy", "scan", "verdict",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _HOME[name]
    value = getattr(import_module(f"{__name__}.{module}"), attribute)
    globals()[name] = value
    return value
