"""Which license a text is: exactly one of the known, or similar to one and where it differs, or none.

Only an exact match (the same words in the same order) gives an id. A near match names the license it
resembles, with the passages that differ; its answers stay unknown, since one word decides.
"""

from __future__ import annotations

import gzip
import json
import math
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cache
from pathlib import Path
from typing import Any

from zoohub.cards.licenses import wording
from zoohub.cards.licenses.knowledge import UNKNOWN
from zoohub.cards.licenses.wording import Segment
from zoohub.errors import CardError

DATA = Path(__file__).with_name("fingerprints.json.gz")
MAX_BYTES = 1_000_000
NEAR = 0.6
LICENSE_NAMES = (
    "license",
    "licence",
    "copying",
    "unlicense",
    "notice",
    "use_policy",
    "model_license",
    "copyright",
)


@dataclass(frozen=True, slots=True)
class Passage:
    """Words that differ. kind: `added` (only in the text at hand) or `missing` (only in the known license).

    `text` is empty for what is missing from a license whose text is not shipped; `words` counts in any
    case; `line` is that of the text at hand, from 1 (None for what is missing).
    """

    kind: str
    text: str
    words: int
    line: int | None = None


@dataclass(frozen=True, slots=True)
class TextMatch:
    """The outcome. id: the license, or `unknown` where the match is not exact; `part`: `license` or `use
    policy`.

    how: `exact`, `near`, `contains` (the whole license stands in it, with more around) or `none`;
    `similar`: the license that it resembles most, with `similarity` from 0 to 1 (share of words in equal
    runs) and the passages that differ.
    """

    id: str
    how: str
    part: str = "license"
    similar: str | None = None
    similarity: float = 0.0
    passages: tuple[Passage, ...] = ()

    def __str__(self) -> str:
        if self.how == "exact":
            return f"{self.id} ({self.part})" if self.part != "license" else self.id
        if self.how == "none":
            return "no known license"
        count = f"{len(self.passages)} passage{'s' * (len(self.passages) != 1)}"
        what = "contains the whole of" if self.how == "contains" else "similar to"
        return f"{what} {self.similar} ({math.floor(self.similarity * 1000) / 10} %), differs in {count}"


@dataclass(frozen=True, slots=True)
class Known:
    """A known text: its license, which part, digest, segments (text empty where not shipped), words."""

    id: str
    part: str
    digest: str
    segments: tuple[Segment, ...]
    words: int


def recognize(text: str) -> TextMatch:
    """Match a license text against all known ones.

    Raises:
        CardError: longer than `MAX_BYTES`.
    """
    if len(text) > MAX_BYTES:
        raise CardError(f"A text of {len(text):,} characters is no license.", "Cut out the license itself.")
    exact = _by_digest().get(wording.digest(text))
    if exact:
        return TextMatch(exact.id, "exact", exact.part, exact.id, 1.0)
    found = wording.segments(text)
    best = max(_candidates(found), key=lambda pair: pair[1], default=None)
    if best is None:
        return TextMatch(UNKNOWN, "none")
    known, shared = best
    similarity = 2 * shared / (known.words + sum(segment.words for segment in found))
    whole = shared >= known.words and known.words >= 50
    if similarity < NEAR and not whole:
        return TextMatch(UNKNOWN, "none", similar=known.id, similarity=round(similarity, 4))
    passages = _differences(known.segments, found)
    how = "contains" if whole and all(passage.kind == "added" for passage in passages) else "near"
    return TextMatch(UNKNOWN, how, known.part, known.id, min(round(similarity, 4), 0.9999), passages)


def recognize_file(
    path: str | os.PathLike[str], *, inside: str | os.PathLike[str] | None = None
) -> TextMatch:
    """`recognize` for a file; with `inside`, one that leads out of that folder by a link is refused.

    Raises:
        CardError: no such file, a link that leads out, no text, or too large.
    """
    file = Path(path)
    if inside is not None and not file.resolve().is_relative_to(Path(inside).resolve()):
        raise CardError(f"{file} is a link that leads out of {inside}.", "Put the license text itself there.")
    if not file.is_file():
        raise CardError(f"No file {file}.", "Name a license file.")
    with file.open("rb") as stream:
        raw = stream.read(MAX_BYTES + 1)
    if len(raw) > MAX_BYTES:
        raise CardError(
            f"{file} is larger than {MAX_BYTES:,} bytes: no license is.", "Cut out the license itself."
        )
    if b"\0" in raw and not raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise CardError(f"{file} is no text.", "Name a license file.")
    try:
        text = raw.decode("utf-16" if raw.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("cp1252", "replace")
    return recognize(text)


def license_files(folder: str | os.PathLike[str]) -> list[Path]:
    """The license files at the top of a folder, in order."""
    return sorted(path for path in Path(folder).iterdir()
                  if path.is_file() and path.name.lower().startswith(LICENSE_NAMES))  # fmt: skip


def _candidates(found: Sequence[Segment]) -> list[tuple[Known, float]]:
    """Known texts that share runs with `found`, and how many words they share."""
    index, counts = _index(), Counter(segment.digest for segment in found)
    total = sum(segment.words for segment in found)
    shared: Counter[int] = Counter()
    for digest, number in counts.items():
        for position, times, words in index.get(digest, ()):
            shared[position] += min(number, times) * words
    known = _known()
    top = sorted(shared, key=lambda n: -2 * shared[n] / (known[n].words + total))[:1]
    whole = [n for n in shared if shared[n] >= known[n].words >= 50 and n not in top]
    return [(known[n], shared[n]) for n in (top + sorted(whole, key=lambda n: -known[n].words)[:1])]


def _differences(known: Sequence[Segment], found: Sequence[Segment]) -> tuple[Passage, ...]:
    matcher = SequenceMatcher(None, [s.digest for s in known], [s.digest for s in found], autojunk=False)
    passages: list[Passage] = []
    for tag, a, b, c, d in matcher.get_opcodes():
        if tag == "equal":
            continue
        gone, new = known[a:b], found[c:d]
        if new:
            passages.append(
                Passage("added", " ".join(s.text for s in new), sum(s.words for s in new), new[0].line)
            )
        if gone:
            passages.append(
                Passage("missing", " ".join(s.text for s in gone if s.text), sum(s.words for s in gone))
            )
    return tuple(passages)


@cache
def _known() -> tuple[Known, ...]:
    data: list[dict[str, Any]] = json.loads(gzip.decompress(DATA.read_bytes()))
    return tuple(_read(item) for item in data)


def _read(item: dict[str, Any]) -> Known:
    segments = tuple(Segment(digest, words, text, 0) for digest, words, text in item["segments"])
    return Known(
        item["id"], item["part"], item["digest"], segments, sum(segment.words for segment in segments)
    )


@cache
def _by_digest() -> dict[str, Known]:
    return {known.digest: known for known in _known()}


@cache
def _index() -> dict[str, list[tuple[int, int, int]]]:
    """For each run: in which known text it stands, how often, and with how many words."""
    index: dict[str, list[tuple[int, int, int]]] = {}
    for position, known in enumerate(_known()):
        times = Counter(segment.digest for segment in known.segments)
        sizes = {segment.digest: segment.words for segment in known.segments}
        for digest, number in times.items():
            index.setdefault(digest, []).append((position, number, sizes[digest]))
    return index
