"""What is wrong with a card, and what a machine can mend of it."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from zoohub.cards import frontmatter
from zoohub.cards.card import KEYS, MISSPELT, SEVERITIES, Card, CardFinding
from zoohub.cards.licenses import UNKNOWN, TextMatch, get, license_files, normalize, recognize_file
from zoohub.cards.writer import HUB_TAGS, license_fields
from zoohub.errors import CardError, UnknownTask, suggest
from zoohub.tasks import resolve as resolve_task

RELATIONS = ("finetune", "adapter", "quantized", "merge")
LISTS = ("tags", "datasets", "metrics", "language")
_LANGUAGE = re.compile(r"[a-z]{2,3}([-_][A-Za-z0-9]{2,8})*|multilingual|code")
_MODEL = re.compile(r"[\w.\-]+/[\w.\-]+")


def check(card: Card) -> tuple[CardFinding, ...]:
    """The findings of reading and those of the content, the gravest first, with their lines."""
    found = list(card.findings)
    lines = _lines(card)
    for rule in _RULES:
        found += [
            finding if finding.line else replace(finding, line=_line_of(finding, lines))
            for finding in rule(card)
        ]
    return tuple(sorted(found, key=lambda finding: (SEVERITIES.index(finding.severity), finding.line or 0)))


def fix(card: Card) -> tuple[Card, tuple[str, ...]]:
    """A mended copy and what was done, in words; what needs a person's judgment is left alone.

    Mended: encoding, misspelt keys, keys that stand twice, prose before the front matter, licenses and
    tasks that are spelled differently from the hubs' ids, and single words where a list belongs.
    """
    mended = copy.deepcopy(card)
    done = [finding.message for finding in card.findings if finding.mended]
    done += [finding.message for finding in card.findings if finding.rule == "duplicate-key"]
    if card.before.strip():
        mended.before, mended.body = "", "\n" + card.before.strip() + "\n" + card.body
        done.append("The text before the front matter was moved behind it.")
    for repair in (_fix_license, _fix_task, _fix_lists):
        done += repair(mended.data)
    if any(finding.rule == "duplicate-key" for finding in card.findings):
        mended.rewrite_header()
    return mended, tuple(done)


# --- rules --------------------------------------------------------------------------------------


def _license(card: Card) -> Iterator[CardFinding]:
    raw = card.data.get("license")
    name, link = card.word("license_name"), card.word("license_link")
    if raw in (None, "", []):
        yield CardFinding("no-license", "error", "No license is stated: nobody may know what they may do.",
                          remedy="Add one: license: apache-2.0   (zoo license list)")  # fmt: skip
        return
    if isinstance(raw, list) and len(raw) > 1:
        yield CardFinding(
            "license-list",
            "error",
            "Several licenses are listed: unclear which of them holds.",
            remedy="Name one, or write `other` with license_name and license_link.",
        )
        return
    word = card.word("license")
    if word is None or not isinstance(raw, str | list):
        yield CardFinding(
            "license-value", "error", f"The license is no word: {raw!r}.", remedy="Write: license: mit"
        )
        return
    match = normalize(word, name=name, link=link)
    if word.lower() in ("other", UNKNOWN) and not name:
        yield CardFinding(
            "license-other",
            "error",
            f"The license is {word!r} without a license_name.",
            remedy="Add license_name and license_link.",
        )
    elif match.id == UNKNOWN:
        yield CardFinding(
            "license-unknown",
            "warning",
            f"The license {name or word!r}: {match.how}.",
            remedy="Nothing is allowed by an unknown license; zoo license list names those that are known.",
        )
    elif word.lower() not in ("other", UNKNOWN) and word != HUB_TAGS.get(match.id):
        tag = license_fields(match.id)
        yield CardFinding(
            "license-spelling",
            "warning",
            f"Hubs do not know the license tag {word!r}; it means {match.id}.",
            remedy="Write: " + ", ".join(f"{key}: {value}" for key, value in tag.items()),
        )
    if match.id != UNKNOWN:
        yield from _license_terms(card, match.id)


def _license_files(card: Card) -> Iterator[CardFinding]:
    """The license texts that lie beside the card must be what the card says."""
    if card.path is None:
        return
    declared = normalize(
        card.data.get("license"), name=card.word("license_name"), link=card.word("license_link")
    )
    for file in license_files(card.path.parent):
        try:
            match = recognize_file(file, inside=card.path.parent)
        except CardError as error:
            yield CardFinding("license-file", "warning", f"{file.name}: {error.message}", remedy=error.remedy)
            continue
        if match.how == "exact" and match.part == "license" and not _same(match.id, declared.ids):
            said = (
                f"the card says {declared.expression or ' or '.join(declared.ids)}"
                if declared.ids
                else "which the card does not name"
            )
            severity = "error" if declared.ids else "warning"
            yield CardFinding("license-file", severity, f"The file {file.name} is {match.id}, {said}.",
                              remedy="Name in the card what the file says, or replace the file.")  # fmt: skip
        elif match.how in ("near", "contains"):
            yield CardFinding("license-file", "warning", f"The file {file.name} {_resembles(match)}.",
                              remedy=f"See: zoo license check {file}")  # fmt: skip


def _same(found: str, declared: tuple[str, ...]) -> bool:
    return any(found == id or found in get(id).versions for id in declared if id != UNKNOWN)


def _resembles(match: TextMatch) -> str:
    said = str(match)
    return said if match.how == "contains" else f"is {said}"


def _license_terms(card: Card, id: str) -> Iterator[CardFinding]:
    entry = get(id)
    prefix = entry.condition("name_prefix")
    name = card.word("model_name") or next(
        (str(item.get("name")) for item in card.data.get("model-index") or () if isinstance(item, dict)), None
    )
    if prefix and name and card.words("base_model") and not name.lower().startswith(prefix.text.lower()):
        yield CardFinding(
            "name-prefix",
            "warning",
            f"{entry.name} wants the name to begin with {prefix.text!r}.",
            remedy=f"See its clause {prefix.clause}",
        )
    badge = entry.condition("badge")
    if badge and not badge.only and card.words("base_model") and badge.text.lower() not in card.body.lower():
        yield CardFinding("badge", "note", f"{entry.name} wants the text {badge.text!r} to be shown.",
                          remedy=f"See its clause {badge.clause}")  # fmt: skip


def _task(card: Card) -> Iterator[CardFinding]:
    word = card.data.get("pipeline_tag")
    if word is None:
        yield CardFinding("no-task", "note", "No pipeline_tag: searches by task will not find the model.")
        return
    try:
        id = resolve_task(str(word)).id
    except UnknownTask as error:
        yield CardFinding(
            "task-unknown",
            "warning",
            f"Unknown pipeline_tag {word!r}.",
            remedy=f"Near ones: {', '.join(error.near)}" if error.near else "zoo tasks lists them.",
        )
        return
    if id != word:
        yield CardFinding(
            "task-spelling",
            "warning",
            f"Hubs do not know the pipeline_tag {word!r}; it means {id}.",
            remedy=f"Write: pipeline_tag: {id}",
        )


def _languages(card: Card) -> Iterator[CardFinding]:
    for word in card.words("language"):
        if not _LANGUAGE.fullmatch(word):
            yield CardFinding("language-code", "warning", f"{word!r} is no language code.",
                              remedy="Write ISO 639 codes: en, zh, no")  # fmt: skip


def _lineage(card: Card) -> Iterator[CardFinding]:
    for word in card.words("base_model"):
        if not _MODEL.fullmatch(word):
            yield CardFinding("base-model-id", "warning", f"The base_model {word!r} is no namespace/name.")
    relation = card.data.get("base_model_relation")
    if relation is not None and relation not in RELATIONS:
        near = suggest(str(relation), RELATIONS)
        yield CardFinding(
            "relation",
            "warning",
            f"base_model_relation {relation!r} is none of {', '.join(RELATIONS)}.",
            remedy=f"Perhaps {near[0]}?" if near else "",
        )
    if relation is not None and not card.words("base_model"):
        yield CardFinding("relation", "warning", "base_model_relation without a base_model.")


def _lists(card: Card) -> Iterator[CardFinding]:
    for key in LISTS:
        value = card.data.get(key)
        if isinstance(value, dict) or (
            isinstance(value, list) and any(isinstance(item, list | dict) for item in value)
        ):
            yield CardFinding("list-value", "warning", f"{key!r} should be a list of words.")
        elif isinstance(value, str) and "," in value:
            yield CardFinding("comma-list", "warning", f"{key!r} is one text with commas, not a list.",
                              remedy=f"Write: {key}: [{value}]")  # fmt: skip


def _metrics(card: Card) -> Iterator[CardFinding]:
    index = card.data.get("model-index")
    if index is None:
        return
    if not isinstance(index, list) or not all(isinstance(item, dict) for item in index):
        yield CardFinding(
            "model-index", "error", "model-index is no list of models; hubs refuse such a card."
        )
        return
    for item in index:
        results = item.get("results")
        if "name" not in item or not isinstance(results, list):
            yield CardFinding(
                "model-index", "error", "An entry of model-index lacks its name or its list of results."
            )
            continue
        for result in results:
            missing = [
                key
                for key in ("task", "dataset", "metrics")
                if not isinstance(result, dict) or key not in result
            ]
            if missing:
                yield CardFinding(
                    "model-index", "error", f"A result in model-index lacks {', '.join(missing)}."
                )


def _keys(card: Card) -> Iterator[CardFinding]:
    for key in card.data:
        near = [] if key in KEYS else suggest(key, KEYS, limit=1)
        if near and _close(key, near[0]):
            yield CardFinding(
                "unknown-key", "note", f"Hubs do not read {key!r}.", remedy=f"Perhaps {near[0]!r}?"
            )


def _close(first: str, second: str) -> bool:
    from difflib import SequenceMatcher

    return SequenceMatcher(None, first, second).ratio() > 0.8


def _body(card: Card) -> Iterator[CardFinding]:
    if card.data and not card.body.strip():
        yield CardFinding(
            "no-text",
            "warning",
            "The card says nothing of the model but its front matter.",
            remedy="Write what it does, what it was trained on and where it fails.",
        )
    if not card.data and card.body.strip() and not card.findings:
        yield CardFinding(
            "no-front-matter",
            "warning",
            "The card has no front matter: hubs know neither task nor license.",
            remedy="Begin it with --- license: ... ---",
        )


_RULES: tuple[Callable[[Card], Iterator[CardFinding]], ...] = (
    _license, _license_files, _task, _languages, _lineage, _lists, _metrics, _keys, _body,
)  # fmt: skip
_KEY_OF_RULE = {
    "badge": "license",
    "name": "license",
    "license": "license",
    "no-license": "license",
    "task": "pipeline_tag",
    "language": "language",
    "base": "base_model",
    "relation": "base_model_relation",
    "model": "model-index",
}


def _lines(card: Card) -> dict[str, int]:
    header, first = card.header_text
    found = {str(block.key): block.line + first - 1 for block in frontmatter.blocks(header) if block.key}
    return {**{MISSPELT.get(key.lower(), key): line for key, line in found.items()}, **found}


def _line_of(finding: CardFinding, lines: dict[str, int]) -> int | None:
    quoted = re.findall(r"'([\w\-]+)'", finding.message)
    key = _KEY_OF_RULE.get(finding.rule) or _KEY_OF_RULE.get(finding.rule.split("-")[0])
    return next((lines[word] for word in (key, *quoted) if word in lines), None)


# --- repairs ------------------------------------------------------------------------------------


def _fix_license(data: dict[str, Any]) -> list[str]:
    raw = data.get("license")
    word = raw[0] if isinstance(raw, list) and len(raw) == 1 else raw
    if not isinstance(word, str) or word.lower() in ("other", UNKNOWN):
        return []
    match = normalize(word)
    if match.id == UNKNOWN or word == HUB_TAGS.get(match.id):
        return []
    fields = license_fields(match.id)
    if fields.get("license") == word or ("license_name" in fields and "license_name" in data):
        return []
    _put_after(data, "license", fields)
    return [
        f"The license {word!r} is written as "
        + ", ".join(f"{key}: {value}" for key, value in fields.items())
        + "."
    ]


def _put_after(data: dict[str, Any], key: str, fields: dict[str, str]) -> None:
    """Replace `key` by `fields`, keeping its place in the order."""
    items = list(data.items())
    data.clear()
    for name, value in items:
        if name == key:
            data.update(fields)
        elif name not in fields:
            data[name] = value


def _fix_task(data: dict[str, Any]) -> list[str]:
    word = data.get("pipeline_tag")
    if not isinstance(word, str):
        return []
    try:
        id = resolve_task(word).id
    except UnknownTask:
        return []
    if id == word:
        return []
    data["pipeline_tag"] = id
    return [f"The pipeline_tag {word!r} is written as {id}."]


def _fix_lists(data: dict[str, Any]) -> list[str]:
    done = []
    for key in LISTS:
        value = data.get(key)
        if isinstance(value, str) and (key != "language" or "," in value):
            data[key] = [item.strip() for item in value.split(",") if item.strip()]
            done.append(f"{key!r} is written as a list.")
    return done
