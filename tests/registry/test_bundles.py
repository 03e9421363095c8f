"""Counting by a facet: bundled rows say what the plain rows say."""

from __future__ import annotations

import random
from collections import Counter

from zoohub.registry import ModelRecord, Registry, bundles
from zoohub.registry.database import Connection

LANGUAGES = [f"l{number:02}" for number in range(60)]


def spoken(rnd: random.Random, number: int) -> ModelRecord:
    languages = rnd.choice([(), ("en",), ("en", "zh"), tuple(rnd.sample(LANGUAGES, 9))])
    return ModelRecord(f"a/m{number}", languages=languages, downloads=rnd.randrange(90))


def expected(records: dict[str, ModelRecord]) -> Counter[str]:
    return Counter(language for record in records.values() for language in record.languages or ("unknown",))


def bundle_of(connection: Connection) -> dict[str, bytes]:
    rows = connection.rows("SELECT slots FROM postings WHERE token = ?", (bundles.token_of("language"),))
    return {
        value: packed
        for (bundle,) in rows
        for packed, values in bundles.unpack(bytes(bundle))
        for value in values
    }


def test_counts_by_language_stay_exact_while_models_come_change_and_go(registry: Registry) -> None:
    rnd = random.Random(7)
    known: dict[str, ModelRecord] = {}
    for step in range(5):
        numbers = range(400) if step == 0 else rnd.sample(range(500), 25)
        changed = [spoken(rnd, number) for number in numbers]
        registry.add(changed)
        known |= {record.id: record for record in changed}
        gone = rnd.sample(sorted(known), 5)
        registry.delete(gone)
        known = {id: record for id, record in known.items() if id not in gone}
        assert registry.count_by("language") == expected(known)
        english = {id: record for id, record in known.items() if "en" in record.languages}
        assert registry.count_by("language", language="en") == expected(english)


def test_a_bundle_holds_what_the_plain_rows_hold(registry: Registry) -> None:
    rnd = random.Random(8)
    registry.add(spoken(rnd, number) for number in range(300))
    registry.add([ModelRecord("a/m5", languages=("tlh",))])
    with registry.connection() as connection:
        rows = connection.rows(
            "SELECT token, slots FROM postings WHERE token >= ? AND token < ?", ("language:", "language;")
        )
        assert bundle_of(connection) == {token.partition(":")[2]: bytes(packed) for token, packed in rows}
        connection.run("DELETE FROM postings WHERE token = ?", (bundles.token_of("language"),))
    counted = registry.count_by("language")  # without a bundle the rows are read
    assert counted["tlh"] == 1
    registry.renew()
    assert registry.count_by("language") == counted
