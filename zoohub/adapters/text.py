"""Text classification, text embeddings and sentence similarity through transformers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from zoohub.adapters import hf, pooling
from zoohub.adapters.base import Model, refuse
from zoohub.adapters.data import Examples
from zoohub.adapters.heads import (
    ONE,
    SEVERAL,
    capture_input,
    class_target,
    classification,
    last_linear,
    multi_label,
)
from zoohub.adapters.inference import Plan
from zoohub.adapters.results import Embedding, Similarity
from zoohub.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    from zoohub.adapters.bundle import Bundle

TOKENS = 2048  # padded tokens a batch: enough to keep a few cores busy, and small enough for their caches


class Texts(Model):
    """What the text families of transformers share: a tokenizer, and batches padded to their longest."""

    auto: ClassVar[str] = ""
    plan = Plan(items=64, budget=TOKENS, window=2048)
    tokenizer: Any = None
    limit: int = 512

    def open(self) -> None:
        """Load module and tokenizer from the folder."""
        self._open(None)

    def _open(self, labels: Sequence[str] | None) -> None:
        self.module = hf.load(self, self.auto, labels=labels)
        self.tokenizer = hf.tokenizer(self.bundle.folder)
        self.limit = hf.longest_text(self.tokenizer, self.module.config, self.bundle.folder)

    def relabel(self, labels: Sequence[str]) -> Self:
        """The same weights with a new last layer for `labels`."""
        fresh = type(self)(self.bundle, self.task, device=self.device)
        fresh._open(labels or None)
        fresh.untrained = False
        return fresh

    def prepare(self, item: Any) -> Any:
        """Token numbers of a text, or of a pair of texts."""
        text, pair = text_and_pair(item)
        return dict(self.tokenizer(text, pair, truncation=True, max_length=self.limit))

    def weigh(self, sample: Any) -> int:
        """The number of tokens."""
        return len(sample["input_ids"])

    def tensors(self, samples: Sequence[Any]) -> dict[str, torch.Tensor]:
        """A batch, padded to its longest text."""
        return {name: value.to(self.device) for name, value in hf.pad(samples, self.tokenizer).items()}

    def write(self, folder: Path) -> None:
        """As `save_pretrained` does."""
        self.module.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)


def text_and_pair(item: Any) -> tuple[str, str | None]:
    """A text and, where there are two, its partner, out of a str, a pair or a dict.

    Raises:
        InputError: it is nothing of that kind.
    """
    if isinstance(item, str):
        return item, None
    if isinstance(item, Mapping):
        text, pair = item.get("text"), item.get("text_pair")
        if isinstance(text, str) and (pair is None or isinstance(pair, str)):
            return text, pair
    if isinstance(item, tuple | list) and len(item) == 2 and all(isinstance(part, str) for part in item):
        return item[0], item[1]
    raise refuse(item, "a text, or a pair of texts as {'text': ..., 'text_pair': ...}")


class TextClassifier(Texts):
    """Sequence classifiers of transformers: one label a text, or several where the model says so."""

    tasks = ("text-classification",)
    strategies: ClassVar[tuple[str, ...]] = ("probe", "lora", "probe-then-full", "full")
    embeds = True
    options: ClassVar[Mapping[str, Any]] = {"top_k": 5, "threshold": 0.5}
    auto = "AutoModelForSequenceClassification"

    @classmethod
    def variant(cls, bundle: Bundle) -> type[Model]:
        """A sentence encoder is read by its own pooling."""
        from zoohub.adapters.pooled import PooledClassifier, is_sentence_encoder

        return PooledClassifier if is_sentence_encoder(bundle) else cls

    def _open(self, labels: Sequence[str] | None) -> None:
        super()._open(labels)
        self.labels = hf.labels(self.module.config)

    @property
    def several(self) -> bool:
        """Whether a text may have several labels at once."""
        return bool(self.module.config.problem_type == SEVERAL)

    def set_several(self, several: bool) -> None:
        """Whether a text may have several labels at once; the config keeps it."""
        self.module.config.problem_type = SEVERAL if several else ONE

    def answer(
        self, samples: Sequence[Any], *, top_k: int = 5, threshold: float = 0.5, **_: Any
    ) -> Sequence[Any]:
        """A `Classification` for each text."""
        logits = self.module(**self.tensors(samples)).logits
        if self.several:
            return multi_label(logits, self.labels, threshold)
        return classification(logits, self.labels, top_k)

    def features(self, samples: Sequence[Any]) -> NDArray[np.float32]:
        """What the classifier sees of each text, `(n, d)`."""
        caught = capture_input(self.head(), lambda: self.module(**self.tensors(samples)))
        vectors: NDArray[np.float32] = caught.float().cpu().numpy()
        return vectors

    def head(self) -> Any:
        """The linear layer whose outputs are the classes."""
        return last_linear(self.module, len(self.labels))

    def learn(self, item: Any, target: Any) -> list[dict[str, Any]]:
        """One tokenized text with the number of its class, or a 0/1 for each class."""
        return [{**self.prepare(item), "labels": class_target(self.labels, target, self.several)}]

    def collate(self, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Padded tokens and `labels`."""
        import torch

        batch = hf.pad([{k: v for k, v in row.items() if k != "labels"} for row in rows], self.tokenizer)
        return {**batch, "labels": torch.tensor([row["labels"] for row in rows])}


