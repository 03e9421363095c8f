"""Training by comparison: `setfit` for few labeled texts, and sentence similarity from pairs.

SetFit (Tunstall et al. 2022) pulls texts of one class together and pushes the others apart, then fits a head on
the vectors. Here each batch is made of pairs of one class, and every two texts in it are compared, which gets
many comparisons out of each forward pass; the head is the exact one of `probe`.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

    from zoohub.adapters.finetune import Fit, Job

PAIRS = 320  # pairs of one class to learn from, about, when the number of epochs is not given
BATCH = 8  # pairs whose texts are compared with each other
SHARPNESS = 20.0  # cosines are multiplied by it before they are compared, as sentence-transformers does


def fit_setfit(job: Job) -> Fit:
    """Train the encoder by comparison, then fit the exact head on what it sees."""
    from zoohub.adapters import finetune, logistic, probe, training

    training.sow(job.settings.seed)
    model: Any = finetune.fresh(job)
    rows = [model.learn(item, target)[0] for item, target in job.train]
    epochs = job.settings.epochs or max(1, round(PAIRS / len(rows)))
    pairs = _pairs([row["labels"] for row in rows], round(epochs), job.settings.seed)
    wanted = job.settings.batch_size
    size = wanted if isinstance(wanted, int) else BATCH
    compared = [(rows[i], rows[j]) for i, j in pairs]
    history, facts = training.train(Compared(model), compared, job, size=size, epochs=1, measured=False)
    model.module.eval()
    x, y = model.embed(list(job.train.inputs)), [row["labels"] for row in rows]
    head = logistic.fit_head(
        x, _numbers(y), len(job.labels), seed=job.settings.seed, balanced=job.settings.balance
    )
    probe.set_head(model, head)
    facts |= {"epochs": epochs, "pairs": len(pairs), "regularization": head.regularization}
    return finetune.Fit(model, None, history, facts)


def _numbers(values: Sequence[int]) -> Any:
    import numpy as np

    return np.asarray(values, np.int64)


def _pairs(classes: Sequence[int], rounds: int, seed: int) -> list[tuple[int, int]]:
    """Each example once a round, with another of its class (itself where there is none)."""
    draws = random.Random(seed)
    members: dict[int, list[int]] = {}
    for place, each in enumerate(classes):
        members.setdefault(each, []).append(place)
    found = []
    for _ in range(rounds):
        for place, each in enumerate(classes):
            others = [other for other in members[each] if other != place] or [place]
            found.append((place, draws.choice(others)))
    return found


class Compared:
    """A classifier as the Trainer sees it while its texts are compared: pairs in, a loss out."""

    def __init__(self, model: Any) -> None:
        self.model = model

    def collate(self, rows: Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]]) -> dict[str, Any]:
        """All texts of the pairs as one batch."""
        batch: dict[str, Any] = self.model.collate([row for pair in rows for row in pair])
        return batch

    def trainer_module(self) -> Any:
        """The network with the loss of comparison."""
        import torch

        network = self.model.module

        class Compare(torch.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.network = network

            def forward(self, labels: Tensor, **batch: Tensor) -> dict[str, Tensor]:
                return {"loss": class_loss(self.network.pooled(**batch), labels)}

        return Compare()


def class_loss(vectors: Tensor, classes: Tensor) -> Tensor:
    """How far cosines are from 1 within a class and from 0 across, squared; both kinds weigh the same."""
    import torch

    unit = torch.nn.functional.normalize(vectors.float(), dim=-1)
    cosines = unit @ unit.T
    alike = classes[:, None] == classes[None]
    apart = ~torch.eye(len(classes), dtype=torch.bool, device=classes.device)
    off = (cosines - alike.float()).square()
    parts = [off[mask].mean() for mask in (alike & apart, ~alike) if mask.any()]
    return torch.stack(parts).mean()


# --- similarity -----------------------------------------------------------------------------------


def score_loss(left: Tensor, right: Tensor, scores: Tensor) -> Tensor:
    """CoSENT: of any two pairs, the one with the higher score is to have the higher cosine."""
    import torch

    cosines = torch.nn.functional.cosine_similarity(left.float(), right.float()) * SHARPNESS
    lower = scores[:, None] < scores[None]
    gaps = (cosines[:, None] - cosines[None])[lower]
    return torch.cat([gaps.new_zeros(1), gaps]).logsumexp(0).clone()  # the Trainer scales a loss in place


def partner_loss(left: Tensor, right: Tensor, wrong: Tensor | None = None) -> Tensor:
    """Each text is to find its partner among all partners of the batch (and the stated wrong ones)."""
    import torch

    choices = right if wrong is None else torch.cat([right, wrong])
    a, b = (torch.nn.functional.normalize(part.float(), dim=-1) for part in (left, choices))
    return torch.nn.functional.cross_entropy(SHARPNESS * a @ b.T, torch.arange(len(a), device=a.device))


def similar(encoder: Any, recipe: Any) -> Any:
    """`encoder` as the Trainer calls it: texts of `parts` kinds, one kind after the other, and scores or none."""
    import torch

    class Similar(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = encoder

        def forward(self, parts: int, labels: Tensor | None = None, **batch: Tensor) -> dict[str, Tensor]:
            hidden = self.encoder(**batch).last_hidden_state
            vectors = recipe(hidden, batch["attention_mask"]).chunk(parts)
            if labels is not None:
                return {"loss": score_loss(vectors[0], vectors[1], labels)}
            return {"loss": partner_loss(*vectors)}

    return Similar()


def judged(examples: Any) -> Any:
    """Pairs to measure on: as they are where they have scores, else each also with the next one's partner.

    True partners count 1, wrong ones 0: what is measured then is whether the two are told apart.
    """
    from dataclasses import replace

    if all(target is not None for target in examples.targets):
        return examples
    inputs = list(examples.inputs)
    mixed = list(_wrong(inputs))
    targets = [1.0] * len(inputs) + [0.0] * len(mixed)
    return replace(examples, inputs=[*inputs, *mixed], targets=targets)


def _wrong(inputs: Sequence[Mapping[str, str]]) -> Iterator[dict[str, str]]:
    for place, pair in enumerate(inputs):
        other = pair.get("negative") or inputs[(place + 1) % len(inputs)]["text_pair"]
        if other != pair["text_pair"]:
            yield {"text": pair["text"], "text_pair": other}
