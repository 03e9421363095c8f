"""The front matter of a card as text: found, cut into the blocks of its keys, and put together again.

What was not changed keeps its very text, comments included: a block is written anew only when its value
changed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from zoohub.cards import plainyaml

MOST_PROSE = 500  # lines of prose before which a front matter is looked for
MOST_BLOCKS = 2000  # keys of a broken header that are read one by one
FENCE = re.compile(r"^-{3}[ \t]*$")
_TOP_KEY = re.compile(r"^(?P<key>[A-Za-z_][\w.\-]*(?: [\w\-]+)?|\"[^\"\n]+\"|'[^'\n]+')[ \t]*:(?:[ \t]|$)")


@dataclass(frozen=True, slots=True)
class Parts:
    """A card cut at its fences: the text before, the YAML between, the text after; `line`: of the first
    YAML line, from 1.

    `header` is None where there is no front matter; `closed` is False where the second fence is missing.
    """

    before: str
    header: str | None
    body: str
    line: int = 1
    closed: bool = True


def split(text: str, is_header: Callable[[str], bool]) -> Parts:
    """Cut a card (with `\\n` ends).

    Behind leading prose, only a block that `is_header` accepts counts as front matter.
    """
    lines = text.split("\n")
    first = next((n for n, line in enumerate(lines) if line.strip()), None)
    if first is None:
        return Parts("", None, text)
    start = 0
    while (opening := _fence(lines, start)) is not None and opening <= first + MOST_PROSE:
        closing = _fence(lines, opening + 1)
        leading = opening == first
        if closing is None:
            if leading and is_header("\n".join(lines[opening + 1 : opening + 4])):
                return Parts("", None, text, opening + 2, closed=False)
            break
        header = "\n".join(lines[opening + 1 : closing])
        if leading or is_header(header):
            before = "" if leading else "\n".join(lines[:opening]) + "\n"
            return Parts(before, header, "\n".join(lines[closing + 1 :]), opening + 2)
        start = closing
    return Parts("", None, text)


def _fence(lines: list[str], start: int) -> int | None:
    return next((n for n in range(start, len(lines)) if FENCE.match(lines[n])), None)


@dataclass(frozen=True, slots=True)
class Block:
    """The lines of one top-level key and what follows it; key None: before the first key."""

    key: str | None
    text: str
    line: int


def blocks(header: str) -> list[Block]:
    """The header cut at its top-level keys; one in a flow mapping `{...}` is a block without a key."""
    found: list[Block] = []
    key: str | None = None
    start = 1
    held: list[str] = []
    for number, line in enumerate(header.split("\n"), 1):
        match = _TOP_KEY.match(line)
        if match:
            if held:
                found.append(Block(key, "\n".join(held), start))
            key, start, held = match["key"].strip("\"'"), number, []
        held.append(line)
    if held:
        found.append(Block(key, "\n".join(held), start))
    return found


def salvage(header: str) -> tuple[dict[str, Any], list[plainyaml.YamlProblem]]:
    """What can be read of a broken header, key by key, and the problems of the rest with their lines."""
    data: dict[str, Any] = {}
    problems: list[plainyaml.YamlProblem] = []
    for block in blocks(header)[:MOST_BLOCKS]:
        try:
            value = plainyaml.load(block.text)
        except plainyaml.YamlProblem as problem:
            line = block.line + (problem.line or 1) - 1
            problems.append(plainyaml.YamlProblem(problem.reason, line))
            continue
        if isinstance(value, dict):
            data.update({str(name): item for name, item in value.items()})
        elif value is not None:
            problems.append(plainyaml.YamlProblem("text outside any key", block.line))
    return data, problems


def patch(header: str, original: Mapping[str, Any], names: Mapping[str, str], data: Mapping[str, Any]) -> str:
    """The header with `data` in it, touching only the blocks of keys that changed.

    `original` is what the header says by the names in `data`; `names` maps a key as written to its repaired
    name. Blocks that could not be read stay as they are; of a key that stands twice the last block stays.
    """
    pieces = blocks(header)
    last = {names.get(block.key, block.key): n for n, block in enumerate(pieces) if block.key is not None}
    if set(original) - set(last) or _shares_anchors(header):
        return dump(data)
    result: list[str] = []
    for number, block in enumerate(pieces):
        if block.key is None:
            result.append(block.text)
            continue
        name = names.get(block.key, block.key)
        if name not in original:
            result.append(block.text)
        elif name in data and last[name] == number:
            result.append(_rewritten(block, name, original[name], data[name]))
    result += [dump({name: value}) for name, value in data.items() if name not in original]
    return "\n".join(piece for piece in result if piece)


def _rewritten(block: Block, name: str, old: Any, new: Any) -> str:
    if new == old and type(new) is type(old):
        return block.text if name == block.key else block.text.replace(str(block.key), name, 1)
    lines = block.text.split("\n")
    kept = len(lines)
    while kept > 1 and (not lines[kept - 1].strip() or lines[kept - 1].startswith("#")):
        kept -= 1
    return "\n".join([dump({name: new}), *lines[kept:]])


def _shares_anchors(header: str) -> bool:
    return re.search(r"(?:^|[\s:\-\[])[&*]\w", header) is not None


class _Dumper(yaml.SafeDumper):
    """SafeDumper that never writes aliases and indents lists as the Hub's own cards do."""

    def ignore_aliases(self, data: Any) -> bool:
        """Every value is written out."""
        return True


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    """Text in PyYAML's own style, save where rare line ends would be lost by it."""
    rare = any(char in value for char in "\x85\u2028\u2029")
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style='"' if rare else None)


_Dumper.add_representer(str, _text)
# a word that only YAML 1.2 takes for a number is quoted too: 1e5
_Dumper.add_implicit_resolver("tag:yaml.org,2002:float", plainyaml.FLOAT, list("-+0123456789."))


def dump(data: Mapping[str, Any]) -> str:
    """`data` as YAML without the last line end; words such as `no` are quoted, for readers of YAML 1.1."""
    if not data:
        return ""
    text: str = yaml.dump(dict(data), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=10_000)
    return text.rstrip("\n")
