"""What a push is looked at for before it counts: card, configuration, headers, code in files, license.

The files that the look needs are laid out in a folder of their own: text whole, pickles whole, weights with
their headers and holes for the rest. The same readers then judge it that read a folder on disk.
"""

from __future__ import annotations

import json
import os
import shutil
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from zoohub.cards import Card
from zoohub.errors import CardError, InvalidRecord, ZooError
from zoohub.hub.blobs import Blob, Blobs
from zoohub.hub.commits import Inspection, Plan
from zoohub.hub.config import Config
from zoohub.hub.errors import BadRequest, PolicyRefused
from zoohub.hub.repos import HEADS
from zoohub.hub.storage import FolderStorage
from zoohub.hub.verdicts import judge
from zoohub.registry import LicenseEvidence, ModelFile, ModelRecord, Registry

WHOLE = 4 << 20  # files up to here are laid out whole
MOST_PICKLE = 2 << 30  # larger ones are not scanned, and said to be so
MOST_HEADER = 100 << 20
HEAD = 64 << 10
MOST_FILES = 2000
_CODE = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib", ".npy", ".npz", ".onnx")
_LICENSES = ("LICENSE", "LICENSE.txt", "LICENSE.md", "LICENCE", "COPYING", "license.txt", "USE_POLICY.md")


class Inspector:
    """Looks at a plan; refuses, flags or blocks as the configuration says."""

    def __init__(self, config: Config, blobs: Blobs, registry: Registry) -> None:
        self.config, self.blobs, self.registry = config, blobs, registry

    def __call__(self, plan: Plan) -> Inspection:
        """The report on a plan.

        Raises:
            PolicyRefused: the configuration refuses such a push; the message has the reasons.
        """
        with self._laid_out(plan) as folder:
            unsafe = self._unsafe(plan, folder)
            if unsafe and self.config.on_unsafe == "refuse":
                raise PolicyRefused("This hub refuses files that can run code: " + "; ".join(unsafe[:5]))
            if plan.repo.type != "model" or plan.ref != HEADS + "main":
                return Inspection(flags=tuple(unsafe) if self.config.on_unsafe == "flag" else ())
            record, problems = self._record(plan, folder)
        flags = [*problems, *(unsafe if self.config.on_unsafe == "flag" else ())]
        blocked = self._judge(record, flags)
        text = json.dumps(record.to_dict(sparse=True), ensure_ascii=False)
        return Inspection(text, tuple(flags[:50]), blocked)

    def _judge(self, record: ModelRecord, flags: list[str]) -> str | None:
        """The policy's word on a model: raises, adds to the flags, or returns why reading is blocked."""
        if self.config.on_deny == "ignore":
            return None
        found = judge(record, self.config.policy, self.registry)
        if found.verdict != "deny":
            return None
        reasons = "; ".join(found.reasons[:5]) or found.license
        if self.config.on_deny == "refuse":
            raise PolicyRefused(f"The license policy of this hub refuses this model: {reasons}")
        flags.append(f"policy: {reasons}")
        return f"license policy: {reasons}" if self.config.on_deny == "block" else None

    # --- laying out -----------------------------------------------------------------------------------

    @contextmanager
    def _laid_out(self, plan: Plan) -> Iterator[Path]:
        folder = self.blobs.incoming.new()
        folder.mkdir()
        try:
            for path, entry in list(plan.files.items())[:MOST_FILES]:
                blob = self.blobs.get(entry.sha256) if entry.sha256 else None
                if blob is not None:
                    self._lay(folder / path, blob, changed=path in plan.changes)
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _lay(self, target: Path, blob: Blob, *, changed: bool) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        suffix = target.suffix.lower()
        if blob.size <= WHOLE:
            wanted = blob.size
        elif suffix == ".safetensors":
            wanted = self._header_size(blob)
        elif changed and suffix in _CODE and blob.size <= MOST_PICKLE and self._may_be_code(suffix, blob):
            if self._link(target, blob):
                return
            wanted = blob.size
        else:
            wanted = HEAD
        with target.open("wb") as out:
            for piece in blob.cut(0, min(wanted, blob.size)):
                out.write(self.blobs.storage.read(piece.key, piece.start, piece.end))
            os.truncate(out.fileno(), blob.size)

    def _may_be_code(self, suffix: str, blob: Blob) -> bool:
        """Whether the first bytes are such that the rest must be read: a pickle, a zip archive, a graph."""
        head = self.blobs.read(blob, 0, 8)
        return (
            suffix == ".onnx"
            or head.startswith((b"PK\x03\x04", b"\x93NUMPY", b"\x80"))
            or head[:1] in b"(c]}"
        )

    def _link(self, target: Path, blob: Blob) -> bool:
        """Lay out a whole file without copying it, where it is a file on this disk."""
        storage = self.blobs.storage
        if not isinstance(storage, FolderStorage) or len(blob.pieces) != 1 or blob.pieces[0].start:
            return False
        place = storage.path(blob.pieces[0].key)
        if place.stat().st_size != blob.size:
            return False
        os.link(place, target)
        return True

    def _header_size(self, blob: Blob) -> int:
        length = int(struct.unpack("<Q", self.blobs.read(blob, 0, 8))[0])
        return 8 + length if length <= MOST_HEADER else HEAD

    # --- looking --------------------------------------------------------------------------------------

    def _unsafe(self, plan: Plan, folder: Path) -> list[str]:
        """Changed files that can run code or are not what they say, with the reasons."""
        if self.config.on_unsafe == "ignore":
            return []
        from zoohub.weights import Level, check

        found = []
        for verdict in check(folder).verdicts:
            if verdict.level in (Level.DANGER, Level.REFUSED) and verdict.path in plan.changes:
                entry = plan.files[verdict.path]
                if entry.size > MOST_PICKLE and PurePosixPath(verdict.path).suffix in _CODE:
                    found.append(f"{verdict.path}: too large to be scanned")
                else:
                    found.append(f"{verdict.path}: {'; '.join(verdict.reasons)}")
        return found

    def _record(self, plan: Plan, folder: Path) -> tuple[ModelRecord, list[str]]:
        """The record of the model as it would be, and what could not be read."""
        from zoohub.registry.sources.folder import described

        plain = ModelRecord(id=plan.repo.name, author=plan.repo.namespace or None)
        problems: list[str] = []
        try:
            record = described(folder, plain)
        except (ValueError, OSError, RecursionError, ZooError) as error:
            record = plain
            reason = error.reason if isinstance(error, InvalidRecord) else str(error)
            problems.append(f"the model could not be read whole: {reason[:300]}")
        files = [ModelFile(path, entry.size, entry.sha256) for path, entry in sorted(plan.files.items())]
        texts = [LicenseEvidence("file", name) for name in _LICENSES if name in plan.files]
        return replace(
            record, files=tuple(files[:MOST_FILES]), size=sum(entry.size for entry in plan.files.values()),
            license_evidence=(*record.license_evidence, *texts),
        ), problems  # fmt: skip


def read_front_matter(text: str) -> dict[str, Any]:
    """The metadata of a card.

    Raises:
        BadRequest: they are no YAML mapping.
    """
    try:
        card = Card.read(text.encode("utf-8", "replace"))
    except CardError as error:
        raise BadRequest(error.message) from error
    for finding in card.findings:
        if finding.severity == "error" and not finding.mended:
            raise BadRequest(str(finding))
    return dict(card.data)
