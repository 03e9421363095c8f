"""Which modules can recompute their activations, and that they do so where they are trained."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from zoohub.adapters.recompute import blocks, recompute  # noqa: E402
from zoohub.errors import CapabilityError  # noqa: E402

pytestmark = pytest.mark.models


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("resnet18", 8), ("mobilenet_v2", 17), ("efficientnet_b0", 16), ("vit_b_16", 12), ("swin_t", 12),
        ("convnext_tiny", 18), ("densenet121", 4),
    ],
)  # fmt: skip
def test_blocks_of_torchvision(name: str, count: int) -> None:
    torchvision = pytest.importorskip("torchvision")
    with torch.device("meta"):
        assert len(blocks(torchvision.models.get_model(name, weights=None))) >= count


@pytest.mark.parametrize("name", ["resnet50", "vit_tiny_patch16_224", "mobilenetv2_100", "tf_efficientnet_lite0",
                                  "convnext_atto", "swin_tiny_patch4_window7_224"])  # fmt: skip
def test_blocks_of_timm(name: str) -> None:
    timm = pytest.importorskip("timm")
    with torch.device("meta"):
        assert len(blocks(timm.create_model(name, pretrained=False))) >= 12


def test_a_plain_stack_of_layers_has_nothing_to_recompute() -> None:
    torchvision = pytest.importorskip("torchvision")
    with torch.device("meta"), pytest.raises(CapabilityError, match=r"VGG .* no chain of blocks"):
        recompute(torchvision.models.get_model("vgg11", weights=None))


def test_blocks_run_twice_in_training_and_once_otherwise() -> None:
    runs = 0

    class Block(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two = torch.nn.Linear(4, 4), torch.nn.Linear(4, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            nonlocal runs
            runs += 1
            return self.two(torch.relu(self.one(x)))

    chain = torch.nn.Sequential(torch.nn.Sequential(Block(), Block()), torch.nn.Linear(4, 1))
    recompute(chain)
    chain(torch.ones(2, 4)).sum().backward()
    assert runs == 4
    chain.eval()
    chain(torch.ones(2, 4))
    assert runs == 6
