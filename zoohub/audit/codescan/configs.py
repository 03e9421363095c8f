"""Models in YAML, JSON and TOML files: values of keys that name a model, and command lines among the
values."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from zoohub.audit.codescan import names, shell
from zoohub.audit.codescan.text import addresses, use
from zoohub.audit.codescan.uses import ModelUse
from zoohub.audit.words import words

# Keys whose value is a model; matched without case and with '-' as '_'.
KEY = re.compile(
    r"(?:[a-z0-9]+_)*(?:model|models|checkpoint|tokenizer|adapter|lora|encoder|vae|reranker|embedder|llm)"
    r"(?:_(?:id|ids|name|names|repo|repo_id|path|name_or_path|checkpoint|config))?"
    r"|(?:pretrained|hf|huggingface)(?:_[a-z]+)*|_name_or_path|name_or_path|base_model_name_or_path|repo_id|hf_repo|model_repo|from_pretrained"
)
# Keys that look alike and name something else.
_NOT = re.compile(
    r".*(?:repo_url|model_type|model_class|model_config|model_family|repo_type|data_repo|dataset_repo|docker_repo"
    r"|image_repo|git_repo|github_repo|ecr_repo)"
)
_COMMAND_KEYS = words("command cmd args entrypoint run script scripts shell commands")
LARGEST = 2 << 20  # bytes; a larger config is data (a vocabulary, a lock file)

Place = tuple[tuple[str, ...], str, int]


def uses(text: str, path: str, suffix: str, python: shell.Runner) -> Iterator[ModelUse]:
    """Every use in one config file.

    Raises:
        ValueError: it is not what its suffix says; the message names the line where it is known.
    """
    variables: dict[str, str] = {}
    leaves = list(_texts(text, suffix))
    for keys, value, line in leaves:
        key = _key(keys)
        variable = _environment(value)
        if variable:
            yield from use(path, line, f"variable {variable[0]}", variable[1], names.hub(variable[1]))
        elif shell.VARIABLE.fullmatch(keys[-1] if keys else "") and names.is_repository(value):
            yield from use(path, line, f"variable {keys[-1]}", value, names.hub(value))
        elif key in _COMMAND_KEYS or value.startswith(
            ("python ", "vllm ", "ollama ", "huggingface-cli ", "hf ")
        ):
            for number, command in enumerate(value.splitlines()):
                yield from shell.command_uses(command, path, line + number, variables, python)
        elif KEY.fullmatch(key) and not _NOT.fullmatch(key):
            yield from use(
                path, line, f"key {keys[-1] if not keys[-1].isdigit() else key}", value, _named(value, keys)
            )
        else:
            yield from addresses(path, line, value)
    yield from _argument_lists(_lists(leaves), path)


def _key(keys: tuple[str, ...]) -> str:
    """The key that says what a value is: the last, or the one above where the last is only `name` or `id`."""
    words = [_plain(key) for key in keys if not key.isdigit()] or [""]
    return (
        words[-2]
        if len(words) > 1 and words[-1] in ("name", "id", "repo", "path", "pretrained")
        else words[-1]
    )


def _named(value: str, keys: tuple[str, ...]) -> names.Named:
    if any("ollama" in key.lower() for key in keys):
        return names.ollama(value)
    if any("whisper" in key.lower() for key in keys):
        return names.whisper(value)
    if any("spacy" in key.lower() for key in keys):
        return names.spacy(value)
    return names.hub(value)


def _environment(value: str) -> tuple[str, str] | None:
    """`NAME=value` in a list of environment variables."""
    name, equals, rest = value.partition("=")
    return (name, rest) if equals and shell.VARIABLE.fullmatch(name) and names.is_repository(rest) else None


def _argument_lists(found: Iterator[tuple[list[str], int]], path: str) -> Iterator[ModelUse]:
    """`["--model", "org/name"]`: a command line written as a list."""
    for given, line in found:
        for option, value in pairwise(given):
            if option in shell.OPTIONS:
                yield from use(path, line, f"option {option}", value, names.hub(value))
        for word in given:
            option, equals, value = word.partition("=")
            if equals and option in shell.OPTIONS:
                yield from use(path, line, f"option {option}", value, names.hub(value))


def _plain(key: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", key).lower().replace("-", "_")


def _texts(text: str, suffix: str) -> Iterator[Place]:
    for keys, value, line in _leaves(text, suffix):
        if isinstance(value, str) and 2 < len(value) < 4000:
            yield keys, value, line


def _lists(leaves: list[Place]) -> Iterator[tuple[list[str], int]]:
    """Lists of texts that hold an option, with the line of their first item."""
    groups: dict[tuple[str, ...], tuple[list[str], int]] = {}
    for keys, value, line in leaves:
        if keys and keys[-1].isdigit():
            groups.setdefault(keys[:-1], ([], line))[0].append(value)
    yield from (group for group in groups.values() if any(word.startswith("--") for word in group[0]))


def _leaves(text: str, suffix: str) -> Iterator[tuple[tuple[str, ...], Any, int]]:
    if suffix in (".yaml", ".yml"):
        yield from _yaml(text)
    elif suffix == ".toml":
        import tomllib

        yield from _located(tomllib.loads(text), text)
    else:
        yield from _located(json.loads(text), text)


def _yaml(text: str) -> Iterator[tuple[tuple[str, ...], str, int]]:
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        for document in yaml.compose_all(text, Loader=loader):
            yield from _yaml_leaves(document, (), set())
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}: " if mark else ""
        raise ValueError(f"{where}{getattr(error, 'problem', None) or 'no YAML'}") from error


def _yaml_leaves(
    node: Any, keys: tuple[str, ...], above: set[int]
) -> Iterator[tuple[tuple[str, ...], str, int]]:
    kind = getattr(node, "id", "")
    if id(node) in above or len(keys) > 40:  # an anchor within itself, or a bomb
        return
    if kind == "scalar":
        yield keys, node.value, node.start_mark.line + 1
        return
    above.add(id(node))  # never removed: what an alias repeats is told once
    for position, item in enumerate(node.value if node is not None else ()):
        if kind == "mapping":
            yield from _yaml_leaves(item[1], (*keys, str(getattr(item[0], "value", ""))), above)
        else:
            yield from _yaml_leaves(item, (*keys, str(position)), above)


def _located(data: Any, text: str) -> Iterator[tuple[tuple[str, ...], Any, int]]:
    """Leaves in the order of the file; the line is where the value stands after the one before."""
    at = counted = 0
    line = 1
    for keys, value in _walk(data, ()):
        if isinstance(value, str):
            found = text.find(json.dumps(value, ensure_ascii=False)[1:-1], at)
            if found >= 0:
                line += text.count("\n", counted, found)
                at = counted = found
            yield keys, value, line


def _walk(data: Any, keys: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(data, dict):
        for key, value in data.items():
            yield from _walk(value, (*keys, str(key)))
    elif isinstance(data, list):
        for position, value in enumerate(data):
            yield from _walk(value, (*keys, str(position)))
    else:
        yield keys, data
