"""An ONNX file, walked field by field: is it whole, and do its external data stay in its folder?

Protocol buffers are a list of (field number, wire type, value). Only messages that can lead to a tensor are
entered; the numbers themselves are skipped. Neither onnx nor onnxruntime is needed.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from zoohub.weights.formats.safetensors import Malformed

MAX_DEPTH = 64
MAX_MESSAGES = 5_000_000

# message -> {field: message that lies there}; the field numbers are those of onnx.proto
_MESSAGES: dict[str, dict[int, str]] = {
    "Model": {7: "Graph", 8: "OpSet", 20: "Training", 25: "Function"},
    "Graph": {1: "Node", 5: "Tensor", 15: "Sparse"},
    "Node": {5: "Attribute"},
    "Attribute": {5: "Tensor", 6: "Graph", 10: "Tensor", 11: "Graph", 22: "Sparse", 23: "Sparse"},
    "Training": {1: "Graph", 2: "Graph"},
    "Function": {7: "Node", 9: "OpSet", 11: "Attribute"},
    "Sparse": {1: "Tensor", 2: "Tensor"},
    "Tensor": {13: "Entry"},
    "OpSet": {},
    "Entry": {},
}
_DATA_LOCATION, _EXTERNAL = 14, 1
_OWN_DOMAINS = ("", "ai.onnx", "ai.onnx.ml", "ai.onnx.training", "ai.onnx.preview.training", "com.microsoft",
                "com.microsoft.nchwc", "com.ms.internal.nhwc", "org.pytorch.aten")  # fmt: skip


@dataclass(frozen=True, slots=True)
class External:
    """Bytes of a tensor that lie in another file."""

    location: str
    offset: int = 0
    length: int | None = None


@dataclass(frozen=True, slots=True)
class Graph:
    """What a model refers to: other files, and operator sets that onnxruntime does not have by itself."""

    external: tuple[External, ...]
    custom_domains: tuple[str, ...]


def read(path: Path) -> Graph:
    """Walk the file.

    Raises:
        Malformed: it is no ONNX, is cut off, or is nested or referenced beyond what is sensible.
    """
    if path.stat().st_size == 0:
        raise Malformed("it is empty")
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        walker = _Walker(data)
        walker.message("Model", 0, len(data), 0)
    if not walker.has_graph:
        raise Malformed("it holds no graph")
    return Graph(tuple(dict.fromkeys(walker.external)), tuple(sorted(walker.domains)))


class _Walker:
    def __init__(self, data: mmap.mmap) -> None:
        self.data = data
        self.external: list[External] = []
        self.domains: set[str] = set()
        self.has_graph = False
        self.count = 0

    def message(self, kind: str, start: int, end: int, depth: int) -> None:
        self.count += 1
        if depth > MAX_DEPTH or self.count > MAX_MESSAGES:
            raise Malformed("it is nested too deep or has too many parts")
        inside = _MESSAGES[kind]
        entries: dict[str, str] = {}
        outside = False
        for number, wire, begin, stop in _fields(self.data, start, end):
            child = inside.get(number) if wire == 2 else None
            if child == "Entry":
                entries.update([self._entry(begin, stop)])
            elif child == "OpSet":
                self._domain(begin, stop)
            elif child:
                self.has_graph = self.has_graph or child == "Graph"
                self.message(child, begin, stop, depth + 1)
            elif kind == "Tensor" and number == _DATA_LOCATION and wire == 0:
                outside = begin == _EXTERNAL
        if kind == "Tensor" and (outside or entries):
            self.external.append(_external(entries))

    def _entry(self, start: int, end: int) -> tuple[str, str]:
        fields = _fields(self.data, start, end)
        texts = {number: self._text(begin, stop) for number, wire, begin, stop in fields if wire == 2}
        return texts.get(1, ""), texts.get(2, "")

    def _domain(self, start: int, end: int) -> None:
        for number, wire, begin, stop in _fields(self.data, start, end):
            if number == 1 and wire == 2 and (domain := self._text(begin, stop)) not in _OWN_DOMAINS:
                self.domains.add(domain)

    def _text(self, start: int, end: int) -> str:
        if end - start > 4096:
            raise Malformed("a name in it is longer than 4096 bytes")
        return self.data[start:end].decode("utf-8", "replace")


def _external(entries: dict[str, str]) -> External:
    if not entries.get("location"):
        raise Malformed("a tensor lies outside, but no file is named")
    try:
        offset = int(entries.get("offset") or 0)
        length = int(entries["length"]) if entries.get("length") else None
    except ValueError as error:
        raise Malformed("an offset or length of external data is no number") from error
    if offset < 0 or (length or 0) < 0:
        raise Malformed("an offset or length of external data is negative")
    return External(entries["location"], offset, length)


def _fields(data: mmap.mmap, at: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """(field, wire type, begin, end) of each field; for a number (wire type 0) `begin` is its value."""
    while at < end:
        key, at = _varint(data, at, end)
        number, wire = key >> 3, key & 7
        if number == 0:
            raise Malformed("it is no protocol buffer")
        if wire == 0:
            value, at = _varint(data, at, end)
            yield number, wire, value, at
            continue
        if wire == 2:
            size, at = _varint(data, at, end)
        elif wire in (1, 5):
            size = 8 if wire == 1 else 4
        else:
            raise Malformed("it is no protocol buffer")
        if size > end - at:
            raise Malformed("it is cut off")
        yield number, wire, at, at + size
        at += size


def _varint(data: mmap.mmap, at: int, end: int) -> tuple[int, int]:
    value = shift = 0
    while at < end and shift < 70:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise Malformed("it is cut off")
