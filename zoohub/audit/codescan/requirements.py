"""Requirements that bring weights: packages that carry a model, spaCy's pipelines, direct addresses."""

from __future__ import annotations

import re
from collections.abc import Iterator

from zoohub.audit.codescan import names
from zoohub.audit.codescan.text import addresses
from zoohub.audit.codescan.uses import ModelUse

_SPACY = re.compile(r"\b([a-z]{2}[_-](?:core|dep|ent)[_-](?:news|web|wiki)[_-](?:sm|md|lg|trf))\b")
_NAME = re.compile(
    r"""^[\s"'\-]*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[[^\]]*\])?\s*(?:==\s*([\w.]+)|[<>=!~;@,"']|$|#)"""
)


def uses(text: str, path: str) -> Iterator[ModelUse]:
    """Every package line that brings weights."""
    packages = names.tables()["packages"]
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("#"):
            continue
        if found := _SPACY.search(line):
            pipeline = found[1].replace("-", "_")
            yield ModelUse(
                path, number, "requirement", found[1], f"spacy/{pipeline}", None, "a pipeline of spaCy"
            )
        elif (named := _NAME.match(line)) and (
            model := packages.get(re.sub(r"[-_.]+", "-", named[1]).lower())
        ):
            yield ModelUse(
                path, number, "requirement", named[1], model, named[2], "a package that carries weights"
            )
        else:
            yield from addresses(path, number, line)
