"""Which facet a bare word of a `filter` means: tasks, libraries, languages and tags are mixed there."""

from __future__ import annotations

import re
import threading
import time

from zoohub import tasks
from zoohub.registry import Registry

FORMATS = frozenset({"safetensors", "onnx", "gguf", "pytorch", "tf", "jax", "openvino"})
_LANGUAGE = re.compile(r"[a-z]{2,3}")
MAX_AGE = 600.0


class FilterWords:
    """Knows the libraries that the registry has; they are counted anew every ten minutes."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._libraries: frozenset[str] = frozenset()
        self._until = 0.0
        self._lock = threading.Lock()

    def facet_of(self, word: str) -> str:
        """The facet of a word that comes without a prefix."""
        low = word.lower()
        if tasks.get(low) is not None:
            return "task"
        if low in FORMATS and low not in ("tf", "jax", "pytorch"):
            return "format"
        if low in self.libraries():
            return "library"
        return "language" if _LANGUAGE.fullmatch(word) else "tag"

    def libraries(self) -> frozenset[str]:
        """The names of all libraries, in lower case."""
        with self._lock:
            if time.monotonic() > self._until:
                counts = self._registry.count_by("library")
                self._libraries = frozenset(name.lower() for name in counts)
                self._until = time.monotonic() + MAX_AGE
            return self._libraries
