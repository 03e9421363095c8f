"""The license knowledge base: look up, normalize, recognize, derive. Cheap to import; nothing is parsed here."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from zoohub.cards.licenses.knowledge import (
    CONDITIONS,
    GROUPS,
    OPERATIONS,
    UNKNOWN,
    Condition,
    Fact,
    License,
    all_licenses,
    get,
    group_members,
    in_group,
    resolve,
)

if TYPE_CHECKING:
    from zoohub.cards.licenses.spelling import LicenseMatch as LicenseMatch
    from zoohub.cards.licenses.spelling import normalize as normalize

_HOME = {"LicenseMatch": "spelling", "normalize": "spelling"}

__all__ = [
    "CONDITIONS",
    "GROUPS",
    "OPERATIONS",
    "UNKNOWN",
    "Condition",
    "Fact",
    "License",
    "LicenseMatch",
    "all_licenses",
    "get",
    "group_members",
    "in_group",
    "normalize",
    "resolve",
]


def __getattr__(name: str) -> Any:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value
