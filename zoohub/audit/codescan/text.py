"""What the readers of plain text share: a literal model name on a line."""

from __future__ import annotations

from collections.abc import Iterator

from zoohub.audit.codescan import names
from zoohub.audit.codescan.names import Named
from zoohub.audit.codescan.uses import ModelUse


def use(path: str, line: int, call: str, text: str, named: Named) -> Iterator[ModelUse]:
    """One use, where `named` names something."""
    if named.model or named.reason:
        yield ModelUse(path, line, call, text, named.model, named.revision, named.reason)


def addresses(path: str, line: int, text: str) -> Iterator[ModelUse]:
    """Models that an address on a hub fetches: files of a repository, or a clone of it."""
    for found in names.HUB_URL.finditer(text):
        organization = found["id"].partition("/")[0]
        cloned = "git clone" in text or "git lfs" in text
        if organization not in names._NOT_HUB and (found["rest"] or cloned):
            model = found["id"].removesuffix(".git")
            yield ModelUse(
                path,
                line,
                "git clone" if cloned else "address",
                found[0],
                model,
                found["revision"],
                "address",
            )
