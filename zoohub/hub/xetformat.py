"""The Xet wire formats, as far as a server that stores whole files needs them: xorbs, shards, hashes.

A xorb is a run of compressed chunks; a shard says of which chunks of which xorbs each file is made. Pure
functions over bytes: nothing here touches a disk or a database. Format: https://huggingface.co/docs/xet
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from zoohub.hub.errors import BadRequest

DATA_KEY = bytes.fromhex("6697f5775b9550de3135cbaca597181c9de421109beb2b58b4d0b04b93adf229")
NODE_KEY = bytes.fromhex("017ec5c7a5472996fd946666b48a02e65ddd536f37c76dd2f86352e64a53713f")
MAX_XORB = 64 << 20  # serialized bytes, and unpacked bytes
MAX_CHUNK = 128 << 10
MAX_PACKED = 2 * MAX_CHUNK  # no client sends a chunk that packing made much larger
MAX_CHUNKS = 64 << 10  # per xorb
_HEADER_TAG = b"HFRepoMetaData\x00"
_RECORD = 48
_HEAD, _FOOTER = 8, b"XETBLOB"
_BOOKEND = b"\xff" * 32
_WITH_VERIFICATION, _WITH_SHA256 = 1 << 31, 1 << 30


@dataclass(frozen=True, slots=True)
class Segment:
    """The chunks [start, end) of one xorb, `size` bytes unpacked."""

    xorb: str
    size: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class ShardFile:
    """One file of a shard: its Xet hash, its SHA-256 and its segments in order."""

    hash: str
    sha256: str
    segments: tuple[Segment, ...]

    @property
    def size(self) -> int:
        """The size of the file in bytes."""
        return sum(segment.size for segment in self.segments)


def hash_text(raw: bytes) -> str:
    """A 32-byte hash as Xet writes it: four little-endian numbers of 64 bits in hex."""
    return "".join(f"{number:016x}" for number in struct.unpack("<4Q", raw))


class XorbParser:
    """Takes a serialized xorb piece by piece, as it arrives, and gives its raw chunks."""

    def __init__(self) -> None:
        self._rest = b""
        self._size = self._count = 0
        self._ended = False

    def feed(self, data: bytes) -> list[bytes | memoryview]:
        """The chunks that are whole with these further bytes.

        Raises:
            BadRequest: the bytes are no xorb, or unpack to more than a xorb may hold.
        """
        chunks: list[bytes | memoryview] = []
        if self._ended:
            return chunks  # a footer, which says nothing new
        data = self._rest + data if self._rest else data
        view, at = memoryview(data), 0
        while at + _HEAD <= len(data):
            if data.startswith(_FOOTER, at):
                self._ended, self._rest = True, b""
                return chunks
            version, scheme = data[at], data[at + 4]
            packed = int.from_bytes(data[at + 1 : at + 4], "little")
            size = int.from_bytes(data[at + 5 : at + 8], "little")
            if version != 0 or not 0 < size <= MAX_CHUNK or packed > MAX_PACKED:
                raise BadRequest("The xorb is malformed: a chunk's header names impossible sizes")
            end = at + _HEAD + packed
            if end > len(data):
                break
            self._count, self._size = self._count + 1, self._size + size
            if self._count > MAX_CHUNKS or self._size > MAX_XORB:
                raise BadRequest("The xorb has too many chunks")
            chunks.append(_unpack_chunk(view[at + _HEAD : end], scheme, size))
            at = end
        self._rest = data[at:]
        return chunks

    def close(self) -> None:
        """Say that all bytes were fed.

        Raises:
            BadRequest: they end within a chunk, or there is none.
        """
        if self._rest:
            raise BadRequest("The xorb is malformed: it ends too early")
        if not self._count:
            raise BadRequest("The xorb holds no chunk")


def _unpack_chunk(packed: memoryview, scheme: int, size: int) -> bytes | memoryview:
    raw: bytes | memoryview
    if scheme == 0:
        raw = packed
    elif scheme in (1, 2):
        raw = _lz4(packed, size)
    else:
        raise BadRequest(f"The xorb is malformed: unknown compression {scheme}")
    if len(raw) != size:
        raise BadRequest("The xorb is malformed: a chunk unpacks to another size than it names")
    return _ungroup(raw) if scheme == 2 else raw


def _lz4(packed: memoryview, size: int) -> bytes:
    import lz4.frame

    try:
        unpacker = lz4.frame.LZ4FrameDecompressor()
        raw: bytes = unpacker.decompress(packed, max_length=size + 1)
    except (RuntimeError, ValueError, EOFError) as error:
        raise BadRequest("The xorb is malformed: a chunk does not unpack") from error
    return raw


def _ungroup(raw: bytes | memoryview) -> bytes:
    """Undo the grouping of bytes by their place in groups of four."""
    size = len(raw)
    out = bytearray(size)
    at = 0
    for place in range(4):
        count = (size - place + 3) // 4
        out[place::4] = raw[at : at + count]
        at += count
    return bytes(out)


def node(chunk: bytes | memoryview) -> tuple[bytes, int]:
    """A chunk as a leaf of the tree of hashes over a xorb: its hash and its size."""
    from blake3 import blake3

    return blake3(chunk, key=DATA_KEY).digest(), len(chunk)


def xorb_hash(nodes: list[tuple[bytes, int]]) -> str:
    """The hash of the xorb with these leaves."""
    return hash_text(_root(nodes))


def _root(nodes: list[tuple[bytes, int]]) -> bytes:
    while len(nodes) > 1:
        merged: list[tuple[bytes, int]] = []
        at = 0
        while at < len(nodes):
            cut = _cut(nodes, at)
            merged.append(_join(nodes[at:cut]))
            at = cut
        nodes = merged
    return nodes[0][0]


def _cut(nodes: list[tuple[bytes, int]], at: int) -> int:
    """Where the group of children that begins at `at` ends: 3 to 9 nodes, cut by the hash itself."""
    left = len(nodes) - at
    if left <= 2:
        return at + left
    end = min(9, left)
    for index in range(2, end):
        if nodes[at + index][0][24] % 4 == 0:
            return at + index + 1
    return at + end


def _join(nodes: Sequence[tuple[bytes, int]]) -> tuple[bytes, int]:
    from blake3 import blake3

    text = "".join(f"{hash_text(raw)} : {size}\n" for raw, size in nodes)
    return blake3(text.encode(), key=NODE_KEY).digest(), sum(size for _, size in nodes)


def parse_shard(data: bytes) -> list[ShardFile]:
    """The files that a shard describes.

    Raises:
        BadRequest: the bytes are no shard, or a file lacks its SHA-256.
    """
    if len(data) < _RECORD or not data.startswith(_HEADER_TAG):
        raise BadRequest("The shard is malformed: no shard header")
    if struct.unpack_from("<Q", data, 32)[0] != 2:
        raise BadRequest("The shard has a version that this hub does not know")
    files: list[ShardFile] = []
    at = _RECORD
    while True:
        head = _record(data, at)
        at += _RECORD
        if head[:32] == _BOOKEND:
            return files
        flags, count = struct.unpack_from("<II", head, 32)
        segments = tuple(
            _segment(_record(data, at + _RECORD * index)) for index in range(_checked(count, data))
        )
        at += _RECORD * count * (2 if flags & _WITH_VERIFICATION else 1)
        if not flags & _WITH_SHA256:
            raise BadRequest("The shard is malformed: a file has no SHA-256")
        # The SHA-256 is stored as Xet stores every hash: as four numbers.
        files.append(ShardFile(hash_text(head[:32]), hash_text(_record(data, at)[:32]), segments))
        at += _RECORD


def _checked(count: int, data: bytes) -> int:
    if count * _RECORD > len(data):
        raise BadRequest("The shard is malformed: it names more records than it has")
    return count


def _record(data: bytes, at: int) -> bytes:
    record = data[at : at + _RECORD]
    if len(record) != _RECORD:
        raise BadRequest("The shard is malformed: it ends too early")
    return record


def _segment(record: bytes) -> Segment:
    _, size, start, end = struct.unpack_from("<4I", record, 32)
    if end <= start:
        raise BadRequest("The shard is malformed: an empty segment")
    return Segment(hash_text(record[:32]), size, start, end)
