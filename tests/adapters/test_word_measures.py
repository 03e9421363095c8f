"""What answers, captions and spoken texts are measured by, beside figures by hand and other programs."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("numpy")

from zoohub.adapters.data import read
from zoohub.adapters.metrics import measure
from zoohub.adapters.results import Answer, Text, Transcript
from zoohub.adapters.word_measures import texts_of
from zoohub.errors import UsageError

pytestmark = pytest.mark.models


@pytest.mark.parametrize(
    ("target", "texts"),
    [
        ("Paris", ["Paris"]), ("", []), ([], []), (3, ["3"]), (["a", "b"], ["a", "b"]),
        ({"text": ["a", "b"], "answer_start": [0, 4]}, ["a", "b"]), ([{"text": "a", "answer_start": 3}], ["a"]),
        ([{"answer": "yes", "answer_id": 1}, {"answer": "no", "answer_id": 2}], ["yes", "no"]),
    ],
)  # fmt: skip
def test_accepted_texts_out_of_every_layout(target: Any, texts: list[str]) -> None:
    assert texts_of(target) == texts


@pytest.mark.parametrize(("people", "score"), [(0, 0.0), (1, 0.3), (2, 0.6), (3, 0.9), (4, 1.0), (10, 1.0)])
def test_vqa_accuracy_is_what_its_authors_define(people: int, score: float) -> None:
    ten = [{"answer": "A red bus."}] * people + [{"answer": f"other {i}"} for i in range(10 - people)]
    found = measure("visual-question-answering", [ten], [Answer("red bus", 1.0)])
    assert found.main == "VQA accuracy"
    assert found["VQA accuracy"] == pytest.approx(score)


@pytest.mark.parametrize(
    ("said", "wanted"),
    [("Two.", "2"), ("it's the cat", "its cat"), ("1,000", "1000"), ("t-shirt", "T shirt"), ("3.5", "3.5 "),
     ("none", "0"), ("蓝色。", "蓝色")],
)  # fmt: skip
def test_answers_to_pictures_are_compared_without_their_dress(said: str, wanted: str) -> None:
    assert measure("visual-question-answering", [wanted], [Answer(said, 1.0)])["VQA accuracy"] == 1
    assert measure("visual-question-answering", [f"not {wanted}"], [Answer(said, 1.0)])["VQA accuracy"] == 0


def test_anls_by_hand() -> None:
    targets = [["hallo", "12 March"], "12/03/1999", ["ab"]]
    said = [Answer("Hello", 1.0), Answer("12/03/1998", 1.0), Answer("xb", 1.0)]
    found = measure("document-question-answering", targets, said)
    assert found.main == "ANLS"
    assert found["ANLS"] == pytest.approx((0.8 + 0.9 + 0) / 3)  # one letter of five, of ten; half is too far
    assert found["exact match"] == 0
    assert found.metrics["ANLS"].low <= found["ANLS"] <= found.metrics["ANLS"].high


def test_cider_by_hand() -> None:
    targets = [["a cat sits"], ["a dog runs", "a dog runs"]]
    found = measure("image-to-text", targets, [Text("A cat sits."), Text("a dog sits")])
    # the first: likeness 1 for one, two and three words, none of four; the second: half of the rare words and pairs
    assert found["CIDEr"] == pytest.approx((10 * 3 / 4 + 10 * (0.5 + 0.5) / 4) / 2)
    assert found.main == "CIDEr"
    assert "CER" not in found.metrics


def test_cider_counts_no_word_twice_and_punishes_length() -> None:
    targets = ["one cat", "two dogs"]
    found = measure("image-to-text", targets, [Text("cat cat cat cat"), Text("two dogs")])
    alone = (1 / (math.sqrt(2) * 4)) / 4 * math.exp(-(2**2) / 72) * 10
    assert found["CIDEr"] == pytest.approx((alone + 10 * 2 / 4) / 2)
    assert found["CER"] == pytest.approx(11 / 15)  # of seven and eight letters


def test_several_translations_count_as_sacrebleu_counts_them() -> None:
    sacrebleu = pytest.importorskip("sacrebleu")
    first = ["the cat sat on the mat", "there is a house on the hill", "he reads"]
    second = ["a cat is sitting on the mat", "a house stands on a hill", "he is reading a book"]
    said = ["the cat is sitting on the mat", "there is a house on a hill", "he is reading"]
    found = measure(
        "translation", [list(pair) for pair in zip(first, second, strict=True)], list(map(Text, said))
    )
    assert found["BLEU"] == pytest.approx(sacrebleu.corpus_bleu(said, [first, second]).score)
    assert found["chrF"] == pytest.approx(sacrebleu.corpus_chrf(said, [first, second]).score)


def test_the_best_of_several_summaries_counts() -> None:
    found = measure(
        "summarization", [["nothing alike", "a long day"], ["短 文"]], [Text("a long day"), Text("短文")]
    )
    assert found["ROUGE-L"] == 1


def test_transcripts_by_hand() -> None:
    heard = [Transcript("the cat sit"), Transcript("good")]
    found = measure("automatic-speech-recognition", ["The cat sat.", "good morning"], heard)
    assert list(found.metrics) == ["WER", "CER"]
    assert found["WER"] == pytest.approx(2 / 5)
    assert found["CER"] == pytest.approx((1 + 7) / (9 + 11))


def test_captions_of_coco_are_read(tmp_path: Path) -> None:
    (tmp_path / "captions.json").write_text(
        '{"images": [{"id": 7, "file_name": "7.jpg"}, {"id": 8, "file_name": "8.jpg"}], "annotations": ['
        '{"image_id": 7, "caption": "a cat"}, {"image_id": 8, "caption": "a dog"}, {"image_id": 7, "caption": "cats"}]}'
    )
    found = read(tmp_path / "captions.json", "image-to-text")
    assert found.targets == [["a cat", "cats"], ["a dog"]]
    assert found.inputs == [str(tmp_path / "7.jpg"), str(tmp_path / "8.jpg")]


def test_speech_is_measured_by_a_recognizer_that_is_named(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    import tiny_speech

    from zoohub.adapters import load

    speaker = load(tiny_speech.vits(tmp_path / "vits"))
    recognizer = load(tiny_speech.whisper(tmp_path / "whisper", multilingual=False))
    texts = ["good hotel", "the food was good"]
    rows = [{"text": text} for text in texts]
    found = speaker.evaluate(rows, recognizer=recognizer)
    heard = [recognizer.predict(speaker.predict(text)) for text in texts]
    assert found["WER"] == measure("automatic-speech-recognition", texts, heard)["WER"]
    assert found.conditions == (f"heard by {recognizer.id}",)
    assert found.to_dict()["conditions"] == list(found.conditions)
    assert recognizer.id in str(found)
    with pytest.raises(UsageError, match="recognizer"):
        speaker.evaluate(rows)
