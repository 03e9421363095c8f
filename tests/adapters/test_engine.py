"""The faster copy of convolutional modules: equal to the module, or not taken."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
import tiny  # noqa: E402

from zoohub.adapters import load  # noqa: E402
from zoohub.adapters.engine import compiled  # noqa: E402

pytestmark = pytest.mark.models


def test_the_copy_answers_as_the_module(tmp_path: Path) -> None:
    model = load(tiny.timm_resnet(tmp_path))
    pictures = torch.rand(4, 3, 32, 32)
    with torch.inference_mode():
        fast = compiled(model.logits, model.module, pictures[:2])
        assert fast is not model.logits
        for count in (1, 2, 4):
            assert torch.allclose(fast(pictures[:count]), model.logits(pictures[:count]), atol=1e-4)


def test_a_module_that_does_not_repeat_itself_goes_on_as_it_is(tmp_path: Path) -> None:
    model = load(tiny.timm_resnet(tmp_path))
    with torch.inference_mode():
        noisy = compiled(lambda x: model.logits(x) + torch.rand(3), model.module, torch.rand(2, 3, 32, 32))
    assert noisy is None


def test_making_the_copy_says_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    import logging

    model = load(tiny.timm_resnet(tmp_path))
    talk = logging.getLogger("transformers.modeling_utils")

    def remarking(pixels: torch.Tensor) -> torch.Tensor:
        talk.warning("the loss is none of mine")
        return model.logits(pixels)

    with torch.inference_mode():
        assert compiled(remarking, model.module, torch.rand(2, 3, 32, 32)) is not None
    assert not caplog.records
    talk.warning("the loss is none of mine")
    assert caplog.records


@pytest.mark.parametrize("fused", [False, True])
def test_the_copy_follows_the_weights_whoever_changes_them(tmp_path: Path, fused: bool) -> None:
    model = load(tiny.timm_resnet(tmp_path))
    pictures = list((torch.rand(70, 32, 32, 3) * 255).to(torch.uint8).numpy())

    def scores() -> list[float]:
        return [answer.score for answer in model.predict(pictures)]

    before = scores()
    optimizer = torch.optim.AdamW(model.module.parameters(), lr=0.05, fused=fused)
    model.logits(torch.rand(4, 3, 32, 32)).square().sum().backward()
    optimizer.step()
    after = scores()
    with torch.inference_mode():
        plain = model.logits(model.pixels([model.prepare(picture) for picture in pictures])).softmax(1)
    assert after != pytest.approx(before, abs=1e-3)
    assert after == pytest.approx(plain.amax(1).tolist(), abs=1e-3)
