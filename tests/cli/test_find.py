"""zoo search, show, tasks, alias, history, changes, lineage, db: as a user runs them."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from zoohub.registry import BaseModel, ModelRecord, Registry

RECORDS = [
    ModelRecord("org/sentiment-zh", author="org", task="text-classification",
                license="apache-2.0", license_raw="apache-2.0",
                languages=("zh",), parameters=110_000_000, downloads=900, updated="2026-01-02T00:00:00Z"),
    ModelRecord("org/resnet", author="org", task="image-classification", license="unknown", downloads=50),
    ModelRecord("me/resnet-tuned", author="me", task="image-classification", license="mit", license_raw="mit",
                base_models=(BaseModel("org/resnet", "finetune"),), tags=("\u202eevil\x1b[31m",)),
]  # fmt: skip


@pytest.fixture
def filled(zoo_home: Path) -> Path:
    with Registry.open(catalog=False) as registry:
        registry.add(RECORDS)
    return zoo_home


def zoo(*arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([sys.executable, "-m", "zoohub.cli", *arguments], capture_output=True, text=True)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done


def ids(*arguments: str) -> list[str]:
    return zoo("search", *arguments, "--format", "id").stdout.split()


def test_search_by_text_facets_and_chinese_task_names(filled: Path) -> None:
    assert ids("resnet") == ["org/resnet", "me/resnet-tuned"]
    assert ids("--task", "图像分类", "--not-license", "unknown") == ["me/resnet-tuned"]
    assert ids("情感分析") == ["org/sentiment-zh"]
    assert ids("--license", "commercial") == ["org/sentiment-zh", "me/resnet-tuned"]
    assert ids("--license", "unknown") == ["org/resnet"]
    assert ids("--min-params", "100M", "--max-params", "0.2B") == ["org/sentiment-zh"]
    assert ids("--language", "zh", "--author", "org", "--updated-since", "2026-01-01") == ["org/sentiment-zh"]
    assert ids("--base-model", "org/resnet") == ["me/resnet-tuned"]
    assert ids("--sort", "downloads", "--ascending") == ["org/resnet", "org/sentiment-zh", "me/resnet-tuned"]


def test_a_count_and_a_minus_that_looks_like_an_option(filled: Path) -> None:
    assert zoo("search", "resnet", "--count").stdout == "2\n"
    assert zoo("search", "resnet -tuned", "--count").stdout == "1\n"
    assert 'zoo search "resnet -tuned"' in zoo("search", "resnet", "-tuned", code=2).stderr
    assert "--license" in zoo("search", "--licens", "mit", code=2).stderr


def test_every_format_holds_the_same_models(filled: Path) -> None:
    table = zoo("search", "resnet").stdout
    assert "org/resnet" in table
    assert "unknown" in table
    assert [row["id"] for row in json.loads(zoo("search", "resnet", "--format", "json").stdout)] == ids(
        "resnet"
    )
    assert [
        json.loads(line)["id"] for line in zoo("search", "resnet", "--format", "jsonl").stdout.splitlines()
    ] == ids("resnet")
    assert [
        row["id"] for row in csv.DictReader(io.StringIO(zoo("search", "resnet", "--format", "csv").stdout))
    ] == ids("resnet")


def test_paging_and_counting(filled: Path) -> None:
    first = zoo("search", "--limit", "2")
    cursor = first.stderr.split()[-1]
    assert len(zoo("search", "--limit", "2", "--cursor", cursor, "--format", "id").stdout.split()) == 1
    counts = {
        row["license"]: row["models"]
        for row in json.loads(zoo("search", "--count-by", "license", "--format", "json").stdout)
    }
    assert counts == {"apache-2.0": 1, "mit": 1, "unknown": 1}


def test_what_nobody_knows_is_named_with_what_is_near(filled: Path) -> None:
    assert "image-classification" in zoo("search", "--task", "image-clasification", code=2).stderr
    assert "apache-2.0" in zoo("search", "--license", "apache-2.9", code=2).stderr
    assert "org/resnet" in zoo("show", "org/resnt", code=2).stderr
    assert "7B" in zoo("search", "--min-params", "many", code=2).stderr
    assert "No model matches" in zoo("search", "nothingofthatkind").stderr
    said = zoo("search", "--max-params", "1").stderr  # what states no number is told of, not just missed
    assert "would without the limit on parameters" in said


def test_show(filled: Path) -> None:
    shown = zoo("show", "ME/ResNet-Tuned").stdout
    assert "org/resnet (finetune)" in shown
    assert "commercial use: yes" in shown
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert json.loads(zoo("show", "me/resnet-tuned", "--format", "json").stdout)["license"] == "mit"


def test_tasks_in_two_languages() -> None:
    rows = {row["id"]: row for row in json.loads(zoo("tasks", "--format", "json").stdout)}
    assert rows["image-classification"]["name_zh"] == "图像分类"


def test_aliases_history_changes_lineage(filled: Path) -> None:
    zoo("alias", "set", "prod", "org/resnet@v1")
    assert zoo("alias", "list", "--format", "id").stdout.split() == ["prod"]
    assert json.loads(zoo("show", "prod", "--format", "json").stdout)["revision"] == "v1"
    zoo("alias", "remove", "prod")
    assert len(json.loads(zoo("history", "prod", "--format", "json").stdout)) == 2
    with Registry.open() as registry:
        registry.add([ModelRecord("org/resnet", author="org", license_raw="mit", license="mit")])
    assert "mit" in zoo("changes", "--field", "license", "--since", "2020-01-01").stdout
    assert "image-classification" not in zoo("history", "org/resnet").stdout
    tree = zoo("lineage", "org/resnet").stdout
    assert "base of:" in tree
    assert "me/resnet-tuned  (finetune)" in tree
    assert (
        json.loads(zoo("lineage", "me/resnet-tuned", "--format", "json").stdout)["bases"][0]["id"]
        == "org/resnet"
    )


def test_database_commands(filled: Path, tmp_path: Path) -> None:
    zoo("db", "upgrade")
    assert "whole" in zoo("db", "check").stderr
    assert json.loads(zoo("db", "info", "--format", "json").stdout)[0]["models"] == 3
    target = f"sqlite:///{tmp_path / 'copy.db'}"
    zoo("db", "copy", f"sqlite:///{filled / 'registry.db'}", target)
    with Registry.open(target, catalog=False) as copied:
        assert [record.id for record in copied.search("resnet")] == ["org/resnet", "me/resnet-tuned"]
    assert "not empty" in zoo("db", "copy", f"sqlite:///{filled / 'registry.db'}", target, code=2).stderr
    nowhere, other = filled / "nowhere.db", filled / "other.db"
    assert (
        "holds no registry" in zoo("db", "copy", f"sqlite:///{nowhere}", f"sqlite:///{other}", code=2).stderr
    )
    assert not nowhere.exists()
    assert not other.exists()


def test_a_file_that_is_no_database_is_said(zoo_home: Path) -> None:
    zoo_home.mkdir()
    (zoo_home / "registry.db").write_bytes(b"This is a letter, not a database." * 100)
    assert "not a database" in zoo("search", "x", code=2).stderr


def test_first_use_creates_the_registry_from_the_bundled_catalog(zoo_home: Path) -> None:
    done = zoo("search", "mobilenet", "--limit", "3", "--format", "id")
    assert "Creating the registry" in done.stderr
    assert len(done.stdout.split()) == 3
    assert "Creating" not in zoo("search", "mobilenet", "--limit", "3").stderr


def test_searching_imports_nothing_heavy(filled: Path) -> None:
    script = (
        "import sys\nfrom zoohub.cli.main import main\n"
        "try: main(['search', 'resnet', '--task', 'image-classification', '--license', 'mit'])\n"
        "except SystemExit: pass\n"
        "heavy = {'sqlalchemy', 'alembic', 'yaml', 'huggingface_hub', 'torch', 'numpy', 'tqdm', 'jinja2'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stderr.strip().splitlines()[-1] == "[]"
    assert "me/resnet-tuned" in done.stdout


def test_a_mistake_of_zoohub_is_told_in_words_and_its_details_kept(
    filled: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from zoohub.cli import main as command_line

    def broken(*_: object, **__: object) -> None:
        raise AssertionError("two and two are five")

    monkeypatch.setattr(command_line.zoo, "main", broken)
    with pytest.raises(SystemExit) as stopped:
        command_line.main(["tasks"])
    assert stopped.value.code == 1
    told = capsys.readouterr().err
    assert "zoohub made a mistake here (AssertionError: two and two are five)" in told
    assert "Traceback" not in told
    details = Path(told.split()[-1])
    assert "in broken" in details.read_text()
    details.unlink()
