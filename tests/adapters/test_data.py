"""Labeled data as inputs and targets: how it is split."""

from __future__ import annotations

from collections import Counter

import pytest

from zoohub.adapters.data import Examples


def test_texts_that_are_all_different_are_split_by_count() -> None:
    pairs = Examples("translation", [f"text {i}" for i in range(50)], [f"Text {i}" for i in range(50)])
    train, held = pairs.split(0.2)
    assert (len(train), len(held)) == (40, 10)
    assert {*train.inputs, *held.inputs} == set(pairs.inputs)
    assert all(text.title() == target for text, target in train)


@pytest.mark.parametrize("share", [0.1, 0.2, 0.5])
def test_labels_keep_their_share_in_both_parts(share: float) -> None:
    sizes = {"a": 100, "b": 30, "c": 2, "d": 3, "e": 2, "f": 1}
    targets = [label for label, size in sizes.items() for _ in range(size)]
    train, held = Examples("text-classification", list(map(str, range(len(targets)))), targets).split(share)
    assert abs(len(held) - share * len(targets)) <= 1
    assert train.labels == tuple(sizes)
    counts = Counter(held.targets)
    assert all(abs(counts[label] - share * size) <= 1 for label, size in sizes.items())
    assert counts["f"] == 0


def test_one_seed_one_split() -> None:
    rows = Examples("text-classification", list(map(str, range(40))), ["x", "y"] * 20)
    assert rows.split(0.25, 3)[1].inputs == rows.split(0.25, 3)[1].inputs != rows.split(0.25, 4)[1].inputs
