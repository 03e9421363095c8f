"""The order of popularity stays an order, however models move."""

from __future__ import annotations

import random

from zoohub.registry import ModelRecord, Registry
from zoohub.registry.ranks import Ranks, first_below


def ranking(registry: Registry) -> list[tuple[int, int, int]]:
    with registry.connection() as connection:
        return [
            tuple(row) for row in connection.rows("SELECT slot, model, popularity FROM ranking ORDER BY slot")
        ]


def test_many_moves_at_once_keep_the_order_and_every_model(registry: Registry) -> None:
    registry.add(ModelRecord(f"a/m{n}", downloads=n % 7, likes=n % 3) for n in range(300))
    rnd = random.Random(4)
    for _ in range(12):
        before = {model: popularity for _, model, popularity in ranking(registry)}
        some = rnd.sample(sorted(before), 120)
        changed = {model: rnd.choice([0, 1, 5, 40, *before.values()]) for model in some}
        with registry.connection() as connection, connection.write():
            Ranks(connection).place(changed)
        after = ranking(registry)
        assert {model: popularity for _, model, popularity in after} == {**before, **changed}
        popularities = [popularity for *_, popularity in after]
        assert popularities == sorted(popularities, reverse=True)
        assert all(slot >= 0 for slot, *_ in after)


def test_who_may_stay_keeps_the_slot(registry: Registry) -> None:
    registry.add(ModelRecord(f"a/m{n}", downloads=n) for n in range(50))
    before = ranking(registry)
    slot, model, popularity = before[25]
    with registry.connection() as connection, connection.write():
        Ranks(connection).place({model: popularity + 1})  # still below the one above
    assert ranking(registry) == [*before[:25], (slot, model, popularity + 1), *before[26:]]


def test_the_first_below_is_found_for_all_together(registry: Registry) -> None:
    registry.add(ModelRecord(f"a/m{n}", downloads=n // 3) for n in range(100))
    stood = ranking(registry)
    asked = {popularity + more for *_, popularity in stood for more in (-1, 0, 1)} | {0, 1 << 62}
    with registry.connection() as connection:
        found = first_below(connection, asked)
    assert found == {
        each: next((slot for slot, _, popularity in stood if popularity < each), None) for each in asked
    }
