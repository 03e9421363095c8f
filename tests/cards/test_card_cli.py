"""`zoo card` and `zoo license` as a person uses them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from zoohub.cli.main import main, zoo

MIT = (Path(__file__).parent / "license_texts" / "mit.txt").read_text(encoding="utf-8")


def run(*args: str) -> Result:
    return CliRunner().invoke(zoo, list(args), catch_exceptions=False)


def fails(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str]:
    with pytest.raises(SystemExit) as ended:
        main(list(args))
    return ended.value.code, capsys.readouterr().err


def test_license_list() -> None:
    rows = json.loads(run("license", "list", "--format", "json").stdout)
    assert len(rows) > 150
    assert {"id", "commercial", "serve"} <= set(rows[0])
    commercial = run("license", "list", "--group", "commercial", "--format", "id").stdout.split()
    assert "apache-2.0" in commercial
    assert "cc-by-nc-4.0" not in commercial
    assert "unknown" not in commercial
    assert "openrail++" in run("license", "list", "rail", "--kind", "rail", "--format", "id").stdout.split()


def test_license_show() -> None:
    text = run("license", "show", "Llama-3.2").stdout
    for part in (
        "Llama 3.2 Community License",
        "LicenseRef-llama3.2",
        "700,000,000 users a month",
        "at release",
        "(EU)",
        "1.b.i",
    ):
        assert part in text
    data = json.loads(run("license", "show", "gemma", "--format", "json").stdout)
    assert data["versions"] == ["gemma-2024-04", "gemma-2025-03"]


def test_license_show_names_near_ones(capsys: pytest.CaptureFixture[str]) -> None:
    code, said = fails(capsys, "license", "show", "appache-2.0")
    assert code == 2
    assert "Did you mean apache-2.0" in said
    assert "zoo license list" in said


def test_license_check(tmp_path: Path) -> None:
    (tmp_path / "LICENSE").write_text(MIT, encoding="utf-8")
    done = run("license", "check", str(tmp_path))
    assert done.exit_code == 0
    assert done.stdout.endswith("LICENSE: mit\n")
    (tmp_path / "LICENSE").write_text(
        MIT.replace("without restriction", "with restriction"), encoding="utf-8"
    )
    done = run("license", "check", str(tmp_path / "LICENSE"))
    assert done.exit_code == 1
    assert "similar to mit (95" in done.stdout
    assert "+ line 7: to deal in the Software with restriction," in done.stdout
    row = json.loads(run("license", "check", str(tmp_path), "--format", "json").stdout)[0]
    assert (row["license"], row["similar"], len(row["passages"])) == ("unknown", "mit", 2)


def test_license_check_refuses(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    inner = tmp_path / "model"
    inner.mkdir()
    assert fails(capsys, "license", "check", str(inner))[0] == 2
    (tmp_path / "secret").write_text(MIT, encoding="utf-8")
    (inner / "LICENSE").symlink_to(tmp_path / "secret")
    code, said = fails(capsys, "license", "check", str(inner))
    assert code == 2
    assert "leads out" in said
    assert fails(capsys, "license", "check", str(tmp_path / "nope"))[0] == 2


def test_license_compare() -> None:
    text = run("license", "compare", "llama3", "llama3.1").stdout
    assert "train_on_outputs  no" in text
    assert "differs" in text
    assert "Only llama3.1:" in text
    data = json.loads(run("license", "compare", "apache-2.0", "mit", "--format", "json").stdout)
    assert all(row["same"] for row in data["answers"])
    assert any("patent" in words for words in data["only"]["apache-2.0"])


def test_card_show_check_fix(tmp_path: Path) -> None:
    path = tmp_path / "README.md"
    path.write_text(
        "---\nlicence: Apache 2\ntags: a, b\npipeline_tag: fill-mask\n---\nHi\n", encoding="utf-8"
    )
    assert (
        json.loads(run("card", "show", str(tmp_path), "--format", "json").stdout)["data"]["license"]
        == "Apache 2"
    )
    done = run("card", "check", str(path))
    assert done.exit_code == 0
    assert "misspelt-key" in done.stdout
    assert run("card", "check", str(path), "--strict").exit_code == 1
    preview = run("card", "fix", str(path), "--dry-run").stdout
    assert "licence" in path.read_text(encoding="utf-8")
    assert "license: apache-2.0" in preview
    done = run("card", "fix", str(path))
    assert path.read_text(encoding="utf-8") == preview
    assert "apache-2.0" in done.stderr
    assert run("card", "check", str(path), "--strict").exit_code == 0
    assert "Nothing that a machine can mend" in run("card", "fix", str(path)).stderr


def test_card_check_fails_for_errors(tmp_path: Path) -> None:
    path = tmp_path / "README.md"
    path.write_text("---\ntags: [a\n---\nHi\n", encoding="utf-8")
    done = run("card", "check", str(path), "--format", "json")
    assert done.exit_code == 1
    assert {row["rule"] for row in json.loads(done.stdout)} >= {"broken-yaml", "no-license"}


def test_card_new_of_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "my-model"
    folder.mkdir()
    (folder / "config.json").write_text(
        '{"architectures": ["BertForMaskedLM"], "model_type": "bert"}', encoding="utf-8"
    )
    text = run("card", "new", str(folder)).stdout
    assert text.startswith("---\n")
    assert "# my-model" in text
    assert "No license is stated" in text
    target = folder / "README.md"
    assert run("card", "new", str(folder), "-o", str(target)).exit_code == 0
    code, said = fails(capsys, "card", "new", str(folder), "-o", str(target))
    assert code == 2
    assert "--force" in said
    assert run("card", "show", str(folder)).stdout == target.read_text(encoding="utf-8")


def test_card_of_a_model_in_the_registry() -> None:
    from zoohub.registry import BaseModel, ModelRecord, open_registry

    with open_registry() as registry:
        registry.add(
            [
                ModelRecord(
                    id="meta/Llama-3.1-8B", license="llama3.1", license_raw="llama3.1", task="text-generation"
                ),
                ModelRecord(
                    id="me/child",
                    task="text-generation",
                    base_models=(BaseModel("meta/Llama-3.1-8B", "finetune"),),
                ),
            ]
        )
    text = run("card", "show", "me/child").stdout
    assert "license: llama3.1" in text
    assert "Built with Llama" in text


def test_card_of_nothing(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, said = fails(capsys, "card", "show", "no/such-model")
    assert code == 2
    assert "No model" in said
    (tmp_path / "README.md").write_bytes(b"\x7fELF\0")
    code, said = fails(capsys, "card", "check", str(tmp_path))
    assert code == 2
    assert "is no text" in said
