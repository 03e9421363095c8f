"""The license knowledge base: what each text version grants, forbids and asks, and where it says so.

The facts stand in `entries/*.yaml`, one entry a text version; `licenses.json` is their compiled form, which
this file reads. An answer is `yes`, `no` or `unknown`; a `yes` may carry conditions. A hub tag that can mean
several texts is an entry with `versions`: its answers are those on which all its versions agree.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from zoohub.errors import UnknownLicense, suggest

OPERATIONS = (
    "use",
    "commercial",
    "modify",
    "redistribute",
    "finetune",
    "distill",
    "train_on_outputs",
    "serve",
)
GROUPS = ("commercial", "permissive")
KINDS = ("public-domain", "permissive", "weak-copyleft", "copyleft", "content", "data", "rail", "community",
         "research", "noncommercial", "source-available", "proprietary", "family", "unknown")  # fmt: skip
CONDITIONS = {
    "notice": "pass on the license text and its notices",
    "attribution": "name the authors",
    "state_changes": "say what was changed",
    "badge": "show a given text",
    "name_prefix": "begin the model's name with a given word",
    "source": "give the source form",
    "share_alike": "license what is made from it in the same way",
    "flow_down": "pass the use restrictions on to whoever receives it",
    "no_derivatives": "share no modified version",
    "noncommercial": "only for purposes that are not commercial",
    "acceptable_use": "keep to the list of permitted or forbidden uses",
    "field_of_use": "not in given fields",
    "user_threshold": "above a number of users other terms hold",
    "revenue_threshold": "above a revenue other terms hold",
    "territory": "not in given territories",
    "outputs": "a duty or limit on what is made with the outputs",
    "patent_termination": "a patent suit ends the rights",
    "no_patent_grant": "no patent rights are granted",
    "revocable": "the licensor may end or change the terms",
    "agreement": "needs a registration or a written agreement",
    "latest_version": "the newest version is to be used, or newer terms may bind",
}  # fmt: skip
UNKNOWN = "unknown"
_DATA = Path(__file__).with_name("licenses.json")


@dataclass(frozen=True, slots=True)
class Fact:
    """One answer (`yes`, `no`, `unknown`) and the clause or source that it rests on."""

    answer: str
    clause: str


@dataclass(frozen=True, slots=True)
class Condition:
    """What a license asks for, or where it ends.

    kind: a key of `CONDITIONS`; `text`: in our words, or for `badge` and `name_prefix` the very text to
    show; `on`: the operations that it binds. Thresholds: `amount` of `unit` (users, or a currency) a
    `period`, `counted` "at release" (of the model, so it does not grow with the user) or "at any time";
    `above`: what happens then. `places`: territories that are excluded. `only`: the models or users that it
    binds, where not all (`multimodal`, `cosmos`, `model as a service`, `image generation`).
    """

    kind: str
    text: str
    clause: str
    on: tuple[str, ...] = OPERATIONS
    amount: int | None = None
    unit: str | None = None
    period: str | None = None
    counted: str | None = None
    above: str | None = None
    places: tuple[str, ...] = ()
    only: str | None = None

    @property
    def sentence(self) -> str:
        """The condition in words, with the text to show or the threshold and what happens above."""
        words = self.text
        if self.kind == "badge":
            words = f"show the text: {words}"
        elif self.kind == "name_prefix":
            words = f"begin the model's name with: {words}"
        elif self.amount:
            much = f"{self.amount:,} {self.unit} a {self.period}"
            words = f"above {much}, counted {self.counted} ({words}): {self.above}"
        elif self.places:
            words += f" ({', '.join(self.places)})"
        return f"{words} (binds: {self.only})" if self.only else words


@dataclass(frozen=True, slots=True)
class License:
    """One text version of a license, or a tag that can mean several (`versions`).

    kind: one of `KINDS`; `spdx`: the SPDX id or a `LicenseRef-`; `text`: how well the text is known: `read`
    (in full), `partly` (quoted by others), `none`. `facts` holds all `OPERATIONS`.
    """

    id: str
    name: str
    kind: str
    spdx: str | None
    steward: str | None
    released: str | None
    url: str | None
    text: str
    facts: Mapping[str, Fact]
    conditions: tuple[Condition, ...]
    versions: tuple[str, ...]
    aliases: tuple[str, ...]
    sources: tuple[str, ...]
    notes: str

    def answer(self, operation: str) -> str:
        """`yes`, `no` or `unknown`; a `yes` holds under `conditions_on(operation)`."""
        return self.fact(operation).answer

    def fact(self, operation: str) -> Fact:
        """The answer with its clause.

        Raises:
            ValueError: `operation` is none of `OPERATIONS`.
        """
        if operation not in OPERATIONS:
            raise ValueError(f"{operation!r} is no operation (there are {', '.join(OPERATIONS)})")
        return self.facts[operation]

    def conditions_on(self, operation: str) -> tuple[Condition, ...]:
        """The conditions that bind one operation."""
        return tuple(condition for condition in self.conditions if operation in condition.on)

    def condition(self, kind: str) -> Condition | None:
        """The first condition of a kind, or None."""
        return next((condition for condition in self.conditions if condition.kind == kind), None)

    @property
    def known(self) -> bool:
        """Whether any of its facts is known."""
        return any(fact.answer != UNKNOWN for fact in self.facts.values())

    def to_dict(self) -> dict[str, Any]:
        """Plain values, in the order of the fields."""
        from dataclasses import asdict

        data = asdict(self)
        data["conditions"] = [
            {key: value for key, value in item.items() if value not in (None, ())}
            for item in data["conditions"]
        ]
        return data


def get(id: str) -> License:
    """The license of a normalized id (as `normalize` gives it).

    Raises:
        UnknownLicense: no entry has this id; `resolve` also takes aliases and other spellings.
    """
    entry = _data()["licenses"].get(id)
    if entry is None:
        raise UnknownLicense(id, suggest(id, _data()["licenses"]))
    return _license(id)


def resolve(word: str) -> License:
    """The license that a person means: an id, an SPDX id, an alias or a known spelling, in any case.

    Raises:
        UnknownLicense: with the ids that come near.
    """
    data = _data()
    key = word.strip().lower()
    if key in data["licenses"]:
        return _license(key)
    if key in data["aliases"]:
        return _license(data["aliases"][key])
    from zoohub.cards.licenses.spelling import normalize

    match = normalize(word)
    if match.id != UNKNOWN:
        return _license(match.id)
    raise UnknownLicense(word, suggest(key, [*data["licenses"], *data["aliases"]]))


def all_licenses() -> tuple[License, ...]:
    """Every entry of the knowledge base, by id."""
    return tuple(_license(id) for id in _data()["licenses"])


def is_id(word: str) -> bool:
    """Whether a word is a normalized id."""
    return word in _data()["licenses"]


def alias(word: str) -> str | None:
    """The id that an alias or SPDX id (lowercase) stands for, or None."""
    found: str | None = _data()["aliases"].get(word)
    return found


def in_group(id: str, group: str) -> bool:
    """Whether a license belongs to a group, which it does only where its facts are known.

    `commercial`: commercial use is granted without an agreement or registration, and no revenue of the user's
    own ends the grant. `permissive`: every
    operation is granted for every purpose, and only notices, credit and patent peace are asked for.

    Raises:
        UnknownLicense: there is no such group.
    """
    members = _groups().get(group)
    if members is None:
        raise UnknownLicense(group, GROUPS)
    return id in members


def group_members(group: str) -> frozenset[str]:
    """The ids in a group."""
    return _groups()[group]


@cache
def _groups() -> dict[str, frozenset[str]]:
    return {name: frozenset(members) for name, members in _data()["groups"].items()}


@cache
def _data() -> dict[str, Any]:
    data: dict[str, Any] = json.loads(_DATA.read_bytes())
    return data


@cache
def _license(id: str) -> License:
    entry = _data()["licenses"][id]
    return License(
        id=id,
        name=entry["name"],
        kind=entry["kind"],
        spdx=entry.get("spdx"),
        steward=entry.get("steward"),
        released=entry.get("released"),
        url=entry.get("url"),
        text=entry["text"],
        facts={operation: Fact(*entry["facts"][operation]) for operation in OPERATIONS},
        conditions=tuple(_condition(item) for item in entry.get("conditions", ())),
        versions=tuple(entry.get("versions", ())),
        aliases=tuple(entry.get("aliases", ())),
        sources=tuple(entry.get("sources", ())),
        notes=entry.get("notes", ""),
    )


def _condition(item: Mapping[str, Any]) -> Condition:
    values = dict(item)
    for key in ("on", "places"):
        if key in values:
            values[key] = tuple(values[key])
    return Condition(**values)
