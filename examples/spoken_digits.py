"""Which digit was said? Features of a Whisper encoder with a head on top.

    python examples/spoken_digits.py WHISPER FOLDER [PER_CLASS]

WHISPER is a model id (openai/whisper-tiny.en) or a folder; FOLDER holds `{digit}_{speaker}_{number}.wav`
files as the Free Spoken Digit Dataset does. The speakers of the test are not those of the training.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import zoohub


def main(model: str, folder: Path, per_class: int = 20) -> float:
    files = sorted(folder.rglob("*_*_*.wav"))
    speakers = sorted({file.stem.split("_")[1] for file in files})
    held = speakers[-1]

    def rows(tested: bool) -> list[dict[str, str]]:
        chosen: dict[str, list[Path]] = {}
        for file in files:
            digit, speaker, _ = file.stem.split("_")
            if (speaker == held) == tested:
                chosen.setdefault(digit, []).append(file)
        return [{"audio": str(file), "label": digit} for digit, own in chosen.items()
                for file in own[:: max(1, len(own) // per_class)][:per_class]]  # fmt: skip

    with tempfile.TemporaryDirectory() as scratch:
        base = zoohub.load(model, task="audio-classification")
        tuned = base.finetune(rows(False), strategy="probe", output=Path(scratch, "digits"), register=False)
        measured = tuned.evaluate(rows(True))
    print(f"{held} was never heard before: {measured}")
    return measured.value


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(sys.argv[1], Path(sys.argv[2]), *map(int, sys.argv[3:4]))
