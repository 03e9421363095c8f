"""zoo profile: language, label noise, audio; broken files."""

from __future__ import annotations

import math
import random
import struct
import wave
from pathlib import Path

import pytest

from zoohub.errors import DataError
from zoohub.selector import noise, plainfeatures, profile
from zoohub.selector.dataprofile import by_script, language

GOOD = [
    "friendly",
    "staff",
    "clean",
    "room",
    "lovely",
    "breakfast",
    "great",
    "view",
    "quiet",
    "garden",
    "would",
    "come",
    "again",
]
BAD = [
    "dirty",
    "bathroom",
    "rude",
    "staff",
    "noisy",
    "street",
    "broken",
    "heating",
    "awful",
    "smell",
    "never",
    "again",
    "refund",
]


def reviews(wrong: float, count: int = 600) -> tuple[list[str], list[str]]:
    """Texts of two kinds of words, a share of them with the wrong label."""
    dice = random.Random(0)
    texts, labels = [], []
    for n in range(count):
        words = GOOD if n % 2 else BAD
        texts.append(" ".join(dice.choices(words, k=8)))
        labels.append(str((n % 2) ^ (dice.random() < wrong)))
    return texts, labels


def suspects(texts: list[str], labels: list[str]) -> float | None:
    return noise.suspects(texts, labels, plainfeatures.of_text)


def test_the_estimate_follows_the_wrong_labels():
    clean, some, many = (suspects(*reviews(share)) for share in (0.0, 0.1, 0.25))
    assert clean < 0.05
    assert 0.05 < some < 0.2
    assert some < many < 0.45


def test_too_little_says_nothing_of_noise():
    texts, labels = reviews(0.1, 50)
    assert suspects(texts, labels) is None
    assert suspects(["a"] * 200, ["1"] * 200) is None
    assert suspects(["a"] * 200, ["1"] * 195 + ["2"] * 5) is None


def tone(file: Path, pitch: float, dice: random.Random) -> None:
    """Half a second of a hum at about `pitch` hertz in hiss."""
    with wave.open(str(file), "wb") as opened:
        opened.setparams((1, 2, 8000, 0, "NONE", ""))
        step = 2 * math.pi * pitch * dice.uniform(0.9, 1.1) / 8000
        values = (int(8000 * math.sin(n * step) + dice.gauss(0, 900)) for n in range(4000))
        opened.writeframes(b"".join(struct.pack("<h", value) for value in values))


def picture(file: Path, upright: bool, dice: random.Random) -> None:
    """Stripes that stand or lie, in any two colors."""
    image = pytest.importorskip("PIL.Image")
    colors = [tuple(dice.randrange(256) for _ in range(3)) for _ in range(2)]
    made, width = image.new("RGB", (40, 40)), dice.randint(4, 7)
    for x in range(40):
        for y in range(40):
            made.putpixel((x, y), colors[((x if upright else y) // width) % 2])
    made.save(file)


@pytest.mark.parametrize("kind", ["image", "audio"])
def test_wrong_labels_of_pictures_and_sounds_are_estimated(tmp_path: Path, kind: str):
    pytest.importorskip("soundfile" if kind == "audio" else "PIL")
    found = {}
    for share in (0.0, 0.2):
        dice, root = random.Random(0), tmp_path / str(share)
        for label in ("0", "1"):
            (root / label).mkdir(parents=True)
        for n in range(120):
            label = str((n % 2) ^ (dice.random() < share))
            if kind == "audio":
                tone(root / label / f"{n}.wav", 300 if n % 2 else 700, dice)
            else:
                picture(root / label / f"{n}.png", bool(n % 2), dice)
        found[share] = profile(root)
        assert found[share].kind == kind
    assert found[0.0].noise < 0.05
    assert 0.1 < found[0.2].noise < 0.5
    assert any("look wrong" in warning for warning in found[0.2].warnings)


def test_a_classifier_that_cannot_tell_the_classes_is_no_judge():
    texts, labels = reviews(0.5)
    assert suspects(texts, labels) is None


def test_noise_is_warned_of(tmp_path: Path):
    texts, labels = reviews(0.2)
    rows = [f"{text},{label}" for text, label in zip(texts, labels, strict=True)]
    (tmp_path / "train.csv").write_text("text,label\n" + "\n".join(rows) + "\n")
    found = profile(tmp_path)
    assert found.noise > 0.1
    assert any("look wrong" in warning for warning in found.warnings)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("The room was clean and the staff very friendly.", "en"),
        ("Das Zimmer war sauber und das Personal sehr freundlich.", "de"),
        ("La chambre était propre et le personnel très aimable.", "fr"),
        ("La habitación estaba limpia y el personal muy amable.", "es"),
        ("房间很干净，服务员也很热情。", "zh"),
    ],
)
def test_languages_are_told_by_their_words(text: str, code: str):
    pytest.importorskip("py3langid")
    assert language([text] * 5) == code


def test_without_words_the_script_tells():
    assert by_script(["Комната была чистой"]) == "ru"
    assert by_script(["한국어 문장입니다"]) == "ko"
    assert by_script(["plain English"]) is None
    assert language(["123 456", "!!!"]) is None


def test_sounds_have_a_rate_and_a_length(tmp_path: Path):
    pytest.importorskip("soundfile")
    for label in ("hum", "beep"):
        (tmp_path / label).mkdir()
        with wave.open(str(tmp_path / label / "a.wav"), "wb") as file:
            file.setparams((1, 2, 8000, 0, "NONE", ""))
            values = (int(9000 * math.sin(n / (4 if label == "hum" else 9))) for n in range(4000))
            file.writeframes(b"".join(struct.pack("<h", value) for value in values))
    (tmp_path / "hum" / "broken.wav").write_bytes(b"RIFF but no sound")
    found = profile(tmp_path)
    assert (found.kind, found.length, found.channels) == ("audio", (0.5, 0.5, 0.5), {"8000 Hz": 2})
    assert len(found.broken) == 1


def test_a_table_that_is_no_table(tmp_path: Path):
    file = tmp_path / "train.csv"
    file.write_bytes(b"\xff\xfe\x00binary\x00")
    with pytest.raises(DataError, match="cannot be read"):
        profile(file)


def test_labels_that_differ_in_every_row_are_no_classes(tmp_path: Path):
    file = tmp_path / "pairs.csv"
    file.write_text("text,target\n" + "".join(f"a house {n},ein Haus {n}\n" for n in range(40)))
    found = profile(file)
    assert found.classes == {}
    assert found.smallest_class is None
    assert found.warnings == ("nearly every label is another: they are no classes",)


def test_few_words_tell_no_language(tmp_path: Path):
    pytest.importorskip("py3langid")
    assert language([f"hello {n}" for n in range(40)]) is None


def test_labels_that_spell_a_missing_value_are_warned_of(tmp_path: Path):
    file = tmp_path / "reviews.csv"
    file.write_text(
        "text,label\n" + "".join(f"stay {n},{('nan', 'good', 'bad')[n % 3]}\n" for n in range(30))
    )
    assert "10 labels are 'nan': are they missing?" in profile(file).warnings
