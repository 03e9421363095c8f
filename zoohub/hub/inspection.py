"""What a push is looked at for before it counts: the card, the configuration, the weights' headers."""

from __future__ import annotations

from typing import Any

import yaml

from zoohub.hub.errors import BadRequest

MAX_FRONT = 256 << 10


def read_front_matter(text: str) -> dict[str, Any]:
    """The YAML block at the head of a card; empty where there is none.

    Raises:
        BadRequest: the block is no YAML mapping, or too large.
    """
    lines = text.splitlines()
    if not lines or lines[0].strip() != "---":
        return {}
    try:
        end = next(number for number, line in enumerate(lines[1:], 1) if line.strip() == "---")
    except StopIteration:
        return {}
    block = "\n".join(lines[1:end])
    if len(block) > MAX_FRONT:
        raise BadRequest(f"The metadata is larger than {MAX_FRONT} bytes")
    try:
        data = yaml.safe_load(block)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise BadRequest(f"The metadata is no YAML: {str(error)[:500]}") from error
    if data is not None and not isinstance(data, dict):
        raise BadRequest("The metadata is no mapping")
    return data or {}
