"""A faster copy of a convolutional module for predicting on the CPU; the module itself stays as it is.

Batch norms are folded into their convolutions and the graph is frozen, so that oneDNN runs a convolution with
its activation in one pass. Results equal the module's within rounding (the first batch is compared); where
tracing fails or differs, the module itself goes on.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

TOLERANCE = 1e-3


def compiled(forward: Callable[[torch.Tensor], torch.Tensor], module: Any, sample: torch.Tensor) -> Any:
    """`forward` of `module` as a frozen graph, checked against it on `sample`; None where that cannot be."""
    import torch

    expected = torch.empty(0)

    class Traced(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = module

        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            nonlocal expected  # a second run of the module would only take time and memory
            expected = forward(pixels)
            return expected

    try:
        with _silence():
            graph: Any = torch.jit.trace(  # type: ignore[no-untyped-call]
                Traced().eval(), sample, check_trace=False
            )
            graph = torch.jit.optimize_for_inference(torch.jit.freeze(graph))
            for _ in range(2):  # the second run is the optimized one
                found = graph(sample)
    except (RuntimeError, TypeError, ValueError, AttributeError):
        return None
    scale = float(expected.abs().max()) + 1e-6
    return graph if float((found - expected).abs().max()) <= TOLERANCE * scale else None


@contextmanager
def _silence() -> Iterator[None]:
    """What tracing makes torch and transformers remark on says nothing about the answers."""
    logger = logging.getLogger("transformers")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def state(module: Any) -> object:
    """Equal as long as the weights of `module` are: a copy made of it is then good still.

    Their sums are compared, not torch's counts of changes: optimizers that step in one kernel leave those as they are.
    """
    import torch

    tensors = (*module.parameters(), *module.buffers())
    with torch.no_grad():
        return [float(tensor.sum(dtype=torch.float64)) for tensor in tensors]


def has_convolutions(module: Any) -> bool:
    """Whether most of the work is convolutions with batch norms, which is where the copy is faster."""
    import torch

    return any(isinstance(part, torch.nn.BatchNorm2d) for part in module.modules())
