"""The modules of a scanned tree: parse one when another module's constant asks for it, and keep the last
ones."""

from __future__ import annotations

import ast
import warnings
from collections import OrderedDict
from pathlib import Path

from zoohub.audit.codescan.scopes import Index, index

KEEP = 64  # parsed modules held at a time
LARGEST = 4 << 20  # bytes of a Python file; beyond that it is data


class Module:
    """One parsed Python file."""

    def __init__(self, path: Path, project: Project, tree: ast.Module) -> None:
        self.path, self.project = path, project
        self.found: Index = index(tree)


class Project:
    """Python files below `root`, by the dotted names that code imports them with."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._modules: OrderedDict[Path, Module | None] = OrderedDict()

    def read(self, path: Path, source: bytes) -> Module:
        """Parse `source`, the content of `path`.

        Raises:
            SyntaxError, ValueError, RecursionError, MemoryError: it is no Python that can be parsed.
        """
        module = Module(path, self, parse(source))
        self._keep(path, module)
        return module

    def imported(self, importer: Path, dotted: str) -> tuple[Module, str] | None:
        """The module in this tree that `dotted` (with leading dots where relative) lies in, and the rest of
        the name."""
        plain = dotted.lstrip(".")
        parts = plain.split(".") if plain else []
        for folder in self._folders(importer, len(dotted) - len(plain)):
            for length in range(len(parts), -1 if folder != self.root else 0, -1):
                base = folder.joinpath(*parts[:length])
                for path in (
                    base.with_name(base.name + ".py") if length else base / "__init__.py",
                    base / "__init__.py",
                ):
                    if path != importer and (module := self._load(path)):
                        return module, ".".join(parts[length:])
        return None

    def _folders(self, importer: Path, level: int) -> list[Path]:
        if level:
            return [importer.parents[level - 1]] if level <= len(importer.parents) else []
        folders = []
        for folder in importer.parents:
            folders.append(folder)
            if folder == self.root:
                break
        return [*folders, self.root / "src"]

    def _load(self, path: Path) -> Module | None:
        if path in self._modules:
            self._modules.move_to_end(path)
            return self._modules[path]
        module = None
        try:
            if path.is_file() and path.stat().st_size <= LARGEST:
                module = Module(path, self, parse(path.read_bytes()))
        except (SyntaxError, ValueError, RecursionError, MemoryError, OSError):
            module = None  # the scan of that file itself reports it
        self._keep(path, module)
        return module

    def _keep(self, path: Path, module: Module | None) -> None:
        self._modules[path] = module
        while len(self._modules) > KEEP:
            self._modules.popitem(last=False)


def parse(source: bytes) -> ast.Module:
    """Python source to a tree; the warnings of foreign code are not ours."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(source)
