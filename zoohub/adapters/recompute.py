"""Gradient checkpointing: what a block computes on the way is forgotten and computed again for its gradient.

transformers' models have it themselves. Those of timm and torchvision that are chains of blocks (residual networks,
MobileNets, EfficientNets, vision transformers) get it here, block by block.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from zoohub.errors import CapabilityError


def recompute(module: Any) -> None:
    """Let a module that is trained recompute its blocks; gradients stay as they are.

    Raises:
        CapabilityError: it has no way of its own, and is no chain of blocks.
    """
    own = (part for part in module.modules() if getattr(part, "supports_gradient_checkpointing", False))
    if (able := next(own, None)) is not None:
        enable = getattr(able, "activation_checkpointing_enable", None) or able.gradient_checkpointing_enable
        enable({"use_reentrant": False})
        return
    found = blocks(module)
    if len(found) < 2:
        raise CapabilityError(
            f"{type(module).__name__} cannot recompute activations to save memory: it is no chain of blocks.",
            "Leave checkpointing off, and take a smaller batch_size with accumulate.",
        )
    for block in found:
        _forget(block)


def blocks(module: Any) -> list[Any]:
    """The members of the module's chains that hold two layers or more each; of stages the members of theirs."""
    import torch

    chain = (torch.nn.Sequential, torch.nn.ModuleList)
    found: list[Any] = []
    for part in module.children():
        inner = blocks(part)
        whole = isinstance(module, chain) and not isinstance(part, chain) and _layers(part) >= 2
        stage = sum(map(_size, inner)) > 0.8 * _size(part)
        found += [part] if whole and not stage else inner
    return found


def _size(part: Any) -> int:
    return sum(weights.numel() for weights in part.parameters())


def _layers(part: Any) -> int:
    """How many layers with a matrix of weights it has; norms have none."""
    weights = (getattr(inner, "weight", None) for inner in part.modules())
    return sum(weight is not None and weight.dim() >= 2 for weight in weights)


def _forget(block: Any) -> None:
    import torch
    from torch.utils.checkpoint import checkpoint

    forward = block.forward

    def again(*args: Any, **more: Any) -> Any:
        if not (block.training and torch.is_grad_enabled()):
            return forward(*args, **more)
        return checkpoint(
            forward,
            *args,
            use_reentrant=False,
            context_fn=lambda: (nullcontext(), _statistics_kept(block)),
            **more,
        )

    block.forward = again


@contextmanager
def _statistics_kept(block: Any) -> Iterator[None]:
    """Batch norms would count each batch twice."""
    import torch

    norms = [part for part in block.modules() if isinstance(part, torch.nn.modules.batchnorm._BatchNorm)]
    before = [(norm.momentum, norm.num_batches_tracked) for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
        if norm.num_batches_tracked is not None:
            norm.num_batches_tracked = norm.num_batches_tracked.clone()
    try:
        yield
    finally:
        for norm, (momentum, count) in zip(norms, before, strict=True):
            norm.momentum, norm.num_batches_tracked = momentum, count
