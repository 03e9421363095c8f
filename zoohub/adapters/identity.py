"""What tells inputs apart: quickly, by a file's path, size and time, or for certain, by content."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from typing import Any

from zoohub import settings

_SIZE = 16  # bytes of a digest


def marks(inputs: Sequence[Any]) -> list[bytes]:
    """A digest of each input: of its content, or for a file of path, size and time of change."""
    return [_digest(identity(item)) for item in inputs]


def contents(inputs: Sequence[Any]) -> list[bytes]:
    """A digest of the content of each input, files too; files that are as they were are not read again.

    Files are read in threads, and what was found is kept in `$ZOO_HOME/features`.
    """
    quick = marks(inputs)
    if not any(_is_file(item) for item in inputs):
        return quick
    kept = settings.home() / "features" / f"{hashlib.sha256(b''.join(quick)).hexdigest()[:32]}.digests"
    if kept.is_file() and kept.stat().st_size == _SIZE * len(inputs):
        joined = kept.read_bytes()
        return [joined[i : i + _SIZE] for i in range(0, len(joined), _SIZE)]
    found = _read(inputs)
    kept.parent.mkdir(parents=True, exist_ok=True)
    new = kept.with_suffix(f".{os.getpid()}.new")
    new.write_bytes(b"".join(found))
    new.replace(kept)
    return found


def _read(inputs: Sequence[Any]) -> list[bytes]:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor() as pool:
        return list(pool.map(lambda item: _digest(identity(item, content=True)), inputs, chunksize=64))


def _digest(parts: Iterator[bytes]) -> bytes:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(b"%d\0" % len(part))
        digest.update(part)
    return digest.digest()[:_SIZE]


def _is_file(item: Any) -> bool:
    if isinstance(item, dict):
        return any(_is_file(value) for value in item.values())
    return isinstance(item, str | os.PathLike) and os.path.isfile(item)  # noqa: PTH113 - a text may be no path


def identity(item: Any, *, content: bool = False) -> Iterator[bytes]:
    """The bytes that tell one input from another, in parts."""
    if isinstance(item, str | os.PathLike) and (place := _file(item)):
        path, stat = place
        if not content:
            yield f"{path}\0{stat.st_size}\0{stat.st_mtime_ns}".encode("utf-8", "surrogateescape")
            return
        with open(path, "rb") as file:  # noqa: PTH123 - as above
            while block := file.read(1 << 20):
                yield block
    elif isinstance(item, str):
        yield item.encode("utf-8", "surrogatepass")
    elif isinstance(item, bytes | bytearray):
        yield bytes(item)
    elif isinstance(item, dict):
        for name, value in item.items():
            yield f"{name}\0".encode()
            yield from identity(value, content=content)
    elif isinstance(item, list | tuple):
        for value in item:
            yield from identity(value, content=content)
    elif hasattr(item, "tobytes"):
        yield str(getattr(item, "size", getattr(item, "shape", ""))).encode()
        yield item.tobytes()
    else:
        yield repr(item).encode()


def _file(item: str | os.PathLike[str]) -> tuple[str, os.stat_result] | None:
    """The absolute path of a file and what is known of it; None for a text that names none."""
    import stat

    try:
        found = os.stat(item)  # noqa: PTH116 - quicker, and this runs once for each of many files
    except (OSError, ValueError):
        return None
    return (os.path.abspath(item), found) if stat.S_ISREG(found.st_mode) else None
