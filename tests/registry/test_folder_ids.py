"""A model in a folder is named by its path, relative or whole, or by its id."""

from __future__ import annotations

from pathlib import Path

import pytest

from zoohub.registry import ModelRecord, Registry


def test_a_path_names_the_model_in_that_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "Tuned").mkdir()
    with Registry.open(f"sqlite:///{tmp_path / 'r.db'}", catalog=False) as registry:
        registry.add([ModelRecord(id=f"folder:{tmp_path / 'Tuned'}", source="folder")])
        for spelling in ("./Tuned", str(tmp_path / "Tuned"), f"folder:{tmp_path / 'Tuned'}"):
            assert registry.get(spelling).name == "Tuned"
