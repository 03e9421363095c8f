"""Card: a model card, read with patience and written with care.

Reading mends what can be mended and says so in `findings`; it raises only for what is no card at all.
Writing keeps the text of everything that was not changed.
"""

from __future__ import annotations

import copy
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zoohub.cards import frontmatter, plainyaml
from zoohub.errors import CardError

MAX_BYTES = 8_000_000
FILE_NAMES = ("README.md", "readme.md", "README.markdown", "README")
SEVERITIES = ("error", "warning", "note")

# The keys that the Hub reads, and how people misspell them.
KEYS = (
    "language",
    "license",
    "license_name",
    "license_link",
    "tags",
    "datasets",
    "metrics",
    "base_model",
    "base_model_relation",
    "pipeline_tag",
    "library_name",
    "model-index",
    "model_name",
    "thumbnail",
    "widget",
    "inference",
    "co2_eq_emissions",
    "new_version",
    "extra_gated_prompt",
    "extra_gated_fields",
    "extra_gated_heading",
    "extra_gated_description",
    "extra_gated_button_content",
    "quantized_by",
    "license_details",
    "model_type",
    "model_creator",
    "arxiv",
)
MISSPELT = {
    "licence": "license",
    "liscence": "license",
    "lisence": "license",
    "licenses": "license",
    "licences": "license",
    "lincense": "license",
    "license-name": "license_name",
    "licence_name": "license_name",
    "license-link": "license_link",
    "licence_link": "license_link",
    "license_url": "license_link",
    "lang": "language",
    "langs": "language",
    "languages": "language",
    "pipeline-tag": "pipeline_tag",
    "pipeline tag": "pipeline_tag",
    "pipelinetag": "pipeline_tag",
    "pipeline_tags": "pipeline_tag",
    "piepline_tag": "pipeline_tag",
    "model_index": "model-index",
    "model index": "model-index",
    "modelindex": "model-index",
    "base-model": "base_model",
    "base model": "base_model",
    "base_models": "base_model",
    "basemodel": "base_model",
    "base-model-relation": "base_model_relation",
    "library": "library_name",
    "library-name": "library_name",
    "libary_name": "library_name",
    "dataset": "datasets",
    "data_sets": "datasets",
    "metric": "metrics",
    "tag": "tags",
}


@dataclass(frozen=True, slots=True)
class CardFinding:
    """What is wrong or was mended: a stable `rule`, a severity, the line (from 1), the remedy."""

    rule: str
    severity: str
    message: str
    line: int | None = None
    remedy: str = ""
    mended: bool = False

    def __str__(self) -> str:
        place = f"line {self.line}: " if self.line else ""
        return f"{self.severity}: {place}{self.message}" + (f" {self.remedy}" if self.remedy else "")


