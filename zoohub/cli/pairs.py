"""Options that are given as NAME=VALUE, once or more."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from zoohub.errors import UsageError


def pairs(given: Sequence[str]) -> dict[str, Any]:
    """NAME=VALUE texts; a value is read as JSON where it is some.

    Raises:
        UsageError: a text without a sign of equality.
    """
    found: dict[str, Any] = {}
    for text in given:
        name, sign, value = text.partition("=")
        if not sign:
            raise UsageError(f"{text!r} is not NAME=VALUE.", "Write it as text=review.")
        try:
            found[name] = json.loads(value)
        except ValueError:
            found[name] = value
    return found
