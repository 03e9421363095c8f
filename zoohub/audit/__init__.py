"""MAY I USE IT: policies, the audit of models, registries and code, bills of materials."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

from zoohub.doors import door

if TYPE_CHECKING:
    from zoohub.audit.auditor import Auditor as Auditor
    from zoohub.audit.auditor import audit as audit
    from zoohub.audit.auditor import enforce as enforce
    from zoohub.audit.auditor import verdict as verdict
    from zoohub.audit.codescan.scan import scan as scan_code
    from zoohub.audit.policy import Policy as Policy
    from zoohub.audit.policy import load as load_policy
    from zoohub.audit.report import AuditReport as AuditReport
    from zoohub.audit.report import Finding as Finding
    from zoohub.audit.whole import audit_registry as audit_registry

_HOME = {
    "AuditReport": "report",
    "Auditor": "auditor",
    "Finding": "report",
    "Policy": "policy",
    "audit": "auditor",
    "audit_registry": "whole",
    "enforce": "auditor",
    "load_policy": "policy:load",
    "scan_code": "codescan.scan:scan",
    "verdict": "auditor",
}

__all__ = [
    "AuditReport", "Auditor", "Finding", "Policy", "audit", "audit_registry", "enforce", "load_policy",
    "scan_code", "verdict",
]  # fmt: skip


__getattr__ = door(__name__, _HOME)


class _Door(ModuleType):
    """This module can be called, because `zoohub.audit(models)` and `zoohub.audit.verdict` are one name."""

    def __call__(self, *args: Any, **options: Any) -> Any:
        """`zoohub.audit(models, policy=None, registry=None, code=None)`: see `zoohub.audit.audit`."""
        return __getattr__("audit")(*args, **options)


sys.modules[__name__].__class__ = _Door
