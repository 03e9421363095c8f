"""`probe` against the Hugging Face Trainer with a frozen backbone, on the same images, in one run.

python benchmarks/probe.py --model FOLDER --data FOLDER [--train 5000] [--epochs 5]

`--data` is an image folder with `train` and `test`; `--model` an image classifier in transformers' format.
Prints one JSON line: seconds and accuracy of both, the ratio, and the seconds of a second probe on the same
data.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path

import numpy as np


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument(
        "--data", default=os.environ.get("ZOO_BENCH_DATA"), required="ZOO_BENCH_DATA" not in os.environ
    )
    parser.add_argument("--train", type=int, default=5000)
    parser.add_argument("--test", type=int, default=1000)
    parser.add_argument("--epochs", type=int, default=5)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        os.environ["ZOO_HOME"] = str(Path(work) / "home")
        figures = ours(given, Path(work))
        figures |= theirs(given, Path(work))
    figures["ratio"] = figures["trainer_seconds"] / figures["probe_seconds"]
    print(json.dumps({name: round(value, 4) for name, value in figures.items()}))


def parts(given: argparse.Namespace):
    from zoohub.adapters.data import read

    whole = read(given.data, "image-classification")
    return tuple(some(part, count) for part, count in ((whole, given.train), (whole.held_out, given.test)))


def some(examples, count: int):
    places = np.random.default_rng(0).permutation(len(examples))[:count]
    return examples.pick(sorted(places.tolist()))


def ours(given: argparse.Namespace, work: Path) -> dict[str, float]:
    from zoohub.adapters import load

    train, test = parts(given)
    model = load(given.model if "/" not in given.model else Path(given.model))
    seconds, accuracy = [], 0.0
    for name in ("cold", "warm"):
        began = time.perf_counter()
        tuned = model.finetune(train, eval=test, strategy="probe", output=work / name)
        seconds.append(time.perf_counter() - began)
        run = json.loads((tuned.bundle.folder / "training.json").read_text())
        accuracy = run["evaluation"]["metrics"]["accuracy"]["value"]
    return {"probe_seconds": seconds[0], "second_probe_seconds": seconds[1], "probe_accuracy": accuracy}


def theirs(given: argparse.Namespace, work: Path) -> dict[str, float]:
    import torch
    from PIL import Image
    from transformers import AutoImageProcessor, AutoModelForImageClassification, Trainer, TrainingArguments

    train, test = parts(given)
    labels = train.labels
    began = time.perf_counter()
    processor = AutoImageProcessor.from_pretrained(given.model)
    module = AutoModelForImageClassification.from_pretrained(
        given.model, num_labels=len(labels), ignore_mismatched_sizes=True
    )
    for parameter in module.base_model.parameters():
        parameter.requires_grad = False

    class Pictures(torch.utils.data.Dataset):
        def __init__(self, examples) -> None:
            self.examples = examples

        def __len__(self) -> int:
            return len(self.examples)

        def __getitem__(self, place: int):
            picture = Image.open(self.examples.inputs[place]).convert("RGB")
            pixels = processor(picture, return_tensors="pt")["pixel_values"][0]
            return {"pixel_values": pixels, "labels": labels.index(self.examples.targets[place])}

    trainer = Trainer(
        model=module,
        args=TrainingArguments(
            str(work / "trainer"), num_train_epochs=given.epochs, per_device_train_batch_size=32,
            per_device_eval_batch_size=32, learning_rate=1e-3, report_to=[], save_strategy="no",
            disable_tqdm=True, remove_unused_columns=False, use_cpu=True,
        ),
        train_dataset=Pictures(train),
        compute_metrics=lambda found: {"accuracy": float((found.predictions.argmax(1) == found.label_ids).mean())},
    )  # fmt: skip
    trainer.train()
    accuracy = trainer.evaluate(Pictures(test))["eval_accuracy"]
    return {"trainer_seconds": time.perf_counter() - began, "trainer_accuracy": accuracy}


if __name__ == "__main__":
    main()
