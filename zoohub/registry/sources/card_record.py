"""A model card (YAML front matter + Markdown) -> what of a record it states."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from zoohub import tasks
from zoohub.cards import Card
from zoohub.errors import CardError
from zoohub.registry.records import LicenseEvidence, ModelRecord
from zoohub.registry.sources import facts
from zoohub.registry.sources.licensed import licensed


def with_card(record: ModelRecord, path: Path) -> ModelRecord:
    """The record with what the card at `path` states; what the record knows already stands.

    Raises:
        ValueError: the card cannot be read as one.
    """
    try:
        card = Card.read(path)
    except CardError as error:
        raise ValueError(error.message) from error
    if broken := [finding for finding in card.findings if finding.severity == "error" and not finding.mended]:
        raise ValueError(f"{path.name}: {broken[0].message}")
    data = card.data
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
            description=_first_paragraph(card.body) or record.description,
        )
    )


def _first_paragraph(body: str) -> str | None:
    """The first lines of prose: no heading, no picture, no table, no code."""
    for block in re.split(r"\n\s*\n", re.sub(r"```.*?```", "", body, flags=re.DOTALL)):
        line = block.strip()
        if line and not line.startswith(("#", "!", "[![", "|", "<", "-", "*", ">")):
            return facts.text(line, 500)
    return None