class TextEmbedder(Texts):
    """Text encoders of transformers, also in the folder layout of sentence-transformers."""

    tasks = ("feature-extraction", "sentence-similarity")
    strategies = ("lora", "full")
    embeds = True
    auto = "AutoModel"
    recipe = pooling.Recipe()

    def _open(self, labels: Sequence[str] | None) -> None:
        super()._open(None)
        self.recipe = replace(pooling.Recipe.read(self.bundle.folder, self.bundle.config), head=None)

    def is_one(self, inputs: Any) -> bool:
        """A tuple of two texts is one pair where the task is to compare them."""
        pair = (
            isinstance(inputs, tuple) and len(inputs) == 2 and all(isinstance(part, str) for part in inputs)
        )
        return (pair and self.task == "sentence-similarity") or super().is_one(inputs)

    def judge(self, examples: Examples, **settings: Any) -> Sequence[Any]:
        """The `Similarity` of each pair, whatever the task."""
        pairs = [text_and_pair(item) for item in examples.inputs]
        texts = list(dict.fromkeys(text for pair in pairs for text in pair if text is not None))
        how = {key: settings[key] for key in ("batch_size", "progress") if key in settings}
        vectors = dict(zip(texts, self.embed(texts, **how), strict=True))
        return [Similarity(cosine(vectors[a], vectors[b])) for a, b in pairs if b is not None]

    def prepare(self, item: Any) -> Any:
        """Token numbers of a text; for similarity, of both texts."""
        if self.task == "sentence-similarity" and not isinstance(item, str):
            text, pair = text_and_pair(item)
            if pair is None:
                raise refuse(item, "a pair of texts")
            return [self._tokens(text), self._tokens(pair)]
        if not isinstance(item, str):
            raise refuse(item, "a text")
        return self._tokens(item)

    def _tokens(self, text: str) -> dict[str, Any]:
        return dict(self.tokenizer(self.recipe.prompt + text, truncation=True, max_length=self.limit))

    def weigh(self, sample: Any) -> int:
        """The number of tokens, of the longer text of a pair."""
        return max(map(self.weigh, sample)) if isinstance(sample, list) else len(sample["input_ids"])

    def answer(self, samples: Sequence[Any], **_: Any) -> Sequence[Any]:
        """An `Embedding` for each text, a `Similarity` for each pair."""
        if isinstance(samples[0], list):
            left, right = (self.features([pair[side] for pair in samples]) for side in (0, 1))
            return [Similarity(cosine(a, b)) for a, b in zip(left, right, strict=True)]
        return [Embedding(row) for row in self.features(samples)]

    def features(self, samples: Sequence[Any]) -> NDArray[np.float32]:
        """One vector a text, pooled and normalized as the model's own recipe says."""
        if any(isinstance(sample, list) for sample in samples):
            raise InputError("A pair of texts has no one vector.", "Embed its texts one by one.")
        batch = self.tensors(samples)
        hidden = self.module(**batch).last_hidden_state
        vectors: NDArray[np.float32] = self.recipe(hidden, batch["attention_mask"]).float().cpu().numpy()
        return vectors

    def arrange(self, train: Examples, held: Examples) -> tuple[Examples, Examples]:
        """Pairs without scores are measured by whether they are told from wrong ones."""
        from zoohub.adapters.contrastive import judged

        return train, judged(held)

    def learn(self, item: Any, target: Any) -> list[dict[str, Any]]:
        """The tokens of a text, of its partner and, where it has one, of a wrong partner; and their score."""
        pair = {"text": item[0], "text_pair": item[1]} if isinstance(item, tuple | list) else item
        texts = [pair[name] for name in ("text", "text_pair", "negative") if name in pair]
        score = None if target is None else float(target)
        return [{"texts": [self._tokens(text) for text in texts], "score": score}]

    def collate(self, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """All first texts, then all second ones (then the wrong ones) as one batch; scores as `labels`."""
        import torch

        parts = len(rows[0]["texts"])
        batch = hf.pad([row["texts"][part] for part in range(parts) for row in rows], self.tokenizer)
        if rows[0]["score"] is not None:
            batch["labels"] = torch.tensor([row["score"] for row in rows])
        return {**batch, "parts": parts}

    def trainer_module(self) -> Any:
        """The encoder with the loss of its pairs."""
        from zoohub.adapters.contrastive import similar

        return similar(self.module, self.recipe)

    def write(self, folder: Path) -> None:
        """As `save_pretrained` does, with the recipe as sentence-transformers reads it."""
        super().write(folder)
        self.recipe.write(folder, self.limit)


def cosine(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """The cosine of two vectors, in -1..1; 0 where one of them is 0."""
    import numpy as np

    return float(a @ b / max(float(np.linalg.norm(a) * np.linalg.norm(b)), 1e-12))
