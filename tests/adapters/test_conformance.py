"""Every registered adapter on every one of its tasks keeps every clause of the contract."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

np = pytest.importorskip("numpy")
pytest.importorskip("torch")
import cases  # noqa: E402
import expected_failures  # noqa: E402
import tiny  # noqa: E402

from zoohub.adapters import checks, table  # noqa: E402
from zoohub.adapters.base import Model  # noqa: E402
from zoohub.adapters.bundle import Bundle  # noqa: E402
from zoohub.adapters.results import Text  # noqa: E402
from zoohub.errors import WeightsError  # noqa: E402

pytestmark = [
    pytest.mark.models,
    pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*torch.jit:FutureWarning"),
]


def held(name: str, case: checks.Case, work: Path) -> None:
    """All clauses are kept but those known to be broken, and as many apply as should."""
    found = checks.report(case, work)
    broken = {clause: outcome for clause, outcome in found.items() if outcome.startswith("broken")}
    known = expected_failures.EXPECTED.get(name, {})
    assert {k: v for k, v in broken.items() if k not in known} == {}
    assert set(known) <= set(broken), "a clause that is listed as broken is kept"
    applied = [clause for clause, outcome in found.items() if not outcome.startswith("does not apply")]
    assert len(applied) == expected_failures.APPLY[name], found


@pytest.mark.parametrize("name", cases.CASES)
def test_it_keeps_the_contract(name: str, tmp_path: Path) -> None:
    (tmp_path / "case").mkdir()
    held(name, cases.CASES[name](tmp_path / "case"), tmp_path / "work")


@pytest.mark.weights
@pytest.mark.parametrize("name", cases.PACKAGED)
def test_packaged_weights_keep_the_contract(
    name: str, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "hibari" in name:
        pytest.importorskip("hibari")
    monkeypatch.setenv("ZOO_HOME", str(tmp_path_factory.getbasetemp() / "packaged"))
    try:
        case = cases.PACKAGED[name](tmp_path)
    except WeightsError as error:
        pytest.skip(f"the weights cannot be fetched here: {error.message}")
    held(name, case, tmp_path / "work")


def test_every_adapter_and_task_has_a_case() -> None:
    there = {f"{row.name}:{task}" for row in table.BUILT_IN for task in row.tasks}
    tried = {name.partition(",")[0] for name in {**cases.CASES, **cases.PACKAGED}}
    assert there == tried
    assert set(expected_failures.APPLY) == {*cases.CASES, *cases.PACKAGED}
    assert set(expected_failures.EXPECTED) <= set(expected_failures.APPLY)


# --- the suite itself: what is wrong must not pass ---------------------------------------------------


class Nonsense(Model):
    """Breaks what can be broken while predicting: order, batches, bad inputs, options, repeatability."""

    tasks = ("text-generation",)
    embeds = True
    count = 0

    def open(self) -> None:
        pass

    def prepare(self, item: Any) -> Any:
        return item

    def answer(self, samples: Sequence[Any], **_: Any) -> Sequence[Any]:
        Nonsense.count += 1
        return [Text(f"{sample} of {len(samples)}, call {Nonsense.count}") for sample in reversed(samples)]

    def features(self, samples: Sequence[Any]) -> Any:
        return np.full((len(samples), 3), len(samples), np.float64)

    def _chosen(self, options: Any) -> dict[str, Any]:
        return {}

    def write(self, folder: Path) -> None:
        (folder / "weights.pkl").write_bytes(b"\x80")


@pytest.fixture
def nonsense(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> checks.Case:
    rows = {
        **table.adapters(),
        "nonsense": table.Adapter("nonsense", "nonsense", ("text-generation",), "x:Nonsense"),
    }
    monkeypatch.setattr(table.Adapter, "load", lambda self: Nonsense)
    monkeypatch.setattr(checks, "adapters", lambda: rows)

    def opened(bundle_path: Path, *, task: str | None, device: str, precision: str) -> Model:
        from zoohub.adapters.loading import folder_record

        bundle = Bundle(bundle_path, folder_record(bundle_path), "nonsense", {})
        return Nonsense(bundle, task or "text-generation", device=device, precision=precision)

    monkeypatch.setattr(checks, "load", opened)
    return checks.Case(
        "nonsense", tiny.bert_gaps(tmp_path / "m"), ["a", "b", "c"], "text-generation", bad=[7], strange="好"
    )


MUST_BREAK = {
    "options_are_checked", "one_and_many", "order", "batches_are_independent", "streams", "embeds", "does_it_again",
    "bad_inputs", "other_scripts", "saved_answers_are_equal",
}  # fmt: skip


def test_a_nonsense_adapter_fails(nonsense: checks.Case, tmp_path: Path) -> None:
    found = checks.report(nonsense, tmp_path / "work")
    assert {clause for clause, outcome in found.items() if outcome.startswith("broken")} == MUST_BREAK, found


def test_an_unknown_adapter_fails(tmp_path: Path) -> None:
    case = checks.Case("no-such-adapter", tiny.bert_gaps(tmp_path), ["a [MASK]"])
    with pytest.raises(AssertionError, match="no adapter is called 'no-such-adapter'"):
        checks.run(checks.check_the_row_is_true, case, tmp_path)


def test_a_wrong_metric_and_other_weights_are_found(tmp_path: Path) -> None:
    wrong = checks.Case(
        "transformers-texts", tiny.bert_classifier(tmp_path / "m"), ["good", "bad", "room"], data=cases.REVIEWS,
        truth=lambda targets, results: cases.accuracy(targets, results) + 0.01,
        native=lambda folder: _changed(checks.transformers_module(folder)),
    )  # fmt: skip
    with pytest.raises(AssertionError, match="by hand"):
        checks.run(checks.check_evaluation_is_right, wrong, tmp_path)
    with pytest.raises(AssertionError, match="differs"):
        checks.run(checks.check_saved_folder_loads_without_zoohub, wrong, tmp_path)


def _changed(module: Any) -> Any:
    next(module.parameters()).data += 1
    return module


def test_zoohub_is_out_of_reach_while_others_load() -> None:
    with checks.out_of_reach("zoohub"), pytest.raises(ImportError):
        import zoohub.adapters
    import zoohub.adapters

    assert zoohub.adapters.load


PACKAGE = '''
from zoohub.adapters import Adapter
from zoohub.adapters.base import Model
from zoohub.adapters.results import Label

ROW = Adapter("length", "length", ("text-classification",), "zoo_length:Length")

class Length(Model):
    """Tells long texts from short ones."""

    tasks = ("text-classification",)
    options = {"limit": 10}

    def open(self):
        self.labels = ("short", "long")

    def prepare(self, item):
        from zoohub.adapters.base import refuse
        if not isinstance(item, str):
            raise refuse(item, "a text")
        return item

    def weigh(self, sample):
        return len(sample)

    def answer(self, samples, *, limit=10, **_):
        return [Label("long" if len(sample) > limit else "short", 1.0) for sample in samples]
'''
ENTRY = "[zoohub.adapters]\nlength = zoo_length:ROW\n"
METADATA = "Metadata-Version: 2.1\nName: zoo-length\nVersion: 1.0\n"


def test_an_adapter_of_another_package_keeps_the_contract(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Installed as pip leaves it: a module, and a dist-info folder with the entry point."""
    site = tmp_path / "site"
    info = site / "zoo_length-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "zoo_length.py").write_text(PACKAGE)
    (info / "entry_points.txt").write_text(ENTRY)
    (info / "METADATA").write_text(METADATA)
    monkeypatch.syspath_prepend(str(site))
    table.adapters.cache_clear()
    try:
        model = tmp_path / "model"
        model.mkdir()
        (model / "config.json").write_text(
            '{"adapter": "length", "architecture": "length", "layout": "length"}'
        )
        rows = [{"text": "a", "label": "short"}, {"text": "much too long a text", "label": "short"}]
        case = checks.Case(
            "length", model, ["a", "a rather long text", "b"], "text-classification", bad=[7], strange="好",
            long="x" * 5000, data=rows, truth=cases.accuracy,
        )  # fmt: skip
        found = checks.report(case, tmp_path / "work")
    finally:
        table.adapters.cache_clear()
    assert [outcome for outcome in found.values() if outcome.startswith("broken")] == []
    assert sum(outcome == "kept" for outcome in found.values()) == 13, found
