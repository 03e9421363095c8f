"""The values of a facet in one row a segment, so that counting by it reads dozens of rows instead of thousands.

Some facets have many values with few models each, and a model of a thousand languages gives a thousand values the
same few slots. The bundle of a segment holds each set once, with the values that have it. It repeats what
`postings` holds and is made anew with every change of one of its values.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping

KINDS = ("language", "library", "license", "task")  # kinds of tokens that are bundled


def token_of(kind: str) -> str:
    """The token under which the bundle of a kind is stored; no word, facet or range is spelled like that."""
    return f'"{kind}'


def of_rows(kind: str, rows: Iterable[tuple[str, bytes]]) -> bytes:
    """The bundle of a segment, from (token, packed slots) of its values in the order of tokens."""
    start = len(kind) + 1
    sharing: dict[bytes, list[str]] = {}
    for token, packed in rows:
        sharing.setdefault(bytes(packed), []).append(token[start:])
    return _pack(sharing)


def _pack(sets: Mapping[bytes, list[str]]) -> bytes:
    """The values and lengths of the sets as JSON, its length before it, the sets behind it."""
    head = json.dumps(
        [(len(packed), values) for packed, values in sets.items()], separators=(",", ":")
    ).encode()
    return b"".join([len(head).to_bytes(4, "little"), head, *sets])


def unpack(bundle: bytes) -> Iterator[tuple[bytes, list[str]]]:
    """(packed slots, the values that have them) of a bundle."""
    end = 4 + int.from_bytes(bundle[:4], "little")
    for length, values in json.loads(bundle[4:end]):
        yield bundle[end : end + length], values
        end += length
