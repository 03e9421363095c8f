"""What is in a photo? FastestDet, an ONNX detector of 1 MB, with the labels of COCO.

    python examples/detection.py FastestDet.onnx [PHOTO]

Without a photo, the portrait of Grace Hopper that matplotlib brings is looked at.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from pathlib import Path

import zoohub

CONFIG = {"layout": "onnx", "architecture": "fastestdet", "label_names": "coco-80"}


def main(weights: Path, photo: Path | None) -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(weights, folder)
        Path(folder, "config.json").write_text(json.dumps(CONFIG))
        model = zoohub.load(folder, task="object-detection")
        found = model.predict(photo or portrait(), threshold=0.6)
    for thing in found:
        print(f"{thing.label:12} {thing.score:.2f}  " + " ".join(f"{edge:.0f}" for edge in thing.box))
    return [thing.label for thing in found]


def portrait() -> Path:
    import matplotlib

    return Path(matplotlib.get_data_path(), "sample_data", "grace_hopper.jpg")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else None)
