"""The conformance suite: what every adapter must keep, one `check_...` a clause.

For an adapter of your own, in your package's tests:

    from zoohub.adapters import checks

    def test_conforms(tmp_path):
        case = checks.Case("mine", model=..., inputs=[...], bad=[...])
        found = checks.report(case, tmp_path)      # {"one_and_many": "kept", "embeds": "does not apply: ...", ...}
        assert not [clause for clause, outcome in found.items() if outcome.startswith("broken")], found

`run` holds a case to one clause, for a test of its own each.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, is_dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from zoohub.adapters.base import Model
from zoohub.adapters.loading import load
from zoohub.adapters.results import Failed, Result
from zoohub.adapters.table import adapters
from zoohub.errors import DataError, InputError, UsageError, ZooError

# Augmented pictures would ask for more passes than a check has.
FINETUNE: Mapping[str, Any] = {
    "epochs": 3, "learning_rate": 3e-3, "batch_size": 4, "patience": None, "augment": False,
}  # fmt: skip


class DoesNotApply(Exception):
    """The clause is about something that this adapter does not claim to do; the message says what."""


@dataclass(frozen=True)
class Case:
    """One adapter on one task, with a small model (a folder or an id) and inputs to try it on.

    `inputs` are at least three different good ones, of different lengths where they have any (`embedded`: those of
    `embed`, where they are others); `bad` must be
    refused; `strange` is a good one in other scripts (or, for files, under a name in another script); `long` is
    longer than the model takes at once. `data` are labeled rows to train and evaluate on. `truth` computes the
    task's main metric from (targets, results) by hand. `native` loads a saved folder by the family's own library
    and returns the module. `options` go to `predict`, `settings` to `finetune`. Numbers may differ by `tolerance`.
    """

    adapter: str
    model: str | Path
    inputs: Sequence[Any]
    task: str | None = None
    bad: Sequence[Any] = ()
    strange: Any = None
    long: Any = None
    data: Sequence[Mapping[str, Any]] | None = None
    truth: Callable[[Sequence[Any], Sequence[Any]], float] | None = None
    native: Callable[[Path], Any] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    tolerance: float = 1e-4
    embedded: Sequence[Any] | None = None

    def __str__(self) -> str:
        return f"{self.adapter}:{self.task}" if self.task else self.adapter

    def open(self, **settings: Any) -> Model:
        """The model, on the CPU in full precision unless `settings` say otherwise."""
        return load(self.model, task=self.task, **{"device": "cpu", "precision": "fp32", **settings})

    def answers(self, model: Model, inputs: Any, **settings: Any) -> Any:
        """`predict` with the case's options."""
        return model.predict(inputs, **{**self.options, **settings})


Check = Callable[[Case, Path], None]


def run(check: Check, case: Case, work: Path) -> None:
    """Hold one case to one clause; `work` is an empty folder.

    Raises:
        AssertionError: the clause is broken; DoesNotApply: it is about what the adapter does not claim to do.
    """
    try:
        check(case, work)
    except ZooError as error:
        raise AssertionError(f"{case}, {name(check)}: {type(error).__name__}: {error}") from error


def name(check: Check) -> str:
    """The clause, as `one_and_many`."""
    return check.__name__.removeprefix("check_")


def report(case: Case, work: Path) -> dict[str, str]:
    """What became of each clause: "kept", "does not apply: why", or "broken: how". All are tried."""
    found: dict[str, str] = {}
    for check in CHECKS:
        place = work / name(check)
        place.mkdir(parents=True)
        try:
            run(check, case, place)
            found[name(check)] = "kept"
        except DoesNotApply as reason:
            found[name(check)] = f"does not apply: {reason}"
        except Exception as error:  # noqa: BLE001 - an adapter may fail in any way; the other clauses go on
            found[name(check)] = f"broken: {type(error).__name__}: {error}"
    return found


# --- what it says of itself -------------------------------------------------------------------------


def check_the_row_is_true(case: Case, _: Path) -> None:
    """The table's row leads to a `Model` that serves its tasks, and the files lead to that row."""
    row = adapters().get(case.adapter)
    assert row is not None, f"no adapter is called {case.adapter!r}"
    family = row.load()
    assert issubclass(family, Model), f"{row.target} is no Model"
    assert set(row.tasks) <= set(family.tasks), (
        f"{row.target} does not serve {set(row.tasks) - set(family.tasks)}"
    )
    model = case.open()
    assert isinstance(model, family), f"the files lead to {type(model).__name__}, not to {family.__name__}"
    assert model.task in row.tasks
    assert case.task in (None, model.task)


def check_options_are_checked(case: Case, _: Path) -> None:
    """An option that does not exist is refused, not swallowed."""
    model = case.open()
    expect(UsageError, lambda: model.predict(case.inputs[0], an_option_that_is_not=1))
    expect(UsageError, lambda: model.predict(case.inputs[0], batch_size=0))


