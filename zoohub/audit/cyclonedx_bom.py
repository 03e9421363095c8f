"""CycloneDX 1.6 and 1.7: models with their model card, files, lineage, and the findings as annotations.

Written as plain JSON, because the Python library for CycloneDX has no model card; tests validate it against
the schemas
which that library bundles.
"""

from __future__ import annotations

import uuid
from typing import Any

import zoohub
from zoohub.audit import bom
from zoohub.audit.report import AuditReport, Finding, ModelAudit
from zoohub.registry import ModelRecord

_TOOL = {"type": "application", "name": "zoohub", "version": zoohub.__version__}


def cyclonedx(report: AuditReport, spec: str = "1.6") -> dict[str, Any]:
    """The bill of materials of the audited models, for version 1.6 or 1.7 of the specification."""
    components = [_component(model) for model in report.models]
    known = {component["bom-ref"] for component in components}
    bases = {base for model in report.models for base, _ in bom.ancestors(model)}
    components += [_stub(base) for base in sorted(bases) if base not in known]
    dependencies = [{"ref": model.model, "dependsOn": sorted({base for base, _ in bom.ancestors(model)})}
                    for model in report.models]  # fmt: skip
    findings = [finding for finding in report.findings if finding.model in known]
    document: dict[str, Any] = {
        "$schema": f"http://cyclonedx.org/schema/bom-{spec}.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": spec,
        "serialNumber": f"urn:uuid:{uuid.uuid4()}",
        "version": 1,
        "metadata": {
            "timestamp": bom.now(),
            "tools": {"components": [_TOOL]},
            "properties": [_property("policy", report.policy.name), _property("verdict", report.verdict)],
        },
        "components": components,
        "dependencies": dependencies,
    }
    if findings:
        document["annotations"] = [_annotation(number, finding) for number, finding in enumerate(findings)]
    return document


def _component(model: ModelAudit) -> dict[str, Any]:
    record = model.record
    component = _stub(model.model, record.revision if record else None)
    component["properties"] = [_property("verdict", model.verdict), _property("license", model.license)]
    component["properties"] += [_property("inherited-license", each) for each in model.inherited]
    component["properties"] += [_property("relation", f"{relation or 'not stated'}: {base}")
                                for base, relation in bom.ancestors(model)]  # fmt: skip
    if declared := bom.spdx_license(model.license):
        component["licenses"] = [_license(declared)]
    if uses := [use for use in model.uses if use.path]:
        occurrences = [{"location": use.path, "line": use.line} for use in uses]
        component["evidence"] = {"occurrences": occurrences}
    if record:
        _told(component, record)
    return component


def _told(component: dict[str, Any], record: ModelRecord) -> None:
    """What the record knows: author, description, model card, files, ancestors."""
    if record.description:
        component["description"] = record.description
    if record.author:
        component["authors"] = [{"name": record.author}]
    card = _model_card(record)
    if card:
        component["modelCard"] = card
    if found := bom.files(record):
        component["components"] = [
            {"type": "file", "bom-ref": f"{record.id}#{path}", "name": path,
             "hashes": [{"alg": "SHA-256", "content": digest}]} for path, digest in found
        ]  # fmt: skip
    if record.base_models:
        ids = dict.fromkeys(base.id for base in record.base_models)
        component["pedigree"] = {"ancestors": [_stub(base, ref=f"{record.id}<-{base}") for base in ids]}


def _model_card(record: ModelRecord) -> dict[str, Any]:
    parameters: dict[str, Any] = {}
    if record.task:
        parameters["task"] = record.task
    architectures = record.config.get("architectures")
    if isinstance(architectures, list) and architectures:
        parameters["modelArchitecture"] = str(architectures[0])
    if record.datasets:
        parameters["datasets"] = [{"type": "dataset", "name": name} for name in record.datasets]
    card: dict[str, Any] = {}
    if parameters:
        card["modelParameters"] = parameters
    if record.metrics:
        metrics = []
        for metric in record.metrics:
            entry = {"type": metric.metric, "value": f"{metric.value:g}"}
            if place := " / ".join(part for part in (metric.task, metric.dataset) if part):
                entry["slice"] = place
            metrics.append(entry)
        card["quantitativeAnalysis"] = {"performanceMetrics": metrics}
    return card


def _stub(model: str, revision: str | None = None, ref: str | None = None) -> dict[str, Any]:
    name = model.partition(":")[2] if ":" in model else model
    group, slash, last = name.rpartition("/")
    component: dict[str, Any] = {"type": "machine-learning-model", "bom-ref": ref or model, "name": last}
    if slash and group:
        component["group"] = group
    if revision:
        component["version"] = revision
    component["purl"] = bom.purl(model, revision)
    return component


def _license(license: str) -> dict[str, Any]:
    """SPDX expressions stand as such; what SPDX does not list has a name."""
    if " " in license:
        return {"expression": license}
    return (
        {"license": {"name": license}} if license.startswith("LicenseRef-") else {"license": {"id": license}}
    )


def _annotation(number: int, finding: Finding) -> dict[str, Any]:
    words = f"{finding.severity}: {finding.what}. {finding.why} {finding.fix}".strip()
    evidence = f" Evidence: {finding.evidence}." if finding.evidence else ""
    return {
        "bom-ref": f"finding-{number}",
        "subjects": [finding.model],
        "annotator": {"component": _TOOL},
        "timestamp": bom.now(),
        "text": f"[{finding.term}] {words}{evidence}",
    }


def _property(name: str, value: str) -> dict[str, str]:
    return {"name": f"zoohub:{name}", "value": value}
