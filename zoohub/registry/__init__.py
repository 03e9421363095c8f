"""WHAT EXISTS: the SQL index of models. This door exports what the floors above may use."""

from zoohub.registry.records import (
    BaseModel,
    LicenseEvidence,
    Metric,
    ModelFile,
    ModelId,
    ModelRecord,
    to_dicts,
)

__all__ = ["BaseModel", "LicenseEvidence", "Metric", "ModelFile", "ModelId", "ModelRecord", "to_dicts"]
