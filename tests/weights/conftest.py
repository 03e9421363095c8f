from __future__ import annotations

import random
import struct
from collections.abc import Iterator

import pytest

from tests.weights.tinyhub import TinyHub


def tensor_file(size: int, seed: int = 0) -> bytes:
    """A well-formed safetensors file of about `size` bytes that do not repeat."""
    data = random.Random(seed).randbytes(size // 4 * 4)
    header = b'{"w":{"dtype":"F32","shape":[%d],"data_offsets":[0,%d]}}' % (len(data) // 4, len(data))
    return struct.pack("<Q", len(header)) + header + data


@pytest.fixture(scope="session")
def registry_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """One registry for all: these tests read it only, and making one takes seconds."""
    return f"sqlite:///{tmp_path_factory.mktemp('registry') / 'registry.db'}"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, registry_url: str) -> Iterator[TinyHub]:
    """A hub with one plain model, `me/model`: 3 MB of weights and what goes with them."""
    files = {
        "config.json": b'{"model_type": "bert"}',
        "tokenizer.json": b'{"v": "' + b"x" * 5000 + b'"}',
        "README.md": b"# A model\n",
        "model.safetensors": tensor_file(3_000_000),
        ".gitattributes": b"*.safetensors filter=lfs\n",
        "logo.png": b"\x89PNG",
    }
    with TinyHub({"me/model": files}) as running:
        monkeypatch.setenv("HF_ENDPOINT", running.url)
        monkeypatch.setenv("ZOO_DATABASE_URL", registry_url)
        monkeypatch.setattr("zoohub.weights.fetch.PAUSE", 0.01)
        yield running
