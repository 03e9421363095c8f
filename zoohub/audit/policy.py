"""The policy: who we are, what we do with models, and how severe each license, term or model is for us.

A policy is a small YAML file, see docs/audit.md. It may extend a built-in one. Unknown is never allowed by
accident: no
rule can allow what is unknown; only a waiver can, for one model, with an owner and an end.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from zoohub import settings
from zoohub.cards.licenses import CONDITIONS, OPERATIONS
from zoohub.errors import PolicyError, did_you_mean, suggest

FOLDER = Path(__file__).with_name("policies")
BUILT_IN = ("commercial", "research", "permissive-only")
SEVERITIES = ("allow", "review", "deny")  # from mild to strict
ACTIVITIES = tuple(operation for operation in OPERATIONS if operation != "commercial")
# What an audit finds beside the conditions of licenses; a rule may name each as its term.
FINDINGS = {
    "forbidden": "the license does not allow what we do",
    "unanswered": "the license does not say whether it allows what we do, or nobody read it",
    "license-unknown": "no license is known",
    "model-unknown": "the model is in no registry",
    "model-unresolved": "code loads a model that it does not name",
    "code-unread": "a file could not be read as code",
    "base-unknown": "a base model is not known, so that its terms are not",
    "second-hand": "others state the license, not the model's own card or files",
    "license-text": "a license file says something else than the card, or is no text that is known",
    "claims-more": "the license claims more than a base model's license grants",
    "claims-other": "the license has another name than the base's, and no weaker terms",
    "conflict": "licenses that hold together want what cannot hold together",
    "lineage-cycle": "the stated lineage goes in a circle",
    "relation-unknown": "how the model was made from its base is not stated",
    "waiver-expired": "a waiver has ended",
    "denied-by-rule": "a rule of the policy names the model or its license",
}
TERMS = (*CONDITIONS, *FINDINGS)
UNKNOWN_TERMS = frozenset(
    ("unanswered", "license-unknown", "model-unknown", "model-unresolved", "base-unknown")
)
# Severity where no rule says otherwise; what is not named here is allowed, with a note of the duty.
DEFAULTS: Mapping[str, str] = {
    "forbidden": "deny", "noncommercial": "deny", "claims-more": "review", "conflict": "deny",
        "lineage-cycle": "review",
    "relation-unknown": "allow", "share_alike": "review", "no_derivatives": "review", "agreement": "review",
    "field_of_use": "review", "name_prefix": "review", "badge": "review", "waiver-expired": "review",
    "code-unread": "review", "license-text": "review", "denied-by-rule": "deny",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Rule:
    """How severe something is: `kind` is license, term or model, `pattern` its id, a group or a pattern with
    `*`."""

    kind: str
    pattern: str
    severity: str
    reason: str

    def matches(self, word: str) -> bool:
        """Whether the rule speaks of `word`, without case."""
        return fnmatchcase(word.lower(), self.pattern.lower())


@dataclass(frozen=True, slots=True)
class Waiver:
    """An exception for models that `model` matches: `term` (None: all) is accepted by `owner` until a day."""

    model: str
    owner: str
    until: date
    reason: str
    term: str | None = None

    def covers(self, model: str, term: str) -> bool:
        """Whether it speaks of this finding of this model, ended or not."""
        return fnmatchcase(model.lower(), self.model.lower()) and self.term in (None, term)


@dataclass(frozen=True)
class Policy:
    """A policy, checked. `monthly_users`, `revenue` (a year, in US dollars) and `territory` are None where
    not stated."""

    name: str
    commercial: bool = True
    monthly_users: int | None = None
    revenue: int | None = None
    territory: tuple[str, ...] | None = None
    what: tuple[str, ...] = ("use",)
    unknown: str = "review"
    rules: tuple[Rule, ...] = ()
    waivers: tuple[Waiver, ...] = ()
    notes: tuple[str, ...] = field(default=(), compare=False)

    @property
    def operations(self) -> tuple[str, ...]:
        """The operations a license must allow."""
        return (*self.what, "commercial") if self.commercial else self.what

    def model_rule(self, model: str) -> Rule | None:
        """The strictest rule that names a model."""
        return _strictest([rule for rule in self.rules if rule.kind == "model" and rule.matches(model)])

    def license_rule(self, license: str, groups: tuple[str, ...]) -> Rule | None:
        """The rule that names a license: by its id before its group or kind before a pattern; the strictest
        of equals."""
        named = [rule for rule in self.rules if rule.kind == "license"]
        for wanted in ((license,), groups):
            exact = [rule for rule in named if rule.pattern.lower() in wanted]
            if exact:
                return _strictest(exact)
        return _strictest([rule for rule in named if "*" in rule.pattern and rule.matches(license)])

    def term(self, term: str) -> tuple[str, str]:
        """Severity of a term and the reason for it."""
        rule = _strictest([rule for rule in self.rules if rule.kind == "term" and rule.matches(term)])
        if rule:
            return rule.severity, rule.reason
        return self.unknown if term in UNKNOWN_TERMS else DEFAULTS.get(term, "allow"), ""

    def overlaps(self) -> list[str]:
        """Rules of one kind that speak of the same thing with different severity; which one holds is said."""
        found = []
        for position, one in enumerate(self.rules):
            for other in self.rules[position + 1 :]:
                meet = one.kind == other.kind and (one.matches(other.pattern) or other.matches(one.pattern))
                if meet and one.severity != other.severity:
                    broad = "*" in one.pattern or "*" in other.pattern
                    wins = (
                        "the exact one holds" if broad and one.kind == "license" else "the stricter one holds"
                    )
                    found.append(f"{one.kind} {one.pattern!r} ({one.severity}) and {other.pattern!r} "
                                 f"({other.severity}) overlap: {wins}")  # fmt: skip
        return found


def _strictest(rules: list[Rule]) -> Rule | None:
    return max(rules, key=lambda rule: SEVERITIES.index(rule.severity), default=None)


def load(policy: str | Path | Policy | None = None) -> Policy:
    """The policy of a built-in name, a file, or (None) the one in force; without any, `commercial`.

    Raises:
        PolicyError: there is no such policy, or the file is none.
    """
    if isinstance(policy, Policy):
        return policy
    name = str(policy) if policy is not None else settings.policy_file() or "commercial"
    path = FOLDER / f"{name}.yaml" if name in BUILT_IN else Path(name)
    if not path.is_file():
        near = did_you_mean(suggest(name, BUILT_IN))
        raise PolicyError(
            f"There is no policy {name!r}.{near}", f"Built in: {', '.join(BUILT_IN)}. Or name a file."
        )
    return parse(_document(path), name)


def _document(path: Path) -> Any:
    """The plain data of a policy. It is kept as JSON by its digest, so that a search under it loads no
    YAML."""
    kept = settings.home() / "cache" / f"policy-{hashlib.sha256(path.read_bytes()).hexdigest()[:32]}.json"
    try:
        return json.loads(kept.read_bytes())
    except (OSError, ValueError):
        pass
    data = _yaml(path)
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        fresh = kept.with_suffix(f".{os.getpid()}")
        fresh.write_text(json.dumps(data, default=str), encoding="utf-8")
        fresh.replace(kept)
    except OSError:
        pass  # a home that cannot be written only costs time
    return data


def _yaml(path: Path) -> Any:
    from zoohub.cards.plainyaml import YamlProblem, load_with_notes

    try:
        found = load_with_notes(path.read_text(encoding="utf-8-sig"), max_bytes=1 << 20)
    except YamlProblem as error:
        where = f"{path}:{error.line}" if error.line else str(path)
        raise PolicyError(f"{where}: no policy: {error.reason}") from error
    except UnicodeDecodeError as error:
        raise PolicyError(f"{path}: no policy: it is no UTF-8 text") from error
    for key, line in found.duplicates:
        raise PolicyError(f"{path}:{line}: the key {key!r} stands twice")
    return found.value


_KEYS = {
    "": ("name", "extends", "who", "what", "unknown", "rules", "waivers"),
    "who": ("commercial", "monthly_users", "revenue", "territory"),
    "rules": ("license", "term", "model", "severity", "reason"),
    "waivers": ("model", "term", "owner", "until", "reason"),
}


def parse(data: Any, where: str) -> Policy:
    """A policy from plain data; `where` names it in messages.

    Raises:
        PolicyError: an unknown key (with near ones), a wrong value, rules that contradict each other.
    """
    reader = _Reader(where)
    top = reader.table(data, "")
    base = reader.base(top.get("extends"))
    who = reader.table(top.get("who") or {}, "who")
    rules = [reader.rule(item, number) for number, item in enumerate(reader.items(top, "rules"), 1)]
    reader.contradictions(rules)
    waivers = [reader.waiver(item, number) for number, item in enumerate(reader.items(top, "waivers"), 1)]
    named = {(rule.kind, rule.pattern) for rule in rules}
    return Policy(
        name=str(top.get("name") or Path(where).stem),
        commercial=reader.flag(who.get("commercial", base.commercial)),
        monthly_users=reader.number(who, "monthly_users", base.monthly_users),
        revenue=reader.number(who, "revenue", base.revenue),
        territory=reader.territory(who.get("territory")) or base.territory,
        what=reader.what(top["what"]) if "what" in top else base.what,
        unknown=reader.choice(top.get("unknown", base.unknown), ("review", "deny"), "unknown"),
        rules=(*rules, *(rule for rule in base.rules if (rule.kind, rule.pattern) not in named)),
        waivers=(*waivers, *base.waivers),
    )


class _Reader:
    """Checks of single values; every message names the file and the place in it."""

    def __init__(self, where: str) -> None:
        self.where = where

    def fail(self, message: str) -> PolicyError:
        return PolicyError(f"{self.where}: {message}", "See docs/audit.md, or start anew: zoo policy new")

    def table(self, data: Any, place: str) -> dict[str, Any]:
        if not isinstance(data, dict):
            raise self.fail(f"{place or 'a policy'} is a table of keys, not {type(data).__name__}")
        for key in data:
            if key not in _KEYS[place]:
                near = did_you_mean(suggest(str(key), _KEYS[place]))
                raise self.fail(f"unknown key {key!r}{f' in {place}' if place else ''}.{near}")
        return data

    def base(self, name: Any) -> Policy:
        if name is None:
            return Policy("")
        self.choice(name, BUILT_IN, "extends")
        return load(name)

    def items(self, top: Mapping[str, Any], key: str) -> list[Any]:
        items = top.get(key) or []
        if not isinstance(items, list):
            raise self.fail(f"{key} is a list")
        return items

    def rule(self, item: Any, number: int) -> Rule:
        data = self.table(item, "rules")
        kinds = [kind for kind in ("license", "term", "model") if kind in data]
        if len(kinds) != 1:
            raise self.fail(f"rule {number} names one of license, term, model; it names {len(kinds)}")
        kind, pattern = kinds[0], str(data[kinds[0]])
        severity = self.choice(data.get("severity"), SEVERITIES, f"severity of rule {number}")
        if not data.get("reason"):
            raise self.fail(f"rule {number} ({pattern}) has no reason")
        if kind == "term":
            self.choice(pattern, TERMS, f"term of rule {number}")
        elif kind == "license":
            pattern = self.license(pattern, number)
        if severity == "allow" and (pattern in (*UNKNOWN_TERMS, "unknown") or not pattern.strip("*?/")):
            raise self.fail(
                f"rule {number} would allow what is unknown; write a waiver, with an owner and an end"
            )
        return Rule(kind, pattern, severity, str(data["reason"]))

    def license(self, word: str, number: int) -> str:
        from zoohub.cards.licenses import GROUPS, resolve
        from zoohub.cards.licenses.knowledge import KINDS
        from zoohub.errors import UnknownLicense

        if word.lower() in (*GROUPS, *KINDS, "unknown") or "*" in word:
            return word.lower()
        try:
            return str(resolve(word).id)
        except UnknownLicense as error:
            raise self.fail(f"rule {number}: {error.message}") from error

    def contradictions(self, rules: list[Rule]) -> None:
        seen: dict[tuple[str, str], Rule] = {}
        for rule in rules:
            other = seen.setdefault((rule.kind, rule.pattern.lower()), rule)
            if other.severity != rule.severity:
                raise self.fail(
                    f"two rules for {rule.kind} {rule.pattern!r}: {other.severity} and {rule.severity}"
                )

    def waiver(self, item: Any, number: int) -> Waiver:
        data = self.table(item, "waivers")
        if missing := [key for key in ("model", "owner", "until", "reason") if not data.get(key)]:
            raise self.fail(f"waiver {number} lacks {', '.join(missing)}")
        until = data["until"]
        if not isinstance(until, date):
            try:
                until = date.fromisoformat(str(until))
            except ValueError as error:
                raise self.fail(
                    f"waiver {number}: until is a day such as 2027-06-30, not {until!r}"
                ) from error
        if not str(data["model"]).strip("*?/"):
            raise self.fail(f"waiver {number} names no model; it would waive everything")
        term = data.get("term")
        if term is not None:
            self.choice(term, TERMS, f"term of waiver {number}")
        return Waiver(str(data["model"]), str(data["owner"]), until, str(data["reason"]), term)

    def choice(self, value: Any, choices: tuple[str, ...], place: str) -> str:
        if value not in choices:
            near = did_you_mean(suggest(str(value), choices))
            raise self.fail(f"{place} is one of {', '.join(choices)}, not {value!r}.{near}")
        return str(value)

    def flag(self, value: Any) -> bool:
        if not isinstance(value, bool):
            raise self.fail(f"who.commercial is true or false, not {value!r}")
        return value

    def number(self, who: Mapping[str, Any], key: str, default: int | None) -> int | None:
        value = who.get(key, default)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 0):
            raise self.fail(f"who.{key} is a whole number, not {value!r}")
        return value

    def what(self, value: Any) -> tuple[str, ...]:
        if not isinstance(value, list) or not value:
            raise self.fail(f"what is a list of {', '.join(ACTIVITIES)}")
        return tuple(self.choice(item, ACTIVITIES, "what") for item in value)

    def territory(self, value: Any) -> tuple[str, ...] | None:
        """Codes of countries; YAML 1.1 reads Norway's as no."""
        if value is None:
            return None
        codes = [
            "NO" if item is False else str(item).upper()
            for item in (value if isinstance(value, list) else [value])
        ]
        if wrong := [code for code in codes if len(code) != 2 or not code.isalpha()]:
            raise self.fail(f"who.territory has codes of two letters (ISO 3166), not {', '.join(wrong)}")
        return tuple("GB" if code == "UK" else code for code in codes)


TEMPLATE = """\
# Which models may we use? Checked by: zoo policy check FILE
# In force: ZOO_POLICY=FILE or $ZOO_HOME/policy.yaml
name: {name}
extends: {base}             # commercial, research or permissive-only

who:
  commercial: true
  # monthly_users: 50000    # some licenses end above a number of users
  # revenue: 2000000        # a year, in US dollars; some licenses end above a revenue
  # territory: [DE, US]     # where we are and offer it; some licenses leave countries out

what: [use, serve, finetune]   # use, modify, redistribute, finetune, distill, train_on_outputs, serve

unknown: review             # or deny; what is unknown is never allowed

# A rule names a license (id, group, kind or pattern), a term (see docs/audit.md) or a model (id or pattern).
rules:
  - term: share_alike
    severity: review        # deny, review or allow
    reason: What we make from the model may have to be published alike.

# - {{model: org/name, term: license-unknown, owner: Jo Doe, until: 2027-06-30, reason: Why}}
waivers: []
"""
