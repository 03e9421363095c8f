"""Fixtures of the adapters' tests; `tiny` becomes importable, so that all test files share it."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
