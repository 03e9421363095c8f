"""WHICH ONE: evidence, ranking, strategy, footprint, recommendation. This door exports what the CLI may
use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoohub.doors import door

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


__getattr__ = door(__name__, _DOORS)
