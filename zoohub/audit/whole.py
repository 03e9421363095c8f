"""The audit of a whole registry: a million models in one pass, because they share a few thousand
situations."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from zoohub.audit import lineage, scope
from zoohub.audit.auditor import Auditor, is_second_hand
from zoohub.audit.graph import Graph
from zoohub.audit.judge import Issue
from zoohub.audit.policy import Policy, load
from zoohub.audit.report import ModelAudit, strictest
from zoohub.cards.licenses import UNKNOWN
from zoohub.registry import Registry
from zoohub.registry.database import Connection
from zoohub.registry.encoding import key_in, unpack


@dataclass(frozen=True, slots=True)
class _Situation:
    """What models in the same place share: the verdict and the terms that stand against them."""

    verdict: str
    terms: tuple[str, ...]


@dataclass(slots=True)
class RegistryAudit:
    """Verdict and terms of every model; `explain(id)` has the findings of one in full."""

    policy: Policy
    ids: list[str]
    situations: list[_Situation]
    places: array[int]
    registry: Registry

    def __len__(self) -> int:
        return len(self.ids)

    def __iter__(self) -> Iterator[tuple[str, str, tuple[str, ...]]]:
        """(model id in lower case, verdict, terms that are not allowed)."""
        for model, place in zip(self.ids, self.places, strict=True):
            situation = self.situations[place]
            yield model, situation.verdict, situation.terms

    @property
    def verdict(self) -> str:
        """The strictest verdict."""
        return strictest(self.verdicts)

    @property
    def verdicts(self) -> Counter[str]:
        """How many models have each verdict."""
        return Counter({name: count for name, count in self._count(lambda s: (s.verdict,)).items() if count})

    @property
    def terms(self) -> Counter[str]:
        """How many models each term stands against."""
        return self._count(lambda situation: situation.terms)

    def _count(self, names: Any) -> Counter[str]:
        found: Counter[str] = Counter()
        for place, count in Counter(self.places).items():
            for name in names(self.situations[place]):
                found[name] += count
        return found

    def explain(self, id: str) -> ModelAudit:
        """The findings of one model, with evidence."""
        return Auditor(self.policy, self.registry).model(id)


def audit_registry(registry: Registry, policy: Any = None) -> RegistryAudit:
    """Judge every model of a registry under a policy, with its lineage.

    Takes about 100 bytes a model beside its id.

    Raises:
        PolicyError: no such policy.
    """
    chosen = load(policy)
    minds = chosen.term("second-hand")[0] != "allow"
    ids, graph, unstated, second_hand = _read(registry, minds_second_hand=minds)
    burdens, circle = graph.inherited()
    auditor = Auditor(chosen, registry)
    judging = _Judging(auditor, graph)
    places = array("i", bytes(4 * len(ids)))
    plain = not chosen.waivers and not any(rule.kind == "model" for rule in chosen.rules)
    for number, model in enumerate(ids):
        burden = scope.licenses(graph.sets.members[burdens[number]])
        named = lineage.misnamed(model, burden) if burden else ()
        key = (graph.licenses[number], burdens[number], named, number in circle, number in unstated,
               number in second_hand)  # fmt: skip
        places[number] = judging.place(key) if plain else judging.place_of(model, key)
    return RegistryAudit(chosen, ids, judging.situations, places, registry)


Key = tuple[int, int, tuple[str, ...], bool, bool, bool]


class _Judging:
    """Situations by key, each judged once."""

    def __init__(self, auditor: Auditor, graph: Graph) -> None:
        self.auditor, self.graph = auditor, graph
        self.situations: list[_Situation] = []
        self._places: dict[Key, int] = {}
        self._issues: dict[Key, tuple[Issue, ...]] = {}
        self._numbers: dict[_Situation, int] = {}

    def place(self, key: Key) -> int:
        found = self._places.get(key)
        if found is None:
            issues = self.issues(key)
            found = self._places[key] = self._number(issue_pairs(issues))
        return found

    def place_of(self, id: str, key: Key) -> int:
        """Where rules or waivers name models: judged for this one."""
        findings = self.auditor.ruled(id, [self.auditor.finding(issue, id, "") for issue in self.issues(key)])
        return self._number({(finding.term, finding.severity) for finding in findings})

    def issues(self, key: Key) -> tuple[Issue, ...]:
        found = self._issues.get(key)
        if found is None:
            own_set, burden, misnamed, circle, unstated, second_hand = key
            members = self.graph.sets.members
            found = self._issues[key] = tuple(
                self.auditor.issues(
                    members[own_set],
                    members[burden],
                    misnamed,
                    circle=circle,
                    unstated=unstated,
                    second_hand=second_hand,
                )
            )
        return found

    def _number(self, pairs: set[tuple[str, str]]) -> int:
        verdict = strictest(severity for _, severity in pairs)
        terms = tuple(sorted({term for term, severity in pairs if severity != "allow"}))
        situation = _Situation(verdict, terms)
        found = self._numbers.get(situation)
        if found is None:
            found = self._numbers[situation] = len(self.situations)
            self.situations.append(situation)
        return found


def issue_pairs(issues: tuple[Issue, ...]) -> set[tuple[str, str]]:
    """(term, severity) of issues."""
    return {(issue.term, issue.severity) for issue in issues}


def _read(registry: Registry, *, minds_second_hand: bool) -> tuple[list[str], Graph, set[int], set[int]]:
    """Ids, licenses and lineage, straight from the tables: a record is unpacked only where its kind matters, or
    the policy minds who states its license."""
    graph = Graph()
    ids: list[str] = []
    unstated: set[int] = set()
    second_hand: set[int] = set()
    with registry.connection() as connection, connection.snapshot():
        names = {pk: name or UNKNOWN for pk, name in connection.stream("SELECT pk, id FROM licenses")}
        licenses = {pk: graph.own(name) for pk, name in names.items()}
        kinds = _kinds(connection, [pk for pk, name in names.items() if scope.matters(name)])
        numbers: dict[int, int] = {}
        own = array("i")
        for number, (pk, doc, declared) in enumerate(
            connection.stream("SELECT pk, doc, license FROM models ORDER BY pk")
        ):
            ids.append(key_in(doc))
            numbers[pk] = number
            if minds_second_hand and is_second_hand(unpack(doc)):
                second_hand.add(number)
            own.append(graph.own(names[declared], kinds[pk]) if pk in kinds else licenses[declared])
        edges = connection.stream(
            "SELECT l.model, b.pk, l.relation FROM lineage l LEFT JOIN models b ON b.hash = l.base ORDER BY "
            "l.model"
        )
        edge = next(edges, None)
        for pk, number in numbers.items():
            bases = []
            while edge is not None and edge[0] == pk:
                bases.append((-1 if edge[1] is None else numbers[edge[1]], edge[2] == "distilled"))
                if edge[2] is None:
                    unstated.add(number)
                edge = next(edges, None)
            graph.add(own[number], bases)
    return ids, graph, unstated, second_hand


def _kinds(connection: Connection, licenses: list[int]) -> dict[int, str]:
    """The kind (see `scope`) of each model under one of these licenses, by its row."""
    return {
        pk: scope.kind(unpack(doc))
        for license in licenses
        for pk, doc in connection.stream("SELECT pk, doc FROM models WHERE license = ?", (license,))
    }
