"""zoo evidence, profile, fit and recommend --data as a person runs them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from zoohub.cli.main import zoo
from zoohub.errors import DataError, SelectorError
from zoohub.registry import ModelRecord, Registry

TASK = "text-classification"


@pytest.fixture(autouse=True)
def registry() -> None:
    with Registry.open(catalog=False) as opened:
        opened.add(
            ModelRecord(
                f"org/m{n}", task=TASK, license="mit", license_raw="mit", parameters=10_000_000 * (n + 1)
            )
            for n in range(8)
        )
        opened.add([ModelRecord("org/no-size", task=TASK)])


@pytest.fixture
def reviews(tmp_path: Path) -> Path:
    folder = tmp_path / "reviews"
    folder.mkdir()
    rows = [f"{'good' if n % 2 else 'bad'} hotel number {n},{n % 2}" for n in range(24)]
    (folder / "train.csv").write_text("text,label\n" + "\n".join(rows) + "\n")
    (folder / "test.csv").write_text("text,label\nlovely place,1\n")
    return folder


def run(*args: object) -> Result:
    return CliRunner().invoke(zoo, [str(arg) for arg in args], catch_exceptions=True)


def test_evidence_is_imported_once_listed_and_exported(tmp_path: Path) -> None:
    file = tmp_path / "results.csv"
    rows = [f"org/m{n},{TASK},hotels,accuracy,0.{n + 1},100,full,me" for n in range(8)]
    file.write_text("model,task,dataset,metric,value,n_train,strategy,source\n" + "\n".join(rows) + "\n")
    assert "8 results were added, 0 were there" in run("evidence", "import", file).stderr
    assert "0 results were added, 8 were there" in run("evidence", "import", file).stderr
    listed = run("evidence", "list", "--task", TASK, "--own", "--format", "json")
    assert [row["model"] for row in json.loads(listed.stdout)] == [f"org/m{n}" for n in range(8)]
    one = run(
        "evidence", "list", "--task", "sentiment analysis", "--own", "--model", "org/m3", "--format", "csv"
    )
    assert one.stdout.splitlines()[1].startswith("org/m3,hotels,accuracy,0.4")
    copy = tmp_path / "copy.csv"
    assert "8 results" in run("evidence", "export", copy, "--task", TASK).stderr
    assert "0 results were added, 8 were there" in run("evidence", "import", copy).stderr


def test_profile_of_a_folder_of_tables(reviews: Path) -> None:
    shown = run("profile", reviews)
    assert shown.exit_code == 0
    assert "text: 24 samples, 1 for evaluation, 2 classes" in shown.stdout
    found = json.loads(run("profile", reviews, "--format", "json").stdout)
    assert found["classes"] == {"0": 12, "1": 12}
    assert (found["samples"], found["leaked"]) == (24, 0)


def test_fit_answers_by_words_and_exit_code() -> None:
    fits = run("fit", "org/m0", "--memory", "8GB", "--strategy", "lora")
    assert fits.exit_code == 0
    assert fits.stdout.startswith("org/m0 fits: lora in fp32 needs about")
    small = json.loads(
        run("fit", "org/m0", "--memory", "900MB", "--strategy", "lora", "--format", "json").stdout
    )
    assert not small["fits"]
    assert small["footprint"]["memory"]["middle"] > 900e6
    args = ["fit", "org/m0", "--memory", "900MB", "--strategy", "lora"]
    assert CliRunner().invoke(zoo, args, standalone_mode=False).return_value == 1
    assert isinstance(run("fit", "org/no-size", "--memory", "8GB").exception, SelectorError)


@pytest.mark.parametrize("form", ["folder", "file"])
def test_recommend_takes_counts_from_the_data(reviews: Path, form: str) -> None:
    data = reviews if form == "folder" else reviews / "train.csv"
    result = run("recommend", "--task", TASK, "--data", data, "--limit", "2", "--format", "json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert len(found["recommendations"]) == 2
    assert found["recommendations"][0]["strategy"]["reason"].startswith("12 samples per class")
    assert "its weights are not here (zoo pull org/" in result.stderr


def test_a_folder_of_tables_is_labeled_data_with_its_held_out_part(reviews: Path) -> None:
    from zoohub.adapters.data import read

    examples = read(reviews, TASK)
    assert (len(examples), examples.name) == (24, "reviews")
    assert examples.held_out is not None
    assert len(examples.held_out) == 1


def test_try_needs_data_and_a_length_of_time(reviews: Path) -> None:
    alone = run("recommend", "--task", TASK, "--try", "2")
    assert "trains on your data" in str(alone.exception)
    odd = run("recommend", "--task", TASK, "--data", reviews, "--try", "2", "--budget", "soon")
    assert "no length of time" in str(odd.exception)
    none = run("recommend", "--task", TASK, "--data", reviews, "--try", "2")
    assert "None of the candidates is on this machine" in str(none.exception)


def test_the_policy_in_force_judges_each_candidate(monkeypatch: pytest.MonkeyPatch) -> None:
    args = ("recommend", "--task", TASK, "--samples", "5000", "--classes", "2", "--format", "json")
    free = json.loads(run(*args).stdout)
    assert "verdict" not in free["recommendations"][0]
    monkeypatch.setenv("ZOO_POLICY", "commercial")
    judged = json.loads(run(*args).stdout)
    assert {item["verdict"] for item in judged["recommendations"]} <= {"allow", "review", "deny"}
    shown = run(*args[:-2])
    assert "VERDICT" in shown.stdout


def test_an_encoder_is_a_candidate_where_there_is_data_to_train_its_head() -> None:
    with Registry.open(catalog=False) as registry:
        registry.add(
            [ModelRecord("org/encoder", task="fill-mask", license="mit", license_raw="mit", parameters=10**8)]
        )
    ask = ("recommend", "--task", TASK, "--limit", "100", "--license", "commercial", "--format", "json")
    trained = json.loads(run(*ask, "--samples", "5000", "--classes", "2").stdout)
    assert "org/encoder" in {item["id"] for item in trained["recommendations"]}
    as_it_is = json.loads(run(*ask, "--samples", "0").stdout)
    assert "org/encoder" not in {item["id"] for item in as_it_is["recommendations"]}


def test_a_data_folder_with_broken_files(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    with Registry.open(catalog=False) as registry:
        registry.add(
            [
                ModelRecord(
                    "org/eye", task="image-classification", license="mit", license_raw="mit", parameters=10**7
                )
            ]
        )
    for label, color in (("cat", "red"), ("dog", "blue")):
        (tmp_path / label).mkdir()
        for n in range(12):
            image.new("RGB", (20 + n, 20), color).save(tmp_path / label / f"{n}.png")
    (tmp_path / "cat" / "broken.png").write_bytes(b"no picture")
    ask = ("recommend", "--task", "image-classification", "--data", tmp_path, "--format", "json")
    mended = run(*ask)
    assert mended.exit_code == 0, mended.output
    assert "1 files cannot be read" in mended.stderr
    assert json.loads(mended.stdout)["recommendations"][0]["id"] == "org/eye"
    for file in tmp_path.rglob("*.png"):
        file.write_bytes(b"no picture")
    assert isinstance(run(*ask).exception, DataError)
