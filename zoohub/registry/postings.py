"""Reading the stored sets of slots: by token, as far as they are not kept in memory; by facet."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from zoohub.registry import bitmap, bundles
from zoohub.registry.database import Connection, chunks, marks
from zoohub.registry.keptsets import Sets
from zoohub.registry.tokens import LAST


def of_tokens(connection: Connection, tokens: Sequence[str], segments: Collection[int]) -> dict[str, Sets]:
    """Token -> its slots by segment, in those that have it; inside a snapshot.

    Other segments than those asked for may be among them.
    """
    kept = connection.kept
    found = {token: kept.get(token, segments) for token in tokens}
    missing = [token for token, sets in found.items() if sets is None]
    read: dict[str, Sets] = {token: {} for token in missing}
    if missing and segments:
        sql = f"SELECT token, segment, slots FROM postings WHERE segment IN ({marks(segments)}) AND token IN ({marks(missing)})"  # noqa: S608, E501  # marks
        for token, number, packed in connection.rows(sql, (*segments, *missing)):
            read[token][number] = bitmap.unpack(bytes(packed))
        for token, sets in read.items():
            kept.put(token, segments, sets)
    return {token: read[token] if sets is None else sets for token, sets in found.items()}


def of_range(connection: Connection, bounds: tuple[str, str], segments: Collection[int]) -> Sets:
    """The slots that have a token from the first bound up to, not including, the second; see `of_tokens`."""
    known = connection.kept.get(bounds, segments)
    if known is not None:
        return known
    packed: dict[int, list[bytes]] = {}
    sql = f"SELECT segment, slots FROM postings WHERE segment IN ({marks(segments)}) AND token >= ? AND token < ?"  # noqa: S608  # marks
    for number, each in connection.rows(sql, (*segments, *bounds)):
        packed.setdefault(number, []).append(bytes(each))
    sets = {number: bitmap.union(several) for number, several in packed.items()}
    connection.kept.put(bounds, segments, sets)
    return sets


def of_facet(
    connection: Connection, kind: str, segments: Sequence[int]
) -> Iterator[tuple[int, bytes, Sequence[str]]]:
    """(segment, packed slots, the values of the facet that have them); a value is there once a segment."""
    for part in chunks(segments, 8):
        bundled = _bundles(connection, kind, part)
        for number, bundle in bundled.items():
            for packed, values in bundles.unpack(bundle):
                yield number, packed, values
        if not bundled:
            yield from _rows(connection, kind, part)


def _bundles(connection: Connection, kind: str, segments: Sequence[int]) -> dict[int, bytes]:
    """Segment -> its bundle; empty where a segment has none, for then its rows say all."""
    if kind not in bundles.KINDS:
        return {}
    sql = f"SELECT segment, slots FROM postings WHERE segment IN ({marks(segments)}) AND token = ?"  # noqa: S608  # marks
    found = {
        number: bytes(bundle) for number, bundle in connection.rows(sql, (*segments, bundles.token_of(kind)))
    }
    return found if len(found) == len(segments) else {}


def _rows(
    connection: Connection, kind: str, segments: Sequence[int]
) -> Iterator[tuple[int, bytes, Sequence[str]]]:
    start = f"{kind}:"
    sql = f"SELECT segment, token, slots FROM postings WHERE segment IN ({marks(segments)}) AND token >= ? AND token < ?"  # noqa: S608, E501  # marks
    for number, token, slots in connection.rows(sql, (*segments, start, start + LAST)):
        yield number, bytes(slots), (token[len(start) :],)
