"""Laying the whole search index out anew: every model ranked by popularity, the sets of slots built by segment.

Segments are independent of one another, so helpers build them side by side. A helper reads the models through a
connection of its own; the caller holds the write lock, so what it reads does not change.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain, groupby
from typing import TYPE_CHECKING, Any, TypeAlias

from pyroaring import BitMap

from zoohub.registry import bitmap, bundles
from zoohub.registry.database import Connection, chunks, marks
from zoohub.registry.encoding import LIKES_RANGE, unpack_dict
from zoohub.registry.index import licenses, set_meta
from zoohub.registry.ranks import GAP
from zoohub.registry.tokens import LAST, VERSION, Maker, index_units

if TYPE_CHECKING:
    from zoohub.registry.helpers import Helpers

Progress: TypeAlias = Callable[[int], None]
Licenses: TypeAlias = dict[int, tuple[str, list[str]]]

_POPULARITY = f"(coalesce(downloads, -1) + 1) * {LIKES_RANGE} + coalesce(likes, -1) + 1"


def renew(connection: Connection, progress: Progress | None = None, helpers: Helpers | None = None) -> int:
    """Rank all models by popularity and index them anew; returns how many.

    Args:
        connection: inside a write transaction in which no model was written yet, where there are helpers.
        progress: is told how many are indexed.
        helpers: build segments side by side.
    """
    connection.run("DELETE FROM postings")
    connection.run("DELETE FROM ranking")
    connection.run(
        f"INSERT INTO ranking (slot, model, popularity) SELECT n + n / {GAP}, pk, popularity FROM ("  # noqa: S608  # no input
        f"SELECT pk, {_POPULARITY} AS popularity, row_number() OVER (ORDER BY {_POPULARITY} DESC, pk) - 1 AS n "
        "FROM models) AS ranked"
    )
    indexed = 0
    known = licenses(connection)
    segments = list(_segments(connection))
    if helpers:
        built = helpers.map(
            "segment", ((connection.url, known, models, offsets) for _, models, offsets in segments)
        )
    else:
        built = (_segment_rows(connection, known, models, offsets) for _, models, offsets in segments)
    for (number, models, _), rows in zip(segments, built, strict=True):
        connection.insert("postings", ("segment", "token", "slots"), ((number, *row) for row in rows))
        indexed += len(models) // 8
        if progress:
            progress(indexed)
    set_meta(connection, "index", VERSION)
    return indexed


def _segments(connection: Connection) -> Iterator[tuple[int, bytes, bytes]]:
    """(number, keys of its models, their slots within it) of each segment; packed as 64 and 16 bits."""
    ranked = connection.stream("SELECT slot, model FROM ranking ORDER BY slot")
    for number, rows in groupby(ranked, key=lambda row: row[0] // bitmap.SLOTS):
        models, offsets = array("q"), array("H")
        for slot, model in rows:
            models.append(model)
            offsets.append(slot % bitmap.SLOTS)
        yield number, models.tobytes(), offsets.tobytes()


def segment_rows(url: str, known: Licenses, models: bytes, offsets: bytes) -> list[tuple[str, bytes]]:
    """The rows of `postings` of one segment, read through a connection of its own: what a helper does."""
    connection = Connection(url)
    try:
        return _segment_rows(connection, known, models, offsets)
    finally:
        connection.close()


def _segment_rows(
    connection: Connection, known: Licenses, models: bytes, offsets: bytes
) -> list[tuple[str, bytes]]:
    """(token, packed slots) of the models of a segment."""
    having: dict[Maker, dict[Any, list[int]]] = defaultdict(lambda: defaultdict(list))
    places = dict(zip(array("q", models), array("H", offsets), strict=True))
    for part in chunks(list(places)):
        sql = f"SELECT pk, doc, license FROM models WHERE pk IN ({marks(part)})"  # noqa: S608  # marks
        docs = {places[pk]: (doc, license) for pk, doc, license in connection.rows(sql, part)}
        for place, (doc, license) in sorted(docs.items()):
            for make, facts in index_units(unpack_dict(doc), *known[license]):
                group = having[make]
                for fact in facts:
                    group[fact].append(place)
    return _packed(having)


def _packed(having: Mapping[Maker, Mapping[Any, list[int]]]) -> list[tuple[str, bytes]]:
    """Tokens with their sets of slots, from facts with theirs (ascending; one may be there twice)."""
    found: dict[str, list[list[int] | BitMap]] = defaultdict(list)
    for make, group in having.items():
        for fact, places in group.items():
            slots = places if len(places) <= _FEW else BitMap(places)
            for token in make(fact):
                found[token].append(slots)
    rows = [(token, _union(found[token])) for token in sorted(found)]
    bundled = [
        (bundles.token_of(kind), bundles.of_rows(kind, _of_kind(rows, kind))) for kind in bundles.KINDS
    ]
    return sorted(bundled) + rows


def _of_kind(rows: Sequence[tuple[str, bytes]], kind: str) -> Sequence[tuple[str, bytes]]:
    """The rows of the values of a facet, among all in the order of tokens."""
    first, last = bisect_left(rows, (f"{kind}:",)), bisect_left(rows, (f"{kind}:{LAST}",))
    return rows[first:last]


_FEW = 64  # slots from which on a set is quicker than their list


def _union(parts: list[list[int] | BitMap]) -> bytes:
    """The slots of some parts, packed."""
    if len(parts) == 1:
        only = parts[0]
        if not isinstance(only, list):
            return bitmap.pack_set(only)
        return bitmap.pack(only if len(only) == 1 else sorted(set(only)))
    sets = [part for part in parts if isinstance(part, BitMap)]
    few = list(chain.from_iterable([part for part in parts if isinstance(part, list)]))
    if not sets and len(few) <= _FEW:
        return bitmap.pack(sorted(set(few)))
    return bitmap.pack_set(BitMap.union(BitMap(few), *sets))
