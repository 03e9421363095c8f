"""Hearing and speaking, on tiny models: both kinds of recognition, classes, speakers, voices."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tiny
import tiny_speech

from zoohub.adapters import load
from zoohub.adapters.results import Failed
from zoohub.errors import InputError, UsageError

pytestmark = pytest.mark.models
RATE = 16_000


def noise(seconds: float, seed: int = 0) -> np.ndarray:
    made: np.ndarray = (np.random.default_rng(seed).standard_normal(int(seconds * RATE)) * 0.1).astype(
        np.float32
    )
    return made


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Callable[[Path], Path]], Path]:
    made: dict[Callable[[Path], Path], Path] = {}

    def make(builder: Callable[[Path], Path]) -> Path:
        if builder not in made:
            made[builder] = builder(tmp_path_factory.mktemp(builder.__name__))
        return made[builder]

    return make


def test_the_kind_of_recognizer_follows_the_files(folder) -> None:
    assert type(load(folder(tiny_speech.whisper))).__name__ == "Whisper"
    assert type(load(folder(tiny_speech.ctc))).__name__ == "Ctc"


def test_whisper_hears_the_language_or_is_told(folder) -> None:
    model = load(folder(tiny_speech.whisper))
    assert model.predict(noise(1)).language in {"en", "zh"}
    assert model.predict(noise(1), language="zh").language == "zh"
    with pytest.raises(UsageError, match="en, zh"):
        model.predict(noise(1), language="de")
    with pytest.raises(UsageError, match="timestamps"):
        model.predict(noise(1), timestamps="letters")


def test_whisper_follows_long_sound_beyond_its_window(folder) -> None:
    model = load(folder(tiny_speech.whisper))
    result = model.predict(noise(45), language="en", timestamps=True)
    assert result.segments
    assert max(segment.end for segment in result.segments) > 30
    starts = [segment.start for segment in result.segments]
    assert starts == sorted(starts)


def test_english_only_models_refuse_other_languages(tmp_path: Path) -> None:
    def english(folder: Path) -> Path:
        return tiny_speech.whisper(folder, multilingual=False)

    model = load(english(tmp_path / "en"))
    assert model.predict(noise(1)).language == "en"
    with pytest.raises(UsageError, match="English only"):
        model.predict(noise(1), language="zh")
    with pytest.raises(UsageError, match="English only"):
        model.predict(noise(1), translate=True)


def test_ctc_batches_answer_as_single_ones_do(folder) -> None:
    model = load(folder(tiny_speech.ctc))
    sounds = [noise(1, 1), noise(2.3, 2), noise(0.4, 3)]
    together = model.predict(sounds)
    assert together == [model.predict(sound) for sound in sounds]
    assert all(result.text for result in together)


def test_ctc_cuts_long_sound_without_losing_or_doubling_frames(folder) -> None:
    model = load(folder(tiny_speech.ctc))
    long = noise(70)
    pieces = model.predict(long, timestamps=True)
    assert pieces.segments[-1].end <= 70.5
    model.window_seconds = 200
    whole = model.predict(long, timestamps=True)
    assert abs(len(pieces.text) - len(whole.text)) <= 0.02 * len(whole.text)


def test_ctc_reads_greedily_by_hand(folder) -> None:
    import torch

    model = load(folder(tiny_speech.ctc))
    sound = noise(1, 5)
    inputs = model.extractor(sound, sampling_rate=RATE, return_tensors="pt")
    with torch.inference_mode():
        best = model.module(**inputs).logits[0].argmax(-1).tolist()
    kept = [a for a, b in zip(best, [None, *best], strict=False) if a != b and a != 0]
    by_hand = "".join(tiny_speech.LETTERS[i] for i in kept).replace("|", " ").strip()
    assert model.predict(sound).text == " ".join(by_hand.split(" "))


def test_sound_classes_top_k_and_features(folder) -> None:
    model = load(folder(tiny_speech.sounds))
    (best,) = model.predict([noise(1)], top_k=2)
    assert best.label in tiny.LABELS
    assert len(best.labels) == 2
    vectors = model.embed([noise(1), noise(2)])
    assert vectors.shape == (2, 16)
    assert vectors.dtype == np.float32


def test_sound_classifier_batch_of_one_equals_batch_of_many(folder) -> None:
    model = load(folder(tiny_speech.sounds))
    sounds = [noise(1, 1), noise(1.7, 2), noise(0.6, 3)]
    together = [result.score for result in model.predict(sounds)]
    alone = [model.predict(sound).score for sound in sounds]
    np.testing.assert_allclose(together, alone, atol=1e-6)


def test_speakers_are_unit_vectors_and_verified_by_similarity(folder) -> None:
    model = load(folder(tiny_speech.speakers))
    vectors = model.embed([noise(1, 1), noise(1, 2)])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert model.similarity(noise(1, 1), noise(1, 1)) == pytest.approx(1, abs=1e-5)


def test_speech_is_repeatable_and_can_be_saved(folder, tmp_path: Path) -> None:
    import soundfile

    model = load(folder(tiny_speech.vits))
    first, again = model.predict("hello there"), model.predict("hello there")
    np.testing.assert_array_equal(first.samples, again.samples)
    assert first.rate == 16_000
    assert first.seconds > 0
    first.save(tmp_path / "said.wav")
    assert soundfile.info(tmp_path / "said.wav").samplerate == 16_000
    assert len(model.predict("hello there", speed=0.5).samples) > len(first.samples)
    with pytest.raises(InputError):
        model.predict("  ")


def test_a_broken_recording_does_not_stop_the_rest(folder) -> None:
    model = load(folder(tiny_speech.ctc))
    good, bad, also = model.predict([noise(1), b"junk", noise(1, 2)], strict=False)
    assert good.text
    assert also.text
    assert isinstance(bad, Failed)


@pytest.mark.parametrize(
    "builder", [tiny_speech.ctc, tiny_speech.sounds, tiny_speech.speakers, tiny_speech.vits]
)
def test_written_folders_load_and_answer_the_same(folder, builder, tmp_path: Path) -> None:
    model = load(folder(builder))
    given = "hello" if builder is tiny_speech.vits else noise(1)
    tmp_path.joinpath("copy").mkdir()
    model.write(tmp_path / "copy")
    again = load(tmp_path / "copy", task=model.task)
    one, two = model.predict(given), again.predict(given)
    assert one.to_dict() == two.to_dict()


def test_whisper_rows_are_of_one_shape_and_give_a_loss(folder) -> None:
    """Whisper learns from features and tokens of one shape, whatever the length of the sound."""
    model = load(folder(tiny_speech.whisper))
    rows = [
        row for sound, text in ((noise(1), "a b"), (noise(3), "hello")) for row in model.learn(sound, text)
    ]
    batch = model.collate(rows)
    assert batch["input_features"].shape == (2, 80, 3000)
    assert (batch["labels"] == -100).any()
    assert model.trainer_module()(**batch).loss.isfinite()


def test_ctc_and_classes_give_a_loss_to_learn_from(folder) -> None:
    model = load(folder(tiny_speech.ctc))
    rows = [row for sound, text in ((noise(1), "ab"), (noise(2), "abc")) for row in model.learn(sound, text)]
    assert model.trainer_module()(**model.collate(rows)).loss.isfinite()
    other = load(folder(tiny_speech.sounds)).relabel(["yes", "no"])
    rows = [row for sound, word in ((noise(1), "yes"), (noise(2), "no")) for row in other.learn(sound, word)]
    assert other.trainer_module()(**other.collate(rows)).loss.isfinite()
    assert other.head().out_features == 2