# --- predicting -------------------------------------------------------------------------------------


def check_one_and_many(case: Case, _: Path) -> None:
    """One input gives one result, a list gives a list of as many."""
    model = case.open()
    many = case.answers(model, list(case.inputs))
    assert isinstance(many, list), f"a list is answered with a {type(many).__name__}"
    assert len(many) == len(case.inputs), f"{len(case.inputs)} inputs have {len(many)} results"
    same(case.answers(model, case.inputs[0]), many[0], case.tolerance)
    same(case.answers(model, [case.inputs[0]]), many[:1], case.tolerance)


def check_order(case: Case, _: Path) -> None:
    """Results come in the order of the inputs, however these are batched."""
    model = case.open()
    forth, back = (case.answers(model, list(inputs)) for inputs in (case.inputs, case.inputs[::-1]))
    same(forth, back[::-1], case.tolerance)


def check_batches_are_independent(case: Case, _: Path) -> None:
    """An input is answered alike alone and beside others, with and without padding."""
    model = case.open()
    alone = case.answers(model, list(case.inputs), batch_size=1)
    for size in (2, len(case.inputs), "auto"):
        same(case.answers(model, list(case.inputs), batch_size=size), alone, case.tolerance)


def check_streams(case: Case, _: Path) -> None:
    """An iterator without end gives results as they come."""
    model = case.open()

    def endless() -> Iterator[Any]:
        while True:
            yield from case.inputs

    answers = case.answers(model, endless())
    count = len(case.inputs) + 1
    found = list(islice(answers, count))
    expected = case.answers(model, [*case.inputs, case.inputs[0]])
    same(found, expected, case.tolerance)


def check_results_are_plain_values(case: Case, _: Path) -> None:
    """Results are those of `results.py` and become JSON."""
    model = case.open()
    for answer in case.answers(model, list(case.inputs)):
        for result in answer if isinstance(answer, list) else [answer]:
            assert isinstance(result, Result), f"{type(result).__name__} is none of the results"
            json.dumps(result.to_dict(), allow_nan=False)


def check_device_and_dtype(case: Case, _: Path) -> None:
    """Weights are where and of the type that was asked for; bf16 answers too."""
    model = case.open()
    if model.module is None:
        raise DoesNotApply("no torch module")
    import torch

    assert {p.device.type for p in model.module.parameters()} == {"cpu"}
    assert {p.dtype for p in model.module.parameters()} == {torch.float32}
    assert not model.module.training
    half = case.open(precision="bf16")
    assert torch.bfloat16 in {p.dtype for p in half.module.parameters()}
    assert len(case.answers(half, list(case.inputs))) == len(case.inputs)


def check_embeds(case: Case, _: Path) -> None:
    """`(n, d)` float32 for many, `(d,)` for one, alike in any batch; an input is most like itself."""
    import numpy as np

    model = case.open()
    if not model.embeds:
        raise DoesNotApply("it does not embed")
    inputs = list(case.embedded or case.inputs)
    many = model.embed(inputs)
    assert many.dtype == np.float32
    assert many.ndim == 2
    assert len(many) == len(inputs)
    assert model.embed(inputs[0]).shape == many.shape[1:]
    same(list(model.embed(inputs, batch_size=1)), list(many), case.tolerance)
    assert np.allclose(np.diag(model.similarity(inputs, inputs)), 1, atol=1e-3)


def check_does_it_again(case: Case, _: Path) -> None:
    """The same inputs and options give the same answers: in one model, and in the model loaded anew."""
    first, second = case.open(), case.open()
    once = case.answers(first, list(case.inputs))
    same(case.answers(first, list(case.inputs)), once, 0.0 if first.module is None else 1e-6)
    same(case.answers(second, list(case.inputs)), once, 1e-6)


# --- inputs that are not as hoped -------------------------------------------------------------------


def check_bad_inputs(case: Case, _: Path) -> None:
    """A bad input is an `InputError` that names it, or with `strict=False` a `Failed` between good answers."""
    model = case.open()
    good = case.inputs[0]
    for bad in (object(), *case.bad):
        expect(InputError, partial(case.answers, model, [bad]))
        before, failed, after = case.answers(model, [good, bad, good], strict=False)
        assert isinstance(failed, Failed), f"{bad!r} is answered with {failed!r}"
        assert failed.error
        same(before, after, case.tolerance)


def check_nothing(case: Case, _: Path) -> None:
    """No inputs give no results; the empty text gives a result or an `InputError`, nothing else."""
    model = case.open()
    assert case.answers(model, []) == []
    assert list(case.answers(model, iter(()))) == []
    if model.embeds:
        assert model.embed([]).shape[0] == 0
    (answer,) = case.answers(model, [""], strict=False)
    assert answer is not None
    if case.data is not None:
        expect(DataError, lambda: model.evaluate([]))


