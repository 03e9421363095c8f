"""Fixtures that every test may use."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

# Before torch and huggingface_hub are imported: test processes run beside one another, a thread each,
# and what a client keeps between runs stays out of the user's home.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["HF_HOME"] = tempfile.mkdtemp(prefix="zoohub-hf-")
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"


@pytest.fixture(autouse=True)
def zoo_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh ZOO_HOME for each test, so that none sees the user's or another's state."""
    home = tmp_path / "zoo-home"
    monkeypatch.setenv("ZOO_HOME", str(home))
    for name in (
        "ZOO_DATABASE_URL",
        "ZOO_POLICY",
        "ZOO_STORE",
        "ZOO_OFFLINE",
        "HF_HUB_OFFLINE",
        "HF_ENDPOINT",
    ):
        monkeypatch.delenv(name, raising=False)
    return home
