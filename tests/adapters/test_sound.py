"""Reading sound: from every holder, at any rate, and what is no sound."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

from zoohub.adapters.results import Audio
from zoohub.adapters.sound import read_audio, windows
from zoohub.errors import InputError

soundfile = pytest.importorskip("soundfile")
RATE = 16_000


@pytest.fixture
def tone() -> np.ndarray:
    return (0.5 * np.sin(np.arange(RATE) * 440 * 2 * np.pi / RATE)).astype(np.float32)


def test_path_bytes_array_pair_cell_and_result_are_one_sound(tmp_path: Path, tone: np.ndarray) -> None:
    path = tmp_path / "音.wav"
    soundfile.write(path, tone, RATE, subtype="FLOAT")
    buffer = io.BytesIO()
    soundfile.write(buffer, tone, RATE, format="WAV", subtype="FLOAT")
    forms = [
        path, str(path), buffer.getvalue(), tone, tone.tolist(), (tone, RATE), Audio(tone, RATE),
        {"array": tone, "sampling_rate": RATE}, {"path": str(path), "bytes": None},
    ]  # fmt: skip
    for form in forms:
        np.testing.assert_allclose(read_audio(form, RATE), tone, atol=1e-6)


def test_other_rates_are_resampled_and_channels_averaged(tone: np.ndarray) -> None:
    slow = read_audio((tone, RATE), 8_000)
    assert abs(len(slow) - 8_000) <= 1
    spectrum = np.abs(np.fft.rfft(slow))
    assert abs(spectrum.argmax() - 440) <= 2
    np.testing.assert_allclose(read_audio((np.stack([tone, -tone], 1), RATE), RATE), 0, atol=1e-6)


def test_whole_numbers_are_scaled() -> None:
    loud = read_audio(np.array([32767, -32767, 0], np.int16), RATE)
    np.testing.assert_allclose(loud, [1, -1, 0], atol=1e-4)


@pytest.mark.parametrize(
    "broken", [b"no sound at all", [], np.zeros(0), np.full(9, np.nan), object(), np.zeros((2, 2, 2))]
)
def test_what_is_no_sound_says_so(broken: object) -> None:
    with pytest.raises(InputError):
        read_audio(broken, RATE)


def test_a_missing_file_and_a_text_file_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.wav: no such file"):
        read_audio(tmp_path / "gone.wav", RATE)
    (tmp_path / "text.wav").write_text("hello")
    with pytest.raises(InputError, match=r"text\.wav is no sound"):
        read_audio(tmp_path / "text.wav", RATE)


@pytest.mark.parametrize("length", [1, 99, 100, 101, 150, 1000, 1001])
def test_windows_answer_for_each_sample_once(length: int) -> None:
    seen: list[int] = []
    for start, stop, keep_from, keep_to in windows(length, 100, 10):
        assert start <= keep_from < keep_to <= stop
        assert stop - start <= 100
        seen += range(keep_from, keep_to)
    assert seen == list(range(length))
