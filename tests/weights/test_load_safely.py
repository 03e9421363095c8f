"""`load` refuses what `check` refuses, and runs a model's own code only where that revision was trusted."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest

import zoohub
from tests.weights.hostile import Evil
from tests.weights.tinyhub import COMMIT, TinyHub
from zoohub.errors import NeedsCode, UnsafeFile
from zoohub.registry import ModelRecord
from zoohub.weights import pull

pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
pytestmark = pytest.mark.models

CODE = """
import pathlib
from transformers import BertForSequenceClassification
pathlib.Path({mark!r}).write_text("the model's own code ran")
class Own(BertForSequenceClassification):
    pass
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    config = transformers.BertConfig(vocab_size=30, hidden_size=8, num_hidden_layers=1, num_attention_heads=2,
                                     intermediate_size=16)  # fmt: skip
    place = tmp_path / "tiny"
    transformers.BertForSequenceClassification(config).save_pretrained(place)
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghijklmnopqrstuvwxy"]
    (place / "vocab.txt").write_text("\n".join(words))
    transformers.BertTokenizer(str(place / "vocab.txt")).save_pretrained(place)
    return place


def test_a_pickle_beside_good_weights_is_refused(folder: Path) -> None:
    assert zoohub.load(folder)
    (folder / "training_args.bin").write_bytes(pickle.dumps(Evil(), 2))
    with pytest.raises(UnsafeFile, match=r"posix\.system"):
        zoohub.load(folder)


def test_code_runs_only_for_a_revision_that_was_trusted(hub: TinyHub, folder: Path, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    config = json.loads((folder / "config.json").read_text())
    config["auto_map"] = {"AutoModelForSequenceClassification": "modeling_own.Own"}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "modeling_own.py").write_text(CODE.format(mark=str(mark)))
    hub.models["me/own"] = {path.name: path.read_bytes() for path in folder.iterdir()}
    record = ModelRecord(id="me/own", task="text-classification", library="transformers", revision=COMMIT)

    for model in (folder, record):
        with pytest.raises(NeedsCode, match="auto_map"):
            zoohub.load(model)
    assert not mark.exists()
    pull(record, trust=f"me/own@{COMMIT}", progress=False)
    assert len(zoohub.load(record).predict(["a b"])) == 1
    assert mark.read_text() == "the model's own code ran"
