"""What is measured here becomes evidence in the registry, from which the selector learns."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoohub.adapters.metrics import Evaluation

if TYPE_CHECKING:
    from zoohub.registry import Registry

SOURCE = "measured here"


def dataset_id(name: str, data: Any) -> str:
    """The name of the data with a digest of its files' names and sizes, so that changed data is another data set."""
    if not isinstance(data, str | Path) or not Path(data).expanduser().exists():
        return name
    root = Path(data).expanduser()
    files = sorted(root.rglob("*")) if root.is_dir() else [root]
    told = "\n".join(
        f"{file.relative_to(root.parent)} {file.stat().st_size}" for file in files if file.is_file()
    )
    return f"{name}#{hashlib.sha256(told.encode()).hexdigest()[:12]}"


def remember(
    model: str,
    measured: Evaluation,
    dataset: str,
    *,
    n_train: int | None = None,
    n_classes: int | None = None,
    strategy: str | None = None,
    registry: Registry | None = None,
) -> None:
    """Keep the main metric of a run as evidence; the same run again adds nothing.

    Figures taken under conditions of their own are those of another data set.
    """
    from zoohub.registry import Evidence, is_loss, open_registry

    dataset = ", ".join((dataset, *measured.conditions))
    row = Evidence(
        model, measured.task, dataset, measured.main, measured.value, not is_loss(measured.main),
        n_train=n_train, n_classes=n_classes, strategy=strategy, seeds=1, source=SOURCE,
    )  # fmt: skip
    if registry is None:
        with open_registry() as opened:
            _add(opened, row)
    else:
        _add(registry, row)


def _add(registry: Registry, row: Any) -> None:
    if row not in registry.evidence(task=row.task, model=row.model):
        registry.add_evidence([row])
