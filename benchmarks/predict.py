"""`predict` and `load` beside the pipeline and the loading of transformers: same files, same inputs, in one run.

    python benchmarks/predict.py texts  --model FOLDER --data TABLE.csv [--column review] [--count 2000]
    python benchmarks/predict.py photos --model FOLDER [--data FOLDER] [--count 1000]
    python benchmarks/predict.py load   --model FOLDER | --megabytes 1000

`texts` needs a text classifier (an encoder gets a last layer under a seed) and a table with texts of mixed length,
`photos` an image classifier; without `--data` its photos are cut out of those that scikit-learn and matplotlib ship.
Each side runs in processes of its own, in turns. One JSON line: the medians in seconds, the peak memory of each side's
process, the ratio to the faster peer (above 1: zoohub is faster) in time and in processor time, which other work on
the machine disturbs less, and how far the answers differ. A run whose answers differ fails.
"""

from __future__ import annotations

import argparse
import csv
import gc
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

TOLERANCE = {
    "texts": 1e-3,
    "photos": 2e-2,
}  # of a probability; the pipeline scales photos by another library's code


def main() -> None:
    given = arguments()
    if given.side:
        print(json.dumps(SIDES[given.what, given.side](given)))
        return
    with tempfile.TemporaryDirectory() as work:
        os.environ |= {"ZOO_HOME": str(Path(work, "home")), "HF_HUB_OFFLINE": "1"}
        prepare(given, Path(work))
        print(json.dumps(compared(given, measured(given))))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["texts", "photos", "load"])
    parser.add_argument("--model", help="a folder with a model in transformers' format")
    parser.add_argument("--data", help="a csv (texts) or a folder of pictures (photos)")
    parser.add_argument("--column", default="review", help="the column of the texts")
    parser.add_argument("--count", type=int, help="how many inputs (texts: 2000, photos: 1000)")
    parser.add_argument("--megabytes", type=int, default=1000, help="load: the size of a model made for it")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--side", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.what != "load" and not given.model:
        parser.error(f"{given.what} needs --model")
    if given.what == "texts" and not given.data:
        parser.error("texts needs --data")
    given.count = given.count or {"texts": 2000, "photos": 1000}.get(given.what, 0)
    return given


# --- both sides, each in a process of its own -------------------------------------------------------


def measured(given: argparse.Namespace) -> dict[str, list[dict[str, Any]]]:
    sides = [side for what, side in SIDES if what == given.what]
    found: dict[str, list[dict[str, Any]]] = {side: [] for side in sides}
    for _ in range(given.rounds):
        for side in sides:
            shown = ["--model", given.model, "--column", given.column, "--count", str(given.count)]
            shown += ["--data", given.data] if given.data else []
            command = [sys.executable, __file__, given.what, *shown, "--side", side]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            found[side].append(json.loads(done.stdout.splitlines()[-1]))
    return found


