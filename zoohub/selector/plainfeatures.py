"""Plain features of texts, pictures and sounds: good enough for a linear classifier to doubt a label, without torch."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

WIDTH = 1024  # hashed pieces of a text
LONGEST = 400  # characters of a text that are looked at
SIDE = 32  # pixels of a picture's side
CELL, ANGLES = 4, 8  # pixels of a cell's side, directions of edges
SECONDS = 5.0  # of a sound that are looked at
FRAME, BANDS, PARTS = 512, 24, 6  # samples of a frame, frequency bands, parts of the time


def of_text(text: str) -> Array:
    """Counts of hashed one- to three-character pieces, each damped, of unit length."""
    text = text[:LONGEST].lower()
    places = [
        zlib.crc32(text[i : i + n].encode()) % WIDTH for n in (1, 2, 3) for i in range(len(text) - n + 1)
    ]
    counts = np.bincount(np.array(places, dtype=np.int64), minlength=WIDTH) if places else np.zeros(WIDTH)
    damped: Array = np.log1p(counts)
    return damped / max(float(np.linalg.norm(damped)), 1e-9)


def of_image(file: Path) -> Array:
    """Directions of edges and mean colors in the cells of a thumbnail.

    Raises:
        OSError, ValueError, SyntaxError: it cannot be read as a picture.
    """
    from PIL import Image

    with Image.open(file) as image:
        image.draft("RGB", (2 * SIDE, 2 * SIDE))  # a JPEG is decoded small
        small = image.convert("RGB").resize((SIDE, SIDE))
    pixels = np.asarray(small, dtype=float) / 255.0
    down, across = np.gradient(pixels.mean(axis=2))
    strength = np.hypot(down, across)
    angle = ((np.arctan2(down, across) % np.pi) / np.pi * ANGLES).astype(int) % ANGLES
    edges = np.stack([_cells(np.where(angle == a, strength, 0.0)) for a in range(ANGLES)], axis=-1)
    edges /= np.linalg.norm(edges, axis=-1, keepdims=True) + 0.1
    colors = np.stack([_cells(pixels[..., c]) for c in range(3)], axis=-1)
    return np.concatenate([edges.ravel(), 0.5 * colors.ravel()])


def _cells(values: Array) -> Array:
    cells: Array = values.reshape(SIDE // CELL, CELL, SIDE // CELL, CELL).mean(axis=(1, 3))
    return cells


def of_sound(file: Path) -> Array:
    """Log energies of frequency bands, their mean and spread in parts of the time.

    Raises:
        OSError, ValueError, RuntimeError: it cannot be read as a sound.
    """
    import soundfile

    with soundfile.SoundFile(str(file)) as opened:
        rate = opened.samplerate
        wave = opened.read(int(SECONDS * rate), dtype="float64", always_2d=True).mean(axis=1)
    wave = np.pad(wave, (0, max(PARTS * FRAME - len(wave), 0)))
    frames = np.lib.stride_tricks.sliding_window_view(wave, FRAME)[:: FRAME // 2]
    power = np.abs(np.fft.rfft(frames * np.hanning(FRAME), axis=1)) ** 2
    bands = np.log(power @ _bands(rate).T + 1e-8)
    bands -= bands.mean()  # loudness says nothing
    parts = [bands[place] for place in np.array_split(np.arange(len(bands)), PARTS)]
    found: Array = np.concatenate([np.concatenate([part.mean(axis=0), part.std(axis=0)]) for part in parts])
    return found / 4.0


def _bands(rate: int) -> Array:
    """Triangles that are even on the mel scale: (bands x frequencies)."""
    top = 2595.0 * np.log10(1.0 + rate / 2 / 700.0)
    edges = 700.0 * (10.0 ** (np.linspace(0.0, top, BANDS + 2) / 2595.0) - 1.0)
    places = np.linspace(0.0, rate / 2, FRAME // 2 + 1)
    rise = (places[None, :] - edges[:-2, None]) / np.maximum(edges[1:-1] - edges[:-2], 1e-9)[:, None]
    fall = (edges[2:, None] - places[None, :]) / np.maximum(edges[2:] - edges[1:-1], 1e-9)[:, None]
    found: Array = np.maximum(np.minimum(rise, fall), 0.0)
    return found
