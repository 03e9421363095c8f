"""SPDX 3.0.1 with the AI and dataset profiles, through the official Python bindings."""

from __future__ import annotations

import io
import json
import uuid
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import zoohub
from zoohub.audit import bom
from zoohub.audit.report import AuditReport, Finding, ModelAudit
from zoohub.errors import MissingDependency
from zoohub.registry import ModelRecord


def spdx(report: AuditReport) -> dict[str, Any]:
    """The bill of materials of the audited models as JSON-LD.

    Raises:
        MissingDependency: the package spdx-python-model is not installed.
    """
    try:
        from spdx_python_model import v3_0_1 as model
    except ImportError as error:
        raise MissingDependency("spdx-python-model", "audit") from error
    return _Writer(model).document(report)


class _Writer:
    """Builds the elements of one document; each has an id below one fresh namespace."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.base = f"urn:uuid:{uuid.uuid4()}"
        self.objects = model.SHACLObjectSet()
        self.elements: list[Any] = []
        self.packages: dict[str, Any] = {}
        self.licenses: dict[str, Any] = {}
        self.info = model.CreationInfo(_id="_:creation", specVersion="3.0.1", created=datetime.now(UTC))
        self.info.created = self.info.created.replace(microsecond=0)
        self.objects.add(self.info)
        agent = self.element(model.SoftwareAgent, "agent", name=f"zoohub {zoohub.__version__}")
        self.info.createdBy.append(agent)

    def document(self, report: AuditReport) -> dict[str, Any]:
        roots = [self.package(audited) for audited in report.models]
        for audited, package in zip(report.models, roots, strict=True):
            self.relations(audited, package)
        profiles = self.model.ProfileIdentifierType
        document = self.element(
            self.model.SpdxDocument, "document", name=f"Models under policy {report.policy.name}"
        )
        document.comment = f"Verdict: {report.verdict}"
        document.rootElement.extend(roots)
        document.element.extend(each for each in self.elements if each is not document)
        document.profileConformance.extend(
            [profiles.core, profiles.software, profiles.ai, profiles.dataset, profiles.simpleLicensing]
        )
        out = io.BytesIO()
        self.model.JSONLDSerializer().write(self.objects, out)
        result: dict[str, Any] = json.loads(out.getvalue())
        return result

    def element(self, kind: Any, id: str, **values: Any) -> Any:
        made = kind(_id=f"{self.base}#{quote(id, safe='')}", creationInfo=self.info, **values)
        self.objects.add(made)
        self.elements.append(made)
        return made

    def package(self, audited: ModelAudit) -> Any:
        package = self.bare(audited.model)
        record = audited.record
        package.comment = f"Verdict: {audited.verdict}"
        if record:
            self.told(package, record)
        if license := bom.spdx_license(audited.license):
            expression = self.license(license)
            self.relation(package, "hasDeclaredLicense", [expression])
        for number, finding in enumerate(audited.findings):
            self.annotation(package, finding, f"{audited.model}-finding-{number}")
        return package

    def bare(self, model: str) -> Any:
        found = self.packages.get(model)
        if found is None:
            url = bom.purl(model)
            found = self.element(
                self.model.ai_AIPackage, f"model-{model}", name=model, software_packageUrl=url
            )
            found.software_primaryPurpose = self.model.software_SoftwarePurpose.model
            self.packages[model] = found
        return found

    def told(self, package: Any, record: ModelRecord) -> None:
        """What the record knows of a model."""
        package.software_packageUrl = bom.purl(record.id, record.revision)
        if record.revision:
            package.software_packageVersion = record.revision
        if record.description:
            package.description = record.description
        if record.task:
            package.ai_domain.append(record.task)
        architectures = record.config.get("architectures")
        package.ai_typeOfModel.extend(
            [str(each) for each in architectures] if isinstance(architectures, list) else []
        )
        for metric in record.metrics:
            key = " / ".join(part for part in (metric.task, metric.dataset, metric.metric) if part)
            package.ai_metric.append(self.model.DictionaryEntry(key=key, value=f"{metric.value:g}"))

    def relations(self, audited: ModelAudit, package: Any) -> None:
        record = audited.record
        if record is None:
            return
        for base, relation in bom.ancestors(audited):
            made = self.relation(package, "descendantOf", [self.bare(base)])
            made.comment = relation or "relation not stated"
        for name in dict.fromkeys(record.datasets):
            self.relation(package, "trainedOn", [self.dataset(name)])
        files = [self.file(record.id, path, digest) for path, digest in bom.files(record)]
        if files:
            self.relation(package, "contains", files)

    def dataset(self, name: str) -> Any:
        found = self.packages.get(f"dataset {name}")
        if found is None:
            found = self.element(self.model.dataset_DatasetPackage, f"dataset-{name}", name=name)
            found.dataset_datasetType.append(self.model.dataset_DatasetType.noAssertion)
            found.software_primaryPurpose = self.model.software_SoftwarePurpose.data
            self.packages[f"dataset {name}"] = found
        return found

    def file(self, model: str, path: str, digest: str) -> Any:
        made = self.element(self.model.software_File, f"file-{model}-{path}", name=path)
        made.verifiedUsing.append(
            self.model.Hash(algorithm=self.model.HashAlgorithm.sha256, hashValue=digest)
        )
        return made

    def license(self, expression: str) -> Any:
        found = self.licenses.get(expression)
        if found is None:
            kind = self.model.simplelicensing_LicenseExpression
            found = self.element(kind, f"license-{expression}", simplelicensing_licenseExpression=expression)
            self.licenses[expression] = found
        return found

    def relation(self, source: Any, kind: str, targets: list[Any]) -> Any:
        made = self.element(self.model.Relationship, f"relation-{len(self.elements)}")
        made.from_ = source
        made.relationshipType = getattr(self.model.RelationshipType, kind)
        made.to.extend(targets)
        return made

    def annotation(self, package: Any, finding: Finding, id: str) -> None:
        made = self.element(self.model.Annotation, id, subject=package)
        made.annotationType = self.model.AnnotationType.review
        evidence = f" Evidence: {finding.evidence}." if finding.evidence else ""
        words = f"{finding.severity}: {finding.what}. {finding.why}{evidence} {finding.fix}"
        made.statement = f"[{finding.term}] {words}".strip()
