"""Pictures with words, on tiny models."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tiny
import tiny_speech
from PIL import Image

from zoohub.adapters import load
from zoohub.errors import InputError, UsageError

pytestmark = pytest.mark.models


@pytest.fixture
def picture() -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 50, 3), dtype=np.uint8))


def test_captions(tmp_path: Path, picture: Image.Image) -> None:
    model = load(tiny_speech.captioner(tmp_path))
    one = model.predict(picture, max_new_tokens=5)
    assert model.predict([picture, picture], max_new_tokens=5) == [one, one]
    assert len(one.text.split()) <= 5


def test_visual_questions_choose_among_the_known_answers(tmp_path: Path, picture: Image.Image) -> None:
    model = load(tiny_speech.visual_questions(tmp_path))
    found = model.predict({"image": picture, "question": "what is it?"})
    assert found.text in tiny.LABELS
    assert 0 <= found.score <= 1
    with pytest.raises(InputError, match="image and question"):
        model.predict({"image": picture})


def test_page_questions_point_to_words(tmp_path: Path, picture: Image.Image) -> None:
    model = load(tiny_speech.page_questions(tmp_path))
    page = {"image": picture, "question": "who?", "words": ["ann", "bob", "acme"],
            "boxes": [[0, 0, 10, 10], [10, 10, 30, 30], [40, 40, 60, 60]]}  # fmt: skip
    found = model.predict(page)
    assert found.text == " ".join(page["words"][found.start : found.end])
    assert found
    with pytest.raises(UsageError, match="words"):
        model.predict({"image": picture, "question": "who?"})


def test_named_things_are_looked_for(tmp_path: Path, picture: Image.Image) -> None:
    model = load(tiny_speech.named_things(tmp_path))
    found = model.predict(picture, labels=["cat", "dog"], threshold=0.0)
    assert {thing.label for thing in found} <= {"cat", "dog"}
    assert [thing.score for thing in found] == sorted((thing.score for thing in found), reverse=True)
    for thing in found:
        left, top, right, bottom = thing.box
        assert 0 <= left <= right <= 50
        assert 0 <= top <= bottom <= 40
    with pytest.raises(UsageError, match="labels"):
        model.predict(picture)


def test_what_is_no_picture_is_refused(tmp_path: Path) -> None:
    model = load(tiny_speech.captioner(tmp_path))
    with pytest.raises(InputError):
        model.predict(b"junk")
