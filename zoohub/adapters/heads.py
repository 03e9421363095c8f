"""The last layer of classifiers: find it, catch what goes into it, read answers from what comes out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from zoohub.adapters.results import Classification, Label
from zoohub.errors import CapabilityError

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray


# What transformers' configs call one label an input, and several; zoohub's own configs of other libraries do as well.
ONE, SEVERAL = "single_label_classification", "multi_label_classification"


def class_target(labels: Sequence[str], target: Any, several: bool) -> int | list[float]:
    """The number of a label among `labels`; where an input may have `several`, a 0 or 1 for each of them."""
    if not several:
        return labels.index(target)
    wanted = set(target if isinstance(target, list) else [target])
    return [float(name in wanted) for name in labels]


def last_linear(module: Any, outputs: int) -> Any:
    """The last `torch.nn.Linear` with that many outputs.

    Raises:
        CapabilityError: the classifier of this architecture is no linear layer.
    """
    import torch

    found = [m for m in module.modules() if isinstance(m, torch.nn.Linear) and m.out_features == outputs]
    if not found:
        raise CapabilityError(
            f"{type(module).__name__} does not end in a linear layer with {outputs} outputs.",
            "Use strategy='full' for it.",
        )
    return found[-1]


class _Caught(Exception):
    """Ends a forward pass once the head's input is known."""


def capture_input(layer: Any, forward: Callable[[], Any]) -> torch.Tensor:
    """What `layer` gets as its input during `forward()`, `(n, d)`; the layer itself is not run."""
    caught: list[Any] = []

    def catch(_: Any, inputs: tuple[Any, ...]) -> None:
        caught.append(inputs[0])
        raise _Caught

    hook = layer.register_forward_pre_hook(catch)
    try:
        forward()
    except _Caught:
        pass
    finally:
        hook.remove()
    rows: torch.Tensor = caught[0].flatten(1)
    return rows


def classification(logits: torch.Tensor, labels: Sequence[str], top_k: int) -> list[Classification]:
    """Softmax of `(n, classes)` -> the best `top_k` of each row."""
    scores, places = logits.float().softmax(-1).topk(min(max(1, top_k), logits.shape[-1]))
    rows = zip(scores.tolist(), places.tolist(), strict=True)
    return [_best([Label(labels[i], s) for s, i in zip(row, at, strict=True)]) for row, at in rows]


def classification_of(
    scores: NDArray[np.float32], labels: Sequence[str], *, several: bool = False
) -> list[Classification]:
    """As `classification`, or `multi_label` where an input may have `several`, from an array."""
    import torch

    logits = torch.from_numpy(scores)
    return multi_label(logits, labels, 0.5) if several else classification(logits, labels, 5)


def multi_label(logits: torch.Tensor, labels: Sequence[str], threshold: float) -> list[Classification]:
    """Sigmoid of `(n, classes)` -> the labels at or above `threshold`, best first."""
    results = []
    for row in logits.float().sigmoid().tolist():
        order = sorted(range(len(row)), key=lambda i: -row[i])
        kept = tuple(Label(labels[i], row[i]) for i in order if row[i] >= threshold)
        results.append(Classification(labels[order[0]], row[order[0]], kept))
    return results


def _best(labels: list[Label]) -> Classification:
    return Classification(labels[0].label, labels[0].score, tuple(labels))


def with_loss(module: Any) -> Any:
    """`module` called as transformers' are: `(pixel_values, labels) -> {"loss", "logits"}`."""
    import torch

    class Wrapped(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = module

        def forward(self, pixel_values: torch.Tensor, labels: torch.Tensor | None = None) -> dict[str, Any]:
            logits = self.inner(pixel_values)
            out = {"logits": logits}
            if labels is None:
                return out
            several = labels.is_floating_point()
            entropy = torch.nn.functional
            loss = (entropy.binary_cross_entropy_with_logits if several else entropy.cross_entropy)(
                logits, labels
            )
            return {"loss": loss, **out}

    return Wrapped()