def check_other_scripts(case: Case, _: Path) -> None:
    """Text in other scripts, with emoji and marks, is an ordinary input; spans stand where they say."""
    if case.strange is None:
        raise DoesNotApply("no input in another script")
    model = case.open()
    answer = case.answers(model, case.strange)
    same(case.answers(model, [case.inputs[0], case.strange])[1], answer, case.tolerance)
    for span in answer if isinstance(answer, list) else [answer]:
        if isinstance(case.strange, str) and hasattr(span, "start") and hasattr(span, "label"):
            assert case.strange[span.start : span.end] == span.text


def check_long_input(case: Case, _: Path) -> None:
    """An input longer than the model takes is cut or read by windows, and its neighbors are as without it."""
    if case.long is None:
        raise DoesNotApply("inputs have no length")
    model = case.open()
    answers = case.answers(model, [case.inputs[0], case.long])
    same(answers[1], case.answers(model, case.long), case.tolerance)
    same(answers[0], case.answers(model, case.inputs[0]), case.tolerance)


# --- saving -----------------------------------------------------------------------------------------


def check_saved_answers_are_equal(case: Case, work: Path) -> None:
    """A saved model answers as the one that was saved, and its folder holds a card and no pickle."""
    model = saved(case, work)
    again = load(work / "saved", task=model.task, device="cpu", precision="fp32")
    same(case.answers(again, list(case.inputs)), case.answers(model, list(case.inputs)), 1e-6)
    names = {path.name for path in (work / "saved").rglob("*")}
    assert "README.md" in names
    assert not [file for file in names if file.endswith((".bin", ".pt", ".pth", ".pkl", ".ckpt"))]
    expect(UsageError, lambda: model.save(work / "saved"))


def check_saved_folder_loads_without_zoohub(case: Case, work: Path) -> None:
    """The family's own library loads a saved folder, zoohub being out of reach, with the same weights."""
    model = saved(case, work)
    if model.module is None:
        raise DoesNotApply("no torch module")
    load_natively = case.native or NATIVE.get(model.bundle.library)
    assert load_natively, f"the case names no `native` way to load {model.bundle.library}"
    with out_of_reach("zoohub"):
        module = load_natively(work / "saved")
    ours, theirs = model.module.state_dict(), module.state_dict()
    assert ours.keys() == theirs.keys(), sorted(ours.keys() ^ theirs.keys())[:5]
    for key, value in ours.items():
        assert value.equal(theirs[key].to(value.dtype)), f"{key} differs"


def saved(case: Case, work: Path) -> Model:
    """The case's model, saved to `work/saved`; a clause about saving does not apply where it cannot be."""
    model = case.open()
    if type(model).write is Model.write:
        raise DoesNotApply("it cannot be saved")
    model.save(work / "saved")
    return model


# --- learning ---------------------------------------------------------------------------------------


def check_finetuning_lowers_the_loss_and_leaves_the_base(case: Case, work: Path) -> None:
    """Training makes the loss smaller, gives a new model in a folder, and changes nothing of the old one."""
    model, settings = trainable(case)
    before = {key: value.clone() for key, value in model.module.state_dict().items()}
    tuned = model.finetune(case.data, output=work / "tuned", **settings)
    history = json.loads((work / "tuned" / "training.json").read_text())["history"]
    losses = [line["loss"] for line in history if "loss" in line]
    assert len(losses) > 1
    assert losses[-1] < losses[0], f"the loss went from {losses[0]} to {losses[-1]}"
    assert all(value.equal(before[key]) for key, value in model.module.state_dict().items()), (
        "the base has changed"
    )
    again = load(work / "tuned", task=tuned.task, device="cpu", precision="fp32")
    same(case.answers(again, list(case.inputs)), case.answers(tuned, list(case.inputs)), 1e-6)


def check_resumed_training_equals_uninterrupted(case: Case, work: Path) -> None:
    """A run that was stopped goes on and ends with the weights of one that was not; so does a second run."""
    model, settings = trainable(case)
    from transformers import TrainerCallback

    class Stop(TrainerCallback):  # type: ignore[misc]
        def on_epoch_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if state.epoch and state.epoch >= 2:
                raise KeyboardInterrupt

    whole = model.finetune(case.data, output=work / "whole", **settings)
    try:
        model.finetune(case.data, output=work / "resumed", callbacks=[Stop()], **settings)
    except KeyboardInterrupt:
        assert not (work / "resumed").exists(), "a stopped run has left a folder that looks whole"
    else:
        raise AssertionError("the run was not stopped")
    resumed = model.finetune(case.data, output=work / "resumed", resume=True, **settings)
    found = resumed.module.state_dict()
    for key, value in whole.module.state_dict().items():
        assert value.allclose(found[key], atol=1e-5), f"{key} differs"


