"""From any license string to an id of the knowledge base, with what was done and how sure.

Every step demands that the whole string is accounted for: `apache-2.0-with-naming-clause` is not
apache-2.0. What is left over makes the answer `unknown`, never the nearest license.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

from zoohub.cards.licenses.knowledge import UNKNOWN, alias, all_licenses, is_id

MAX_LENGTH = 1000
UNSAID = frozenset(
    {
        "",
        "other",
        "unknown",
        "none",
        "null",
        "n/a",
        "na",
        "tbd",
        "todo",
        "custom",
        "see license",
        "license",
        "noassertion",
        "unlicensed",
        "undefined",
        "-",
        "false",
        "true",
    }
)
# Words that carry no meaning in a license's name.
_FILLER = frozenset("the license licence licenses licensed agreement version ver v under a an".split())
_MENDED = {"liscence": "license", "lisence": "license", "licens": "license", "communityclicense": "community"}
_JOINERS = re.compile(r"\s+(?:and|&|\+)\s+|-and-", re.IGNORECASE)
_UNCLEAR = re.compile(r"\s*[,;|/]\s*|\s+or\s+|-or-(?!later)", re.IGNORECASE)
_OPERATOR = re.compile(r"(?<![\w-])(?:AND|OR|WITH)(?![\w-])|[()]")


@dataclass(frozen=True, slots=True)
class LicenseMatch:
    """What a license string means.

    id: a normalized id, or `unknown`; `expression`: an expression over our ids where one was understood
    (for a single license the id itself), else None; `how`: what was done, in words; `confidence`: 0 to 1;
    `ids`: every license that was named, also where it is unclear which of them holds.
    """

    id: str
    expression: str | None
    how: str
    confidence: float
    ids: tuple[str, ...] = ()


def normalize(
    raw: str | Sequence[str] | None, *, name: str | None = None, link: str | None = None
) -> LicenseMatch:
    """Find what `raw` means; `name` and `link` are the card's `license_name` and `license_link`.

    Never raises: what is not understood is `unknown`. A list of several is `unknown` too, with all of
    them in `ids`, since nothing says which one holds.
    """
    if isinstance(raw, list | tuple | set | frozenset):
        return _normalize_list(raw, name, link)
    text = raw.strip() if isinstance(raw, str) else ""
    if len(text) > MAX_LENGTH:
        return _unknown("longer than a license name can be")
    if text.lower() in UNSAID:
        return _from_name_and_link(text, name, link)
    return _normalize_text(text)


def _normalize_list(raw: Iterable[object], name: str | None, link: str | None) -> LicenseMatch:
    words = list(dict.fromkeys(str(item) for item in raw if item not in (None, "")))
    if len(words) <= 1:
        return normalize(words[0] if words else None, name=name, link=link)
    found = [_normalize_text(word) for word in words]
    ids = tuple(dict.fromkeys(id for match in found for id in (match.ids or (UNKNOWN,))))
    if len(ids) == 1 and ids[0] != UNKNOWN:
        return LicenseMatch(ids[0], ids[0], "a list of spellings of one license", 0.9, ids)
    return _unknown("a list: unclear which of them holds", ids)


def _from_name_and_link(text: str, name: str | None, link: str | None) -> LicenseMatch:
    named = _normalize_text(name.strip()) if isinstance(name, str) and name.strip() else None
    linked = from_link(link) if isinstance(link, str) else None
    if named and named.id != UNKNOWN:
        if linked and linked != named.id and not _related(linked, named.id):
            return _unknown("license_name and license_link name different licenses", (named.id, linked))
        return LicenseMatch(
            named.id, named.expression, f"license_name: {named.how}", 0.9 * named.confidence, named.ids
        )
    if named and named.ids:
        return named
    if linked and not named:
        return LicenseMatch(linked, linked, "license_link is the license's own address", 0.8, (linked,))
    if named:
        return _unknown(f"license_name: {named.how}")
    return _unknown("says 'other'" if text.lower() == "other" else "no license is declared")


def _related(first: str, second: str) -> bool:
    versions = {entry.id: entry.versions for entry in all_licenses()}
    return first in versions.get(second, ()) or second in versions.get(first, ())


def _normalize_text(text: str) -> LicenseMatch:
    if text.lower() in UNSAID:
        return _unknown("no license is declared" if text.lower() != "other" else "says 'other'")
    single = _single(text)
    if single:
        return single
    for way in (_expression, _joined, _unclear):
        match = way(text)
        if match:
            return match
    return _unknown("no license of that name is known")


def _single(text: str) -> LicenseMatch | None:
    key = text.strip().lower()
    if is_id(key) and key != UNKNOWN:
        return LicenseMatch(key, key, "the id itself", 1.0, (key,))
    known = alias(key)
    if known:
        return _match(known, "another name of it", 0.98)
    found = _spellings().get(plain(text))
    return _match(found, "spelled differently", 0.95) if found else None


def _match(id: str, how: str, confidence: float) -> LicenseMatch:
    return LicenseMatch(id, id, how, confidence, (id,))


def _expression(text: str) -> LicenseMatch | None:
    """`(MIT OR Apache-2.0) AND gemma`, and SPDX ids that the knowledge base has no facts for."""
    if not _OPERATOR.search(text) and not re.fullmatch(r"[A-Za-z0-9.+\-]+", text):
        return None
    from zoohub.cards.licenses.expressions import parse

    parsed = parse(text)
    if parsed is None:
        return None
    if len(parsed.ids) == 1 and parsed.text == parsed.ids[0]:
        if is_id(parsed.ids[0]):
            return _match(parsed.ids[0], "an SPDX expression", 0.95)
        return LicenseMatch(UNKNOWN, parsed.text, "an SPDX license that no facts are known of", 0.9)
    return LicenseMatch(UNKNOWN, parsed.text, "an expression of several licenses", 0.9, parsed.ids)


def _joined(text: str) -> LicenseMatch | None:
    parts = [_single(part) for part in _JOINERS.split(text)]
    known = [part for part in parts if part]
    if len(parts) < 2 or len(known) < len(parts):
        return None
    ids = tuple(dict.fromkeys(part.id for part in known))
    if len(ids) == 1:
        return _match(ids[0], "one license named twice", 0.9)
    return LicenseMatch(UNKNOWN, " AND ".join(ids), "several licenses that hold together", 0.8, ids)


def _unclear(text: str) -> LicenseMatch | None:
    parts = [_single(part) for part in _UNCLEAR.split(text) if part]
    known = [part for part in parts if part]
    if len(parts) < 2 or len(known) < len(parts):
        return None
    ids = tuple(dict.fromkeys(part.id for part in known))
    return _unknown("several licenses: unclear which of them holds", ids)


def _unknown(how: str, ids: tuple[str, ...] = ()) -> LicenseMatch:
    return LicenseMatch(UNKNOWN, None, how, 1.0 if not ids else 0.5, ids)


def plain(text: str) -> str:
    """A spelling without case, punctuation and filler: `The MIT License` -> `mit`, `GPLv3` -> `gpl 3`."""
    text = unicodedata.normalize("NFKC", text).lower()
    text = re.sub(r"[\"'`*()\[\]:,™®©]", " ", text)
    text = re.sub(r"(?<=[a-z])[-_ ]?v(?:er)?\.?[ ]?(?=\d)", " ", text)
    text = re.sub(r"[\s_\-]+", " ", text)
    words = [_MENDED.get(word.strip("."), word.strip(".")) for word in text.split()]
    words = [_number(word) for word in words if word and word not in _FILLER]
    words = [word for word in words if word not in _FILLER]
    return " ".join(re.sub(r"(?<=[a-z])(?=\d)|(?<=\d)(?=[a-z])", " ", word) for word in words)


def _number(word: str) -> str:
    """`2.0` and `2` read the same; `1.10` keeps its zero."""
    word = re.sub(r"^v(?=\d)", "", word)
    return word[:-2] if re.fullmatch(r"\d+\.0", word) else word


@cache
def _spellings() -> dict[str, str]:
    """The plain form of every name, and the license it means; a form that fits two licenses is left out."""
    found: dict[str, set[str]] = {}
    for entry in all_licenses():
        for word in (entry.id, entry.spdx or "", *entry.aliases, entry.name):
            if word and entry.id != UNKNOWN:
                found.setdefault(plain(word), set()).add(entry.id)
    return {form: next(iter(ids)) for form, ids in found.items() if len(ids) == 1 and form}


def from_link(link: str) -> str | None:
    """The license whose own address `link` is (its `url` in the knowledge base), or None."""
    return _links().get(_address(link))


@cache
def _links() -> dict[str, str]:
    found: dict[str, set[str]] = {}
    for entry in all_licenses():
        if entry.url:
            found.setdefault(_address(entry.url), set()).add(entry.id)
    return {address: next(iter(ids)) for address, ids in found.items() if len(ids) == 1}


def _address(link: str) -> str:
    bare = re.sub(r"^https?://(www\.)?", "", link.strip().lower())
    return re.sub(r"(\.txt|\.html?|\.en|/legalcode|/deed\.\w+|/)+$", "", bare.split("#")[0].split("?")[0])
