"""The text tasks: what they answer, that batches do not change it, and that they learn."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

np = pytest.importorskip("numpy")
pytest.importorskip("torch")
import tiny  # noqa: E402

from zoohub.adapters import load  # noqa: E402
from zoohub.adapters.language import spans_of  # noqa: E402
from zoohub.adapters.results import plain  # noqa: E402
from zoohub.errors import CapabilityError, InputError, UsageError  # noqa: E402

pytestmark = pytest.mark.models
LONG = "the hotel was very nice and the food was good . " * 12
QUESTIONS = [
    {"question": "who lives in paris ?", "context": "ann lives in paris and bob works at acme ."},
    {"question": "who works ?", "context": LONG + "bob works at acme ."},
    {"question": LONG + "who works ?", "context": "bob works at acme ."},
]
CASES: list[tuple[Callable[[Path], Path], str, list[Any], dict[str, Any]]] = [
    (tiny.bert_classifier, "text-classification", ["good hotel", LONG, "好 酒店"], {}),
    (tiny.bert_tagger, "token-classification", ["ann lives in paris", LONG, "好"], {}),
    (tiny.bert_reader, "question-answering", QUESTIONS, {}),
    (tiny.bert_gaps, "fill-mask", ["the [MASK] was good", "a [MASK]"], {"top_k": 3}),
    (tiny.bert_entailment, "zero-shot-classification", ["good food", LONG], {"labels": ["food", "city"]}),
    (tiny.bert_ranker, "text-ranking", [{"query": "food", "texts": ["good food", "the city", LONG]}], {}),
    (tiny.t5, "translation", ["good hotel", "the food was very good and nice"], {"max_new_tokens": 5}),
    (tiny.gpt2, "text-generation", ["the hotel", "the food was very"], {"max_new_tokens": 5}),
]
IDS = [case[1] for case in CASES]


@pytest.mark.parametrize(("make", "task", "inputs", "options"), CASES, ids=IDS)
def test_one_many_and_saved_agree(make: Any, task: str, inputs: Any, options: Any, tmp_path: Path) -> None:
    model = load(make(tmp_path / "m"), task=task)
    many = model.predict(inputs, **options)
    assert len(many) == len(inputs)
    for item, answer in zip(inputs, many, strict=True):
        _alike(plain(model.predict(item, **options)), plain(answer))
    again = load(model.save(tmp_path / "saved"), task=task)
    _alike(plain(again.predict(inputs, **options)), plain(many))
    with pytest.raises(InputError):
        model.predict([7], **options)
    with pytest.raises(UsageError, match="no option"):
        model.predict(inputs, nonsense=1)
    assert model.predict([], **options) == []


def _alike(one: Any, two: Any) -> None:
    assert type(one) is type(two)
    if isinstance(one, dict):
        assert one.keys() == two.keys()
        for key in one:
            _alike(one[key], two[key])
    elif isinstance(one, list):
        assert len(one) == len(two)
        for a, b in zip(one, two, strict=True):
            _alike(a, b)
    elif isinstance(one, float):
        assert one == pytest.approx(two, abs=1e-3)
    else:
        assert one == two


ENTITIES = [
    {"tokens": ["ann", "lives", "in", "paris"], "ner_tags": ["B-PER", "O", "O", "B-LOC"]},
    {"tokens": ["bob", "works", "at", "acme"], "ner_tags": ["B-PER", "O", "O", "B-ORG"]},
] * 6
ANSWERS = [
    {
        "question": "who lives ?",
        "context": "ann lives in paris",
        "answers": [{"text": "ann", "answer_start": 0}],
    },
    {
        "question": "where ?",
        "context": "bob lives in paris",
        "answers": {"text": ["paris"], "answer_start": [13]},
    },
] * 6
PAIRS = [{"source": "good hotel", "target": "nice room"}, {"source": "bad food", "target": "terrible"}] * 6
STORIES = [{"text": "the hotel was very nice"}, {"text": "ann lives in paris"}] * 6
LEARNING = [
    (tiny.bert_tagger, "token-classification", ENTITIES, "F1"),
    (tiny.bert_reader, "question-answering", ANSWERS, "F1"),
    (tiny.t5, "translation", PAIRS, "BLEU"),
    (tiny.gpt2, "text-generation", STORIES, "perplexity"),
]


@pytest.mark.parametrize("strategy", ["full", "lora"])
@pytest.mark.parametrize(("make", "task", "rows", "metric"), LEARNING, ids=[case[1] for case in LEARNING])
def test_training_makes_it_better(
    strategy: str, make: Any, task: str, rows: Any, metric: str, tmp_path: Path
) -> None:
    base = load(make(tmp_path / "m"), task=task)
    settings = {"strategy": strategy, "epochs": 8, "learning_rate": 1e-2, "eval": rows[:4], "patience": None}
    tuned = base.finetune(rows, output=tmp_path / "tuned", register=False, batch_size=4, **settings)
    assert tuned.task == task
    after = tuned.evaluate(rows[:4])
    assert after.main == metric
    if metric == "perplexity":
        before = base.evaluate(rows[:4]).value
        assert after.value < before * (
            0.5 if strategy == "full" else 0.8
        )  # the words stay as they are under LoRA
    elif strategy == "full" and task != "translation":
        assert after.value > 0.9


def test_spans_are_read_from_words_and_from_places() -> None:
    words, tags = ["ann", "bell", "lives", "in", "paris"], ["B-PER", "I-PER", "O", "O", "B-LOC"]
    assert spans_of(words, tags) == [(0, 8, "PER"), (18, 23, "LOC")]
    assert spans_of("ann bell", [{"start": 0, "end": 8, "label": "PER"}]) == [(0, 8, "PER")]
    assert spans_of(["好", "酒店"], ["O", "B-X"]) == [(1, 3, "X")]
    with pytest.raises(InputError, match="2 tags for 1 words"):
        spans_of(["a"], ["O", "O"])


def test_an_answer_stands_in_its_context(tmp_path: Path) -> None:
    model = load(tiny.bert_reader(tmp_path / "m"))
    for question, answer in zip(QUESTIONS, model.predict(QUESTIONS), strict=True):
        assert question["context"][answer.start : answer.end] == answer.text
        assert 0 <= answer.score <= 1


def test_a_chat_goes_through_the_template_and_streams(tmp_path: Path) -> None:
    model = load(tiny.gpt2(tmp_path / "m"))
    chat = [{"role": "who", "content": "is ann"}]
    written = model.predict(chat, max_new_tokens=4)
    assert written.text == "".join(model.stream(chat, max_new_tokens=4)).strip()
    assert model.predict([chat, chat], max_new_tokens=4)[1].text == written.text
    model.tokenizer.chat_template = None
    with pytest.raises(CapabilityError, match="no chat template"):
        model.predict(chat)


def test_zero_shot_needs_labels_and_entailment(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="needs labels"):
        load(tiny.bert_entailment(tmp_path / "a"), task="zero-shot-classification").predict("good")
    with pytest.raises(CapabilityError, match="entailment"):
        load(tiny.bert_classifier(tmp_path / "b"), task="zero-shot-classification").predict("a", labels=["x"])


def test_a_prefix_is_read_with_the_text_and_an_unknown_source_is_refused(tmp_path: Path) -> None:
    model = load(tiny.t5(tmp_path), task="translation")
    assert model.predict("film", prefix="the good ") == model.predict("the good film")
    with pytest.raises(CapabilityError, match="source"):
        model.predict("film", source="en")