def trainable(case: Case) -> tuple[Model, dict[str, Any]]:
    """The model and its settings for training in full; a clause about training may not apply."""
    model = case.open()
    if not model.strategies:
        raise DoesNotApply("it cannot be fine-tuned")
    assert case.data, "the case has no data to train on"
    return model, {
        "strategy": "full",
        "eval": list(case.data),
        "register": False,
        **FINETUNE,
        **case.settings,
    }


def check_evaluation_is_right(case: Case, _: Path) -> None:
    """The main metric is what a plain program makes of the same answers, inside its interval."""
    if case.truth is None:
        raise DoesNotApply("no metric by hand")
    assert case.data, "the case has no data to evaluate on"
    model = case.open()
    from zoohub.adapters.data import read

    examples = read(case.data, model.task)
    measured = model.evaluate(case.data)
    results = model.judge(examples)
    by_hand = case.truth(model.targets(examples), results)
    assert abs(measured.value - by_hand) < 1e-6, f"{measured.main} is {measured.value}, by hand {by_hand}"
    estimate = measured.metrics[measured.main]
    assert estimate.low - 1e-9 <= estimate.value <= estimate.high + 1e-9 or measured.n < 10
    assert measured.n == len(case.data)


# --- tools ------------------------------------------------------------------------------------------


def same(found: Any, wanted: Any, tolerance: float) -> None:
    """Equal in kind, order and text; numbers and arrays within `tolerance`, relative beyond 1.

    Raises:
        AssertionError: they are not.
    """
    import numpy as np

    if isinstance(wanted, float | np.ndarray | np.floating):
        wanted_values, values = np.asarray(wanted, float), np.asarray(found, float)
        assert values.shape == wanted_values.shape, f"shape {values.shape} is not {wanted_values.shape}"
        worst = float((np.abs(values - wanted_values) / np.maximum(1, np.abs(wanted_values))).max(initial=0))
        assert worst <= tolerance, f"off by {worst:.2g}: {found!r:.200} is not {wanted!r:.200}"
    elif isinstance(wanted, list | tuple):
        assert len(found) == len(wanted), (
            f"{len(found)} are not {len(wanted)}: {found!r:.200}, {wanted!r:.200}"
        )
        for one, other in zip(_settled(found), _settled(wanted), strict=True):
            same(one, other, tolerance)
    elif is_dataclass(wanted):
        assert type(found) is type(wanted)
        for each in fields(wanted):
            same(getattr(found, each.name), getattr(wanted, each.name), tolerance)
    else:
        assert found == wanted, f"{found!r:.200} is not {wanted!r:.200}"


def _settled(items: Any) -> Any:
    """Labels by name: which of two with nearly one score comes first is chance."""
    named = items and all(hasattr(item, "label") and hasattr(item, "score") for item in items)
    plain = named and not any(hasattr(item, "start") or hasattr(item, "box") for item in items)
    return sorted(items, key=lambda item: item.label) if plain else items


def expect(kind: type[Exception], work: Callable[[], Any]) -> None:
    """`work` must raise `kind`, with a message."""
    try:
        done = work()
    except kind as error:
        said = str(error).strip()
    else:
        raise AssertionError(f"{kind.__name__} was expected, not {done!r:.200}")
    assert said, f"{kind.__name__} without a message"


@contextmanager
def out_of_reach(package: str) -> Iterator[None]:
    """While this lasts, `import package` fails."""
    mine = {key: module for key, module in sys.modules.items() if key.partition(".")[0] == package}
    for key in mine:
        sys.modules[key] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        for key in [key for key in sys.modules if key.partition(".")[0] == package and key not in mine]:
            del sys.modules[key]
        sys.modules.update(mine)


def transformers_module(folder: Path) -> Any:
    """A folder by transformers itself: the class that its config names, with what reads its inputs."""
    import transformers

    config = transformers.AutoConfig.from_pretrained(folder)
    return getattr(transformers, config.architectures[0]).from_pretrained(folder)


def timm_module(folder: Path) -> Any:
    """A folder by timm itself."""
    import timm

    return timm.create_model(f"local-dir:{folder}", pretrained=True)


def torchvision_module(folder: Path) -> Any:
    """A folder by torchvision and safetensors."""
    import torchvision
    from safetensors.torch import load_file

    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    module = torchvision.models.get_model(config["architecture"], num_classes=config["num_classes"])
    module.load_state_dict(load_file(folder / "model.safetensors"))
    return module


NATIVE: Mapping[str, Callable[[Path], Any]] = {
    "transformers": transformers_module,
    "timm": timm_module,
    "torchvision": torchvision_module,
}
CHECKS: tuple[Check, ...] = tuple(check for key, check in list(globals().items()) if key.startswith("check_"))
