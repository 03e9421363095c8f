"""Sets of slots within a segment: a Python integer in memory (bit n = slot n), packed bytes in the database.

Three packings, told apart by their length: few slots as 16-bit numbers, more as a deflated bitmap, a crowd as the
plain bitmap. An AND of two sets of 65,536 slots takes half a microsecond.
"""

from __future__ import annotations

import re
import sys
import zlib
from array import array
from collections.abc import Iterable, Iterator

SLOTS = 1 << 16  # of a segment
_BYTES = SLOTS // 8
FEW = 512  # up to here 16-bit numbers are smaller and as fast
_CROWD = 2048  # from here inflating would cost more time than the space is worth

FULL = (1 << SLOTS) - 1


def pack(slots: Iterable[int]) -> bytes:
    """Pack distinct slots (0 to 65,535)."""
    numbers = slots if isinstance(slots, list | tuple) else list(slots)
    if len(numbers) <= FEW:
        few = array("H", numbers)
        if sys.byteorder == "big":
            few.byteswap()
        return few.tobytes()
    bits = bytearray(_BYTES)
    for slot in numbers:
        bits[slot >> 3] |= 1 << (slot & 7)
    return _pack_bits(bytes(bits), len(numbers))


def pack_int(bits: int) -> bytes:
    """Pack a set that is an integer."""
    count = bits.bit_count()
    if count <= FEW:
        return pack(list(members(bits)))
    return _pack_bits(bits.to_bytes(_BYTES, "little"), count)


def _pack_bits(bits: bytes, count: int) -> bytes:
    # An odd length can be no list of 16-bit numbers, so a deflated bitmap is padded to one.
    if count >= _CROWD:
        return bits
    deflated = zlib.compress(bits, 1)
    return deflated if len(deflated) % 2 else deflated + b"\0"


def is_few(packed: bytes) -> bool:
    """Whether a packed set is a short list, which `numbers` reads."""
    return len(packed) <= 2 * FEW and len(packed) % 2 == 0


def numbers(packed: bytes) -> array[int]:
    """The slots of a packed short list."""
    few = array("H", packed)
    if sys.byteorder == "big":
        few.byteswap()
    return few


def unpack(packed: bytes) -> int:
    """The set as an integer."""
    if len(packed) == _BYTES:
        return int.from_bytes(packed, "little")
    if is_few(packed):
        return from_members(numbers(packed))
    return int.from_bytes(zlib.decompressobj().decompress(packed), "little")


def union(packed: Iterable[bytes]) -> int:
    """All slots that are in one of the packed sets."""
    bits, rest = bytearray(_BYTES), 0
    for each in packed:
        if is_few(each):
            for slot in numbers(each):
                bits[slot >> 3] |= 1 << (slot & 7)
        else:
            rest |= unpack(each)
    return rest | int.from_bytes(bits, "little")


def from_members(slots: Iterable[int]) -> int:
    """The set of these slots."""
    bits = bytearray(_BYTES)
    for slot in slots:
        bits[slot >> 3] |= 1 << (slot & 7)
    return int.from_bytes(bits, "little")


def to_bytes(bits: int) -> bytes:
    """A set as bytes: slot n is bit n % 8 of byte n // 8. For testing many slots one by one."""
    return bits.to_bytes(_BYTES, "little")


def members(bits: int) -> Iterator[int]:
    """The slots of a set, ascending."""
    data = bits.to_bytes(_BYTES, "little")
    if bits.bit_count() > _DENSE:
        occupied: Iterable[tuple[int, int]] = enumerate(data)
    else:
        occupied = ((found.start(), data[found.start()]) for found in _OCCUPIED.finditer(data))
    for place, byte in occupied:
        base = place << 3
        for offset in _SET_BITS[byte]:
            yield base + offset


_DENSE = 4000  # slots from which on looking at every byte is quicker than finding those that are not empty
_OCCUPIED = re.compile(rb"[^\0]", re.DOTALL)
_SET_BITS = [[bit for bit in range(8) if byte >> bit & 1] for byte in range(256)]


def descending(bits: int) -> Iterator[int]:
    """The slots of a set, from the last to the first."""
    return reversed(list(members(bits)))
