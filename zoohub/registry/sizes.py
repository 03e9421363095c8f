"""Parameter counts that published tables state, for models whose own origin does not."""

from __future__ import annotations

import csv
import gzip
from functools import cache
from importlib.resources import files
from typing import NamedTuple


class Size(NamedTuple):
    """A model's number of parameters, and the table that states it."""

    parameters: int
    source: str


@cache
def published() -> dict[str, Size]:
    """Model id -> its size."""
    packed = (files("zoohub.cards") / "catalog" / "parameters.csv.gz").read_bytes()
    rows = csv.reader(gzip.decompress(packed).decode("utf-8").splitlines()[1:])
    return {model: Size(int(count), source) for model, count, source in rows}