@dataclass
class Card:
    """A model card: `data` is its front matter in order, `body` its Markdown; change either and `write`.

    `findings` are those of reading. `before` is prose that stood before the front matter (the Hub does not
    read such a front matter; `fix` moves the prose behind it).
    """

    data: dict[str, Any] = field(default_factory=dict)
    body: str = ""
    findings: tuple[CardFinding, ...] = ()
    path: Path | None = None
    before: str = ""
    _source: _Source | None = field(default=None, repr=False, compare=False)
    _rewrite: bool = field(default=False, repr=False, compare=False)

    @classmethod
    def read(cls, source: str | os.PathLike[str] | bytes) -> Card:
        """Read a card from a path, a folder with a README.md, or the text itself (a str with a line end, or
        bytes).

        Raises:
            CardError: no such file, no text (binary), or larger than `MAX_BYTES`.
        """
        if isinstance(source, bytes):
            return _parse(source, None)
        if isinstance(source, str) and ("\n" in source or "\r" in source or not source.strip()):
            return _parse(source.encode("utf-8", "surrogatepass"), None)
        path = _find(Path(source))
        return _parse(_bytes(path), path)

    @property
    def text(self) -> str:
        """The whole card, as `write` writes it, with `\\n` line ends."""
        header = self._header()
        if header is None:
            return self.before + self.body
        return f"{self.before}---\n{header}{chr(10) if header else ''}---\n{self.body}"

    def write(self, path: str | os.PathLike[str] | None = None) -> Path:
        """Write to `path`, or back to where it was read; UTF-8, the line ends it had, by atomic rename.

        Raises:
            CardError: neither a path is given nor was the card read from one.
        """
        target = Path(path) if path is not None else self.path
        if target is None:
            raise CardError("This card has no file yet.", "Name one: card.write('README.md')")
        if target.is_dir():
            target /= FILE_NAMES[0]
        _replace(target, self.to_bytes())
        return target

    def to_bytes(self) -> bytes:
        """What `write` writes: where nothing changed or was mended, the very bytes that were read."""
        source = self._source
        if source and not source.mended and not self._rewrite and self._unchanged(source):
            return source.raw
        text = self.text
        if source and source.crlf:
            text = text.replace("\n", "\r\n")
        return text.encode("utf-8", "surrogatepass")

    @property
    def header_text(self) -> tuple[str, int]:
        """The front matter as read, and its first line in the file; ("", 2) for a new card."""
        return (self._source.header or "", self._source.line) if self._source else ("", 2)

    def rewrite_header(self) -> None:
        """Write the front matter anew where it says a thing twice, even if no value changes."""
        self._rewrite = True

    def _unchanged(self, source: _Source) -> bool:
        return self.data == source.data and self.body == source.body and self.before == source.before

    def _header(self) -> str | None:
        source = self._source
        if source is None or source.header is None:
            return frontmatter.dump(self.data) if self.data else None
        if self.data == source.data and not source.names and not self._rewrite:
            return source.header
        return frontmatter.patch(source.header, source.data, source.names, self.data)

    def words(self, key: str) -> list[str]:
        """The value of `key` as a list of words: nothing is an empty list, one word a list of one."""
        value = self.data.get(key)
        items = value if isinstance(value, list) else [] if value is None else [value]
        return [
            str(item).strip() for item in items if isinstance(item, str | int | float) and str(item).strip()
        ]

    def word(self, key: str) -> str | None:
        """The value of `key` where it is one word; None where it is missing, empty, or a list of several."""
        found = self.words(key)
        return found[0] if len(found) == 1 else None


@dataclass(frozen=True, slots=True)
class _Source:
    """The card as it was read: what a round trip needs."""

    raw: bytes
    header: str | None
    data: dict[str, Any]
    body: str
    before: str
    names: dict[str, str]
    line: int
    crlf: bool
    mended: bool


def _find(path: Path) -> Path:
    path = path.expanduser()
    if path.is_dir():
        found = next((path / name for name in FILE_NAMES if (path / name).is_file()), None)
        if found is None:
            raise CardError(f"{path} holds no README.md.", f"Write one: zoo card new {path}")
        return found
    if not path.is_file():
        raise CardError(f"No file {path}.", "Name a card, a folder with a README.md, or a model.")
    return path


def _bytes(path: Path) -> bytes:
    with path.open("rb") as stream:
        raw = stream.read(MAX_BYTES + 1)
    if len(raw) > MAX_BYTES:
        raise _too_large(path)
    return raw


def _too_large(path: Path | None) -> CardError:
    return CardError(f"{path or 'The card'} is larger than {MAX_BYTES // 1_000_000} MB: no model card is.",
                     "Move data and images to files of their own.")  # fmt: skip


def _parse(raw: bytes, path: Path | None) -> Card:
    if len(raw) > MAX_BYTES:
        raise _too_large(path)
    findings: list[CardFinding] = []
    text = _decode(raw, path, findings)
    crlf = text.count("\r\n") * 2 > text.count("\n")
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if not text.strip():
        findings.append(CardFinding("empty", "error", "The card is empty.", remedy="Write one: zoo card new"))
    parts = frontmatter.split(text, _is_header)
    if not parts.closed:
        findings.append(
            CardFinding("unclosed", "error", "The front matter has no closing '---'.", parts.line - 1)
        )
    if parts.before:
        findings.append(
            CardFinding(
                "prose-first",
                "warning",
                "Text stands before the front matter: hubs do not read it.",
                parts.line - 1,
                "Move it behind: zoo card fix",
            )
        )
    data = _read_header(parts, findings)
    names = _mend_keys(data, parts, findings)
    data = {names.get(key, key): value for key, value in data.items()}
    mended = bool(names) or any(finding.mended for finding in findings)
    source = _Source(
        raw, parts.header, copy.deepcopy(data), parts.body, parts.before, names, parts.line, crlf, mended
    )
    return Card(data, parts.body, tuple(findings), path, parts.before, source)


