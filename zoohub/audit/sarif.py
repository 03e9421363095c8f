"""SARIF 2.1.0, which code hosts show beside the lines of code."""

from __future__ import annotations

import hashlib
from typing import Any

import zoohub
from zoohub.audit.policy import DEFAULTS, FINDINGS
from zoohub.audit.report import AuditReport, Finding
from zoohub.cards.licenses import CONDITIONS

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_LEVELS = {"deny": "error", "review": "warning", "allow": "note"}


def sarif(report: AuditReport) -> dict[str, Any]:
    """The findings that are not allowed, as one run. A finding of a model that code uses stands at each use;
    other
    models have no file, and stand at the policy's name as a logical location."""
    results = []
    for model in report.models:
        places: list[tuple[str, int] | None] = [(use.path, use.line) for use in model.uses]
        for finding in model.findings:
            if finding.severity != "allow":
                results += [_result(finding, place) for place in places or (None,)]
    for finding in report.extra:
        if finding.severity != "allow":
            path, _, line = finding.evidence.rpartition(":")
            results.append(
                _result(finding, (path.partition(":cell ")[0], int(line) if line.isdigit() else 1))
            )
    terms = sorted({result["ruleId"] for result in results})
    for result in results:
        result["ruleIndex"] = terms.index(result["ruleId"])
    driver = {
        "name": "zoohub",
        "version": zoohub.__version__,
        "semanticVersion": zoohub.__version__,
        "informationUri": "https://github.com/zoohub/zoohub",
        "rules": [_rule(term) for term in terms],
    }
    run = {
        "tool": {"driver": driver},
        "results": results,
        "columnKind": "unicodeCodePoints",
        "properties": {"policy": report.policy.name, "verdict": report.verdict},
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(term: str) -> dict[str, Any]:
    meaning = FINDINGS.get(term) or CONDITIONS.get(term) or term
    name = "".join(part.capitalize() for part in term.replace("_", "-").split("-"))
    return {
        "id": term,
        **({"name": name} if name.lower() != term else {}),  # the standard wants another one or none
        "shortDescription": {"text": meaning[:1].upper() + meaning[1:] + "."},
        "fullDescription": {"text": f"Model audit: {meaning}."},
        "help": {"text": "Policies, terms and how to mend each: see docs/audit.md of zoohub."},
        "defaultConfiguration": {"level": _LEVELS[DEFAULTS.get(term, "review")]},
        "properties": {"tags": ["license", "model", "supply-chain"]},
    }


def _result(finding: Finding, place: tuple[str, int] | None) -> dict[str, Any]:
    text = f"{finding.model}: {finding.what}. {finding.why}"
    text += f" Evidence: {finding.evidence}." if finding.evidence else ""
    text += f" {finding.fix}" if finding.fix else ""
    location: dict[str, Any] = {"logicalLocations": [{"fullyQualifiedName": finding.model, "kind": "model"}]}
    path, line = place or ("policy", 1)
    location["physicalLocation"] = {
        "artifactLocation": {"uri": path.replace(" ", "%20"), "uriBaseId": "%SRCROOT%"},
        "region": {"startLine": max(line, 1)},
    }
    identity = f"{finding.model}\0{finding.term}\0{finding.license}\0{path}"
    return {
        "ruleId": finding.term,
        "level": _LEVELS[finding.severity],
        "message": {"text": text},
        "locations": [location],
        "partialFingerprints": {"zoohub/v1": hashlib.sha256(identity.encode()).hexdigest()[:32]},
        "properties": finding.to_dict(),
    }
