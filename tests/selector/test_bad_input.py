"""Bad input at the command line: exit code 2, and a message that names the thing and the remedy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from zoohub.cli.main import main
from zoohub.registry import ModelRecord, Registry

TASK = "text-classification"
HEADER = "model,task,dataset,metric,value"
Refused = Callable[..., str]


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Refused:
    def run(*args: object) -> str:
        capsys.readouterr()
        with pytest.raises(SystemExit) as stopped:
            main([str(arg) for arg in args])
        said = capsys.readouterr()
        assert stopped.value.code == 2, said.err
        assert said.out == ""
        return said.err

    return run


@pytest.fixture
def models() -> None:
    def record(name: str, **more: object) -> ModelRecord:
        values = {"task": TASK, "license": "mit", "license_raw": "mit", "parameters": 10_000_000}
        return ModelRecord(name, **{**values, **more})

    with Registry.open(catalog=False) as registry:
        registry.add(
            [
                record("org/small"),
                record("org/large", parameters=10**9),
                record("org/closed", license="cc-by-nc-4.0", license_raw="cc-by-nc-4.0", languages=("de",)),
                record("org/silent", license="unknown", license_raw=None, languages=("fr",)),
                record("org/picture", task="image-classification"),
                record("org/untold", task="translation", license="unknown", license_raw=None),
            ]
        )


@pytest.mark.parametrize(
    ("options", "thing", "remedy"),
    [
        ("--samples 1", "One sample", "0 samples"),
        ("--samples -5", "-5 samples are impossible", "Name the labeled samples"),
        ("--samples 99999999999999999999", "are impossible", "Name the labeled samples"),
        ("--samples nan", "nan", "--help"),
        ("--samples 5 --classes 1", "classes: 1", "at least 2"),
        ("--samples 5 --classes 10", "10 classes with 5 samples", "one sample per class"),
        ("--memory nan", "'nan' is no amount", "8GB"),
        ("--memory inf", "'inf' is no amount", "8GB"),
        ("--memory 0", "'0' is no amount", "8GB"),
        ("--max-params 0", "No model has 0 parameters", "at least 1"),
        ("--strategy magic", "'magic' is no strategy", "zero-shot, probe"),
        ("--samples 0 --strategy full", "needs samples", "--samples N"),
        ("--language klingon", "'klingon' is no language code", "zh"),
        ("--license bogus", "Unknown license 'bogus'", "zoo license list"),
        ("--try 2", "trains on your data", "--data PATH"),
        ("--budget 5min", "--budget is the time that --try may take", "--try K"),
        ("--column text=review", "a column of your data", "--data PATH"),
        ("--limit 0", "0", "--help"),
    ],
)
def test_options_that_are_impossible_or_contradict_one_another(
    models: None, refused: Refused, options: str, thing: str, remedy: str
) -> None:
    said = refused("recommend", "--task", TASK, *options.split())
    assert thing in said
    assert remedy in said


@pytest.mark.parametrize(
    ("task", "options", "thing", "remedy"),
    [
        ("image-classification", "--samples 100 --strategy setfit", "compares texts", "probe, lora"),
        ("translation", "--samples 100 --strategy probe", "fits a classifier", "zero-shot, lora, full"),
        ("image-classification", "--samples 100 --language zh", "no language", "Leave --language out"),
        ("classify my photos, please", "", "Unknown task", "zoo tasks"),
    ],
)
def test_options_that_mean_nothing_for_the_task(
    models: None, refused: Refused, task: str, options: str, thing: str, remedy: str
) -> None:
    said = refused("recommend", "--task", task, *options.split())
    assert thing in said
    assert remedy in said


def test_an_empty_registry(refused: Refused) -> None:
    with Registry.open(catalog=False):
        pass
    said = refused("recommend", "--task", TASK)
    assert "No model for text-classification" in said
    assert "zoo sync hub" in said


@pytest.mark.parametrize(
    ("options", "counts", "nearest"),
    [
        ("--memory 1MB", "memory: 4", "org/small: it needs about"),
        ("--max-params 5", "size: 4", "org/small: it has 10000000 parameters (--max-params)"),
        ("--license gpl-3.0", "license gpl-3.0: 3; license not known: 1", "its license is mit (--license)"),
        ("--language de --license mit", "language de: 2; license mit: 1", "org/small: it states no language"),
        ("--language ko", "language ko: 4", "org/small: it states no language"),
    ],
)
def test_where_no_model_passes_each_filter_is_counted_and_the_nearest_is_named(
    models: None, refused: Refused, options: str, counts: str, nearest: str
) -> None:
    said = refused("recommend", "--task", TASK, "--samples", "5000", *options.split())
    assert counts in said
    assert nearest in said


def test_of_a_license_that_is_not_stated_it_is_said_where_to_look(models: None, refused: Refused) -> None:
    said = refused("recommend", "--task", "translation", "--license", "commercial")
    assert "license not known: 1" in said
    assert "org/untold: it states no license here: see at its source" in said


def test_the_nearest_fails_the_fewest_filters_and_each_is_named(models: None, refused: Refused) -> None:
    said = refused("recommend", "--task", TASK, "--license", "gpl-3.0", "--memory", "1MB", "--language", "de")
    assert "org/closed: its license is cc-by-nc-4.0 (--license); it needs about" in said


@pytest.mark.parametrize(
    ("name", "text", "thing", "remedy"),
    [
        ("empty.csv", "", "holds no data", "csv or jsonl"),
        ("header.csv", "text,label\n", "holds no data", "csv or jsonl"),
        ("one.csv", "text,label\ngood,1\n", "One sample", "gather more"),
        ("alike.csv", "text,label\ngood,1\nbetter,1\n", "one class only", "another class"),
        ("bare.csv", "text\ngood\nbad\n", "needs the column label", "Found: text"),
        ("odd.jsonl", '{"text": "good", "label": 1}\n{"text": ', "line 2 cannot be read", "UTF-8"),
        ("latin.csv", b"text,label\n\xe9t\xe9,1\n", "cannot be read", "UTF-8"),
    ],
)
def test_data_that_is_none(
    models: None, refused: Refused, tmp_path: Path, name: str, text: str | bytes, thing: str, remedy: str
) -> None:
    file = tmp_path / name
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    said = refused("recommend", "--task", TASK, "--data", file)
    assert thing in said
    assert remedy in said


def test_columns_of_the_data_may_be_named(models: None, refused: Refused, tmp_path: Path) -> None:
    file = tmp_path / "stays.csv"
    rows = [f"{'lovely' if n % 2 else 'awful'} stay {n},{n % 2}" for n in range(20)]
    file.write_text("words,stars\n" + "\n".join(rows) + "\n")
    ask = ("recommend", "--task", TASK, "--data", file)
    assert "--column text=" in refused(*ask)
    assert "There is no column 'texts'" in refused(*ask, "--column", "text=texts")
    with pytest.raises(SystemExit) as done:
        main([str(arg) for arg in (*ask, "--column", "text=words", "--column", "label=stars")])
    assert done.value.code == 0


@pytest.mark.parametrize(
    ("text", "thing", "remedy"),
    [
        ("", "lacks model, task, dataset, metric, value; found: nothing", "Columns:"),
        ("model;task;dataset\n", "found: model;task;dataset", "Columns:"),
        ("model,dataset,acc\na/b,c,1\n", "lacks task, metric, value", "needed: model"),
        (f"{HEADER},value\n", "has value twice", "Columns:"),
        (f"{HEADER},color\n", "unknown columns: color", "Columns:"),
        (f"{HEADER}\n", "holds no results", "Add a line"),
        (f"{HEADER}\na/b,{TASK},c,accuracy,0.5,6\n", "line 2 has more values", "Quote"),
        (f"{HEADER}\na/b,nonsense,c,accuracy,0.5\n", "line 2: Unknown task 'nonsense'", "zoo tasks"),
        (f"{HEADER}\na/b,{TASK},c,accuracy,nan\n", "line 2: value is 'nan'", "finite"),
        (f"{HEADER}\na/b,{TASK},c,accuracy,-inf\n", "line 2: value is '-inf'", "finite"),
        (f"{HEADER},n_train\na/b,{TASK},c,accuracy,0.5,inf\n", "n_train is 'inf'", "finite"),
        (b"\xff\xfe\x00", "is no csv file in UTF-8", "columns"),
    ],
)
def test_evidence_that_is_none(
    refused: Refused, tmp_path: Path, text: str | bytes, thing: str, remedy: str
) -> None:
    file = tmp_path / "results.csv"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    said = refused("evidence", "import", file)
    assert thing in said
    assert remedy in said
    with Registry.open(catalog=False) as registry:
        assert registry.evidence() == []


def test_of_losses_less_is_better_unless_the_file_says_otherwise(tmp_path: Path) -> None:
    file = tmp_path / "results.csv"
    file.write_text(f"{HEADER}\na/b,speech recognition,c,wer,5.1\na/b,asr,c,accuracy,0.9\n")
    with pytest.raises(SystemExit):
        main(["evidence", "import", str(file)])
    with Registry.open(catalog=False) as registry:
        rows = {row.metric: row for row in registry.evidence(task="automatic-speech-recognition")}
    assert not rows["wer"].higher_is_better
    assert rows["accuracy"].higher_is_better
