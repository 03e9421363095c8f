"""What the tests of pulling share: the model that the tiny hub has, and how it is fetched."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from zoohub.registry import ModelRecord
from zoohub.weights import pull, store

MODEL = ModelRecord(id="me/model")
WEIGHTS = "model.safetensors"


def fetch(record: ModelRecord = MODEL, **options: Any) -> Path:
    return pull(record, progress=False, **options)


def leftovers() -> list[str]:
    """Everything in the store that is no finished file of a model."""
    return [path.name for path in store().root.rglob("*.incomplete")]
