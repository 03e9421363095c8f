"""The audit: license, lineage, policy -> findings with evidence and a verdict."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import date
from functools import lru_cache
from pathlib import Path

from zoohub.audit import lineage, scope
from zoohub.audit.codescan import CodeScan, ModelUse
from zoohub.audit.graph import Graph
from zoohub.audit.judge import WITHOUT, Issue, Judge
from zoohub.audit.policy import UNKNOWN_TERMS, Policy, load
from zoohub.audit.report import AuditReport, Finding, ModelAudit, strictest
from zoohub.cards.licenses import UNKNOWN
from zoohub.errors import AmbiguousModel, InvalidModelId, ModelNotFound, PolicyDenied, ZooError
from zoohub.registry import ModelId, ModelRecord, Registry

_MOST_ANCESTORS = 20_000


def audit(
    models: Iterable[str | ModelRecord] = (),
    policy: str | Path | Policy | None = None,
    registry: Registry | None = None,
    *,
    code: str | Path | None = None,
    today: date | None = None,
) -> AuditReport:
    """May these models be used under the policy? With `code`, also the models that the code at that path
    uses.

    `policy` is a built-in name, a file or None for the one in force; `registry` None opens the user's own. A
    model in no
    registry is a finding, as its license is not known. `today` decides which waivers still hold.

    Raises:
        PolicyError: no such policy, or the file is none; FileNotFoundError: there is no such code.
    """
    chosen = load(policy)
    scanned = _scanned(code) if code is not None else CodeScan()
    uses: dict[str, list[ModelUse]] = {}
    for use in scanned.uses:
        if use.model:
            uses.setdefault(use.model, []).append(use)
    with ExitStack() as stack:
        opened = registry if registry is not None else stack.enter_context(Registry.open())
        auditor = Auditor(chosen, opened, today)
        given = _distinct(models)
        names = {_name(model) for model in given}
        wanted = [*given, *(model for model in uses if model not in names)]
        audited = [auditor.model(model, uses.get(_name(model), ())) for model in wanted]
    return AuditReport(chosen, tuple(audited), tuple(_about_code(auditor.judge, scanned)), scanned)


def _distinct(models: Iterable[str | ModelRecord]) -> list[str | ModelRecord]:
    """Each name and each record object once. Two records of one id may differ, so both are judged."""
    return list({model if isinstance(model, str) else id(model): model for model in models}.values())


def _name(model: str | ModelRecord) -> str:
    return model.id if isinstance(model, ModelRecord) else model


def _scanned(code: str | Path) -> CodeScan:
    from zoohub.audit.codescan.scan import scan

    return scan(code)


def _about_code(judge: Judge, scanned: CodeScan) -> Iterable[Finding]:
    for use in scanned.unresolved:
        issue = judge.issue("model-unresolved", f"{use.call} loads a model that the code does not name",
                            f"{use.reason}.", "Name the model in the code, or write a waiver for "
                                              "it.")  # fmt: skip
        yield _finding(issue, "?", use.where)
    for unread in scanned.unread:
        issue = judge.issue(
            "code-unread", f"could not be read: {unread.reason}", "Models in it were not seen.", "Mend it."
        )
        yield _finding(issue, "?", f"{unread.path}:{unread.line}")


class Auditor:
    """Audits models of one registry under one policy; what it learns of licenses is kept between models."""

    def __init__(self, policy: Policy, registry: Registry, today: date | None = None) -> None:
        self.judge = Judge(policy)
        self.policy, self.registry = policy, registry
        self.today = today or date.today()

    def model(self, model: str | ModelRecord, uses: Sequence[ModelUse] = ()) -> ModelAudit:
        """The audit of one model, with its lineage."""
        where = uses[0].where if uses else ""
        record = model if isinstance(model, ModelRecord) else self._find(model)
        if record is None:
            issue = self.judge.issue("model-unknown", "it is in no registry here", "Its license is not "
                                                                                   "known.",
                                     "Add it: zoo sync, or audit its folder.")  # fmt: skip
            findings = self.ruled(str(model), [_finding(issue, str(model), where)])
            return ModelAudit(str(model), None, UNKNOWN, (), findings, tuple(uses))
        kin = _Kin(record, self.registry)
        own = record.license or UNKNOWN
        named = lineage.misnamed(record.id, kin.inherited)
        unstated = any(base.relation is None for base in record.base_models)
        issues = [
            *self.issues(
                kin.own,
                kin.burden,
                named,
                circle=kin.circle,
                unstated=unstated,
                second_hand=is_second_hand(record),
            ),
            *self._badge(record, kin),
            *self._texts(record),
        ]
        found = [
            self.finding(_as_declared(issue, record), record.id, self._evidence(record, issue, kin))
            for issue in dict.fromkeys(issues)
        ]
        inherited = tuple(sorted(kin.inherited))
        return ModelAudit(record.id, record, own, inherited, self.ruled(record.id, found), tuple(uses))

    def issues(
        self,
        own: frozenset[str],
        burden: frozenset[str],
        misnamed: tuple[str, ...],
        *,
        circle: bool,
        unstated: bool,
        second_hand: bool,
    ) -> Iterable[Issue]:
        """All that stands against a model in this situation, whatever its name; `own` is its license, `burden`
        those that its bases bring, both with the marks of `scope`."""
        brought = own | burden
        (license,), inherited = scope.licenses(own), scope.licenses(burden)
        yield from self.judge.license(license, scope.is_multimodal(license, brought))
        if second_hand:
            yield self.judge.issue("second-hand", "others state its license, not its own card or files",
                                   "They may be mistaken, or the license may have changed.",
                                   "Read the model's own card, or have it read: zoo sync hub.")  # fmt: skip
        if circle:
            yield self.judge.issue("lineage-cycle", "its stated lineage goes in a circle",
                                   "No model is made from itself; one of the statements is wrong.",
                                   "Correct the cards.")  # fmt: skip
        if unstated:
            yield self.judge.issue("relation-unknown", "how it was made from its base is not stated",
                                   "All terms of the base are taken to bind it.",
                                   "State base_model_relation in its card.")  # fmt: skip
        if inherited:
            yield from lineage.issues(self.judge, license, inherited, misnamed, brought)

    def _find(self, model: str) -> ModelRecord | None:
        try:
            return self.registry.get(model)
        except (ModelNotFound, InvalidModelId):
            return self._folder(model)
        except AmbiguousModel as error:
            return self.registry.find(error.choices[0].removeprefix("hub:"))

    def _folder(self, model: str) -> ModelRecord | None:
        """The model in a folder that was named by its path and is not registered."""
        try:
            parsed = ModelId.parse(model)
        except ZooError:
            return None
        if parsed.source != "folder" or not Path(parsed.name).is_dir():
            return None
        from zoohub.audit.folders import record_of_folder

        return record_of_folder(Path(parsed.name))

    def _texts(self, record: ModelRecord) -> Iterable[Issue]:
        """License files beside the weights that say something else than the card, or could not be
        recognized."""
        path = Path(record.id.removeprefix("folder:"))
        if record.source != "folder" or not path.is_dir():
            return
        from zoohub.audit.folders import license_texts

        for text in license_texts(path):
            if text.id == UNKNOWN or text.id != record.license:
                what = f"{text.name}: {text.words}" + (
                    f", but {record.license} is declared" if text.id != UNKNOWN else ""
                )
                yield self.judge.issue("license-text", what, "The text is what binds, not the tag.",
                                       f"Read it: zoo license check {path / text.name}")  # fmt: skip

    def _badge(self, record: ModelRecord, kin: _Kin) -> Iterable[Issue]:
        """A text that must be shown: looked for where the card lies at hand."""
        if record.source != "folder" or not kin.inherited:
            return
        from zoohub.audit.folders import card_text

        card = card_text(Path(record.id.removeprefix("folder:")))
        if card is None:
            return
        text = card.lower()
        for each in sorted(kin.inherited):
            for issue in self.judge.license(each):
                shown = issue.what.partition(": ")[2]
                if issue.term == "badge" and shown.lower() not in text:
                    yield self.judge.issue("badge", f"its card does not show: "
                                                    f"{shown}", issue.why, issue.fix, each,
                                           issue.clause)  # fmt: skip

    def _evidence(self, record: ModelRecord, issue: Issue, kin: _Kin) -> str:
        if issue.license and issue.license != record.license:
            return kin.way_to(issue.license)
        return stated(record)

    @staticmethod
    def finding(issue: Issue, model: str, evidence: str) -> Finding:
        """An issue as a finding of one model."""
        return _finding(issue, model, evidence)

    def ruled(self, model: str, findings: list[Finding]) -> tuple[Finding, ...]:
        """Findings after the rules that name the model, and after waivers; only a waiver passes the unknown."""
        rule = self.policy.model_rule(model)
        if rule and rule.severity == "allow":
            findings = [finding if finding.term in UNKNOWN_TERMS
                        else replace(finding, severity="allow",
                                     why=f"{finding.why} Allowed by rule: {rule.reason}")
                        for finding in findings]  # fmt: skip
        elif rule:
            findings = [
                Finding(model, "denied-by-rule", rule.severity, f"a rule names {rule.pattern}", rule.reason),
                *findings,
            ]
        result = []
        for finding in findings:
            result += self._waived(model, finding) if finding.severity != "allow" else [finding]
        return tuple(dict.fromkeys(result))

    def _waived(self, model: str, finding: Finding) -> list[Finding]:
        waivers = [waiver for waiver in self.policy.waivers if waiver.covers(model, finding.term)]
        holding = next((waiver for waiver in waivers if waiver.until >= self.today), None)
        if holding:
            why = f"{finding.why} Waived by {holding.owner} until {holding.until}: {holding.reason}"
            return [replace(finding, severity="allow", why=why)]
        ended = [Finding(model, "waiver-expired", self.policy.term("waiver-expired")[0],
                         f"the waiver of {waiver.owner} ended on {waiver.until}", waiver.reason,
                         f"policy {self.policy.name}", "Renew it or choose another "
                                                       "model.") for waiver in waivers]  # fmt: skip
        return [finding, *ended]


class _Kin:
    """The ancestors of one model and what they bring."""

    def __init__(self, record: ModelRecord, registry: Registry) -> None:
        self.record = record
        self.records: dict[str, ModelRecord | None] = {record.id: record}
        self.own = scope.own(record.license or UNKNOWN, scope.kind(record))
        self.burden: frozenset[str] = frozenset()
        self.circle = False
        if record.base_models:
            self._walk(registry)
        self.inherited = scope.licenses(self.burden)

    def _walk(self, registry: Registry) -> None:
        waiting = [self.record]
        numbers = {self.record.id.lower(): 0}
        order = [self.record]
        while waiting:
            for base in waiting.pop().base_models:
                if base.id.lower() in numbers or len(order) >= _MOST_ANCESTORS:
                    continue
                found = registry.find(base.id)
                self.records[base.id] = found
                numbers[base.id.lower()] = len(order) if found else -1
                if found:
                    order.append(found)
                    waiting.append(found)
        graph = Graph()
        for each in order:
            edges = [
                (numbers.get(base.id.lower(), -1), base.relation == "distilled") for base in each.base_models
            ]
            graph.add(graph.own(each.license or UNKNOWN, scope.kind(each)), edges)
        burdens, circle = graph.inherited()
        self.burden = graph.sets.members[burdens[0]]
        self.circle = 0 in circle

    def way_to(self, license: str) -> str:
        """How a license came to the model: the nearest ancestor that has it, and the steps to it."""
        seen = {self.record.id}
        level: list[tuple[ModelRecord, str]] = [(self.record, self.record.id)]
        while level:
            following = []
            for record, way in level:
                for base in record.base_models:
                    if base.id in seen:
                        continue
                    seen.add(base.id)
                    found = self.records.get(base.id)
                    step = f"{way} <- {base.relation or 'made from'} - {base.id}"
                    if len(step) > 600:
                        step = f"{self.record.id} <- ... - {base.id}"
                    if (found.license if found else UNKNOWN) == license:
                        return f"lineage: {step} ({stated(found) if found else 'in no registry here'})"
                    if found:
                        following.append((found, step))
            level = following
        return "lineage"


def is_second_hand(record: ModelRecord) -> bool:
    """Whether the license is known from others alone: a catalog's origin that is not the model's own author."""
    author = (record.author or "").lower()
    return bool(record.license_evidence) and all(
        item.kind == "origin" and item.where.partition("/")[0].lower() != author
        for item in record.license_evidence
    )


def stated(record: ModelRecord) -> str:
    """What the license statement of a record rests on."""
    if record.license_evidence:
        return "; ".join(
            f"{item.kind} {item.where}: {item.text or record.license}" for item in record.license_evidence
        )
    raw = record.license_raw or record.license_name
    return f"declared: {raw}" if raw else "no license is declared"


def _finding(issue: Issue, model: str, evidence: str) -> Finding:
    return Finding(
        model,
        issue.term,
        issue.severity,
        issue.what,
        issue.why,
        evidence,
        issue.fix,
        issue.license,
        issue.clause,
    )


# --- in the flow ------------------------------------------------------------------------------------


def verdict(
    record: ModelRecord, policy: str | Path | Policy | None = None, registry: Registry | None = None
) -> str:
    """deny, review or allow for one model; cheap. Without `registry`, a model made from others is at best
    `review`,
    because its bases' terms are not looked at.

    Raises:
        PolicyError: no such policy.
    """
    judge = _judge(load(policy) if policy is not None else _in_force())
    if registry is not None:
        return Auditor(judge.policy, registry).model(record).verdict
    license = record.license or UNKNOWN
    multimodal = scope.is_multimodal(license, scope.own(license, scope.kind(record)))
    found = strictest(issue.severity for issue in judge.license(license, multimodal))
    if judge.policy.model_rule(record.id) or judge.policy.waivers:
        with Registry.open() as opened:
            return Auditor(judge.policy, opened).model(record).verdict
    return "review" if found == "allow" and record.base_models else found


def enforce(
    model: str | ModelRecord, operation: str, registry: Registry | None = None
) -> tuple[Finding, ...]:
    """Stand in the way of `operation` ("pull", "finetune") where the policy in force denies it.

    Returns the findings to warn of (severity review). Without a policy in force nothing is refused or warned
    of.

    Raises:
        PolicyDenied: the policy denies it; its findings say why.
    """
    from zoohub import settings

    if not settings.policy_file():
        return ()
    policy = _in_force()
    if operation == "finetune" and "finetune" not in policy.what:
        policy = replace(policy, what=(*policy.what, "finetune"))
    name = _name(model)
    report = audit([model], policy, registry)
    denied = [finding for finding in report.findings if finding.severity == "deny"]
    if denied:
        why = "; ".join(f"{finding.what} ({finding.why})" for finding in denied[:3])
        raise PolicyDenied(f"The policy {policy.name!r} denies to {operation} {name}: {why}",
                           f"All findings: zoo audit {name}", denied)  # fmt: skip
    return tuple(finding for finding in report.findings if finding.severity == "review")


def _in_force() -> Policy:
    from zoohub import settings

    name = settings.policy_file() or "commercial"
    path = Path(name)
    return _loaded(name, path.stat().st_mtime_ns if path.is_file() else 0)


@lru_cache(maxsize=8)
def _loaded(name: str, changed: int) -> Policy:
    del changed  # only a key of the cache
    return load(name)


def _as_declared(issue: Issue, record: ModelRecord) -> Issue:
    """An unknown license in the words that the model itself uses for it, where it uses any."""
    declared = record.license_name or record.license_raw
    if issue.term != "license-unknown" or issue.license != UNKNOWN or not declared:
        return issue
    what = f"what it declares is no license that is known here: {declared[:100]!r}"
    why = "Those words bind, and nobody has read here what they permit."
    return replace(issue, what=what, why=why + issue.why.removeprefix(WITHOUT))


@lru_cache(maxsize=8)
def _judge(policy: Policy) -> Judge:
    return Judge(policy)
