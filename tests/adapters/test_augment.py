"""Pictures shown another way each time: what is done to them, and that a seed fixes it."""

from __future__ import annotations

from pathlib import Path

import pytest

np = pytest.importorskip("numpy")
torch = pytest.importorskip("torch")
import tiny  # noqa: E402
from PIL import Image  # noqa: E402

from zoohub.adapters import load  # noqa: E402
from zoohub.adapters.augment import augmented  # noqa: E402

pytestmark = pytest.mark.models


def test_pictures_are_mirrored_and_moved_and_nothing_else() -> None:
    torch.manual_seed(3)
    ramp = torch.arange(16.0).expand(60, 3, 16, 16)  # brighter to the right, alike from top to bottom
    seen = augmented(ramp)
    assert seen.shape == ramp.shape
    assert seen.unique().tolist() == list(range(16))  # no new colors
    steps = seen[:, 0, 8, 4:12].diff(dim=1)
    assert {tuple(row) for row in steps.tolist()} == {(1.0,) * 7, (-1.0,) * 7}  # as it was, or mirrored
    assert len(seen[:, 0, 8, 8].unique()) > 3  # each moved by itself


def test_a_seed_fixes_how_pictures_are_shown_and_it_can_be_left(tmp_path: Path) -> None:
    base = load(tiny.vit(tmp_path))
    draws = np.random.default_rng(0)
    rows = [
        {
            "image": Image.fromarray(draws.integers(0, 256, (32, 32, 3), dtype=np.uint8)),
            "label": f"kind {n % 2}",
        }
        for n in range(12)
    ]
    settings = {"strategy": "full", "epochs": 1, "seed": 3, "eval": rows[:4], "register": False}
    one, two, plain = (
        base.finetune(rows, augment=augment, output=tmp_path / name, **settings).module.state_dict()
        for name, augment in (("a", True), ("b", True), ("c", False))
    )
    assert all(torch.equal(one[key], two[key]) for key in one)
    assert not all(torch.equal(one[key], plain[key]) for key in one)
