"""Searching the bundled catalog for words that its own models are called by: what a loop over the records finds."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from zoohub import tasks
from zoohub.registry import ModelRecord, Registry
from zoohub.registry.tokens import MAX_WORDS, split

QUERIES = 300


@dataclass(frozen=True)
class Words:
    """The words of a model, by where a search looks for them."""

    id: str
    own: frozenset[str]  # of its name
    names: frozenset[str]  # of name, author and collection
    all: frozenset[str]
    tags: frozenset[str]  # whole

    @classmethod
    def of(cls, record: ModelRecord) -> Words:
        plain = record.id if record.source == "hub" else record.id.partition(":")[2]
        own = split(plain.rpartition("/")[2]) + split(record.name)
        names = own + split(plain) + split(record.author or "")
        tags = [tag for tag in record.tags if not tag.startswith(("base_model:", "license:", "dataset:"))]
        described = split(record.description or "")[: MAX_WORDS - len(record.tags)]
        tagged = [word for tag in tags for word in split(tag)]
        every = frozenset(names + described + tagged)
        return cls(record.id, frozenset(own), frozenset(names), every, frozenset(tag.lower() for tag in tags))

    def have(self, term: str) -> bool:
        if len(term) == 1:
            return term in self.all or term in self.tags
        if len(term) == 2:
            return term in self.all or term in self.tags or any(word.startswith(term) for word in self.own)
        inside = any(term in word for word in self.names)
        return inside or any(word.startswith(term) for word in self.all | self.tags)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    url = f"sqlite:///{tmp_path_factory.mktemp('catalog') / 'registry.db'}"
    with Registry.open(url) as registry:
        yield registry


def test_any_part_of_any_word_is_found_where_it_is_and_nowhere_else(filled: Registry) -> None:
    rnd = random.Random(5)
    models = [Words.of(record) for record in filled.search(limit=None)]
    words = sorted({word for model in models for word in model.all if word.isascii()})
    for text in [piece(rnd, words) for _ in range(QUERIES)]:
        terms = split(text)
        if not terms or any(map(tasks.match, (text, *terms))):
            continue  # the name of a task finds the models of the task, too
        expected = {model.id for model in models if all(map(model.have, terms))}
        assert {record.id for record in filled.search(text, limit=None)} == expected, text
        assert filled.count(text) == len(expected), text


@pytest.mark.parametrize("text", ["bert", "vgg", "resnet 50"])
def test_pages_in_the_order_of_relevance_hold_each_model_once(filled: Registry, text: str) -> None:
    whole = [record.id for record in filled.search(text, limit=None)]
    paged: list[str] = []
    page = filled.search(text, limit=7)
    paged += [record.id for record in page]
    while page.cursor:
        page = filled.search(text, limit=7, cursor=page.cursor)
        paged += [record.id for record in page]
    assert paged == whole
    assert len(set(whole)) == len(whole) == filled.count(text)


@pytest.mark.parametrize(
    ("text", "family"), [("bert", "google-bert/bert-"), ("vgg", "timm/vgg19"), ("llama", "meta-llama/Llama-")]
)
def test_a_family_is_on_the_first_page(filled: Registry, text: str, family: str) -> None:
    assert any(record.id.startswith(family) for record in filled.search(text, limit=10))


def piece(rnd: random.Random, words: list[str]) -> str:
    """A word, the beginning of one, letters out of one, or two beginnings."""
    word = rnd.choice(words)
    start = rnd.randrange(max(1, len(word) - 3))
    return rnd.choice([
        word, word[: rnd.randint(2, max(2, len(word)))], word[start : start + rnd.randint(3, 6)],
        f"{rnd.choice(words)[:4]} {word[:4]}",
    ])  # fmt: skip
