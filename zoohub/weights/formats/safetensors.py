"""The safetensors header, checked before any library maps the file.

Layout: 8 bytes little-endian header length, the header (JSON: name -> dtype, shape, data_offsets), then the
data. Each byte of the data belongs to exactly one tensor.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

MAX_HEADER = 100_000_000  # bytes; the format's own limit
MAX_TENSORS = 1_000_000
_BITS = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8, "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8,
    "I16": 16, "U16": 16, "F16": 16, "BF16": 16, "I32": 32, "U32": 32, "F32": 32, "C64": 64, "F64": 64,
    "I64": 64, "U64": 64, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6,
}  # fmt: skip


class Malformed(ValueError):
    """A file that is not what its format demands; the text is the reason."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """One entry: `begin` and `end` are bytes from the start of the data."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class Header:
    """What the file holds; `data` is where the data begin, in bytes from the start of the file."""

    tensors: tuple[Tensor, ...]
    metadata: dict[str, str]
    data: int

    @property
    def parameters(self) -> int:
        """How many numbers are in the file."""
        return sum(prod(tensor.shape) for tensor in self.tensors)


def read(path: Path) -> Header:
    """Read and check the header.

    Raises:
        Malformed: a size that lies, a key twice, bytes that overlap, a hole, bytes left over.
    """
    size = path.stat().st_size
    with path.open("rb") as stream:
        start = stream.read(8)
        if len(start) < 8:
            raise Malformed("it is too short for a header")
        (length,) = struct.unpack("<Q", start)
        if length > MAX_HEADER or length > size - 8:
            raise Malformed(f"its header claims {length} bytes, the file has {size}")
        header = stream.read(length)
    entries = _parse(header)
    metadata = entries.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(text, str) for text in metadata.values()):
        raise Malformed("its metadata are no texts")
    if len(entries) > MAX_TENSORS:
        raise Malformed(f"it lists {len(entries)} tensors")
    tensors = tuple(sorted(map(_tensor, entries.items()), key=lambda item: (item.begin, item.end)))
    _require_contiguous(tensors, size - 8 - length)
    return Header(tensors, metadata, 8 + length)


def _parse(header: bytes) -> dict[str, Any]:
    if header[:1] != b"{":
        raise Malformed("its header does not begin with '{'")
    try:
        entries = json.loads(header.decode(), object_pairs_hook=_unique, parse_constant=_no_constant)
    except RecursionError as error:
        raise Malformed("its header is nested too deep") from error
    except UnicodeDecodeError as error:
        raise Malformed("its header is no UTF-8") from error
    except json.JSONDecodeError as error:
        raise Malformed(f"its header is no JSON ({error.msg})") from error
    if not isinstance(entries, dict):
        raise Malformed("its header is no object")
    return entries


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise Malformed(f"its header has the key {twice[:80]!r} twice")
    return found


def _no_constant(word: str) -> None:
    raise Malformed(f"its header holds {word}")


def _tensor(entry: tuple[str, Any]) -> Tensor:
    name, value = entry
    shown = repr(name[:80])
    if not isinstance(value, dict) or set(value) != {"dtype", "shape", "data_offsets"}:
        raise Malformed(f"tensor {shown} has not exactly dtype, shape and data_offsets")
    dtype, shape, offsets = value["dtype"], value["shape"], value["data_offsets"]
    if dtype not in _BITS:
        raise Malformed(f"tensor {shown} has the unknown dtype {str(dtype)[:40]!r}")
    if not _counts(shape) or len(shape) > 64:
        raise Malformed(f"tensor {shown} has an impossible shape")
    if not _counts(offsets) or len(offsets) != 2:
        raise Malformed(f"tensor {shown} has impossible offsets")
    bits = prod(shape) * _BITS[dtype]
    if bits % 8 or offsets[1] - offsets[0] != bits // 8:
        raise Malformed(f"tensor {shown} has {offsets[1] - offsets[0]} bytes, its shape needs {bits / 8:g}")
    return Tensor(name, dtype, tuple(shape), *offsets)


def _counts(values: object) -> bool:
    return isinstance(values, list) and all(type(item) is int and 0 <= item < 2**63 for item in values)


def _require_contiguous(tensors: tuple[Tensor, ...], size: int) -> None:
    end = 0
    for tensor in tensors:
        if tensor.begin != end:
            what = "overlaps another" if tensor.begin < end else f"leaves {tensor.begin - end} bytes unused"
            raise Malformed(f"tensor {tensor.name[:80]!r} {what}")
        end = tensor.end
    if end != size:
        raise Malformed(f"its tensors take {end} bytes, the file holds {size}")


def tensor_bytes(path: Path, header: Header, tensor: Tensor, chunk: int = 1 << 22) -> Iterator[bytes]:
    """The raw bytes of one tensor, in pieces."""
    with path.open("rb") as stream:
        stream.seek(header.data + tensor.begin)
        left = tensor.end - tensor.begin
        while left and (piece := stream.read(min(chunk, left))):
            left -= len(piece)
            yield piece


def rename(path: Path, target: Path, names: dict[str, str], metadata: dict[str, str] | None = None) -> None:
    """Copy `path` to `target` with its tensors renamed (`names`: old -> new; one not named is left out)."""
    header = read(path)
    kept = [tensor for tensor in header.tensors if tensor.name in names]
    entries: dict[str, Any] = {"__metadata__": metadata or header.metadata or {"format": "pt"}}
    end = 0
    for tensor in kept:
        size = tensor.end - tensor.begin
        entries[names[tensor.name]] = {
            "dtype": tensor.dtype, "shape": list(tensor.shape), "data_offsets": [end, end + size],
        }  # fmt: skip
        end += size
    text = json.dumps(entries, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # the data begin aligned
    with target.open("wb") as out:
        out.write(struct.pack("<Q", len(text)) + text)
        for tensor in kept:
            out.writelines(tensor_bytes(path, header, tensor))
