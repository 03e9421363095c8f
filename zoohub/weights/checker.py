"""Is a model's folder safe to load? One verdict per file, from its name and its bytes; nothing is run.

Weights are hostile until shown otherwise: a format on the allowlist (safetensors, ONNX) must also be
well-formed, any other file that could hold code is refused, and what merely lies beside the weights is noted.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import Any

from zoohub.errors import NeedsCode, UnsafeFile
from zoohub.weights import names
from zoohub.weights.formats import configs, onnx, pickles, safetensors
from zoohub.weights.selection import OTHER_WEIGHTS, is_pickle

MAX_FILES = 100_000
_TABLES = (
    "tokenizer.json",
    "vocab.json",
)  # large; the tokenizers library reads them, and no code
_PROGRAM_MAGIC = (
    b"\x7fELF",
    b"\xfe\xed\xfa\xce",
    b"\xfe\xed\xfa\xcf",
    b"\xcf\xfa\xed\xfe",
    b"\xca\xfe\xba\xbe",
)
_PROGRAM_SUFFIXES = (
    ".exe", ".dll", ".so", ".dylib", ".pyd", ".pyc", ".bat", ".cmd", ".ps1", ".scr", ".lnk", ".com",
    ".msi", ".jar",
)  # fmt: skip
_ARCHIVES = {
    b"PK\x03\x04": "zip archive",
    b"\x1f\x8b": "gzip file",
    b"7z\xbc\xaf\x27\x1c": "7z archive",
    b"BZh": "bzip2 file",
    b"\xfd7zXZ\x00": "xz file",
    b"Rar!": "rar archive",
    b"\x28\xb5\x2f\xfd": "zstd file",
}


class Level(StrEnum):
    """How a file is judged. `refused` has a lawful way (convert, trust), `danger` has none."""

    OK = "ok"
    NOTE = "note"
    REFUSED = "refused"
    DANGER = "danger"


@dataclass(frozen=True, slots=True)
class Verdict:
    """One file: `kind` is what it turned out to be, `reasons` say why it is not `ok`."""

    path: str
    kind: str
    level: Level
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CheckReport:
    """All verdicts on a folder, the worst first; `needs_code` lists what asks to run code of its own."""

    root: Path
    verdicts: tuple[Verdict, ...]
    needs_code: tuple[str, ...] = ()

    @property
    def danger(self) -> bool:
        """A file could harm and there is no lawful way to use it."""
        return any(verdict.level is Level.DANGER for verdict in self.verdicts)

    @property
    def safe(self) -> bool:
        """Everything may be loaded as it is."""
        return not any(verdict.level in (Level.DANGER, Level.REFUSED) for verdict in self.verdicts)

    def require(self, *, trusted: bool = False, model: str = "", revision: str = "") -> None:
        """Refuse what is not safe; `trusted` allows code of the model's own, and nothing else.

        Raises:
            UnsafeFile: a file is dangerous or a pickle; NeedsCode: the model asks to run code.
        """
        for verdict in self.verdicts:
            if verdict.level is Level.DANGER or (verdict.level is Level.REFUSED and verdict.kind != "config"):
                raise UnsafeFile(
                    f"{verdict.path} is refused: {'; '.join(verdict.reasons)}.", _remedy(verdict)
                )
        if self.needs_code and not trusted:
            raise needs_code(model or str(self.root), revision, self.needs_code)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for programs."""
        return {
            "root": str(self.root),
            "safe": self.safe,
            "danger": self.danger,
            "needs_code": list(self.needs_code),
            "files": [asdict(verdict) for verdict in self.verdicts],
        }


def needs_code(model: str, revision: str, reasons: Iterable[str]) -> NeedsCode:
    """The error for a model that asks to run code of its own, with the one way to allow it."""
    name = f"{model}@{revision}" if revision else f"{model}@REVISION"
    return NeedsCode(
        f"{model} asks to run code of its own ({'; '.join(list(reasons)[:4])}). It was not loaded.",
        f"Read that code; if you trust this revision of it: --trust {name}   (Python: trust={name!r})",
    )


def _remedy(verdict: Verdict) -> str:
    if verdict.kind == "pickle" and verdict.level is Level.REFUSED:
        return "Convert it in a process of its own, keeping only the numbers: zoo pull MODEL --convert"
    return "Do not use this file. Look at the whole model: zoo check FOLDER_OR_MODEL"


