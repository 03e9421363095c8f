"""One license under one policy: what stands against it, with the clause. Cached, so that a million models
share it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

from zoohub.audit.policy import UNKNOWN_TERMS, Policy
from zoohub.audit.scope import MULTIMODAL
from zoohub.audit.words import words
from zoohub.cards.licenses import GROUPS, UNKNOWN, Condition, License, get, in_group
from zoohub.errors import UnknownLicense

WITHOUT = "Without a license nothing is permitted."
EU = words("AT BE BG HR CY CZ DK EE FI FR DE GR HU IE IT LV LT LU MT NL PL PT RO SK SI ES SE")
# Conditions that make something of what is passed on; they bind only who passes on or serves.
_SAID = {"use": "use", "commercial": "commercial "
                                     "use", "modify": "modification", "redistribute": "redistribution",
         "finetune": "fine-tuning", "distill": "distillation", "train_on_outputs": "training on its outputs",
         "serve": "serving"}  # fmt: skip
_RATES = {
    "USD": 1.0,
    "EUR": 1.1,
    "CNY": 0.14,
    "GBP": 1.3,
}  # rough, to compare revenues; within a factor of 2 is review


@dataclass(frozen=True, slots=True)
class Issue:
    """One thing that an audit has to say: `term` is its kind (a condition of licenses or one of
    `policy.FINDINGS`),
    `license` and `clause` what it rests on, `fix` how to mend it."""

    term: str
    severity: str
    what: str
    why: str
    fix: str = ""
    license: str | None = None
    clause: str | None = None


class Judge:
    """A policy, ready to judge licenses."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self._issues: dict[tuple[str, bool | None], tuple[Issue, ...]] = {}

    def license(self, id: str, multimodal: bool | None = None) -> tuple[Issue, ...]:
        """What the policy has to say to a license (normalized id or expression); allowed duties are told
        too. Conditions for multimodal models are left out where `multimodal` is False, and at most for review
        where it is None (not known)."""
        key = (id, multimodal)
        found = self._issues.get(key)
        if found is None:
            found = self._issues[key] = tuple(self._judged(lookup(id), multimodal))
        return found

    def issue(self, term: str, what: str, why: str, fix: str = "", license: str | None = None,
              clause: str | None = None) -> Issue:  # fmt: skip
        """An issue of a kind, as severe as the policy holds it."""
        severity, reason = self.policy.term(term)
        return Issue(term, severity, what, f"{why} {reason}".strip(), fix, license, clause)

    @cached_property
    def _operations(self) -> frozenset[str]:
        return frozenset(self.policy.operations)

    def _judged(self, license: License, multimodal: bool | None) -> list[Issue]:
        groups = (license.kind, *(group for group in GROUPS if in_group(license.id, group)))
        rule = self.policy.license_rule(license.id, groups)
        issues = self._terms(license, multimodal)
        if rule is None:
            return issues
        if rule.severity == "allow":
            return [issue if issue.term in UNKNOWN_TERMS
                    else replace(issue, severity="allow", why=f"{issue.why} Allowed by rule: {rule.reason}")
                    for issue in issues]  # fmt: skip
        named = Issue("denied-by-rule", rule.severity, f"{license.name} is to be "
                                                       f"{_past(rule.severity)}", rule.reason,
                      "Choose a model under another license.", license.id)  # fmt: skip
        return [named, *issues]

    def _terms(self, license: License, multimodal: bool | None) -> list[Issue]:
        if not license.known:
            what = (
                "no license is known"
                if license.id == UNKNOWN
                else f"nobody has read the terms of {license.name}"
            )
            return [self.issue("license-unknown", what, WITHOUT,
                               "Ask the author to state a license, or read the text and write a "
                               "waiver.", license.id)]  # fmt: skip
        issues = [*self._answers(license, "no", "forbidden"), *self._answers(license, UNKNOWN, "unanswered")]
        for condition in license.conditions:
            if self._operations & set(condition.on):
                issue = self._scoped(license, condition, multimodal)
                if issue is not None and not (condition.kind == "noncommercial" and issues):
                    issues.append(issue)
        return issues

    def _answers(self, license: License, answer: str, term: str) -> list[Issue]:
        """The operations that a license answers so, put together by clause."""
        by_clause: dict[str, list[str]] = {}
        for operation in self.policy.operations:
            fact = license.fact(operation)
            if fact.answer == answer:
                by_clause.setdefault(fact.clause, []).append(_SAID[operation])
        verb = "does not allow" if answer == "no" else "does not clearly allow"
        return [self.issue(term, f"{license.name} {verb} {', '.join(said)}", f"Clause: {clause}.",
                           "Choose another model, or ask the licensor for permission.", license.id, clause)
                for clause, said in by_clause.items()]  # fmt: skip

    def _scoped(self, license: License, condition: Condition, multimodal: bool | None) -> Issue | None:
        """A condition, as far as it binds a model that is multimodal, is not, or of which that is not known."""
        if condition.only != MULTIMODAL:
            return self._condition(license, condition)
        issue = self._condition(license, condition) if multimodal is not False else None
        if issue is None or multimodal or issue.severity != "deny":
            return issue
        return replace(issue, severity="review", why=f"{issue.why} It binds multimodal models only; nothing "
                                                     f"says for sure whether this is one.")  # fmt: skip

    def _condition(self, license: License, condition: Condition) -> Issue | None:
        kind = condition.kind
        if kind == "noncommercial" and not self.policy.commercial:
            return None
        if kind in ("user_threshold", "revenue_threshold"):
            return self._threshold(license, condition)
        if kind == "territory":
            return self._territory(license, condition)
        what = _DUTIES.get(kind, "{license} asks: {text}").format(license=license.name, text=condition.text)
        severity, reason = self.policy.term(kind)
        if kind in ("name_prefix", "badge"):
            severity = "allow"  # a duty to keep; whether a derived model keeps it is judged with its lineage
        return Issue(kind, severity, what, f"Clause: {condition.clause}. "
                                           f"{reason}".strip(), _FIXES.get(kind, ""),
                     license.id, condition.clause)  # fmt: skip

    def _threshold(self, license: License, condition: Condition) -> Issue | None:
        users = condition.kind == "user_threshold"
        ours = self.policy.monthly_users if users else self.policy.revenue
        limit = float(condition.amount or 0)
        if not users:
            limit *= _RATES.get(condition.unit or "USD", 1.0) * (12 if condition.period == "month" else 1)
        shown = f"{condition.amount or 0:,} {condition.unit or ''} a {condition.period}".replace("  ", " ")
        counted = f", counted {condition.counted}" if condition.counted else ""
        why = f"Clause: {condition.clause}. Above: {condition.above or 'other terms hold'}."
        fix = (
            "" if ours is not None else f"State who.{'monthly_users' if users else 'revenue'} in the policy."
        )
        doubtful = ours is None or (not users and condition.unit != "USD" and limit / 2 < ours <= limit * 2)
        severity = "review" if doubtful else "deny" if ours is not None and ours > limit else "allow"
        if self.policy.term(condition.kind)[0] == "deny":
            severity = "deny"
        what = f"{license.name} ends at {shown}{counted}: {condition.text}"
        return Issue(condition.kind, severity, what, why, fix, license.id, condition.clause)

    def _territory(self, license: License, condition: Condition) -> Issue | None:
        out = {code for place in condition.places for code in (EU if place == "EU" else {place})}
        ours = self.policy.territory
        hit = sorted(out & set(ours)) if ours is not None else []
        places = ", ".join(condition.places)
        severity = "review" if ours is None else "deny" if hit else "allow"
        what = f"{license.name} grants nothing in {places}" + (f"; we are in {', '.join(hit)}" if hit else "")
        fix = "State who.territory in the policy." if ours is None else ""
        return Issue(
            "territory", severity, what, f"Clause: {condition.clause}.", fix, license.id, condition.clause
        )


def lookup(id: str) -> License:
    """The entry of a normalized id or of an expression; the unknown one where there is none."""
    try:
        return get(id)
    except UnknownLicense:
        pass
    if " " in id:
        from zoohub.cards.licenses import combined

        try:
            return combined(id)
        except (UnknownLicense, ValueError):
            pass
    return get(UNKNOWN)


def _past(severity: str) -> str:
    return {"deny": "denied", "review": "reviewed", "allow": "allowed"}[severity]


_DUTIES = {
    "badge": "{license} asks to show: {text}",
    "name_prefix": "{license} asks that the names of models made from it begin with: {text}",
    "share_alike": "{license} wants what is made from it under the same terms: {text}",
}
_FIXES = {
    "notice": "Ship the license text with the weights.",
    "attribution": "Name the authors where you name the model.",
    "badge": "Show the text in your product and in the card.",
    "name_prefix": "Name derived models so.",
    "share_alike": "Publish derived models under the same license, or keep them in the house if the "
    "license lets you.",
    "flow_down": "Pass the use restrictions on to your users.",
    "acceptable_use": "Check your use against the list.",
    "agreement": "Accept the agreement first.",
}
