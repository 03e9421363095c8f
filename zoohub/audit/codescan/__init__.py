"""Models that code uses: Python, notebooks, configs, shell scripts, Dockerfiles and requirements.

`codescan.scan.scan(path)` does the work; here stands only what it finds, which an audit without code needs
too.
"""

from zoohub.audit.codescan.uses import CodeScan, ModelUse, Unread

__all__ = ["CodeScan", "ModelUse", "Unread"]