def compared(given: argparse.Namespace, found: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    seconds = {side: median(run["seconds"] for run in runs) for side, runs in found.items()}
    peaks = {side: max(run["peak_mb"] for run in runs) for side, runs in found.items()}
    fastest = min((side for side in seconds if side != "zoohub"), key=lambda side: seconds[side])
    result: dict[str, Any] = {"benchmark": f"predict {given.what}", "rounds": given.rounds}
    if given.count:
        result["count"] = given.count
    result |= {"seconds": {side: round(value, 3) for side, value in seconds.items()}, "peak_mb": peaks}
    result["ratio"] = round(seconds[fastest] / seconds["zoohub"], 3)
    result["memory_ratio"] = round(peaks["zoohub"] / peaks[fastest], 3)
    if given.what == "load":
        weights = sum(f.stat().st_size for f in Path(given.model).glob("*.safetensors")) / 1e6
        result["weights_mb"] = round(weights)
        result["time_over_library"] = round(seconds["zoohub"] / seconds[fastest], 3)
        result["again_over_library"] = round(_again(found["zoohub"]) / _again(found[fastest]), 3)
        result["peak_over_weights"] = round(_grown(found["zoohub"]) / weights, 3)
        result["library_peak_over_weights"] = round(_grown(found[fastest]) / weights, 3)
        return result
    busy = {side: median(run["cpu"] for run in runs) for side, runs in found.items()}
    result["processor_ratio"] = round(
        min(busy[side] for side in busy if side != "zoohub") / busy["zoohub"], 3
    )
    result["difference"] = difference(found["zoohub"][0]["answers"], found[fastest][0]["answers"])
    if result["difference"] > TOLERANCE[given.what]:
        sys.exit(f"The answers differ: {json.dumps(result)}")
    return result


def _again(runs: Sequence[dict[str, Any]]) -> float:
    return median(run["again"] for run in runs)


def _grown(runs: Sequence[dict[str, Any]]) -> float:
    return median(run["grown_mb"] for run in runs)


def difference(ours: Sequence[Any], theirs: Sequence[Any]) -> float:
    """The largest difference between the probabilities that both give the label which the peer puts first."""
    assert len(ours) == len(theirs)
    return round(max(abs(dict(map(tuple, a)).get(b[0][0], 0.0) - b[0][1])
                     for a, b in zip(ours, theirs, strict=True)), 6)  # fmt: skip


def peak_mb() -> float:
    """The most that this process held; on Linux not counting its parent's, as `getrusage` does."""
    status = Path("/proc/self/status")
    if not status.is_file():
        return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
    return round(int(line.split()[1]) / 1024, 1)


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    began = time.perf_counter()
    done = work()
    return time.perf_counter() - began, done


def answered(work: Callable[[], Sequence[Any]], pair: Callable[[Any], Any]) -> dict[str, Any]:
    """Wall and processor time of `work`, the peak memory after it, and its answers as pairs."""
    before = time.process_time()
    seconds, answers = timed(work)
    used = time.process_time() - before
    return {
        "seconds": seconds,
        "cpu": used,
        "peak_mb": peak_mb(),
        "answers": [list(map(pair, row)) for row in answers],
    }


# --- texts and photos -------------------------------------------------------------------------------


def ours(given: argparse.Namespace) -> dict[str, Any]:
    import zoohub

    inputs = INPUTS[given.what](given)
    model = zoohub.load(Path(given.model))
    return answered(lambda: model.predict(inputs), lambda label: (label.label, label.score))


def pipeline_of(batch_size: int) -> Callable[[argparse.Namespace], dict[str, Any]]:
    def theirs(given: argparse.Namespace) -> dict[str, Any]:
        from transformers import pipeline
        from transformers.utils import logging

        logging.set_verbosity_error()
        inputs = INPUTS[given.what](given)
        task, more = TASKS[given.what]
        peer = pipeline(task, model=given.model, batch_size=batch_size, top_k=5)
        return answered(lambda: list(peer(inputs, **more)), lambda label: (label["label"], label["score"]))

    return theirs


TASKS: dict[str, tuple[str, dict[str, Any]]] = {
    "texts": ("text-classification", {"truncation": True}),
    "photos": ("image-classification", {}),
}


def texts(given: argparse.Namespace) -> list[str]:
    with open(given.data, encoding="utf-8-sig", newline="") as file:
        rows = [row[given.column] for row in csv.DictReader(file) if row[given.column].strip()]
    step = max(1, len(rows) // given.count)
    return rows[::step][: given.count]


def photos(given: argparse.Namespace) -> list[str]:
    from zoohub.adapters.images import image_files

    files = image_files(Path(given.data))
    step = max(1, len(files) // given.count)
    return [str(file) for file in files[::step][: given.count]]


INPUTS: dict[str, Callable[[argparse.Namespace], list[str]]] = {"texts": texts, "photos": photos}


# --- loading ----------------------------------------------------------------------------------------


def our_loading(given: argparse.Namespace) -> dict[str, Any]:
    def first() -> Any:
        import zoohub

        return zoohub.load(Path(given.model)).module

    return loading(first)


def library_loading(given: argparse.Namespace) -> dict[str, Any]:
    def first() -> Any:
        import transformers

        config = transformers.AutoConfig.from_pretrained(given.model)
        family = getattr(transformers, config.architectures[0])
        has_eyes = hasattr(config, "image_size")
        reader = transformers.AutoImageProcessor if has_eyes else transformers.AutoTokenizer
        reader.from_pretrained(given.model)
        return family.from_pretrained(given.model).eval()

    return loading(first)


def loading(load: Callable[[], Any]) -> dict[str, Any]:
    """The first load with all imports; the median of five more, and how far the first of these raises the memory.

    Loaded weights are mapped, not read, so every number is touched once before the peak is taken.
    """
    seconds, kept = timed(load)
    again, risen = [], 0.0
    for turn in range(5):
        del kept
        gc.collect()
        before = rss_mb() if turn == 0 else 0.0
        taken, kept = timed(load)
        again.append(taken)
        if turn == 0:
            _ = [float(weights.sum()) for weights in kept.parameters()]
            risen = peak_mb() - before
    return {"seconds": seconds, "peak_mb": peak_mb(), "grown_mb": risen, "again": median(again)}


def rss_mb() -> float:
    """What this process holds now; the peak begins anew here (Linux)."""
    Path("/proc/self/clear_refs").write_text("5")
    return peak_mb()


SIDES: dict[tuple[str, str], Callable[[argparse.Namespace], dict[str, Any]]] = {
    ("texts", "zoohub"): ours,
    ("texts", "pipeline(32)"): pipeline_of(32),
    ("photos", "zoohub"): ours,
    ("photos", "pipeline(1)"): pipeline_of(1),
    ("photos", "pipeline(32)"): pipeline_of(32),
    ("load", "zoohub"): our_loading,
    ("load", "transformers"): library_loading,
}


# --- what is made for a run -------------------------------------------------------------------------


def prepare(given: argparse.Namespace, work: Path) -> None:
    if given.what == "load" and not given.model:
        given.model = str(made_model(work / "model", given.megabytes))
    if given.what == "texts":
        given.model = str(classifier(Path(given.model), work / "classifier"))
    if given.what == "photos" and not given.data:
        given.data = str(made_photos(work / "photos", given.count))


def made_model(folder: Path, megabytes: int) -> Path:
    """A BERT classifier of about that size, with random weights."""
    import transformers

    sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "adapters"))
    import tiny

    folder.mkdir()
    size = tiny.word_tokenizer(folder)
    layers = max(1, round(megabytes / 50.4))  # a layer of this width has 12.6 million numbers
    config = transformers.BertConfig(vocab_size=size, hidden_size=1024, num_hidden_layers=layers,
                                     num_attention_heads=16, intermediate_size=4096)  # fmt: skip
    transformers.BertForSequenceClassification(config).save_pretrained(folder, max_shard_size="100GB")
    return folder


def classifier(folder: Path, place: Path) -> Path:
    """The folder itself if it holds a classifier, else a copy with a last layer under a seed."""
    import torch
    import transformers

    config = transformers.AutoConfig.from_pretrained(folder)
    if any("ForSequenceClassification" in name for name in config.architectures or ()):
        return folder
    torch.manual_seed(0)
    transformers.AutoModelForSequenceClassification.from_pretrained(folder, num_labels=2).save_pretrained(
        place
    )
    transformers.AutoTokenizer.from_pretrained(folder).save_pretrained(place)
    return place


def made_photos(folder: Path, count: int) -> Path:
    """Different pieces of real photos, of different sizes, as JPEG."""
    import numpy as np
    from matplotlib import cbook
    from PIL import Image
    from sklearn.datasets import load_sample_images

    folder.mkdir()
    whole = [Image.fromarray(picture) for picture in load_sample_images().images]
    with cbook.get_sample_data("grace_hopper.jpg") as file:
        whole.append(Image.open(file).convert("RGB"))
    draws = np.random.default_rng(0)
    for number in range(count):
        picture = whole[number % len(whole)]
        share = draws.uniform(0.4, 1.0)
        width, height = int(picture.width * share), int(picture.height * share)
        left, top = (int(draws.integers(0, whole_side - side + 1))
                     for whole_side, side in ((picture.width, width), (picture.height, height)))  # fmt: skip
        piece = picture.crop((left, top, left + width, top + height))
        longer = int(draws.integers(400, 1000))
        scale = longer / max(width, height)
        piece.resize((round(width * scale), round(height * scale)), Image.Resampling.BICUBIC).save(
            folder / f"{number:05}.jpg", quality=90
        )
    return folder


if __name__ == "__main__":
    main()
