"""Real hub records from an archive of JSON files (one a model), and many more of them by resampling."""

from __future__ import annotations

import json
import random
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from zoohub.registry import BaseModel, Metric, ModelRecord
from zoohub.registry.license_facts import normalized


def records(archive: Path) -> list[ModelRecord]:
    """Every model of the archive, in the order of its ids."""
    found = []
    with tarfile.open(archive) as tar:
        for member in tar:
            if member.name.endswith(".json") and member.name.count("/") == 2:
                stream = tar.extractfile(member)
                assert stream is not None
                found.append(record(json.load(stream)))
    return sorted(found, key=lambda each: each.id)


def record(data: dict[str, Any]) -> ModelRecord:
    """The record of one model's JSON."""
    base = data["base_model"]
    return ModelRecord(
        id=data["id"], author=data["author"], task=data["pipeline_tag"], library=data["library"],
        license_raw=data["license"], license=normalized(data["license"], None, None) if data["license"] else "unknown",
        languages=tuple(data["languages"]), tags=tuple(data["tags"]), parameters=data["parameters"],
        base_models=(BaseModel(base, _relation(base, data["tags"])),) if base else (), size=data["storage_bytes"],
        formats=tuple(data["formats"]), downloads=data["downloads_30d"], likes=data["likes"],
        created=data["created_at"], updated=data["updated_at"], gated=data["gated"], gone=data["removed_at"],
        metrics=tuple(Metric(each["metric"], each["value"], each["task"], each["dataset"]) for each in data["benchmarks"]
                      if each["metric"] and isinstance(each["value"], int | float)),
    )  # fmt: skip


def _relation(base: str, tags: list[str]) -> str | None:
    for tag in tags:
        kind, _, rest = tag.removeprefix("base_model:").partition(":")
        if tag.startswith("base_model:") and rest.lower() == base.lower():
            return {
                "finetune": "finetune",
                "adapter": "adapter",
                "quantized": "quantized",
                "merge": "merge",
            }.get(kind)
    return None


def resampled(real: list[ModelRecord], count: int, seed: int = 0) -> Iterator[ModelRecord]:
    """`count` records: whole real ones with new unique ids of real name parts, downloads with log-normal noise."""
    rnd = random.Random(seed)
    parts = [part for each in real for part in each.name.replace("_", "-").split("-") if part.isalnum()]
    for number in range(count):
        pattern, author = rnd.choice(real), rnd.choice(real).author
        name = pattern.name if number % 8 == 0 else f"{pattern.name[:60].rstrip('._-')}-{rnd.choice(parts)}"
        name = f"{name}-{_base36(number)}"
        yield replace(
            pattern, id=f"{author}/{name}", name=name, author=author,
            downloads=None if pattern.downloads is None else int(pattern.downloads * rnd.lognormvariate(0, 1)),
        )  # fmt: skip


def _base36(number: int) -> str:
    digits = ""
    while True:
        number, rest = divmod(number, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[rest] + digits
        if not number:
            return digits