def _decode(raw: bytes, path: Path | None, findings: list[CardFinding]) -> str:
    """Text in UTF-8, or UTF-16 with a byte order mark, or Windows-1252; anything else is no text."""

    def note(rule: str, message: str) -> None:
        findings.append(CardFinding(rule, "warning", message, 1, "Written back as UTF-8.", mended=True))

    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        note("utf-16", "The card is UTF-16; hubs read UTF-8.")
        try:
            return raw.decode("utf-16")
        except UnicodeDecodeError:
            raise _no_text(path) from None
    if raw.startswith(b"\xef\xbb\xbf"):
        note("bom", "The card begins with a byte order mark.")
        raw = raw[3:]
    if b"\0" in raw:
        raise _no_text(path)
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        controls = sum(byte < 32 and byte not in b"\t\n\r\f" for byte in raw[:4096])
        if controls > len(raw[:4096]) // 100:
            raise _no_text(path) from None
    note("encoding", "The card is not UTF-8; it was read as Windows-1252.")
    return raw.decode("cp1252", "replace")


def _no_text(path: Path | None) -> CardError:
    return CardError(f"{path or 'This'} is no text.", "A model card is a Markdown file in UTF-8.")


def _is_header(header: str) -> bool:
    """Whether text between fences reads like a card's front matter: at least one key that cards have."""
    known = {*KEYS, *MISSPELT}
    return any(block.key is not None and block.key.lower() in known for block in frontmatter.blocks(header))


def _read_header(parts: frontmatter.Parts, findings: list[CardFinding]) -> dict[str, Any]:
    if parts.header is None:
        return {}
    offset = parts.line - 1
    try:
        loaded = plainyaml.load_with_notes(parts.header)
    except plainyaml.YamlProblem as problem:
        return _salvage(parts.header, problem, offset, findings)
    for key, line in loaded.duplicates:
        findings.append(
            CardFinding(
                "duplicate-key",
                "warning",
                f"The key {key!r} stands twice; the last one counts.",
                line + offset,
                "Keep one: zoo card fix",
            )
        )
    if loaded.value is None:
        return {}
    if not isinstance(loaded.value, dict):
        findings.append(
            CardFinding("no-mapping", "error", "The front matter is no mapping of keys.", parts.line)
        )
        return {}
    return {str(key): value for key, value in loaded.value.items()}


def _salvage(
    header: str, problem: plainyaml.YamlProblem, offset: int, findings: list[CardFinding]
) -> dict[str, Any]:
    data, problems = frontmatter.salvage(header) if problem.line else ({}, [])
    for found in problems or [problem]:
        line = found.line + offset if found.line else None
        findings.append(
            CardFinding(
                "broken-yaml",
                "error",
                f"The front matter is broken: {found.reason}.",
                line,
                "The other keys were read." if data else "",
            )
        )
    return data


def _mend_keys(data: dict[str, Any], parts: frontmatter.Parts, findings: list[CardFinding]) -> dict[str, str]:
    """Misspelt keys and their right names; a right key that stands beside its misspelling wins."""
    lines = {block.key: block.line + parts.line - 1 for block in frontmatter.blocks(parts.header or "")}
    names: dict[str, str] = {}
    for key in data:
        plain = key.strip().lower()
        right = MISSPELT.get(plain) or (plain if plain in KEYS and plain != key else None)
        if right is None:
            continue
        if right in data or right in names.values():
            findings.append(
                CardFinding(
                    "two-spellings",
                    "warning",
                    f"{key!r} stands beside {right!r}, which counts.",
                    lines.get(key),
                    f"Remove {key!r}.",
                )
            )
            continue
        names[key] = right
        findings.append(
            CardFinding(
                "misspelt-key",
                "warning",
                f"{key!r} is read as {right!r}; hubs ignore it.",
                lines.get(key),
                "Mend it: zoo card fix",
                mended=True,
            )
        )
    return names


def _replace(target: Path, data: bytes) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        partial.write_bytes(data)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
