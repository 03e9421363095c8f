"""`precision="int8"`: the weights of linear layers in 8 bits, one scale a row; numbers in between stay as they are.

That makes a model of linear layers about a quarter as large, at the speed it had, and its answers differ little. (8-bit
arithmetic too would be faster on processors made for it, and many times slower on others, so it is not used.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zoohub.adapters import hf
from zoohub.errors import CapabilityError

if TYPE_CHECKING:
    from zoohub.adapters.base import Model

WORTH_IT = 0.5  # the share of a model's weights that must be in linear layers


def shrink(model: Model) -> None:
    """Store the linear layers of an opened model in 8 bits.

    Raises:
        CapabilityError: too little of it is linear layers, or it has no torch module; MissingDependency: torchao is
        not installed.
    """
    share = 0.0 if model.module is None else _linear_share(model.module)
    if share < WORTH_IT:
        raise CapabilityError(
            f"{model.id} would not get much smaller in int8: {share:.0%} of its weights are in linear layers.",
            "Leave precision out, or take bf16.",
        )
    from zoohub.adapters.loading import require

    require("torchao")
    _quantize(model.module)


def _linear_share(module: Any) -> float:
    import torch

    layers = (part for part in module.modules() if isinstance(part, torch.nn.Linear))
    linear = {id(layer.weight): layer.weight.numel() for layer in layers}
    return float(sum(linear.values()) / max(1, sum(weights.numel() for weights in module.parameters())))


def _quantize(module: Any) -> None:
    with hf.quiet():
        from torchao.quantization import Int8WeightOnlyConfig, quantize_

        quantize_(module, Int8WeightOnlyConfig())