def check(path: str | os.PathLike[str]) -> CheckReport:
    """Judge every file under a folder, or one file.

    Links are followed only where they stay in the folder or lead into the blobs of the same stored model.

    Raises:
        UnsafeFile: there is nothing there.
    """
    root = Path(path)
    if root.is_file():
        return check_files({root.name: root}, root)
    if not root.is_dir():
        raise UnsafeFile(f"There is no folder or file {str(root)!r}.")
    verdicts: list[Verdict] = []
    files: dict[str, Path] = {}
    allowed = _allowed_roots(root)
    for folder, folders, here in os.walk(root):
        folders.sort()
        for name in sorted(here + [item for item in folders if (Path(folder) / item).is_symlink()]):
            item = Path(folder) / name
            relative = item.relative_to(root).as_posix()
            if trouble := _link_problem(item, allowed):
                verdicts.append(Verdict(relative, "link", Level.DANGER, (trouble,)))
            elif item.is_file():
                files[relative] = item
            elif not item.is_dir():
                verdicts.append(Verdict(relative, "device", Level.DANGER, ("it is no ordinary file",)))
        if len(files) > MAX_FILES:
            raise UnsafeFile(f"{str(root)!r} holds more than {MAX_FILES} files.")
    return check_files(files, root, verdicts)


def check_files(files: Mapping[str, Path], root: Path, before: Iterable[Verdict] = ()) -> CheckReport:
    """Judge files by the path they have in the model (key), wherever their bytes lie (value)."""
    verdicts = list(before)
    code: list[str] = []
    for path, where in files.items():
        verdict, reasons = _judge(path, where, files)
        verdicts.append(verdict)
        code += reasons
    order = [Level.DANGER, Level.REFUSED, Level.NOTE, Level.OK]
    verdicts.sort(key=lambda verdict: (order.index(verdict.level), verdict.path))
    return CheckReport(root, tuple(verdicts), tuple(dict.fromkeys(code)))


def _judge(path: str, where: Path, files: Mapping[str, Path]) -> tuple[Verdict, list[str]]:
    """The verdict on one file, and what in it asks for code."""
    if trouble := names.problem(path):
        return Verdict(path, "name", Level.DANGER, (f"its name is unsafe: {trouble}",)), []
    suffix = PurePosixPath(path.lower()).suffix
    try:
        with where.open("rb") as stream:
            head = stream.read(512)
        if suffix == ".safetensors":
            safetensors.read(where)
            return Verdict(path, "safetensors", Level.OK), []
        if suffix == ".onnx":
            return _onnx(path, where, files), []
        if kind := _executable(head, suffix):
            return Verdict(path, kind, Level.DANGER, (f"it is {kind}",)), []
        if is_pickle(path) or pickles.looks_like_pickle(head) or _is_torch_zip(where, head):
            return _pickle(path, where, head), []
        if PurePosixPath(path).name in _TABLES and where.stat().st_size <= configs.MAX_JSON:
            return Verdict(path, "table", Level.OK), []
        if suffix == ".json":
            return _config(path, configs.read_json(where))
        if suffix in (".yaml", ".yml"):
            configs.read_yaml(where.read_text(encoding="utf-8"))
            return Verdict(path, "config", Level.OK), []
        return _other(path, suffix, head)
    except (safetensors.Malformed, UnicodeDecodeError) as error:
        kind = {".safetensors": "safetensors", ".onnx": "onnx"}.get(suffix, "config")
        return Verdict(path, kind, Level.DANGER, (str(error),)), []
    except OSError as error:
        return Verdict(path, "unreadable", Level.DANGER, (error.strerror or str(error),)), []


def _onnx(path: str, where: Path, files: Mapping[str, Path]) -> Verdict:
    graph = onnx.read(where)
    folder = PurePosixPath(path).parent
    dangers: list[str] = []
    for external in graph.external:
        inside = (folder / external.location).as_posix()
        if trouble := names.problem(external.location):
            dangers.append(f"its data lie in {external.location[:80]!r}: {trouble}")
        elif inside not in files:
            dangers.append(f"its data lie in {external.location[:80]!r}, which is not in the model")
        elif files[inside].stat().st_size < external.offset + (external.length or 0):
            dangers.append(f"its data reach beyond the end of {external.location[:80]!r}")
    if dangers:
        return Verdict(path, "onnx", Level.DANGER, tuple(dict.fromkeys(dangers)))
    if graph.custom_domains:
        named = ", ".join(domain[:40] for domain in graph.custom_domains)
        return Verdict(path, "onnx", Level.NOTE, (f"it uses operators that onnxruntime lacks: {named}",))
    return Verdict(path, "onnx", Level.OK)


