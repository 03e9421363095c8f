"""Models in folders: license texts count, links that lead outside are not followed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from zoohub.audit import audit
from zoohub.audit.folders import license_texts
from zoohub.audit.report import ModelAudit
from zoohub.registry import ModelRecord, Registry

APACHE = Path(__file__).parents[2] / "LICENSE"  # the text of the project's own


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "model"
    path.mkdir()
    (path / "config.json").write_text(json.dumps({"architectures": ["BertModel"], "model_type": "bert"}))
    return path


@pytest.fixture
def registry() -> Iterator[Registry]:
    with Registry.open(catalog=False) as opened:
        opened.add([ModelRecord("meta-llama/Llama-3.2-1B", license="llama3.2", license_raw="llama3.2")])
        yield opened


def card(folder: Path, front: str, body: str = "") -> None:
    (folder / "README.md").write_text(f"---\n{front}\n---\n{body}\n")


def judged(folder: Path, registry: Registry) -> ModelAudit:
    return audit([str(folder)], "commercial", registry).models[0]


def standing(result: ModelAudit) -> set[str]:
    return {finding.term for finding in result.findings if finding.severity != "allow"}


def test_the_text_is_the_license_where_the_card_says_nothing(folder: Path, registry: Registry) -> None:
    (folder / "LICENSE").write_bytes(APACHE.read_bytes())
    result = judged(folder, registry)
    assert result.license == "apache-2.0"
    assert result.verdict == "allow"
    assert "file LICENSE" in result.findings[0].evidence


def test_a_text_that_contradicts_the_card(folder: Path, registry: Registry) -> None:
    card(folder, "license: mit")
    (folder / "LICENSE").write_bytes(APACHE.read_bytes())
    assert standing(judged(folder, registry)) == {"license-text"}


def test_a_changed_text_is_not_taken_for_the_original(folder: Path, registry: Registry) -> None:
    text = APACHE.read_text().replace("irrevocable", "revocable", 1)
    (folder / "LICENSE").write_text(text)
    result = judged(folder, registry)
    assert result.license == "unknown"
    assert standing(result) == {"license-unknown", "license-text"}


def test_a_license_file_that_is_a_link_outside_is_not_read(
    folder: Path, registry: Registry, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_bytes(APACHE.read_bytes())
    (folder / "LICENSE").symlink_to(tmp_path / "secret")
    (found,) = license_texts(folder)
    assert found.id == "unknown"
    assert "leads out" in found.words
    assert judged(folder, registry).license == "unknown"


def test_the_card_of_a_derived_model_shows_what_it_must(folder: Path, registry: Registry) -> None:
    front = "license: llama3.2\nbase_model: meta-llama/Llama-3.2-1B\nbase_model_relation: finetune"
    named = folder.rename(folder.with_name("Llama-ours"))
    card(named, front)
    assert "badge" in standing(judged(named, registry))
    card(named, front, "Built with Llama")
    assert "badge" not in standing(judged(named, registry))
