"""The policy in force in the other commands."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest
from click.testing import CliRunner

from zoohub.cli.main import zoo
from zoohub.errors import PolicyDenied
from zoohub.registry import BaseModel, ModelRecord, Registry


@pytest.fixture
def registry() -> Iterator[Registry]:
    with Registry.open(catalog=False) as opened:
        opened.add([
            ModelRecord("a/nc-model", license="cc-by-nc-4.0", license_raw="cc-by-nc-4.0"),
            ModelRecord("a/mit-model", license="mit", base_models=(BaseModel("a/nc-model", "finetune"),)),
        ])  # fmt: skip
        yield opened


def test_search_and_show_have_the_verdict_with_the_lineage(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = CliRunner().invoke(zoo, ["search", "model", "--format", "json"])
    assert all("verdict" not in row for row in json.loads(plain.stdout))
    monkeypatch.setenv("ZOO_POLICY", "commercial")
    found = CliRunner().invoke(zoo, ["search", "model", "--format", "json"])
    assert {row["id"]: row["verdict"] for row in json.loads(found.stdout)} == {
        "a/nc-model": "deny",
        "a/mit-model": "deny",
    }
    shown = CliRunner().invoke(zoo, ["show", "a/mit-model"])
    assert "deny under the policy in force" in shown.output


@pytest.mark.parametrize("command", [["pull", "a/nc-model"], ["finetune", "a/nc-model", "data.csv"]])
def test_what_is_denied_is_neither_pulled_nor_tuned(
    registry: Registry, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.setenv("ZOO_POLICY", "commercial")
    result = CliRunner().invoke(zoo, command)
    assert isinstance(result.exception, PolicyDenied)


def test_a_search_loads_nothing_of_the_audit_without_a_policy_and_no_yaml_with_one(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    def loaded() -> set[str]:
        code = ("import sys; from zoohub.cli.main import main\ntry:\n    main(['search', 'model'])\nexcept SystemExit: pass\n"
                "print('\\n'.join(sys.modules))")  # fmt: skip
        run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        return set(run.stdout.split())

    assert not {"zoohub.audit", "yaml"} & loaded()
    monkeypatch.setenv("ZOO_POLICY", "commercial")
    loaded()  # the first one reads the policy and keeps it
    second = loaded()
    assert "zoohub.audit.auditor" in second
    assert not {"yaml", "sqlalchemy", "zoohub.audit.codescan.scan"} & second