def _pickle(path: str, where: Path, head: bytes) -> Verdict:
    if not (pickles.looks_like_pickle(head) or head[:4] == b"PK\x03\x04" or head[:6] == b"\x93NUMPY"):
        first = head[:1]
        if PurePosixPath(path.lower()).suffix == ".bin" and first not in (b"(", b"c", b"]", b"}"):
            return Verdict(path, "binary", Level.NOTE, ("no pickle and no known weights; nothing loads it",))
    scan = pickles.scan(where)
    if head[:6] == b"\x93NUMPY" and scan.only_tensors:
        return Verdict(path, "numpy", Level.OK)
    if scan.dangerous or scan.unknown:
        found = ", ".join((*scan.dangerous, *scan.unknown)[:6])
        return Verdict(path, "pickle", Level.DANGER, (f"a pickle that imports {found}",))
    if scan.problem:
        return Verdict(path, "pickle", Level.DANGER, (f"a pickle, and {scan.problem}",))
    return Verdict(path, "pickle", Level.REFUSED, ("a pickle; it imports only what rebuilds tensors",))


def _config(path: str, data: Any) -> tuple[Verdict, list[str]]:
    if dangers := configs.file_reasons(data):
        return Verdict(path, "config", Level.DANGER, tuple(dangers)), []
    if code := configs.code_reasons(path, data):
        return Verdict(path, "config", Level.REFUSED, tuple(f"needs code: {reason}" for reason in code)), code
    return Verdict(path, "config", Level.OK), []


def _other(path: str, suffix: str, head: bytes) -> tuple[Verdict, list[str]]:
    if suffix in (".py", ".ipynb", ".js", ".lua"):
        asks = [path] if path.lower() == "custom_generate/generate.py" else []
        return Verdict(path, "code", Level.NOTE, ("code; never run unless you trust this revision",)), asks
    if kind := _archive(head):
        return Verdict(path, "archive", Level.NOTE, (f"a {kind}; it is never unpacked",)), []
    if suffix in OTHER_WEIGHTS:
        reason = "its format is not on the allowlist; nothing loads it"
        return Verdict(path, "weights", Level.NOTE, (reason,)), []
    return Verdict(path, "text" if b"\0" not in head else "data", Level.OK), []


def _executable(head: bytes, suffix: str) -> str | None:
    if head[:4] in _PROGRAM_MAGIC or suffix in _PROGRAM_SUFFIXES:
        return "a program or library"
    if head[:2] == b"MZ" and suffix not in (".txt", ".md", ".json"):
        return "a program or library"
    if suffix in (".sh", ".bash") or (head[:2] == b"#!" and suffix not in (".py", ".md", ".txt")):
        return "a script"
    return None


def _archive(head: bytes) -> str | None:
    if kind := next((kind for magic, kind in _ARCHIVES.items() if head.startswith(magic)), None):
        return kind
    return "tar archive" if head[257:262] == b"ustar" else None


def _is_torch_zip(where: Path, head: bytes) -> bool:
    """A zip that holds a pickle, whatever its name says."""
    import zipfile

    if head[:4] != b"PK\x03\x04":
        return False
    try:
        with zipfile.ZipFile(where) as archive:
            return any(name.endswith((".pkl", ".pickle")) for name in archive.namelist()[:MAX_FILES])
    except (zipfile.BadZipFile, NotImplementedError):
        return False


def _allowed_roots(root: Path) -> tuple[Path, ...]:
    """Where links may lead: into the folder, and from a snapshot into its own blobs."""
    real = root.resolve()
    stored = real.parent.name == "snapshots"
    return (real, real.parent.parent / "blobs") if stored else (real,)


def _link_problem(item: Path, allowed: tuple[Path, ...]) -> str | None:
    if not item.is_symlink():
        return None
    try:
        target = item.resolve(strict=True)
    except (OSError, RuntimeError):
        return "a link that leads nowhere"
    if not any(target.is_relative_to(root) for root in allowed):
        return "a link that leaves the folder"
    return None
