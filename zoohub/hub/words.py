"""Which facet a bare word of a `filter` means: tasks, libraries, languages and tags are mixed there."""

from __future__ import annotations

import re

from zoohub import tasks
from zoohub.registry import Registry

FORMATS = frozenset({"safetensors", "onnx", "gguf", "pytorch", "tf", "jax", "openvino"})
_LANGUAGE = re.compile(r"[a-z]{2,3}")


class FilterWords:
    """Knows the libraries that the registry has, as of the last `renew`, and those that were pushed since."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._libraries: frozenset[str] = frozenset()
        self.renew()

    def facet_of(self, word: str) -> str:
        """The facet of a word that comes without a prefix."""
        low = word.lower()
        if tasks.get(low) is not None:
            return "task"
        if low in FORMATS and low not in ("tf", "jax", "pytorch"):
            return "format"
        if low in self._libraries:
            return "library"
        return "language" if _LANGUAGE.fullmatch(word) else "tag"

    def renew(self) -> None:
        """Count the libraries anew."""
        self._libraries = frozenset(name.lower() for name in self._registry.count_by("library"))

    def learn(self, library: str | None) -> None:
        """A model of this library was pushed."""
        if library and library.lower() not in self._libraries:
            self._libraries |= {library.lower()}
