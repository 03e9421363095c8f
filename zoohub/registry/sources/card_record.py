"""A model card (YAML front matter + Markdown) -> what of a record it states."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from zoohub import tasks
from zoohub.registry.records import LicenseEvidence, ModelRecord
from zoohub.registry.sources import facts
from zoohub.registry.sources.licensed import licensed

LONGEST_CARD = 2 << 20

_FRONT = re.compile(r"\A\ufeff?\s*---[ \t]*\r?\n(.*?)\r?\n---[ \t]*(?:\r?\n|\Z)", re.DOTALL)


def card_data(text: str) -> tuple[Mapping[str, Any], str]:
    """The front matter as plain data, and the Markdown after it.

    Raises:
        ValueError: the YAML is broken or too large, or is no mapping.
    """
    from zoohub.cards.plainyaml import load

    found = _FRONT.match(text)
    if not found:
        return {}, text
    data = load(found[1])
    if data is None:
        return {}, text[found.end() :]
    if not isinstance(data, Mapping):
        raise ValueError("the card's front matter is no mapping")
    return data, text[found.end() :]


def with_card(record: ModelRecord, path: Path) -> ModelRecord:
    """The record with what the card at `path` states; what the record knows already stands.

    Raises:
        ValueError: the card cannot be read as one.
    """
    with path.open("rb") as stream:
        content = stream.read(LONGEST_CARD + 1)
    if len(content) > LONGEST_CARD:
        raise ValueError(f"the card is longer than {LONGEST_CARD >> 20} MiB")
    data, body = card_data(content.decode("utf-8", "replace"))
    raw = facts.license_word(data.get("license"))
    evidence = (LicenseEvidence("card", path.name, raw),) if raw else ()
    task = tasks.match(str(data.get("pipeline_tag") or ""))
    bases = facts.model_ids(data.get("base_model"), record.id)
    return licensed(
        replace(
            record,
            task=(task.id if task else None) or record.task,
            tasks=record.tasks,
            library=record.library or facts.text(data.get("library_name"), 60),
            license_raw=raw,
            license_name=facts.text(data.get("license_name"), 200),
            license_link=facts.text(data.get("license_link"), 400),
            license_evidence=evidence,
            languages=facts.words(data.get("language")),
            datasets=facts.words(data.get("datasets")),
            base_models=facts.base_models(bases, data.get("base_model_relation")),
            metrics=facts.metrics(data.get("model-index")),
            tags=facts.words(data.get("tags")),
            description=_first_paragraph(body) or record.description,
        )
    )


def _first_paragraph(body: str) -> str | None:
    """The first lines of prose: no heading, no picture, no table, no code."""
    for block in re.split(r"\n\s*\n", re.sub(r"```.*?```", "", body, flags=re.DOTALL)):
        line = block.strip()
        if line and not line.startswith(("#", "!", "[![", "|", "<", "-", "*", ">")):
            return facts.text(line, 500)
    return None
