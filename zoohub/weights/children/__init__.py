"""Programs that run in a process of their own, because what they read comes from strangers.

They are started by `spawn`, first give up what they do not need (`guards`), and answer in JSON on stdout.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[3]
_START = (
    "import sys; sys.path.insert(0, sys.argv.pop(1)); from importlib import import_module; "
    "import_module('zoohub.weights.children.' + sys.argv.pop(1)).main(*sys.argv[1:])"
)


def command(program: str, *arguments: object) -> list[str]:
    """The command line that runs `program` of this package, apart from the user's own Python settings."""
    return [sys.executable, "-I", "-c", _START, str(_ROOT), program, *map(str, arguments)]


def environment(scratch: str) -> dict[str, str]:
    """No token, no proxy, no home: what the system needs to load libraries, and a place for scratch files."""
    kept = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT", "LANG")
    values = {key: os.environ[key] for key in kept if key in os.environ}
    values["OMP_NUM_THREADS"] = "1"
    return values | dict.fromkeys(("HOME", "TMPDIR", "TMP", "TEMP"), scratch)
