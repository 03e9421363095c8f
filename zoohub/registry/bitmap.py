"""Sets of slots within a segment: a roaring bitmap in memory, packed bytes in the database.

A packed set is what a roaring container holds: up to 4,096 slots as ascending 16-bit numbers, more as their count
and a plain bitmap, which two bytes more tell from a list. The header of a serialized bitmap, 16 bytes that most
sets would be shorter than, is put before it when it is read.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterable, Sequence
from struct import Struct

from pyroaring import BitMap

SLOTS = 1 << 16  # of a segment: those of one roaring container
FULL = BitMap(range(SLOTS))
NONE = BitMap()

_BIG_ENDIAN = sys.byteorder == "big"
_FEW = 4096  # from here on a container is a bitmap
_HEADER = Struct("<IIHHI")  # format, containers, number of the first, its slots less one, where it begins
_FORMAT = 12346  # of a serialized roaring bitmap without runs
_DENSE, _OFFSET = _HEADER.pack(_FORMAT, 1, 0, 0, 16)[:10], _HEADER.pack(_FORMAT, 1, 0, 0, 16)[12:]


def pack(slots: Sequence[int]) -> bytes:
    """Pack distinct slots (0 to 65,535), ascending."""
    if len(slots) == 1:  # as most sets of a large index
        return slots[0].to_bytes(2, "little")
    return _little(array("H", slots)).tobytes() if len(slots) <= _FEW else pack_set(BitMap(slots))


def pack_set(bits: BitMap) -> bytes:
    """Pack a set."""
    if not bits:
        return b""
    serialized = bits.serialize()
    if not serialized.startswith(_DENSE[:4]):
        return _from_runs(bits)
    return serialized[16:] if len(bits) <= _FEW else serialized[10:12] + serialized[16:]


def _from_runs(bits: BitMap) -> bytes:
    """The same of a set that would be serialized as runs of slots."""
    if len(bits) <= _FEW:
        return pack(bits.to_array())
    plain = bytearray(SLOTS // 8)
    for slot in bits:
        plain[slot >> 3] |= 1 << (slot & 7)
    return (len(bits) - 1).to_bytes(2, "little") + plain


def size(packed: bytes) -> int:
    """How many slots a packed set has."""
    length = len(packed)
    return length // 2 if length <= 2 * _FEW else int.from_bytes(packed[:2], "little") + 1


def common(bits: BitMap, packed: bytes) -> int:
    """How many slots of a set are in a packed set."""
    if len(packed) > _SHORT:
        return bits.intersection_cardinality(unpack(packed))
    return sum([slot in bits for slot in _little(array("H", packed))])


def unpack(packed: bytes) -> BitMap:
    """The set; it is not to be changed."""
    length = len(packed)
    if length > 2 * _FEW:
        return BitMap.deserialize(_DENSE + packed[:2] + _OFFSET + packed[2:])
    return BitMap.deserialize(_HEADER.pack(_FORMAT, 1, 0, length // 2 - 1, 16) + packed) if length else NONE


def union(packed: Iterable[bytes]) -> BitMap:
    """All slots that are in one of the packed sets."""
    few: list[bytes] = []
    many: list[BitMap] = []
    for each in packed:
        if len(each) <= _SHORT:
            few.append(each)
        else:
            many.append(unpack(each))
    if few:
        many.append(BitMap(array("I", _little(array("H", b"".join(few))))))
    return many[0] if len(many) == 1 else BitMap.union(*many) if many else NONE


_SHORT = 48  # bytes up to which looking at the numbers is quicker than making a set of them


def _little(words: array[int]) -> array[int]:
    if _BIG_ENDIAN:
        words.byteswap()
    return words
