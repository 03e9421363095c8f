"""Counts for the search page, kept for a while: a million models are not counted for each visitor."""

from __future__ import annotations

import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from zoohub.registry import Query, Registry

MAX_AGE = 30.0
MAX_ENTRIES = 2000


class Counts:
    """How many models match, in all and by facet; at most `MAX_AGE` seconds old."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._kept: OrderedDict[object, tuple[float, Any]] = OrderedDict()
        self._lock = threading.Lock()

    def total(self, query: Query) -> int:
        """How many models match a search."""
        plain = _plain(query)
        count: int = self._keep(("total", repr(plain)), lambda: self._registry.count(plain))
        return count

    def by(self, facet: str, query: Query) -> Counter[str]:
        """Value of a facet -> how many of the models that match have it."""
        plain = _plain(query)
        found: Counter[str] = self._keep((facet, repr(plain)), lambda: self._registry.count_by(facet, plain))
        return found

    def forget(self) -> None:
        """Count anew from now on: something was pushed."""
        with self._lock:
            self._kept.clear()

    def _keep(self, key: object, count: Callable[[], Any]) -> Any:
        now = time.monotonic()
        with self._lock:
            kept = self._kept.get(key)
            if kept is not None and kept[0] > now:
                return kept[1]
        value = count()
        with self._lock:
            self._kept[key] = (now + MAX_AGE, value)
            self._kept.move_to_end(key)
            while len(self._kept) > MAX_ENTRIES:
                self._kept.popitem(last=False)
        return value


def _plain(query: Query) -> Query:
    return replace(query, sort="relevance", ascending=False, limit=None, cursor=None)
