"""zoo audit and zoo policy as a person runs them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from zoohub.cli.main import zoo
from zoohub.errors import ZooError
from zoohub.registry import BaseModel, ModelRecord, Registry


@pytest.fixture
def registry() -> Registry:
    with Registry.open(catalog=False) as opened:
        opened.add([
            ModelRecord("a/free", license="apache-2.0", license_raw="apache-2.0"),
            ModelRecord("a/research", license="cc-by-nc-4.0", license_raw="cc-by-nc-4.0"),
            ModelRecord("a/nobody-knows"),
            ModelRecord("a/child", license="mit", base_models=(BaseModel("a/research", "finetune"),)),
        ])  # fmt: skip
        yield opened


def run(*args: str) -> Result:
    return CliRunner().invoke(zoo, args)


@pytest.mark.parametrize(
    ("models", "code"),
    [(["a/free"], 0), (["a/research"], 1), (["a/nobody-knows"], 0), (["a/nobody-knows", "--strict"], 1),
        (["a/child"], 1)],
)  # fmt: skip
def test_exit_codes(registry: Registry, models: list[str], code: int) -> None:
    assert run("audit", *models, "--policy", "commercial").exit_code == code


@pytest.mark.parametrize(
    "args", [["audit"], ["audit", "--all", "a/free"], ["audit", "--all", "--format", "sarif"]]
)
def test_wrong_requests(registry: Registry, args: list[str]) -> None:
    result = run(*args)
    assert isinstance(result.exception, ZooError)
    assert result.exception.exit_code == 2


def test_the_table_says_why_and_how_to_mend(registry: Registry) -> None:
    output = run("audit", "a/child", "--policy", "commercial").output
    assert "claims more than cc-by-nc-4.0 grants" in output
    assert "lineage: a/child <- finetune - a/research" in output
    assert "to do" in output
    assert output.rstrip().endswith("Verdict under policy commercial: deny")


def test_all_counts_every_model(registry: Registry) -> None:
    document = json.loads(run("audit", "--all", "--policy", "commercial", "--format", "json").stdout)
    verdicts = {model["model"]: model["verdict"] for model in document["models"]}
    assert verdicts == {
        "a/free": "allow",
        "a/research": "deny",
        "a/nobody-knows": "review",
        "a/child": "deny",
    }
    assert document["verdicts"] == {"allow": 1, "review": 1, "deny": 2}


def test_code(registry: Registry, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(
        "from transformers import "
        "AutoModel\nAutoModel.from_pretrained('a/research')\nAutoModel.from_pretrained(x)\n"
    )
    result = run("audit", "--code", str(tmp_path), "--policy", "commercial", "--format", "json")
    document = json.loads(result.stdout)
    assert result.exit_code == 1
    assert document["models"][0]["used_at"] == ["app.py:2"]
    assert document["code"][0]["term"] == "model-unresolved"
    assert document["code"][0]["evidence"] == "app.py:3"


@pytest.mark.parametrize("format", ["markdown", "html"])
def test_pages_escape_what_models_say(registry: Registry, format: str) -> None:
    output = run("audit", "<script>alert(1)</script>", "--format", format).output
    assert "<script>" not in output


def test_a_policy_from_new_to_check_to_use(registry: Registry, tmp_path: Path) -> None:
    file = str(tmp_path / "ours.yaml")
    assert run("policy", "new", file).exit_code == 0
    assert run("policy", "check", file).exit_code == 0
    assert isinstance(run("policy", "new", file).exception, ZooError)
    assert "rule     term share_alike" in run("policy", "show", file).output
    assert run("audit", "a/free", "--policy", file).exit_code == 0
