"""A model in a folder: its record, and what the license files beside the weights say."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from zoohub.cards.licenses import UNKNOWN, recognize_file
from zoohub.errors import CardError
from zoohub.registry import LicenseEvidence, ModelRecord
from zoohub.registry.sources.folder import record_of
from zoohub.registry.sources.licensed import licensed

_LICENSE_FILE = re.compile(r"(?:.*[._-])?(?:licen[cs]e|copying|use[_-]policy)(?:[._-].*)?", re.IGNORECASE)
_MOST = 20  # license files looked at


@dataclass(frozen=True, slots=True)
class LicenseText:
    """One license file: the id of its text (`unknown` where it matches none exactly), and the match in
    words."""

    name: str
    id: str
    words: str


def record_of_folder(path: Path) -> ModelRecord:
    """The record of the model in a folder. Where its card states no license, an exact license text does.

    Raises:
        InvalidRecord: the folder's files contradict themselves or cannot be read.
    """
    record = licensed(record_of(path))
    exact = [text for text in license_texts(path) if text.id != UNKNOWN]
    if record.license != UNKNOWN or not exact:
        return record
    ids = list(dict.fromkeys(text.id for text in exact))
    evidence = tuple(LicenseEvidence("file", text.name, text.words) for text in exact)
    stated = ids[0] if len(ids) == 1 and not record.license_raw else UNKNOWN
    return replace(record, license=stated, license_evidence=(*record.license_evidence, *evidence))


def license_texts(path: Path) -> Iterator[LicenseText]:
    """The license files at the top of a folder; one that is a link outside, or no text, is told and not
    read."""
    names = sorted(file.name for file in path.iterdir() if _LICENSE_FILE.fullmatch(file.name))
    for name in names[:_MOST]:
        if not (path / name).is_dir():
            try:
                match = recognize_file(path / name, inside=path)
            except (CardError, OSError) as error:
                yield LicenseText(name, UNKNOWN, getattr(error, "message", str(error)))
                continue
            if match.part == "license":
                yield LicenseText(name, match.id, str(match))


def card_text(path: Path) -> str | None:
    """The card of a folder; None where there is none, or it leads out of the folder."""
    card = path / "README.md"
    if (
        not card.is_file()
        or not card.resolve().is_relative_to(path.resolve())
        or card.stat().st_size > 4 << 20
    ):
        return None
    return card.read_text(encoding="utf-8", errors="replace")
