"""A registry of a few models, and published results that favor some of them."""

from __future__ import annotations

import pytest

from zoohub.registry import Evidence, ModelRecord, Registry


def record(name: str, **more) -> ModelRecord:
    values = {"task": "tabular-classification", "license": "apache-2.0", "parameters": 10_000_000, **more}
    return ModelRecord(id=name, **values)


@pytest.fixture
def registry(tmp_path):
    with Registry.open(f"sqlite:///{tmp_path / 'registry.db'}", catalog=False) as opened:
        opened.add(
            [
                record("org/good", parameters=90_000_000, languages=("de",)),
                record("org/fair", parameters=20_000_000, license="cc-by-nc-4.0"),
                record("org/weak", parameters=5_000_000),
                record("org/unseen", parameters=85_000_000),
                *(record(f"org/other-{i}") for i in range(6)),
            ]
        )
        yield opened


@pytest.fixture
def evidence():
    level = {
        "org/good": 0.9,
        "org/fair": 0.8,
        "org/weak": 0.4,
        **{f"org/other-{i}": 0.5 + i / 50 for i in range(6)},
    }
    return [
        Evidence(
            model,
            "tabular-classification",
            f"set{d}",
            "accuracy",
            value - d / 100,
            n_train=1000,
            n_classes=5,
            language="en",
            strategy="full",
            source="a table",
        )
        for d in range(6)
        for model, value in level.items()
    ]
