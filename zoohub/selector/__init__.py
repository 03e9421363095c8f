"""WHICH ONE: evidence, ranking, strategy, footprint, recommendation. This door exports what the CLI may
use."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zoohub.selector.advice import Answer as Answer
    from zoohub.selector.advice import Recommendation as Recommendation
    from zoohub.selector.advice import answer as answer
    from zoohub.selector.advice import recommend as recommend
    from zoohub.selector.dataprofile import Profile as Profile
    from zoohub.selector.dataprofile import profile as profile

_DOORS = {
    "Answer": "advice",
    "Recommendation": "advice",
    "answer": "advice",
    "recommend": "advice",
    "Profile": "dataprofile",
    "profile": "dataprofile",
}
__all__ = ["Answer", "Profile", "Recommendation", "answer", "profile", "recommend"]


def __getattr__(name: str) -> Any:
    if name not in _DOORS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"zoohub.selector.{_DOORS[name]}"), name)
    globals()[name] = value
    return value
