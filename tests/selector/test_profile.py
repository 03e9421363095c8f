"""zoo profile: language, label noise, audio; broken files."""

from __future__ import annotations

import math
import random
import struct
import wave
from pathlib import Path

import pytest

from zoohub.errors import DataError
from zoohub.selector import profile
from zoohub.selector.dataprofile import by_script, language
from zoohub.selector.noise import suspects

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


def test_noise_is_warned_of(tmp_path: Path):
    texts, labels = reviews(0.3)
    rows = [f"{text},{label}" for text, label in zip(texts, labels, strict=True)]
    (tmp_path / "train.csv").write_text("text,label\n" + "\n".join(rows) + "\n")
    found = profile(tmp_path)
    assert found.noise > 0.2
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
