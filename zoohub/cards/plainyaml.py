"""YAML read safely and plainly: no tags, bounded size, depth and aliases, and words stay words.

YAML 1.1 turns a bare `no` (Norwegian), `on` or `1.10` into something else. Model hubs keep such words, so
this loader knows the YAML 1.2 core only: `true`, `false`, `null`, integers, floats. A date stays text.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any

import yaml

MAX_BYTES = 2_000_000
MAX_DEPTH = 40
MAX_NODES = 200_000
MAX_ALIASES = 200


class YamlProblem(ValueError):
    """Text that is no YAML this loader reads, with the line (from 1) where it is known."""

    def __init__(self, reason: str, line: int | None = None) -> None:
        self.reason, self.line = reason, line
        super().__init__(f"line {line}: {reason}" if line else reason)


@dataclass(frozen=True, slots=True)
class Loaded:
    """A document, and the keys that stood twice in one mapping: (key, line from 1)."""

    value: Any
    duplicates: list[tuple[str, int]] = field(default_factory=list)


def load(text: str, *, max_bytes: int = MAX_BYTES) -> Any:
    """The one document in `text`, as plain Python values; see `load_with_notes` for errors."""
    return load_with_notes(text, max_bytes=max_bytes).value


def load_with_notes(text: str, *, max_bytes: int = MAX_BYTES) -> Loaded:
    """As `load`, and with the keys that appear twice in one mapping (the last one counts, as YAML readers
    do).

    Raises:
        YamlProblem: broken YAML, or a document beyond the limits of size, depth, nodes or aliases.
    """
    if len(text.encode("utf-8", "surrogatepass")) > max_bytes:
        raise YamlProblem(f"longer than {max_bytes:,} bytes")
    try:
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            if node is not None:
                _check_expansion(node)
            value = loader.construct_document(node) if node is not None else None
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise YamlProblem(error.problem or "broken YAML", mark.line + 1 if mark else None) from error
    except yaml.YAMLError as error:
        raise YamlProblem(str(error).split("\n")[0]) from error
    except (RecursionError, ValueError, OverflowError) as error:
        raise YamlProblem(str(error) or "cannot be read") from error
    return Loaded(value, loader.duplicates)


def _check_expansion(root: yaml.Node) -> None:
    """Bound what the aliases expand to: shared nodes count as often as they are used."""
    sizes: dict[int, int] = {}

    def size(node: yaml.Node) -> int:
        known = sizes.get(id(node))
        if known is None:
            known = 1
            if isinstance(node, yaml.MappingNode):
                known += sum(size(key) + size(value) for key, value in node.value)
            elif isinstance(node, yaml.SequenceNode):
                known += sum(map(size, node.value))
            sizes[id(node)] = known
        return known

    if size(root) > MAX_NODES:
        raise YamlProblem(f"expands to more than {MAX_NODES:,} values", root.start_mark.line + 1)


class _Loader(yaml.SafeLoader):
    """SafeLoader with the YAML 1.2 core schema, a bound on expansion, and a note of duplicate keys."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - the base class's own attribute

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.duplicates: list[tuple[str, int]] = []
        self._nodes = self._aliases = 0
        self._open: list[str | None] = []

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Bound depth, nodes and aliases before anything is built: a bomb is refused while it is small."""
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        line = event.start_mark.line + 1
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise YamlProblem(f"more than {MAX_NODES:,} values", line)
        if isinstance(event, yaml.AliasEvent):
            self._aliases += 1
            if event.anchor in self._open:
                raise YamlProblem(f"the anchor &{event.anchor} contains itself", line)
            if self._aliases > MAX_ALIASES:
                raise YamlProblem(f"more than {MAX_ALIASES} aliases", line)
        if len(self._open) > MAX_DEPTH:
            raise YamlProblem(f"nested deeper than {MAX_DEPTH} levels", line)
        self._open.append(event.anchor)
        try:
            node: yaml.Node | None = super().compose_node(parent, index)
            return node
        finally:
            self._open.pop()

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        self.flatten_mapping(node)
        mapping: dict[Hashable, Any] = {}
        for key_node, value_node in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable):
                raise YamlProblem("a list or mapping as a key", key_node.start_mark.line + 1)
            if key in mapping:
                self.duplicates.append((str(key), key_node.start_mark.line + 1))
            mapping[key] = self.construct_object(value_node, deep=True)
        return mapping


_NULL = re.compile(r"^(?:~|null|Null|NULL|)$")
_BOOL = re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$")
_INT = re.compile(r"^[-+]?(?:0|[1-9][0-9]*)$")
FLOAT = re.compile(
    r"^[-+]?(?:\.[0-9]+|[0-9]+\.[0-9]*|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?$|^[-+]?\.(?:inf|Inf|INF)$|^\.(?:nan|NaN|NAN)$"
)
for _tag, _pattern, _first in (
    ("null", _NULL, ["~", "n", "N", ""]),
    ("bool", _BOOL, list("tTfF")),
    ("int", _INT, list("-+0123456789")),
    ("float", FLOAT, list("-+0123456789.")),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", _pattern, _first)
_Loader.add_implicit_resolver("tag:yaml.org,2002:merge", re.compile(r"^<<$"), ["<"])
_Loader.add_constructor("tag:yaml.org,2002:map", _Loader.construct_mapping)
