"""Text classifiers on sentence encoders: the vector that the encoder was trained to give, and a linear layer.

transformers' own classifiers read a text off its first token. A sentence encoder puts what it knows into the
pooled vector that its folder describes (the mean of the tokens where it says nothing), so the head sits on that.
The folder is one of sentence-transformers whose last module is the head: `SentenceTransformer(folder).encode`
gives the scores of the classes, and `AutoModel` the encoder.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from zoohub.adapters import hf, pooling
from zoohub.adapters.text import TextClassifier

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from zoohub.adapters.bundle import Bundle


def is_sentence_encoder(bundle: Bundle) -> bool:
    """Whether these files are an encoder alone: without a classifier or another head of transformers' own."""
    stated = bundle.config.get("architectures") or ("",)
    described = (bundle.folder / "modules.json").is_file() or "pooling" in bundle.config
    return described or all(name.endswith(("Model", "Encoder")) for name in stated)


class PooledClassifier(TextClassifier):
    """A sentence encoder with a linear layer; normalization, which only angles need, is left out."""

    strategies: ClassVar[tuple[str, ...]] = ("probe", "setfit", "lora", "probe-then-full", "full")
    auto = "AutoModel"
    recipe = pooling.Recipe()

    def _open(self, labels: Sequence[str] | None) -> None:
        encoder = hf.load(self, self.auto)
        self.tokenizer = hf.tokenizer(self.bundle.folder)
        self.limit = hf.longest_text(self.tokenizer, encoder.config, self.bundle.folder)
        own = pooling.Recipe.read(self.bundle.folder, self.bundle.config)
        self.recipe = replace(own, normalize=False, head=None, dense=own.dense)
        self.untrained = labels is None and own.head is None
        if labels is not None:
            encoder.config.id2label = dict(enumerate(labels))
            encoder.config.label2id = {name: i for i, name in enumerate(labels)}
        self.labels = hf.labels(encoder.config)
        self.module = hf.placed(_network(encoder, self.recipe, len(self.labels)), self)
        if labels is None and own.head is not None:
            self.module.head.load_state_dict(own.head.state_dict())

    def prepare(self, item: Any) -> Any:
        """Token numbers, behind the encoder's own prompt."""
        if self.recipe.prompt and isinstance(item, str):
            item = self.recipe.prompt + item
        return super().prepare(item)

    def features(self, samples: Sequence[Any]) -> NDArray[np.float32]:
        """The pooled vector of each text, `(n, d)`."""
        vectors: NDArray[np.float32] = self.module.pooled(**self.tensors(samples)).float().cpu().numpy()
        return vectors

    def head(self) -> Any:
        """The linear layer whose outputs are the classes."""
        return self.module.head

    def relabel(self, labels: Sequence[str]) -> Self:
        """The same encoder with a new head for `labels`."""
        fresh = type(self)(self.bundle, self.task, device=self.device)
        fresh._open(labels)
        fresh.untrained = False
        return fresh

    def write(self, folder: Path) -> None:
        """As sentence-transformers does, with the head as its last module."""
        self.module.encoder.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)
        replace(self.recipe, head=self.module.head).write(folder, self.limit)


def _network(encoder: Any, recipe: pooling.Recipe, classes: int) -> Any:
    """The module: called as transformers' classifiers are, it gives `logits`, and `loss` with labels."""
    import torch
    from transformers.modeling_outputs import SequenceClassifierOutput

    class Pooled(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder, self.config = encoder, encoder.config
            self.dense = torch.nn.ModuleList(recipe.dense)
            width = recipe.width(encoder.config.hidden_size)
            kind = next(encoder.parameters()).dtype
            self.dropout = torch.nn.Dropout(0.1)
            self.head = torch.nn.Linear(width, classes, dtype=kind)
            torch.nn.init.normal_(self.head.weight, std=0.02)
            torch.nn.init.zeros_(self.head.bias)

        def pooled(self, **batch: torch.Tensor) -> torch.Tensor:
            hidden = self.encoder(**batch).last_hidden_state
            return recipe(hidden, batch["attention_mask"])

        def forward(self, labels: torch.Tensor | None = None, **batch: torch.Tensor) -> Any:
            logits = self.head(self.dropout(self.pooled(**batch).to(self.head.weight.dtype)))
            if labels is None:
                return SequenceClassifierOutput(logits=logits)
            if labels.is_floating_point():
                loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, labels)
            else:
                loss = torch.nn.functional.cross_entropy(logits, labels)
            return SequenceClassifierOutput(loss=loss, logits=logits)

    return Pooled()
