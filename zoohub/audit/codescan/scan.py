"""Scan a tree: which files are worth reading, reading them in several processes, putting the results
together."""

from __future__ import annotations

import gc
import os
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

from zoohub.audit.codescan import configs, loaders, python, requirements, shell
from zoohub.audit.codescan.notebook import Notebook
from zoohub.audit.codescan.project import LARGEST, Project
from zoohub.audit.codescan.uses import CodeScan, ModelUse, Unread
from zoohub.audit.words import words

_SKIPPED = words(
    "__pycache__ node_modules .git .hg .svn .tox .nox .mypy_cache .ruff_cache .pytest_cache .eggs"
)
_PYTHON = frozenset((".py", ".pyw"))
_CONFIGS = frozenset((".yaml", ".yml", ".json", ".toml"))
_SHELL = frozenset((".sh", ".bash", ".zsh", ".slurm", ".sbatch", ".mk"))
_REQUIREMENTS = re.compile(
    r"(?:.*requirements.*\.(?:txt|in)|constraints.*\.txt|setup\.cfg|Pipfile|environment\.ya?ml|pyproject\.toml)"
)
_DOCKER = re.compile(r"(?:.*\.)?(?:dockerfile|containerfile)(?:\..*)?", re.IGNORECASE)
_AT_ONCE = 64  # files a worker takes at a time
_ALONE = 400  # below so many files, one process is faster than two
# What a file must hold to be worth a closer look: plain words, because finding those is ten times faster
# than a pattern.
_ROUGH = tuple(
    word.encode()
    for word in (*loaders.TOKENS, *loaders.PACKAGES, *loaders.GENERIC_KEYWORDS, "hub.load", "/resolve/",
        "/raw/", "/blob/",
                 "api-inference", "_core_")
)  # fmt: skip
_WORTH_PYTHON = re.compile(
    b"|".join(
        [re.escape(token.encode()) for token in loaders.TOKENS]
        + [rb"(?:import|from) +" + package.encode() for package in loaders.PACKAGES]
        + [rb"hub\.load", rb"h(?:uggingface\.co|f\.co|f-mirror\.com)/[\w.\-]+/[\w.\-]+/(?:resolve|raw|blob)"]
        + [rb"api-inference", rb"_core_\w+_(?:sm|md|lg|trf)"]
        + [word.encode() for word in loaders.GENERIC_KEYWORDS]
    )
)
_NOT_CODE = (b">>>", b"...", b"#", b"def ", b"async def ")
_WORTH_CONFIG = re.compile(
    rb"(?:model|checkpoint|tokenizer|adapter|lora|encoder|vae|reranker|embedder|llm|pretrained|hugging_?face|hf|repo|path)"
    rb"[\w\-]*[\"']?\s*[:=]|--model|hf\.co/|huggingface|ollama|from_pretrained|spacy",
    re.IGNORECASE,
)


def scan(path: str | Path, *, processes: int = 2) -> CodeScan:
    """Every model that the code at `path` (a file or a folder) uses.

    Nothing is run or imported. A file that cannot be parsed is listed in `unread` and the scan goes on.
    Python files
    without a word that loads a model are not parsed, so errors in them are not seen.

    Raises:
        FileNotFoundError: there is no such path.
    """
    root = Path(path)
    if not root.exists():
        raise FileNotFoundError(2, "No such file or folder", str(path))
    files = [str(root)] if root.is_file() else list(_files(str(root)))
    base = root.parent if root.is_file() else root
    if processes < 2 or len(files) < _ALONE:
        return _joined([_Scanner(base).many(files)])
    parts = [files[start : start + _AT_ONCE] for start in range(0, len(files), _AT_ONCE)]
    with ProcessPoolExecutor(processes, initializer=_begin, initargs=(base,)) as pool:
        return _joined(list(pool.map(_work, parts)))


def _files(root: str) -> Iterator[str]:
    """Files that can name a model, without what tools and version control keep."""
    for folder, folders, found in os.walk(root):
        if "pyvenv.cfg" in found and folder != root:
            folders.clear()
            continue
        folders[:] = sorted(name for name in folders if name not in _SKIPPED)
        for name in sorted(found):
            if _kind(name):
                yield os.path.join(folder, name)


def _kind(name: str) -> str:
    suffix = Path(name).suffix.lower()
    if suffix in _PYTHON:
        return "python"
    if suffix == ".ipynb":
        return "notebook"
    if _REQUIREMENTS.fullmatch(name):
        return "requirements"
    if suffix in _CONFIGS:
        return "config"
    if suffix in _SHELL or name in ("Makefile", "Justfile", "Procfile"):
        return "shell"
    return "docker" if _DOCKER.fullmatch(name) else ""


