"""What a model made from others owes them: `derive`, a pure function over license entries."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

from zoohub.cards.licenses.knowledge import OPERATIONS, UNKNOWN, Condition, Fact, License, get

RELATIONS = ("finetune", "adapter", "quantized", "merge", "distilled")
# The operation of the base's license that makes the new model.
_MAKING = {
    "finetune": "finetune",
    "adapter": "finetune",
    "quantized": "modify",
    "merge": "modify",
    "distilled": "distill",
}
# Duties that bind whoever publishes the new model, beside what the terms forbid.
_BINDING = {"share_alike", "flow_down", "no_derivatives", "noncommercial", "acceptable_use", "field_of_use",
            "user_threshold", "revenue_threshold", "territory", "outputs", "agreement"}  # fmt: skip
# Licenses under which a derivative may not carry other terms.
_FIXED_KINDS = {
    "community",
    "rail",
    "research",
    "noncommercial",
    "source-available",
    "proprietary",
    "copyleft",
}


@dataclass(frozen=True, slots=True)
class Obligation:
    """One duty that comes with a base: the license it comes from and the condition."""

    license: str
    condition: Condition

    @property
    def text(self) -> str:
        """The duty in words."""
        sentence = self.condition.sentence
        return sentence[:1].upper() + sentence[1:]


@dataclass(frozen=True, slots=True)
class Derived:
    """What holds for a model that was made from others.

    license: the id to publish under, an expression (`a AND b`) where several hold together, or `unknown`;
    `free`: whether other terms may be chosen instead, as long as the obligations are kept; `making`:
    whether the bases allow the making itself; `facts`: the answers of the bases together; `conflicts`:
    terms that cannot hold together.
    """

    license: str
    ids: tuple[str, ...]
    relation: str
    free: bool
    making: str
    facts: dict[str, Fact]
    obligations: tuple[Obligation, ...]
    conflicts: tuple[str, ...]


def derive(base_licenses: Iterable[str], relation: str = "finetune") -> Derived:
    """The license and obligations of a model made by `relation` from models under `base_licenses`
    (normalized ids).

    Several bases: every restriction of each holds, and an unknown one makes the whole unknown. A distilled
    model owes only what the bases' licenses lay upon distillation or on what is trained with their outputs.

    Raises:
        UnknownLicense: an id has no entry; ValueError: no such relation.
    """
    if relation not in RELATIONS:
        raise ValueError(f"{relation!r} is no relation (there are {', '.join(RELATIONS)})")
    bases = [get(id) for id in dict.fromkeys(base_licenses)] or [get(UNKNOWN)]
    binding = [base for base in bases if relation != "distilled" or _reaches_distilled(base)]
    facts = {operation: _together(bases, operation) for operation in OPERATIONS}
    obligations = tuple(Obligation(base.id, condition) for base in bases
                        for condition in base.conditions if _binds(condition, relation))  # fmt: skip
    return Derived(
        license=_license(bases, binding, relation),
        ids=tuple(base.id for base in bases),
        relation=relation,
        free=all(base.known for base in bases) and not any(_fixed(base) for base in binding),
        making=_together(bases, _MAKING[relation]).answer,
        facts=facts,
        obligations=obligations,
        conflicts=_conflicts(bases, relation),
    )


def _license(bases: Sequence[License], binding: Sequence[License], relation: str) -> str:
    if any(not base.known for base in bases):
        return UNKNOWN
    if relation == "distilled" and not binding:
        return bases[0].id if len(bases) == 1 else " AND ".join(base.id for base in bases)
    fixed = [base.id for base in binding if _fixed(base)] or [base.id for base in binding]
    return " AND ".join(fixed)


def _fixed(base: License) -> bool:
    return base.kind in _FIXED_KINDS or any(
        base.condition(kind) is not None
        for kind in ("share_alike", "flow_down", "noncommercial", "no_derivatives")
    )


def _reaches_distilled(base: License) -> bool:
    return any(condition.kind in ("flow_down", "share_alike", "outputs", "noncommercial")
               and _binds(condition, "distilled") for condition in base.conditions)  # fmt: skip


def _binds(condition: Condition, relation: str) -> bool:
    if relation == "distilled":
        return bool({"distill", "train_on_outputs"} & set(condition.on))
    made = {"finetune", "modify", "redistribute", "serve"}
    return bool(made & set(condition.on)) or condition.kind in _BINDING


def _together(bases: Sequence[License], operation: str) -> Fact:
    """Yes where every base says yes, no where one says no."""
    facts = [(base.id, base.fact(operation)) for base in bases]
    answers = [fact.answer for _, fact in facts]
    answer = "no" if "no" in answers else UNKNOWN if UNKNOWN in answers else "yes"
    return Fact(answer, "; ".join(f"{id}: {fact.clause}" for id, fact in facts))


def _conflicts(bases: Sequence[License], relation: str) -> tuple[str, ...]:
    closed = [base for base in bases if base.condition("no_derivatives")]
    alike = [base for base in bases if _share_alike(base, relation)]
    found = [f"{base.id} lets no modified version be shared" for base in closed]
    found += [
        f"{first.id} and {second.id} each want what is made from them under their own terms"
        for first, second in combinations(alike, 2)
    ]
    for base in bases:
        if base.kind == "copyleft":
            found += [f"{base.id} lets no further restriction be added, and {other.id} adds some"
                      for other in bases if other is not base and _restricts(other)]  # fmt: skip
    return tuple(found)


def _share_alike(base: License, relation: str) -> bool:
    condition = base.condition("share_alike")
    return condition is not None and _binds(condition, relation)


def _restricts(base: License) -> bool:
    kinds = {
        "noncommercial",
        "acceptable_use",
        "field_of_use",
        "flow_down",
        "user_threshold",
        "revenue_threshold",
    }
    return any(condition.kind in kinds for condition in base.conditions)
