"""WHAT EXISTS: the SQL index of models. This door exports what the floors above may use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zoohub.doors import door
from zoohub.registry.query import SORTS, Query
from zoohub.registry.records import (
    BaseModel,
    LicenseEvidence,
    Metric,
    ModelFile,
    ModelId,
    ModelRecord,
    to_dicts,
)
from zoohub.registry.registry import Registry
from zoohub.registry.results import Results
from zoohub.registry.writing import Counts

if TYPE_CHECKING:
    from zoohub.registry.aliases import Alias
    from zoohub.registry.evidence import Evidence, is_loss
    from zoohub.registry.history import Event
    from zoohub.registry.lineage import Kin, Lineage

# what a search does not need, loaded when it is named
_LATER = {
    "Alias": "aliases",
    "Event": "history",
    "Evidence": "evidence",
    "Kin": "lineage",
    "Lineage": "lineage",
    "is_loss": "evidence",
}

__all__ = [
    "SORTS", "Alias", "BaseModel", "Counts", "Event", "Evidence", "Kin", "LicenseEvidence", "Lineage", "Metric",
    "ModelFile", "ModelId", "ModelRecord", "Query", "Registry", "Results", "get", "is_loss", "open_registry",
    "search", "to_dicts",
]  # fmt: skip


def open_registry(url: str | None = None) -> Registry:
    """Open the registry at `url`, or the user's own; created and filled with the bundled catalog on first use.

    Raises:
        DatabaseTooNew: a newer zoohub wrote it; RegistryError: it cannot be opened.
    """
    return Registry.open(url)


def search(text: str = "", *, limit: int | None = 20, **facets: Any) -> list[ModelRecord]:
    """Search the user's registry: `search("sentiment", task="text-classification", license="commercial")`.

    `facets` are the fields of `Query`: one value or several (alternatives) for a facet, `not_<facet>` to exclude,
    and `sort`, `ascending`, `min_params` and so on. `limit=None` returns all that match.

    Raises:
        UsageError: a facet that does not exist, a task or license that nobody knows.
    """
    with Registry.open() as registry:
        return list(registry.search(Query.of(text, limit=limit, **facets)))


def get(model: str) -> ModelRecord:
    """The record that a model id or an alias names, from the user's registry.

    Raises:
        ModelNotFound: nothing is called so; AmbiguousModel: several models are.
    """
    with Registry.open() as registry:
        return registry.get(model)


__getattr__ = door(__name__, _LATER)