_scanner: _Scanner | None = None


def _begin(base: Path) -> None:
    global _scanner
    gc.set_threshold(
        100_000
    )  # syntax trees are many small objects; looking for circles in them takes half the time
    _scanner = _Scanner(base)


def _work(files: Sequence[str]) -> CodeScan:
    assert _scanner is not None
    return _scanner.many(files)


def _joined(parts: Sequence[CodeScan]) -> CodeScan:
    return CodeScan(
        tuple(sorted({use for part in parts for use in part.uses}, key=_order)),
        tuple(sorted({unread for part in parts for unread in part.unread})),
        sum(part.files for part in parts),
        sum(part.lines for part in parts),
    )


def _order(use: ModelUse) -> tuple[str, int, int, str, str]:
    return use.path, use.cell or 0, use.line, use.model or "~", use.call


class _Scanner:
    """Reads files below one folder; keeps the modules it has parsed."""

    def __init__(self, base: Path) -> None:
        self.base = base.resolve()
        self.project = Project(self.base)

    def many(self, files: Sequence[str]) -> CodeScan:
        uses: list[ModelUse] = []
        unread: list[Unread] = []
        lines = 0
        for file in files:
            path = Path(file).absolute()
            shown = os.path.relpath(path, self.base).replace(os.sep, "/")
            try:
                content = path.read_bytes()
                lines += content.count(b"\n")
                uses += [use for use in self.one(path, shown, content) if not self.is_folder(path, use)]
            except SyntaxError as error:
                unread.append(Unread(shown, error.lineno or 1, f"no Python: {error.msg}"))
            except (ValueError, RecursionError, MemoryError, OSError) as error:
                unread.append(
                    Unread(shown, _line(error), str(error).partition("\n")[0] or type(error).__name__)
                )
        return CodeScan(tuple(uses), tuple(unread), len(files), lines)

    def is_folder(self, path: Path, use: ModelUse) -> bool:
        """Whether what reads like a repository is a folder that lies here."""
        return use.model == use.text and any((home / use.text).is_dir() for home in (path.parent, self.base))

    def one(self, path: Path, shown: str, content: bytes) -> list[ModelUse]:
        kind = _kind(path.name)
        if kind == "python":
            worth = len(content) <= LARGEST and _worth_parsing(content)
            return list(python.uses(self.project.read(path, content), shown)) if worth else []
        if kind == "notebook":
            return self.notebook(path, shown, content)
        if len(content) > configs.LARGEST or (
            kind in ("config", "shell") and not _WORTH_CONFIG.search(content)
        ):
            return []
        text = content.decode("utf-8-sig", errors="replace")

        def code(source: str, line: int) -> Iterator[ModelUse]:
            return self.embedded(path, shown, source, line)

        if kind == "config":
            return list(configs.uses(text, shown, path.suffix.lower(), code))
        if kind == "requirements":
            found = list(requirements.uses(text, shown))
            return found + (list(configs.uses(text, shown, ".toml", code)) if path.suffix == ".toml" else [])
        return list(shell.uses(text, shown, code, dockerfile=kind == "docker"))

    def embedded(self, path: Path, shown: str, source: str, line: int) -> Iterator[ModelUse]:
        """Python within a script; what does not parse there is no Python."""
        try:
            module = self.project.read(path, source.encode())
        except (SyntaxError, ValueError):
            return
        for use in python.uses(module, shown):
            yield replace(use, line=use.line + line - 1)

    def notebook(self, path: Path, shown: str, content: bytes) -> list[ModelUse]:
        if not (_WORTH_PYTHON.search(content) or b"!" in content):
            return []
        notebook = Notebook(content.decode("utf-8-sig"))
        found = []
        for use in python.uses(self.project.read(path, notebook.source.encode()), shown):
            cell, line = notebook.place(use.line)
            found.append(replace(use, cell=cell, line=line))
        variables: dict[str, str] = {}
        for cell, line, command in notebook.shell:
            uses = shell.command_uses(command, shown, line, variables)
            found += [replace(use, cell=cell) for use in uses]
        return found


def _worth_parsing(content: bytes) -> bool:
    """Whether a word that loads a model stands outside comments, examples and the definition of such a
    function."""
    if not any(map(content.__contains__, _ROUGH)):
        return False
    for found in _WORTH_PYTHON.finditer(content):
        start = content.rfind(b"\n", 0, found.start()) + 1
        before = content[start : found.start()].lstrip()
        if not before.startswith(_NOT_CODE):
            return True
    return False


def _line(error: BaseException) -> int:
    """The line that an error of a parser names."""
    number = getattr(error, "lineno", None)
    found = re.search(r"line (\d+)", str(error))
    return number or (int(found[1]) if found else 1)
