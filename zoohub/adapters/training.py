"""`full`, `lora` and `probe-then-full`: training more than a head, through the Hugging Face Trainer."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoohub.adapters import hf
from zoohub.adapters.augment import augmented
from zoohub.adapters.base import Model
from zoohub.adapters.data import Examples, unusable
from zoohub.adapters.engine import has_convolutions
from zoohub.adapters.inference import free_memory, is_out_of_memory
from zoohub.adapters.metrics import measure
from zoohub.adapters.recompute import recompute
from zoohub.adapters.results import Failed
from zoohub.adapters.seeing import LearnsThings
from zoohub.errors import UsageError
from zoohub.registry import is_loss
from zoohub.tasks import modality

if TYPE_CHECKING:
    from zoohub.adapters.finetune import Fit, Job, Settings

# Learning rates by strategy and kind of model: LoRA wants about ten times that of full training, and convolutions with
# batch norms bear more than transformers, small text models more than large ones.
RATES = {
    ("full", "convolutions"): 3e-4,
    ("full", "vision"): 1e-4,
    ("full", "small text"): 1e-4,
    ("full", "text"): 5e-5,
    ("full", "speech"): 5e-5,
    ("full", "detection"): 1e-4,
    ("lora", "detection"): 1e-3,
    ("lora", "convolutions"): 2e-3,
    ("lora", "vision"): 1e-3,
    ("lora", "text"): 5e-4,
    ("lora", "speech"): 5e-4,
    ("setfit", "text"): 5e-5,
    ("probe-then-full", "convolutions"): 1e-4,
    ("probe-then-full", "vision"): 5e-5,
    ("probe-then-full", "text"): 3e-5,
    ("probe-then-full", "speech"): 3e-5,
}
SMALL = 100_000_000  # parameters
MIN_STEPS = 100  # of a default number of epochs
FEW_STEPS = 50  # from here down a note is made
WEIGHTS = "weights.safetensors"


def fit_trained(job: Job) -> Fit:
    """Train the model, or LoRA layers of it, and keep the weights of the best epoch."""
    from zoohub.adapters import finetune

    sow(job.settings.seed)
    model = finetune.fresh(job)
    facts: dict[str, Any] = {}
    if job.settings.strategy == "probe-then-full":
        head = finetune.probe_head(job, model)
        facts["probe accuracy"] = round(head.accuracy, 4)
    elif "probe" in model.strategies and tuple(job.base.labels) != tuple(job.labels):
        model.head().reset_parameters()
    if job.settings.strategy == "lora":
        _add_lora(model, job.settings)
    history, found = train(model, _rows(model, job), job)
    if job.settings.strategy == "lora":
        model.module = model.module.merge_and_unload()
    model.module.eval()
    return finetune.Fit(model, None, history, {**facts, **found})


def sow(seed: int) -> None:
    """The new head and the new layers are drawn before the Trainer sows its own seed."""
    import transformers

    transformers.set_seed(seed)


def _note(text: str) -> None:
    print(text, file=sys.stderr)


def _batch_size(job: Job) -> int:
    wanted = job.settings.batch_size
    return wanted if isinstance(wanted, int) else min(16, max(2, len(job.train) // 8))


# --- what is trained on ---------------------------------------------------------------------------


class _Made:
    """Training rows made each time they are asked for: pictures and sounds, too large to hold."""

    def __init__(self, model: Model, examples: Examples) -> None:
        self.model, self.examples = model, examples

    def __len__(self) -> int:
        return len(self.examples)

    def __getitem__(self, place: int) -> dict[str, Any]:
        return self.model.learn(self.examples.inputs[place], self.examples.targets[place])[0]


def _rows(model: Model, job: Job) -> Any:
    """Rows by place. Inputs that cannot be read are found before training starts, not in the middle of it."""
    examples = job.train
    if not model.lazy:
        return [row for item, target in examples for row in model.learn(item, target)]
    from concurrent.futures import ThreadPoolExecutor

    from zoohub.errors import InputError

    def trouble(item: Any) -> str:
        try:
            model.prepare(item)
        except InputError as error:
            return error.message
        return ""

    with ThreadPoolExecutor(max(1, model.plan.workers)) as pool:
        found = list(pool.map(trouble, examples.inputs))
    if bad := [text for text in found if text]:
        if job.settings.bad == "raise":
            raise unusable(examples.name, bad, len(found))
        examples = examples.pick(i for i, text in enumerate(found) if not text)
    return _Made(model, examples)


def _add_lora(model: Model, settings: Settings) -> None:
    """Low-rank layers beside all linear ones and 1 x 1 convolutions; the head is trained whole."""
    import torch

    with hf.quiet():
        from peft import LoraConfig, get_peft_model
    from transformers.pytorch_utils import Conv1D

    names = {module: name for name, module in model.module.named_modules()}
    head = names[model.head()] if "probe" in model.strategies else None
    words = getattr(model.module, "get_output_embeddings", lambda: None)()  # tied to the input: left as it is
    targets = [
        name
        for module, name in names.items()
        if name != head
        and module is not words
        and (
            isinstance(module, torch.nn.Linear | Conv1D)
            or (isinstance(module, torch.nn.Conv2d) and module.kernel_size == (1, 1) and module.groups == 1)
        )
    ]
    config = LoraConfig(
        r=settings.rank,
        lora_alpha=2 * settings.rank,
        lora_dropout=0.05,
        target_modules=targets,
        fan_in_fan_out=any(isinstance(module, Conv1D) for module in names),
        modules_to_save=[head] if head else None,
    )
    with hf.quiet():
        model.module = get_peft_model(model.module, config)


# --- training -------------------------------------------------------------------------------------


def train(
    model: Any,
    rows: Any,
    job: Job,
    *,
    size: int | None = None,
    epochs: float | None = None,
    measured: bool = True,
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Train `model.trainer_module()` on batches that `model.collate` makes of `rows`; its log, and facts.

    `measured`: the metric of the held-out part after each epoch decides which weights are kept and when to
    stop. Where memory is short it goes on with half the batch.
    """
    _as_meant(model.trainer_module())
    if job.settings.checkpointing:
        recompute(model.trainer_module())
    size = size or _batch_size(job)
    while True:
        try:
            return _train(model, rows, job, size, epochs, measured)
        except Exception as error:
            if not is_out_of_memory(error) or size == 1:
                raise
            size = max(1, size // 2)
            free_memory()
            _note(f"out of memory; going on with {size} examples a batch")


def _train(
    model: Any, rows: Any, job: Job, size: int, passes: float | None, measured: bool
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    import transformers

    options = job.settings
    epochs = passes or options.epochs or _epochs(job, len(rows), size)
    rate = options.learning_rate or _rate(job)
    if options.epochs and not passes:
        _note_if_few(job, len(rows), size)
    with hf.quiet():
        arguments = _arguments(job, size, epochs, rate, len(rows), measured)
        trainer = _trainer(model, rows, job, arguments)
        for callback in (*_own_callbacks(job, measured), *options.callbacks):
            trainer.add_callback(callback)
        trainer.remove_callback(transformers.PrinterCallback)
        checkpoint = _last_checkpoint(job.work)
        if checkpoint:
            _note(f"going on from {checkpoint.name}")
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    facts = {"epochs": epochs, "learning rate": rate, "batch size": size}
    return [dict(line) for line in trainer.state.log_history], facts


def _as_meant(module: Any) -> None:
    """Undo what transformers' MobileNets took over from TensorFlow, where the numbers count the other way.

    Their dropout, 0.8 and 0.999, is the share to keep, and the momentum of their batch norms, 0.997, is what a running
    mean keeps: trained as they are, most of the features are dropped and the last batch alone is remembered.
    """
    import torch

    for part in module.modules():
        if isinstance(part, torch.nn.modules.batchnorm._BatchNorm) and (part.momentum or 0) > 0.5:
            part.momentum = 0.1
        if isinstance(part, torch.nn.Dropout) and part.p > 0.7:
            part.p = 1 - part.p


def _epochs(job: Job, count: int, size: int) -> int:
    """Enough passes for a hundred steps, between three and twenty."""
    return min(20, max(3, math.ceil(MIN_STEPS * size * job.settings.accumulate / max(1, count))))


def _steps(options: Settings, count: int, size: int, epochs: float) -> int:
    """How often the weights are changed."""
    return math.ceil(math.ceil(count / (size * options.accumulate)) * epochs)


def _note_if_few(job: Job, count: int, size: int) -> None:
    """Say so where the epochs that were asked for are no more than a beginning."""
    steps = _steps(job.settings, count, size, job.settings.epochs or 0)
    if steps < FEW_STEPS and (usual := _epochs(job, count, size)) > (job.settings.epochs or 0):
        _note(
            f"{steps} steps are few to train by: left to itself it would make {usual} passes, not {job.settings.epochs}"
        )


def _rate(job: Job) -> float:
    strategy, kind = job.settings.strategy, _kind(job.base)
    return RATES.get((strategy, kind)) or RATES.get((strategy, kind.removeprefix("small ")), 5e-5)


def _kind(model: Model) -> str:
    """What the default learning rate goes by."""
    if model.task == "object-detection" or isinstance(model, LearnsThings):
        return "detection"
    kind = modality(model.task) or "text"
    if kind == "text" and model.parameters < SMALL:
        return "small text"
    return "convolutions" if kind == "vision" and has_convolutions(model.module) else kind


def _last_checkpoint(work: Path) -> Path | None:
    """The newest checkpoint that was written whole."""
    found = [path for path in work.glob("checkpoint-*") if (path / "trainer_state.json").is_file()]
    return max(found, key=lambda path: int(path.name.split("-")[1]), default=None)


def _arguments(job: Job, size: int, epochs: float, rate: float, count: int, measured: bool) -> Any:
    import transformers

    options = job.settings
    on_gpu = job.base.device.startswith("cuda")
    steps = _steps(options, count, size, epochs)
    if options.precision not in ("auto", "fp32", "bf16", "fp16"):
        raise UsageError(
            f"{options.precision!r} is no precision to train in.", "There are: auto, fp32, bf16, fp16."
        )
    return transformers.TrainingArguments(
        output_dir=str(job.work),
        num_train_epochs=epochs,
        learning_rate=rate,
        weight_decay=options.weight_decay,
        warmup_steps=round(0.06 * steps),
        lr_scheduler_type="cosine",
        per_device_train_batch_size=size,
        # a single picture left over may be too little for batch norms; another one is left over in the next epoch
        dataloader_drop_last=count % size == 1 < size and has_convolutions(job.base.module),
        gradient_accumulation_steps=options.accumulate,
        bf16=options.precision == "bf16" or (options.precision == "auto" and on_gpu),
        fp16=options.precision == "fp16",
        use_cpu=not on_gpu,
        eval_strategy="epoch" if measured else "no",
        save_strategy="epoch",
        save_total_limit=2,
        load_best_model_at_end=measured,
        metric_for_best_model="eval_main" if measured else None,
        greater_is_better=True,
        logging_steps=max(1, round(steps / epochs / 10)),
        seed=options.seed,
        data_seed=options.seed,
        report_to=[],
        disable_tqdm=True,
        remove_unused_columns=False,
        dataloader_pin_memory=on_gpu,
        label_names=["labels"],
    )


def _trainer(model: Any, rows: Any, job: Job, arguments: Any) -> Any:
    """A Trainer that measures with the task's own metric and may weigh classes."""
    import torch
    import transformers
    from safetensors.torch import load_model, save_model

    weights = _class_weights(job) if job.settings.balance else None

    lengths = None if getattr(model, "lazy", False) else _lengths(rows)

    class Trainer(transformers.Trainer):  # type: ignore[misc]
        control: Any

        def _get_train_sampler(self, *_: Any, **__: Any) -> Any:
            if lengths is None:
                return super()._get_train_sampler()
            return by_length(lengths, self.args.train_batch_size, self.args.seed)

        def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
            found = _measure(model, job)
            found["epoch"] = self.state.epoch
            self.log(found)
            self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, found)
            return found

        def compute_loss(self, module: Any, inputs: Any, return_outputs: bool = False, **more: Any) -> Any:
            if weights is None:
                return super().compute_loss(module, inputs, return_outputs=return_outputs, **more)
            outputs = module(**inputs)
            logits = outputs["logits"]
            loss = torch.nn.functional.cross_entropy(logits, inputs["labels"], weights.to(logits.device))
            return (loss, outputs) if return_outputs else loss

        # Checkpoints hold the module's tensors under its own names: transformers renames them for some
        # architectures when it saves and, here, would load back only those whose names are the same.
        def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
            folder = Path(output_dir or self.args.output_dir)
            folder.mkdir(parents=True, exist_ok=True)
            save_model(self.model, str(folder / WEIGHTS))

        def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
            load_model(model or self.model, str(Path(resume_from_checkpoint) / WEIGHTS))

        def _load_best_model(self) -> None:
            if self.state.best_model_checkpoint:
                load_model(self.model, str(Path(self.state.best_model_checkpoint) / WEIGHTS))

    return Trainer(
        model=model.trainer_module(),
        args=arguments,
        train_dataset=rows,
        eval_dataset=rows,  # asked for, not used: `evaluate` above measures on the held-out part
        data_collator=_collator(model, job),
    )


def _collator(model: Any, job: Job) -> Callable[[Any], dict[str, Any]]:
    """What makes batches: that of the model, with its pictures shown differently each time."""
    if getattr(model, "task", None) != "image-classification" or not job.settings.augment:
        return model.collate  # type: ignore[no-any-return]

    def collate(rows: Any) -> dict[str, Any]:
        batch: dict[str, Any] = model.collate(rows)
        return batch | {"pixel_values": augmented(batch["pixel_values"])}

    return collate


def _lengths(rows: Sequence[Any]) -> list[int] | None:
    """How many tokens each row has; None where rows have none."""
    if not isinstance(rows[0], dict) or "input_ids" not in rows[0]:
        return None
    return [len(row["input_ids"]) for row in rows]


def by_length(lengths: Sequence[int], size: int, seed: int) -> Any:
    """A sampler whose batches hold rows of like length, so that little of a batch is padding.

    Each epoch shuffles anew, by seed and epoch alone, so that a resumed run goes the same way.
    """
    import random

    from torch.utils.data import Sampler

    class ByLength(Sampler):  # type: ignore[type-arg]
        epoch = 0

        def set_epoch(self, epoch: int) -> None:
            self.epoch = epoch

        def __len__(self) -> int:
            return len(lengths)

        def __iter__(self) -> Any:
            draws = random.Random(seed * 1000 + self.epoch)
            places = list(range(len(lengths)))
            draws.shuffle(places)
            batches = []
            # At least four windows, since classes may differ in length and a batch should hold several of them.
            reach = size * min(50, max(1, len(places) // (4 * size)))
            for start in range(0, len(places), reach):
                window = sorted(places[start : start + reach], key=lambda place: -lengths[place])
                batches += [window[i : i + size] for i in range(0, len(window), size)]
            full, rest = [b for b in batches if len(b) == size], [b for b in batches if len(b) < size]
            draws.shuffle(full)
            return iter([place for batch in [*full, *rest] for place in batch])

    return ByLength()


def _measure(model: Model, job: Job) -> dict[str, float]:
    """The task's metrics now; `eval_main` is the main one, turned so that more is better."""
    results = model.judge(job.held, strict=job.settings.bad == "raise")
    model.module.train()
    kept = [
        (t, r) for t, r in zip(model.targets(job.held), results, strict=True) if not isinstance(r, Failed)
    ]
    found = measure(model.task, [t for t, _ in kept], [r for _, r in kept], model.labels)
    sign = -1.0 if is_loss(found.main) else 1.0
    return {"eval_main": sign * found.value, **{f"eval_{name}": e.value for name, e in found.metrics.items()}}


def _class_weights(job: Job) -> Any:
    """A weight for each class, such that all weigh the same."""
    import torch

    counts = job.train.counts()
    each = [len(job.train) / (len(job.labels) * max(1, counts[label])) for label in job.labels]
    return torch.tensor(each)


def _own_callbacks(job: Job, measured: bool) -> list[Any]:
    import transformers

    class Progress(transformers.TrainerCallback):  # type: ignore[misc]
        """A bar on stderr with the loss, the metric and the time left."""

        def __init__(self) -> None:
            self.bar: Any = None
            self.shown: dict[str, str] = {}

        def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            from tqdm import tqdm

            self.bar = tqdm(
                total=state.max_steps, initial=state.global_step, desc="training", dynamic_ncols=True
            )

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            self.bar.update(state.global_step - self.bar.n)

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
            names = ("loss", *(name for name in logs if name.startswith("eval_") and name != "eval_main"))
            self.shown |= {name: f"{logs[name]:.4f}" for name in names if name in logs}
            self.bar.set_postfix(self.shown)

        def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            self.bar.close()

    own: list[Any] = [Progress()] if job.settings.progress else []
    if measured and job.settings.patience is not None:
        own.append(transformers.EarlyStoppingCallback(job.settings.patience))
    return own
