"""The contract: `Model`, what `zoohub.load` returns, the same for every family.

How to add a family (or a task of one)
--------------------------------------
1. Subclass `Model`. Declare what it can do as class attributes: `tasks`, `strategies` (how it may be
   fine-tuned; empty: not at all), `embeds`, `options` (what `predict` takes beyond the inputs, with defaults;
   a None default is "the model's own").
2. Write `open` (load module and processor from `self.bundle`), `prepare` (read one input; raise `InputError`
   when it cannot be) and `answer` (a batch of read inputs -> one result each). `weigh` where inputs differ in
   length. Nothing else is needed to predict: batching, order, threads, bad inputs, progress and devices are
   done here.
3. If it embeds: `features` (a batch -> float32 `(n, d)`).
4. If it can be saved: `write`. If it can be fine-tuned: `relabel`, `learn` and `collate` too, and `head` for
   `probe`.
5. Add one row to `zoohub.adapters.table` - or, from another package, an entry point of the group
   `zoohub.adapters` - and one row to the conformance suite, which then holds the family to every clause of
   this contract.

`__init__` only stores; `open` does the work, so a `Model` can be described without loading its weights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from zoohub.adapters.inference import Plan, Steps, stream, with_progress
from zoohub.errors import CapabilityError, InputError, UsageError, did_you_mean, suggest

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from zoohub.adapters.bundle import Bundle
    from zoohub.adapters.data import Examples
    from zoohub.adapters.metrics import Evaluation
    from zoohub.registry import ModelRecord

NO_OPTIONS: Mapping[str, Any] = MappingProxyType({})


class Model:
    """One pretrained model, put to one task. Get one from `zoohub.load`.

    `module` is the torch module itself (None for engines without one), `labels` the names it tells apart
    (empty where the task has none), `bundle` its files and record. `untrained` says that the files hold no
    last layer for this task: it can be fine-tuned, not yet asked.
    """

    tasks: ClassVar[tuple[str, ...]] = ()
    strategies: ClassVar[tuple[str, ...]] = ()
    embeds: ClassVar[bool] = False
    lazy: ClassVar[bool] = False
    options: ClassVar[Mapping[str, Any]] = NO_OPTIONS
    plan: ClassVar[Plan] = Plan(items=32)

    def __init__(self, bundle: Bundle, task: str, *, device: str = "cpu", precision: str = "fp32") -> None:
        self.bundle, self.task, self.device, self.precision = bundle, task, device, precision
        self.module: Any = None
        self.labels: tuple[str, ...] = ()
        self.untrained = False

    # --- what a family writes ---------------------------------------------------------------------

    @classmethod
    def variant(cls, bundle: Bundle) -> type[Model]:  # noqa: ARG003 - for those that override it
        """The class for these files, where a family has several kinds of model for one task."""
        return cls

    def open(self) -> None:
        """Load weights, processor and labels from `self.bundle` to `self.device` in `self.precision`."""
        raise NotImplementedError

    def prepare(self, item: Any) -> Any:
        """Read one input into what `answer` takes. May run in a thread. Raises `InputError`."""
        raise NotImplementedError

    def weigh(self, sample: Any) -> int:
        """The length of a read input, for batches of like length; 0 where all are alike."""
        return 0

    def expect(self, count: int | None) -> None:
        """How many inputs come (None: not known), said before the first: a chance to make ready for many."""

    def answer(self, samples: Sequence[Any], **options: Any) -> Sequence[Any]:
        """One result for each read input; `options` holds every key of `self.options`."""
        raise NotImplementedError

    def features(self, samples: Sequence[Any]) -> NDArray[np.float32]:
        """The vectors of a batch of read inputs, `(n, d)`."""
        raise NotImplementedError

    def write(self, folder: Path) -> None:
        """Write weights (safetensors), config and processor, so that the family's own library loads them."""
        raise NotImplementedError

    def judge(self, examples: Examples, **settings: Any) -> Sequence[Any]:
        """What the task's metric compares with the targets: the predictions, unless the task overrides it."""
        results: Sequence[Any] = self.predict(list(examples.inputs), **settings)
        return results

    def conditions(self, **_: Any) -> tuple[str, ...]:
        """What the figures of an evaluation with these options depend on besides the model and the data."""
        return ()

    def targets(self, examples: Examples) -> Sequence[Any]:
        """The targets as the task's metric takes them."""
        return examples.targets

    def relabel(self, labels: Sequence[str]) -> Self:
        """A fresh copy, opened from the same weights, that tells `labels` apart by a new last layer.

        Where the task has no labels, `labels` is empty and the copy is a plain one.
        """
        raise NotImplementedError

    def target_labels(self, examples: Examples) -> tuple[str, ...]:
        """The labels to learn where targets are not plain labels; empty where the task has none."""
        return self.labels

    def arrange(self, train: Examples, held: Examples) -> tuple[Examples, Examples]:
        """The parts to train and to measure on as this task wants them."""
        return train, held

    def learn(self, item: Any, target: Any) -> list[dict[str, Any]]:
        """The training rows of one labeled input: one, or several where a long input is cut into windows.

        With `lazy`, exactly one, made each time it is needed (images, sound); otherwise made once.
        """
        raise NotImplementedError

    def collate(self, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Training rows -> the tensors of one batch, as `self.trainer_module()(**batch)` takes them."""
        raise NotImplementedError

    def trainer_module(self) -> Any:
        """The module to train: called with a batch it gives `loss` and, where the task has them, `logits`."""
        return self.module

    def head(self) -> Any:
        """The last `torch.nn.Linear`, whose input are the features that `probe` fits a new one on."""
        raise NotImplementedError

    def is_one(self, inputs: Any) -> bool:
        """Whether `inputs` is one input and not several. Lists, tuples and iterators are several."""
        return not (isinstance(inputs, list | tuple | Iterator) or hasattr(inputs, "column_names"))

    # --- what a person calls ----------------------------------------------------------------------

    def predict(
        self,
        inputs: Any,
        *,
        batch_size: int | Literal["auto"] = "auto",
        progress: bool = False,
        strict: bool = True,
        **options: Any,
    ) -> Any:
        """Answer one input or many.

        One input gives one result, a list gives a list in the same order, and an iterator gives an iterator
        that reads and answers as it goes. With `strict` off an input that cannot be read gives a `Failed` in
        its place. The task's options are in `self.options`.

        Raises:
            InputError: an input cannot be read (`strict`); UsageError: an option this task does not have.
        """
        chosen = self._chosen(options)
        if self.untrained:
            raise CapabilityError(
                f"{self.id} has no trained last layer for {self.task}.", "Fine-tune it first: zoo finetune"
            )
        answer = self.without_gradient(lambda samples: self.answer(samples, **chosen))
        return self._deliver(inputs, answer, batch_size, progress, strict)

    def embed(
        self, inputs: Any, *, batch_size: int | Literal["auto"] = "auto", progress: bool = False
    ) -> NDArray[np.float32]:
        """The features of one input `(d,)` or of many `(n, d)`, float32.

        Raises:
            CapabilityError: this model has no features to give.
        """
        import numpy as np

        if not self.embeds:
            raise CapabilityError(
                f"{self.id} does not embed: {type(self).__name__} has no features for {self.task}.",
                "Search for one that does: zoo search --task feature-extraction",
            )
        answer = self.without_gradient(self.features)
        rows = self._deliver(inputs, answer, batch_size, progress, strict=True)
        if self.is_one(inputs):
            return np.asarray(rows, dtype=np.float32)
        vectors = list(rows)
        return np.stack(vectors).astype(np.float32) if vectors else np.zeros((0, 0), np.float32)

    def similarity(self, left: Any, right: Any) -> NDArray[np.float32]:
        """Cosine of each of `left` with each of `right`, `(n, m)`; a single number for two single inputs."""
        import numpy as np

        a, b = np.atleast_2d(self.embed(left)), np.atleast_2d(self.embed(right))
        a, b = (x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12) for x in (a, b))
        table: NDArray[np.float32] = a @ b.T
        return table[0, 0] if self.is_one(left) and self.is_one(right) else table

    def evaluate(
        self,
        data: Any,
        *,
        columns: Mapping[str, str] | None = None,
        batch_size: int | Literal["auto"] = "auto",
        progress: bool = False,
        bad: Literal["raise", "skip"] = "raise",
        **options: Any,
    ) -> Evaluation:
        """The task's metrics on labeled data, each with a 95 % bootstrap interval.

        `options` are those of `predict`; depth estimation has `align` too, text to speech `recognizer`.

        Raises:
            DataError: the data lacks a column, has labels that this model does not know, or is empty.
        """
        from zoohub.adapters.evaluate import evaluate

        return evaluate(
            self, data, columns=columns, batch_size=batch_size, progress=progress, bad=bad, options=options
        )

    def finetune(self, data: Any, **settings: Any) -> Model:
        """A new model, trained on `data`; this one stays as it is. See `zoohub.adapters.finetune.Settings`.

        Raises:
            CapabilityError: this family cannot be fine-tuned, or not so; DataError: data that cannot be used;
            UsageError: a setting that does not exist.
        """
        from zoohub.adapters.finetune import finetune

        return finetune(self, data, settings)

    def save(self, folder: str | Path) -> Path:
        """Write safetensors, config and card to `folder`, which `load` and the family's own library read.

        Raises:
            UsageError: the folder holds other files; CapabilityError: this family cannot be saved.
        """
        from zoohub.adapters.saving import save

        return save(self, Path(folder))

    # --- what it is -------------------------------------------------------------------------------

    @property
    def id(self) -> str:
        """The id of its record."""
        return self.bundle.record.id

    @property
    def record(self) -> ModelRecord:
        """What is known of it."""
        return self.bundle.record

    @property
    def parameters(self) -> int:
        """How many numbers it has learned; 0 for engines that do not say."""
        return 0 if self.module is None else sum(p.numel() for p in self.module.parameters())

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id} for {self.task} on {self.device}, {self.precision}>"

    # --- once, for all families -------------------------------------------------------------------

    def _chosen(self, options: Mapping[str, Any]) -> dict[str, Any]:
        if unknown := [name for name in options if name not in self.options]:
            near = did_you_mean(suggest(unknown[0], self.options))
            known = ", ".join(self.options) or "none"
            raise UsageError(f"{self.task} has no option {unknown[0]!r}.{near}", f"Its options: {known}.")
        return {**self.options, **options}

    def fingerprint(self) -> str:
        """A digest of the model's files and precision: equal for equal weights in one place."""
        import hashlib

        digest = hashlib.sha256(f"{type(self).__name__}\0{self.precision}".encode())
        for path in sorted(self.bundle.folder.glob("*.*")):
            if path.suffix in {".safetensors", ".onnx", ".json"}:
                stat = path.stat()
                digest.update(f"{path.resolve()}\0{stat.st_size}\0{stat.st_mtime_ns}\1".encode())
        return digest.hexdigest()

    def without_gradient(self, work: Callable[[Sequence[Any]], Any]) -> Callable[[Sequence[Any]], Any]:
        """`work` in evaluation mode, without the bookkeeping of training."""
        if self.module is None:
            return work
        import torch

        if self.module.training:
            self.module.eval()

        def quiet(samples: Sequence[Any]) -> Any:
            with torch.inference_mode():
                return work(samples)

        return quiet

    def _deliver(
        self,
        inputs: Any,
        answer: Callable[[Sequence[Any]], Any],
        batch_size: int | Literal["auto"],
        progress: bool,
        strict: bool,
    ) -> Any:
        """One in, one out; a list in, a list out; an iterator in, an iterator out."""
        one = self.is_one(inputs)
        items: Iterable[Any] = [inputs] if one else inputs
        total = len(items) if isinstance(items, Sized) else None
        self.expect(total)
        answers = stream(
            items, Steps(self.prepare, self.weigh, answer), self._plan(batch_size, total), strict=strict
        )
        if one:
            return next(answers)
        shown: Iterator[Any] = with_progress(answers, total, progress, self.task)
        return shown if total is None else list(shown)

    def _plan(self, batch_size: int | Literal["auto"], total: int | None) -> Plan:
        from dataclasses import replace

        plan = self.plan
        if (
            total is not None
        ):  # the answers are given together, so none need come soon: all are sorted by length
            plan = replace(plan, first=plan.window, workers=plan.workers if total > 1 else 0)
        if batch_size == "auto":
            return plan
        if not isinstance(batch_size, int) or batch_size < 1:
            raise UsageError(f"batch_size={batch_size!r} is neither 'auto' nor a positive number.")
        return replace(plan, items=batch_size, budget=None)


def refuse(item: Any, needed: str) -> InputError:
    """The error for an input of a kind that the task does not take."""
    shown = repr(item) if len(repr(item)) < 80 else f"a {type(item).__name__}"
    return InputError(f"{shown} is no input for this task.", f"It takes {needed}.")
