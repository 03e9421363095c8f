"""Models that code uses: `scan(path)` reads Python, notebooks, configs, shell scripts, Dockerfiles and
requirements."""

from zoohub.audit.codescan.scan import scan
from zoohub.audit.codescan.uses import CodeScan, ModelUse, Unread

__all__ = ["CodeScan", "ModelUse", "Unread", "scan"]
