"""The contract of `Model`, held by the smallest possible family: order, batches, options, bad inputs."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count, islice
from pathlib import Path
from typing import Any

import pytest

from zoohub.adapters import table
from zoohub.adapters.base import Model
from zoohub.adapters.bundle import Bundle
from zoohub.adapters.inference import Plan
from zoohub.adapters.results import Failed, Label
from zoohub.errors import CapabilityError, DuplicateName, InputError, UnsupportedModel, UsageError
from zoohub.registry import ModelRecord


class Echo(Model):
    """Answers each word with itself; remembers its batches."""

    tasks = ("text-generation",)
    options = {"loud": False}
    plan = Plan(items=4, budget=20, window=16)

    def __init__(self) -> None:
        bundle = Bundle(Path(), ModelRecord(id="folder:/echo", source="folder"), "echo", {})
        super().__init__(bundle, "text-generation")
        self.batches: list[list[str]] = []
        self.memory = 100

    def prepare(self, item: Any) -> str:
        if not isinstance(item, str):
            raise InputError(f"{item!r} is no text")
        return item

    def weigh(self, sample: str) -> int:
        return len(sample)

    def answer(self, samples: Sequence[str], **options: Any) -> list[str]:
        if len(samples) > self.memory:
            raise RuntimeError("CUDA out of memory. Tried to allocate")
        self.batches.append(list(samples))
        return [sample.upper() if options["loud"] else sample for sample in samples]


WORDS = ["a" * n for n in (3, 9, 1, 7, 2, 8, 5, 6, 4, 30)]


def test_one_in_one_out_list_in_list_out() -> None:
    assert Echo().predict("abc") == "abc"
    assert Echo().predict(["abc"]) == ["abc"]
    assert Echo().predict([]) == []


def test_order_is_kept_and_batches_are_of_like_length() -> None:
    model = Echo()
    assert model.predict(WORDS) == WORDS
    assert max(map(len, model.batches)) <= 4
    assert all(len(b) * max(map(len, b)) <= 20 or len(b) == 1 for b in model.batches)
    lengths = [len(word) for batch in model.batches for word in batch]
    assert lengths == sorted(lengths, reverse=True)


def test_an_endless_iterator_streams() -> None:
    answers = Echo().predict(str(n) for n in count())
    assert list(islice(answers, 100)) == [str(n) for n in range(100)]


def test_threads_keep_the_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Echo, "plan", Plan(items=4, window=16, workers=3))
    assert Echo().predict(WORDS * 10) == WORDS * 10


def test_batch_size_may_be_named() -> None:
    model = Echo()
    model.predict(WORDS, batch_size=3)
    assert [len(batch) for batch in model.batches] == [3, 3, 3, 1]
    with pytest.raises(UsageError, match="batch_size"):
        model.predict(WORDS, batch_size=0)


def test_short_memory_makes_batches_smaller() -> None:
    model = Echo()
    model.memory = 1
    assert model.predict(WORDS) == WORDS
    assert {len(batch) for batch in model.batches} == {1}


def test_a_bad_input_stops_or_is_named() -> None:
    with pytest.raises(InputError, match="7 is no text"):
        Echo().predict(["a", 7])
    answers = Echo().predict(["a", 7, "b"], strict=False)
    assert [answers[0], answers[2]] == ["a", "b"]
    assert isinstance(answers[1], Failed)
    assert not answers[1]
    assert "7 is no text" in answers[1].error


def test_options_are_checked() -> None:
    assert Echo().predict("a", loud=True) == "A"
    with pytest.raises(UsageError, match=r"no option 'lowd'\. Did you mean loud"):
        Echo().predict("a", lowd=True)


def test_what_a_family_cannot_do_is_said() -> None:
    with pytest.raises(CapabilityError, match="does not embed"):
        Echo().embed("a")


def test_two_adapters_of_one_name_are_refused() -> None:
    row = table.Adapter("mine", "echo", ("fill-mask",), "a:B")
    with pytest.raises(DuplicateName, match="mine"):
        table._by_name([row, row._replace(target="c:D")])


def test_no_adapter_says_what_is_served() -> None:
    with pytest.raises(UnsupportedModel, match=r"image-classification") as caught:
        table.choose("timm", "fill-mask")
    assert "image-feature-extraction" in caught.value.remedy
    with pytest.raises(UnsupportedModel, match="not installed"):
        table.choose("timm", "image-classification", named="nonsense")


@pytest.mark.parametrize("row", table.BUILT_IN, ids=lambda row: row.name)
def test_every_row_of_the_table_leads_to_a_class_that_serves_its_tasks(row: table.Adapter) -> None:
    family = row.load()
    assert issubclass(family, Model)
    assert set(row.tasks) <= set(family.tasks)


def test_results_become_plain() -> None:
    assert Label("cat", 0.123456789).to_dict() == {"label": "cat", "score": 0.123457}
