"""The license knowledge base: look up, normalize, recognize, derive. Cheap to import; nothing is parsed
here."""

from __future__ import annotations

from typing import TYPE_CHECKING

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
from zoohub.doors import door

if TYPE_CHECKING:
    from zoohub.cards.licenses.expressions import all_in_group as all_in_group
    from zoohub.cards.licenses.expressions import combined as combined
    from zoohub.cards.licenses.expressions import spdx as spdx
    from zoohub.cards.licenses.obligations import Derived as Derived
    from zoohub.cards.licenses.obligations import Obligation as Obligation
    from zoohub.cards.licenses.obligations import derive as derive
    from zoohub.cards.licenses.recognition import Passage as Passage
    from zoohub.cards.licenses.recognition import TextMatch as TextMatch
    from zoohub.cards.licenses.recognition import license_files as license_files
    from zoohub.cards.licenses.recognition import recognize as recognize
    from zoohub.cards.licenses.recognition import recognize_file as recognize_file
    from zoohub.cards.licenses.spelling import LicenseMatch as LicenseMatch
    from zoohub.cards.licenses.spelling import normalize as normalize

_HOME = {
    "Derived": "obligations",
    "LicenseMatch": "spelling",
    "Obligation": "obligations",
    "Passage": "recognition",
    "TextMatch": "recognition",
    "all_in_group": "expressions",
    "combined": "expressions",
    "derive": "obligations",
    "license_files": "recognition",
    "normalize": "spelling",
    "recognize": "recognition",
    "recognize_file": "recognition",
    "spdx": "expressions",
}

__all__ = [
    "CONDITIONS",
    "GROUPS",
    "OPERATIONS",
    "UNKNOWN",
    "Condition",
    "Derived",
    "Fact",
    "License",
    "LicenseMatch",
    "Obligation",
    "Passage",
    "TextMatch",
    "all_in_group",
    "all_licenses",
    "combined",
    "derive",
    "get",
    "group_members",
    "in_group",
    "license_files",
    "normalize",
    "recognize",
    "recognize_file",
    "resolve",
    "spdx",
]


__getattr__ = door(__name__, _HOME)
