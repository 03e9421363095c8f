"""Sound: read one recording from whatever holds it, as mono samples at the rate that a model wants."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoohub.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SUFFIXES = frozenset({".wav", ".flac", ".mp3", ".ogg", ".opus", ".aiff", ".aif", ".au", ".w64"})


def read_audio(item: Any, rate: int) -> NDArray[np.float32]:
    """Mono float32 samples in -1..1 at `rate` per second, `(n,)`.

    Takes a path, bytes, an `Audio` result, a `datasets` cell (`{"array", "sampling_rate"}` or `{"bytes", "path"}`),
    a pair `(samples, rate)`, or bare samples, which count as being at `rate` already. Samples of several
    channels are `(n, channels)`, as soundfile reads them; channels are averaged.

    Raises:
        InputError: there is no sound, or none at all in it; the message names the file.
    """
    import numpy as np

    samples, given = _opened(item, rate)
    values = np.asarray(samples)
    if values.dtype.kind in "iu":
        values = values / float(np.iinfo(values.dtype).max)
    if values.ndim == 2:
        values = values.mean(axis=1)
    if values.ndim != 1 or values.size == 0:
        raise InputError(f"{_name(item)} holds no sound (shape {values.shape}).")
    values = values.astype(np.float32, copy=False)
    if not np.isfinite(values).all():
        raise InputError(f"{_name(item)} holds values that are no numbers.")
    if given == rate:
        return values
    import soxr

    resampled: NDArray[np.float32] = soxr.resample(values, given, rate)
    return resampled


def _opened(item: Any, rate: int) -> tuple[Any, int]:
    if isinstance(item, Mapping):
        if item.get("array") is not None:
            return item["array"], int(item.get("sampling_rate") or rate)
        item = item.get("bytes") or item.get("path") or item.get("audio")
    if isinstance(item, str | os.PathLike):
        return _decoded(os.fspath(item), item)
    if isinstance(item, bytes | bytearray):
        return _decoded(io.BytesIO(item), item)
    if hasattr(item, "samples") and hasattr(item, "rate"):
        return item.samples, item.rate
    if isinstance(item, tuple) and len(item) == 2 and isinstance(item[1], int):
        return item
    if hasattr(item, "__array__") or (isinstance(item, list) and item and isinstance(item[0], int | float)):
        return item, rate
    raise InputError(f"{_name(item)} is no sound.", "Give a path, bytes, samples or (samples, rate).")


def _decoded(source: Any, item: Any) -> tuple[Any, int]:
    import soundfile

    try:
        samples, given = soundfile.read(source, dtype="float32")
    except (RuntimeError, OSError, TypeError) as error:
        if isinstance(item, str | os.PathLike) and not Path(item).exists():
            raise InputError(f"{_name(item)}: no such file.") from error
        raise InputError(
            f"{_name(item)} is no sound that can be read (unknown or damaged format)."
        ) from error
    return samples, int(given)


def _name(item: Any) -> str:
    return str(item)[:200] if isinstance(item, str | os.PathLike) else f"The given {type(item).__name__}"


def windows(length: int, size: int, margin: int) -> Iterator[tuple[int, int, int, int]]:
    """Cut `length` samples into pieces of `size` that overlap by `margin` on each side.

    Yields (start, stop, keep_from, keep_to): the piece, and the part of it that no other piece answers for.
    """
    if length <= size:
        yield 0, length, 0, length
        return
    step = size - 2 * margin
    start = 0
    while True:
        stop = min(start + size, length)
        keep_from = start + margin if start else 0
        keep_to = length if stop == length else stop - margin
        yield start, stop, keep_from, keep_to
        if stop == length:
            return
        start += step
