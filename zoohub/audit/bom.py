"""What both bills of materials say of a model: purl, SPDX license, files, lineage."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from urllib.parse import quote

from zoohub.audit.judge import lookup
from zoohub.audit.report import ModelAudit
from zoohub.cards.licenses import UNKNOWN
from zoohub.registry import ModelRecord

HASHED = re.compile(r"[0-9a-f]{64}")


def purl(model: str, revision: str | None = None) -> str:
    """The package URL of a model id."""
    source, colon, name = model.partition(":")
    if not colon:
        source, name = "hub", model
    version = f"@{quote(revision, safe='')}" if revision else ""
    path = "/".join(quote(part, safe="") for part in name.strip("/").split("/"))
    kind = {"hub": "huggingface", "pypi": "pypi", "github": "github"}.get(source)
    return f"pkg:{kind}/{path}{version}" if kind else f"pkg:generic/{source}/{path}{version}"


def spdx_license(id: str) -> str | None:
    """The SPDX id, a `LicenseRef-` or an expression of them; None where no license is known."""
    if id == UNKNOWN:
        return None
    if " " in id:
        from zoohub.cards.licenses import spdx

        return spdx(id)
    entry = lookup(id)
    if entry.id == UNKNOWN:
        return None
    return entry.spdx or f"LicenseRef-{entry.id}"


def now() -> str:
    """The time, as both formats write it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def files(record: ModelRecord) -> list[tuple[str, str]]:
    """(path, sha256) of the files whose digest is known."""
    return [
        (file.path, file.sha256) for file in record.files if file.sha256 and HASHED.fullmatch(file.sha256)
    ]


def ancestors(model: ModelAudit) -> list[tuple[str, str]]:
    """(id, relation) of the direct bases."""
    return [(base.id, base.relation or "") for base in model.record.base_models] if model.record else []
