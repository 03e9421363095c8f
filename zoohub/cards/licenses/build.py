"""From `entries/*.yaml` to `licenses.json`: check every entry against the schema, work out tags and groups.

Contributors write entries; the rest of zoohub reads the compiled file, because it must be there in a
millisecond.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from zoohub.cards import plainyaml
from zoohub.cards.licenses.knowledge import CONDITIONS, KINDS, OPERATIONS, UNKNOWN

FOLDER = Path(__file__).parent
ENTRIES = FOLDER / "entries"
TARGET = FOLDER / "licenses.json"
ANSWERS = ("yes", "no", UNKNOWN)
TEXTS = ("read", "partly", "none")
# What a permissive license may ask for: credit, notices, peace on patents.
PERMISSIVE_ASKS = {"notice", "attribution", "state_changes", "patent_termination", "no_patent_grant"}

_WORD = {"type": "string", "minLength": 1}
_WORDS = {"type": "array", "items": _WORD, "uniqueItems": True}
_OPERATIONS = {"type": "array", "items": {"enum": [*OPERATIONS, "all"]}, "minItems": 1, "uniqueItems": True}
SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "zoohub license entry",
    "type": "object",
    "additionalProperties": False,
    "required": ["id", "name", "kind", "sources"],
    "properties": {
        "id": {"type": "string", "pattern": r"^[a-z0-9][a-z0-9.+\-]*$"},
        "name": _WORD,
        "kind": {"enum": list(KINDS)},
        "spdx": {"type": "string", "pattern": r"^(LicenseRef-)?[A-Za-z0-9.+\-]+$"},
        "steward": _WORD,
        "released": {"type": "string", "pattern": r"^\d{4}(-\d{2}(-\d{2})?)?$"},
        "url": {"type": "string", "pattern": "^https://"},
        "text": {"enum": list(TEXTS)},
        "aliases": _WORDS,
        "versions": _WORDS,
        "terms": {
            "type": "array",
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["clause"],
                "minProperties": 2,
                "maxProperties": 2,
                "properties": {"clause": _WORD, **dict.fromkeys(ANSWERS, _OPERATIONS)},
            },
        },
        "conditions": {
            "type": "array",
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["kind", "text", "clause"],
                "properties": {
                    "kind": {"enum": list(CONDITIONS)},
                    "text": _WORD,
                    "clause": _WORD,
                    "on": {"type": "array", "items": {"enum": list(OPERATIONS)}, "minItems": 1},
                    "amount": {"type": "integer", "minimum": 1},
                    "unit": _WORD,
                    "period": {"enum": ["month", "year"]},
                    "counted": {"enum": ["at release", "at any time"]},
                    "above": _WORD,
                    "places": _WORDS,
                    "only": {"enum": ["multimodal", "cosmos", "model as a service", "image generation"]},
                },
            },
        },
        "sources": {"type": "array", "items": _WORD, "minItems": 1},
        "notes": _WORD,
    },
}


class EntryProblem(ValueError):
    """An entry that breaks the schema or contradicts another."""


def entries(folder: Path = ENTRIES) -> list[dict[str, Any]]:
    """Every entry as it is written, in the order of files and of entries."""
    found: list[dict[str, Any]] = []
    for file in sorted(folder.glob("*.yaml")):
        document = plainyaml.load(file.read_text(encoding="utf-8"))
        found += document or []
    return found


def compiled(folder: Path = ENTRIES) -> dict[str, Any]:
    """What `licenses.json` holds: licenses by id, aliases to ids, groups to ids.

    Raises:
        EntryProblem: an entry misses a field, an id or alias stands twice, a version does not exist.
    """
    licenses: dict[str, dict[str, Any]] = {}
    for entry in entries(folder):
        if entry["id"] in licenses:
            raise EntryProblem(f"{entry['id']}: the id stands twice")
        licenses[entry["id"]] = _expand(entry)
    for entry in licenses.values():
        if entry.get("versions"):
            _join(entry, licenses)
    ordered = dict(sorted(licenses.items()))
    return {"licenses": ordered, "aliases": _aliases(ordered), "groups": _groups(ordered)}


def render(folder: Path = ENTRIES) -> str:
    """The compiled form as text: one license a line, so that a change shows as one changed line."""
    data = compiled(folder)
    lines = [f"{json.dumps(id)}:{_json(entry)}" for id, entry in data["licenses"].items()]
    body = ",\n".join(lines)
    aliases, groups = _json(data["aliases"]), _json(data["groups"])
    return f'{{"licenses":{{\n{body}\n}},\n"aliases":{aliases},\n"groups":{groups}}}\n'


def write() -> Path:
    """Write `licenses.json` anew and return its path."""
    TARGET.write_text(render(), encoding="utf-8")
    return TARGET


def _expand(entry: Mapping[str, Any]) -> dict[str, Any]:
    """One entry with a fact for each operation; what no term names is unknown."""
    result = {key: value for key, value in entry.items() if key not in ("id", "terms")}
    result.setdefault("text", "none")
    facts: dict[str, list[str]] = {}
    for answer, term in sorted(_terms(entry), key=lambda pair: "all" in pair[1][pair[0]]):
        for operation in OPERATIONS if "all" in term[answer] else term[answer]:
            if operation in facts and "all" not in term[answer]:
                raise EntryProblem(f"{entry['id']}: two answers for {operation}")
            facts.setdefault(operation, [answer, term["clause"]])
    silent = "the text was not read" if result["text"] == "none" else "the text does not say"
    result["facts"] = {operation: facts.get(operation, [UNKNOWN, silent]) for operation in OPERATIONS}
    return result


def _terms(entry: Mapping[str, Any]) -> Iterable[tuple[str, Mapping[str, Any]]]:
    for term in entry.get("terms", ()):
        (answer,) = set(term) - {"clause"}
        yield answer, term


def _join(entry: dict[str, Any], licenses: Mapping[str, Mapping[str, Any]]) -> None:
    """Give a tag the answers on which all its versions agree, and the conditions of every version."""
    versions = entry["versions"]
    if missing := [version for version in versions if version not in licenses]:
        raise EntryProblem(f"{entry['name']}: no such version: {', '.join(missing)}")
    parts = [licenses[version] for version in versions]
    for operation in OPERATIONS:
        answers = {part["facts"][operation][0] for part in parts}
        answer = answers.pop() if len(answers) == 1 else UNKNOWN
        said = "; ".join(
            f"{version}: {part['facts'][operation][0]}, {part['facts'][operation][1]}"
            for version, part in zip(versions, parts, strict=True)
        )
        entry["facts"][operation] = [answer, said]
    joined: dict[str, Any] = {}
    for part in parts:
        for condition in part.get("conditions", ()):
            joined.setdefault(_json(condition), condition)
    entry["conditions"] = list(joined.values())
    texts = [part["text"] for part in parts]
    entry["text"] = max(texts, key=TEXTS.index)


def _aliases(licenses: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for id, entry in licenses.items():
        for word in (entry.get("spdx", ""), *entry.get("aliases", ())):
            key = word.lower()
            if not key or key == id:
                continue
            if key in licenses or found.get(key, id) != id:
                raise EntryProblem(f"{id}: the alias {word!r} already means {found.get(key, key)}")
            found[key] = id
    return dict(sorted(found.items()))


def _groups(licenses: Mapping[str, Mapping[str, Any]]) -> dict[str, list[str]]:
    return {
        "commercial": [id for id, entry in licenses.items() if _commercial(entry)],
        "permissive": [id for id, entry in licenses.items() if _permissive(entry)],
    }


def _commercial(entry: Mapping[str, Any]) -> bool:
    """Granted without asking anyone, whatever the user earns (thresholds of users are no bar)."""
    granted = all(entry["facts"][operation][0] == "yes" for operation in ("use", "commercial"))
    return granted and not any(_asks_business(condition) for condition in entry.get("conditions", ()))


def _asks_business(condition: Mapping[str, Any]) -> bool:
    if condition["kind"] == "agreement":
        return "commercial" in condition.get("on", OPERATIONS)
    return condition["kind"] == "revenue_threshold" and "badge" not in condition.get("above", "")


def _permissive(entry: Mapping[str, Any]) -> bool:
    return all(answer == "yes" for answer, _ in entry["facts"].values()) and _kinds(
        entry.get("conditions", ())
    ) <= (PERMISSIVE_ASKS)


def _kinds(conditions: Iterable[Mapping[str, Any]]) -> set[str]:
    return {condition["kind"] for condition in conditions}


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
