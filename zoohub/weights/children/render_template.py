"""Render chat templates, one JSON request a line, for as long as stdin is open.

A request is {"template": ..., "variables": {...}, "limit": characters}; the answer {"text": ...} or
{"error": ...}. Time is limited by the parent, which ends this process.
"""

from __future__ import annotations

import json
import sys
from datetime import datetime
from functools import lru_cache
from typing import Any

import jinja2
import jinja2.ext
from jinja2.sandbox import ImmutableSandboxedEnvironment

from zoohub.weights.children.guards import give_up_rights, limit_memory

MEMORY = 512 << 20  # bytes beyond what the process has when it starts


def main() -> None:
    """Guard, then answer requests."""
    answers = sys.stdout
    sys.stdout = sys.stderr
    give_up_rights(seconds=24 * 3600, file_bytes=0)
    limit_memory(MEMORY)
    for line in sys.stdin:
        print(json.dumps(_answer(line)), file=answers, flush=True)


def _answer(line: str) -> dict[str, str]:
    try:
        request = json.loads(line)
        return {"text": render(request["template"], request["variables"], request["limit"])}
    except MemoryError:
        return {"error": "it needs more memory than is allowed"}
    except RecursionError:
        return {"error": "it is nested too deep"}
    except jinja2.TemplateSyntaxError as error:
        return {"error": f"line {error.lineno}: {error.message}"}
    except Exception as error:  # noqa: BLE001 - whatever a hostile template provokes is an answer
        return {"error": str(error)[:300] or type(error).__name__}


def render(template: str, variables: dict[str, Any], limit: int) -> str:
    """The text of a template, at most `limit` characters."""
    pieces: list[str] = []
    size = 0
    for piece in _compiled(template).generate(**variables):
        size += len(piece)
        if size > limit:
            raise ValueError(f"it renders more than {limit} characters")
        pieces.append(piece)
    return "".join(pieces)


@lru_cache(maxsize=16)
def _compiled(template: str) -> jinja2.Template:
    """As transformers compiles it, so that the text is the same."""
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, jinja2.ext.loopcontrols]
    )
    environment.filters["tojson"] = _to_json
    environment.globals["raise_exception"] = _raise_exception
    environment.globals["strftime_now"] = _strftime_now
    environment.globals["namespace"] = _Namespace
    return environment.from_string(template)


class _Generation(jinja2.ext.Extension):
    """`{% generation %}` marks the assistant's words for training; here it is only its content."""

    tags = {"generation"}  # noqa: RUF012 - the base declares it so

    def parse(self, parser: Any) -> Any:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


class _Namespace(jinja2.utils.Namespace):
    """A namespace without names that begin with an underscore: those reach into Python itself."""

    def __setitem__(self, name: str, value: Any) -> None:
        if str(name).startswith("_"):
            raise jinja2.exceptions.SecurityError(f"a namespace cannot hold {name!r}")
        super().__setitem__(name, value)


def _raise_exception(message: str) -> None:
    raise jinja2.TemplateError(message)


def _to_json(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    return json.dumps(
        value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys
    )


def _strftime_now(format: str) -> str:
    return datetime.now().strftime(format)
