"""zoo predict, embed, evaluate, finetune: output, exit codes, messages."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

np = pytest.importorskip("numpy")
pytest.importorskip("torch")
import tiny  # noqa: E402
from PIL import Image  # noqa: E402

pytestmark = [pytest.mark.models, pytest.mark.slow]
ROOT = Path(__file__).parents[2]


def zoo(*words: str | Path, code: int = 0) -> subprocess.CompletedProcess[str]:
    run = subprocess.run(
        [sys.executable, "-m", "zoohub.cli", *map(str, words)],
        capture_output=True, text=True, check=False, cwd=ROOT, env=dict(os.environ),
    )  # fmt: skip
    assert run.returncode == code, run.stderr
    assert "Traceback" not in run.stderr
    return run


def test_predict_names_the_bad_and_answers_the_rest(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    tiny.vit(tmp_path / "m")
    (tmp_path / "pictures").mkdir()
    Image.new("RGB", (40, 40), "red").save(tmp_path / "pictures" / "a.png")
    (tmp_path / "pictures" / "b.png").write_text("no picture")
    run = zoo("predict", tmp_path / "m", tmp_path / "pictures", "--format", "jsonl", code=1)
    good, bad = map(json.loads, run.stdout.splitlines())
    assert good["label"] in tiny.LABELS
    assert "no image" in bad["error"]
    strict = zoo("predict", tmp_path / "m", tmp_path / "pictures", "--strict", code=2)
    assert "b.png" in strict.stderr
    (tmp_path / "empty").mkdir()
    nothing = zoo("predict", tmp_path / "m", tmp_path / "empty", code=2)
    assert "holds no pictures" in nothing.stderr


def test_finetune_then_evaluate_then_search(tmp_path: Path) -> None:
    tiny.bert_encoder(tmp_path / "m")
    lines = ["text,label"] + [
        f"{'good nice' if i % 2 else 'bad terrible'} hotel {i},{i % 2}" for i in range(30)
    ]
    (tmp_path / "reviews.csv").write_text("\n".join(lines))
    run = zoo(
        "finetune",
        tmp_path / "m",
        tmp_path / "reviews.csv",
        "--output",
        tmp_path / "tuned",
        "--format",
        "json",
    )
    assert json.loads(run.stdout)["metrics"]["accuracy"]["value"] > 0.5
    assert "labels: 2" in run.stderr
    measured = zoo("evaluate", tmp_path / "tuned", tmp_path / "reviews.csv", "--format", "json")
    assert json.loads(measured.stdout)["n"] == 30
    kept = zoo("evidence", "list", "--task", "text-classification", "--own", "--format", "json")
    trained, judged = json.loads(kept.stdout)  # the runs are evidence that the selector learns from
    assert (trained["model"], trained["n_train"], trained["n_classes"]) == (f"folder:{tmp_path / 'm'}", 24, 2)
    assert judged["model"] == f"folder:{tmp_path / 'tuned'}"
    assert trained["dataset"] == judged["dataset"]
    assert str(tmp_path / "tuned") in zoo("search", "tuned", "--format", "id").stdout
    again = zoo("finetune", tmp_path / "m", tmp_path / "reviews.csv", "--output", tmp_path / "tuned", code=2)
    assert "there already" in again.stderr
    quiet = zoo(
        "finetune", tmp_path / "m", tmp_path / "reviews.csv", "--output", tmp_path / "aside", "--no-register"
    )
    assert "registered" not in quiet.stderr
    assert (tmp_path / "aside" / "model.safetensors").is_file()
    assert str(tmp_path / "aside") not in zoo("search", "aside", "--format", "id").stdout
    kept = zoo("evidence", "list", "--task", "text-classification", "--own", "--format", "json")
    assert json.loads(kept.stdout) == [trained, judged]


def test_embed_writes_vectors(tmp_path: Path) -> None:
    tiny.bert_encoder(tmp_path / "m")
    zoo("embed", tmp_path / "m", "good hotel", "bad food", "--output", tmp_path / "v.npy")
    assert np.load(tmp_path / "v.npy").shape == (2, 32)


def test_without_torch_the_extra_is_named(tmp_path: Path) -> None:
    tiny.bert_encoder(tmp_path / "m")
    code = (
        "import sys, importlib.util as u; real = u.find_spec\n"
        "u.find_spec = lambda name, *a: None if name == 'torch' else real(name, *a)\n"
        f"sys.argv = ['zoo', 'predict', {str(tmp_path / 'm')!r}, 'text']\n"
        "import zoohub.cli.main as m; m.main()"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)
    assert run.returncode == 2
    assert "pip install 'zoohub[models]'" in run.stderr
