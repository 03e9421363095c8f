"""`probe`: the frozen model's features once, then the best linear head on them, exactly.

The features are computed once and kept in `$ZOO_HOME/features`, keyed by model, data and transform, so that a
second probe on the same data reads them from disk; a pass that is stopped goes on where it was. The head is
logistic regression solved to the end (`logistic.py`). It is folded into the model's own last layer, so that
the tuned model is an ordinary one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoohub import settings
from zoohub.adapters.base import Model
from zoohub.adapters.data import Examples, some
from zoohub.adapters.identity import marks
from zoohub.adapters.inference import Steps, stream, with_progress
from zoohub.adapters.results import Failed
from zoohub.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from zoohub.adapters.logistic import Head

_FLUSH = 512  # rows between two marks of how far a pass has come


# --- features, once -------------------------------------------------------------------------------


def features(model: Model, examples: Examples, *, progress: bool = False) -> tuple[NDArray[Any], list[str]]:
    """The head's inputs `(n, d)`, memory-mapped; rows of unreadable inputs are NaN, and named."""
    import numpy as np

    folder = settings.home() / "features"
    key = cache_key(model, examples.inputs)
    done = folder / f"{key}.npy"
    failures = folder / f"{key}.json"
    if not done.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        _compute(model, examples.inputs, done, failures, progress)
    failed: list[str] = json.loads(failures.read_text(encoding="utf-8"))
    return np.load(done, mmap_mode="r"), failed


def _compute(model: Model, inputs: Sequence[Any], done: Path, failures: Path, progress: bool) -> None:
    """Fill `<key>.partial.npy` row by row, mark the way, and give it its name once it is whole."""
    import numpy as np

    partial, mark = done.with_suffix(".partial.npy"), done.with_suffix(".mark.json")
    start, failed = 0, []
    if partial.is_file() and mark.is_file():
        start, failed = json.loads(mark.read_text(encoding="utf-8"))
    table: Any = np.load(partial, mmap_mode="r+") if start else None
    model.expect(len(inputs) - start)
    steps = Steps(model.prepare, model.weigh, model.without_gradient(model.features))
    rows = stream(inputs[start:], steps, model.plan, strict=False)
    for place, row in enumerate(with_progress(rows, len(inputs) - start, progress, "features"), start):
        if isinstance(row, Failed):
            failed.append(row.error)
            row = None
        if table is None and row is not None:
            table = np.lib.format.open_memmap(partial, "w+", np.float32, (len(inputs), len(row)))
            table[:place] = np.nan
        if table is not None:
            table[place] = np.nan if row is None else row
        if table is not None and (place + 1) % _FLUSH == 0:
            table.flush()
            _write(mark, [place + 1, failed])
    if table is None:
        raise DataError(f"None of the {len(inputs)} inputs can be read: {some(failed)}.")
    table.flush()
    _write(failures, failed)
    partial.replace(done)
    mark.unlink(missing_ok=True)


def _write(path: Path, value: Any) -> None:
    new = path.with_suffix(".new")
    new.write_text(json.dumps(value), encoding="utf-8")
    new.replace(path)


def cache_key(model: Model, inputs: Sequence[Any]) -> str:
    """A digest of what the features depend on: the model's files, the inputs, and how they are read."""
    digest = hashlib.sha256()
    for part in (
        model.fingerprint(),
        repr(getattr(model, "transform", "")),
        str(getattr(model, "limit", "")),
        repr(getattr(model, "recipe", "")),
    ):
        digest.update(part.encode() + b"\0")
    for mark in marks(inputs):
        digest.update(mark)
    return digest.hexdigest()[:32]


def set_head(model: Model, head: Head) -> None:
    """Write a head into the model's own last layer."""
    import torch

    layer = model.head()
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(head.weight))
        if layer.bias is None:
            layer.bias = torch.nn.Parameter(torch.zeros(len(head.bias)))
        layer.bias.copy_(torch.from_numpy(head.bias))
