"""What a model owes its bases: claims beyond what they grant, names, conflicts."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from zoohub.audit import scope
from zoohub.audit.judge import Issue, Judge, lookup
from zoohub.audit.words import words
from zoohub.cards.licenses import OPERATIONS, UNKNOWN, derive
from zoohub.errors import UnknownLicense

# Conditions that weigh on whoever receives the model: a child that leaves one out claims more than its base.
_WEIGHTY = words(
    "noncommercial share_alike flow_down acceptable_use field_of_use user_threshold revenue_threshold "
    "territory "
    "no_derivatives"
)


def issues(
    judge: Judge, own: str, inherited: frozenset[str], misnamed: tuple[str, ...], brought: frozenset[str]
) -> Iterator[Issue]:
    """What stands against a model under `own` that `inherited` licenses bind; `misnamed` are those whose
    prefix its name lacks, `brought` has the marks of `scope`."""
    for each in sorted(inherited):
        if each == UNKNOWN or not lookup(each).known:
            yield judge.issue("base-unknown", f"a base's terms are not known ({each})",
                              "Its terms flow to this model, whatever this model's own license says.",
                              "Find the license of the base.", each)  # fmt: skip
            continue
        if each == own:
            continue
        yield from judge.license(each, scope.is_multimodal(each, brought))
        yield from _claim(judge, own, each)
    for each in misnamed:
        prefix = lookup(each).condition("name_prefix")
        assert prefix is not None
        yield judge.issue("name_prefix", f"its name does not begin with {prefix.text!r}",
                          f"{lookup(each).name} asks so of models made from it, clause {prefix.clause}.",
                          f"Rename it, or ask its author to: "
                          f"{prefix.text}-...", each, prefix.clause)  # fmt: skip
    for text in conflicts(inherited | {own} if own != UNKNOWN else inherited):
        yield judge.issue("conflict", text, "The licenses of its bases and its own cannot all be kept.",
                          "Choose a model made from fewer bases.")  # fmt: skip


def _claim(judge: Judge, own: str, base: str) -> Iterator[Issue]:
    more = excess(own, base)
    if more:
        yield judge.issue("claims-more", f"{own} claims more than {base} grants: {', '.join(more)}",
                          f"The model was made from one under {base}, whose terms still hold.",
                          f"Treat it as under {base}.", base)  # fmt: skip
    elif own != UNKNOWN:
        yield judge.issue("claims-other", f"{own}, made from {base}",
                          "Another license than the base's, without weaker terms; the base's notices still "
                          "go along.",
                          "Keep the license text and the notices of the base.", base)  # fmt: skip


@cache
def excess(own: str, base: str) -> tuple[str, ...]:
    """What `own` grants or leaves out that `base` does not grant or asks for: judged by terms, not by
    names."""
    mine, theirs = lookup(own), lookup(base)
    if not mine.known or not theirs.known:
        return ()
    granted = [f"{operation.replace('_', ' ')} allowed" for operation in OPERATIONS
               if mine.answer(operation) == "yes" and theirs.answer(operation) == "no"]  # fmt: skip
    kept = {condition.kind for condition in mine.conditions}
    dropped = [f"no {condition.kind.replace('_', ' ')}" for condition in theirs.conditions
               if condition.kind in _WEIGHTY - kept]  # fmt: skip
    return tuple(dict.fromkeys((*granted, *dropped)))


@cache
def conflicts(licenses: frozenset[str]) -> tuple[str, ...]:
    """Terms of licenses that hold together and cannot."""
    parts = {part for each in licenses for part in each.replace("(", "").replace(")", "").split(" AND ")}
    known = sorted(part for part in parts if lookup(part).known and " " not in part)
    if len(known) < 2:
        return ()
    try:
        return derive(known, "merge").conflicts
    except UnknownLicense:
        return ()


@cache
def prefixes(licenses: frozenset[str]) -> tuple[tuple[str, str], ...]:
    """(license, prefix in lower case) for those that ask for a name prefix."""
    found = ((each, lookup(each).condition("name_prefix")) for each in sorted(licenses))
    return tuple((each, condition.text.lower()) for each, condition in found if condition)


def misnamed(name: str, inherited: frozenset[str]) -> tuple[str, ...]:
    """The inherited licenses whose prefix a model's name lacks."""
    wanted = prefixes(inherited)
    if not wanted:
        return ()
    plain = name.rpartition("/")[2].lower()
    return tuple(each for each, prefix in wanted if not plain.startswith(prefix))
