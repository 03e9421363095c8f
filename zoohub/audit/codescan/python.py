"""Models in a Python module: find the calls that load one, and say which."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from zoohub.audit.codescan import loaders, names, objects
from zoohub.audit.codescan.loaders import Loader
from zoohub.audit.codescan.names import Named
from zoohub.audit.codescan.project import Module
from zoohub.audit.codescan.scopes import Scope
from zoohub.audit.codescan.uses import ModelUse
from zoohub.audit.codescan.values import Evaluator, Trail, Value, argument

_SPACY_PACKAGE = re.compile(r"[a-z]{2}_[a-z]+_[a-z]+_(?:sm|md|lg|trf)")


def uses(module: Module, path: str) -> Iterator[ModelUse]:
    """Every use of a model in `module`; `path` is how the report names the file."""
    evaluator = Evaluator(module)
    for call, scope in module.found.calls:
        evaluator.trail = Trail()
        call = _unwrapped(call)
        name, qualified = _called(evaluator, call.func, scope, call.lineno)
        if loader := loaders.find(name, qualified):
            yield from _Call(evaluator, loader, call, scope, qualified or f"*.{name}", path).uses()
        elif name == "load" and qualified and _SPACY_PACKAGE.fullmatch(qualified.removesuffix(".load")):
            package = qualified.removesuffix(".load")
            yield ModelUse(
                path, call.lineno, qualified, package, f"spacy/{package}", None, "a pipeline of spaCy"
            )
        else:
            yield from _by_keyword(evaluator, call, scope, path)
    for node in module.found.texts:
        found = names.HUB_URL.match(node.value)  # type: ignore[arg-type]
        if found and (found["rest"] or "api-inference" in found[0]):
            named = names.hub(str(node.value))
            if named.model:
                yield ModelUse(
                    path, node.lineno, "address", str(node.value), named.model, named.revision, "address"
                )


def _unwrapped(call: ast.Call) -> ast.Call:
    """`partial(loader, ...)` is the call of `loader`."""
    name = getattr(call.func, "id", getattr(call.func, "attr", ""))
    if name == "partial" and call.args and isinstance(call.args[0], ast.Attribute | ast.Name):
        inner = ast.Call(call.args[0], call.args[1:], call.keywords)
        return ast.copy_location(inner, call)
    return call


def _called(ev: Evaluator, function: ast.expr, scope: Scope, line: int) -> tuple[str, str | None]:
    """The last and the dotted name of what is called; the dotted one only where the last can be a
    loader's."""
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    if isinstance(function, ast.Name) and name not in loaders.BY_NAME:
        given = ev.bindings(name, scope, line)
        if not given or given[0].kind not in ("import", "value"):
            return name, None
        qualified = _qualified(ev, function, scope, line)
        return (qualified or name).rpartition(".")[2], qualified
    if name not in loaders.BY_NAME:
        return name, None
    return name, _qualified(ev, function, scope, line)


def _by_keyword(ev: Evaluator, call: ast.Call, scope: Scope, path: str) -> Iterator[ModelUse]:
    """`Anything(model_name_or_path="org/name")`: only where the value is spelled as a repository."""
    for keyword in call.keywords:
        if keyword.arg in loaders.GENERIC_KEYWORDS:
            for value in ev.values(keyword.value, scope, call.lineno):
                if value.text and names.is_repository(value.text):
                    yield ModelUse(
                        path, keyword.value.lineno, f"keyword {keyword.arg}", value.text, value.text
                    )


class _Call:
    """One call of a loader."""

    def __init__(
        self, ev: Evaluator, loader: Loader, call: ast.Call, scope: Scope, qualified: str, path: str
    ) -> None:
        self.ev, self.loader, self.call, self.scope = ev, loader, call, scope
        self.qualified, self.path = qualified, path
        self.revision = self.text_of("revision")

    def uses(self) -> Iterator[ModelUse]:
        if not self.counts():
            return
        node = argument(self.call, *self.position())
        if node is None:
            yield from self.without_model()
        else:
            yield from self.named(node)
        for keyword in self.loader.also:
            extra = argument(self.call, None, (keyword,))
            if extra is not None:
                yield from self.named(extra, quiet=True)

    def position(self) -> tuple[int | None, tuple[str, ...]]:
        loader = self.loader
        if loader.kind == "peft" and not re.search(r"\.Peft\w*Model\w*\.from_pretrained$", self.qualified):
            return 0, ("pretrained_model_name_or_path", "pretrained_model_name", "model_id")
        return loader.position, loader.keywords

    def counts(self) -> bool:
        """Whether the call brings weights of a model at all."""
        kind = self.loader.kind
        if kind == "download":
            return self.text_of("repo_type") in (None, "model")
        if kind == "pretrained":
            node = argument(self.call, 1, ("pretrained",))
            return not (node is None or (isinstance(node, ast.Constant) and not node.value))
        if kind == "torch.hub":
            return self.text_of("source") in (None, "github")
        return True

    def without_model(self) -> Iterator[ModelUse]:
        """`pipeline("task")` takes the library's default; any other call without the argument loads
        nothing."""
        task = argument(self.call, 0, ("task",))
        if self.loader.kind == "pipeline" and task is not None and not _unpacks(self.call):
            for value in self.ev.values(task, self.scope, self.call.lineno):
                if value.text:
                    yield self.use(value.text, names.task_default(value.text))
        elif _unpacks(self.call):
            yield from self.unpacked()

    def unpacked(self) -> Iterator[ModelUse]:
        """`loader(**settings)`: an entry of a table written in the code."""
        for keyword in self.call.keywords:
            if keyword.arg is None:
                for name in self.loader.keywords:
                    key = ast.Constant(name)
                    for node, home in (
                        objects.entry_of(self.ev, keyword.value, key, self.scope, self.call.lineno) or ()
                    ):
                        for value in self.ev.values(node, home, self.call.lineno):
                            yield from self.judged(value, quiet=False)

    def named(self, node: ast.expr, quiet: bool = False) -> Iterator[ModelUse]:
        """The uses that one argument stands for; `quiet` reports only what is resolved."""
        values = self.ev.values(node, self.scope, self.call.lineno)
        if self.loader.second and values:
            values = self.completed(values)
        known = any(value.text is not None for value in values)
        for value in values:
            if not (value.text is None and value.soft and known):
                yield from self.judged(value, quiet)

    def completed(self, values: tuple[Value, ...]) -> tuple[Value, ...]:
        """Names that take two arguments: `repository entry`, `architecture weights`."""
        position, keyword = self.loader.second or (0, "")
        second = argument(self.call, position, (keyword,))
        others = self.ev.values(second, self.scope, self.call.lineno) if second is not None else (Value(""),)
        both = [(first, other) for first in values for other in others]
        return tuple(
            Value(f"{first.text} {other.text or ''}".strip()) if first.text is not None else first
            for first, other in both
            if other.text is not None
            or not other.reason
            or first.text is None
            or self.loader.kind == "torch.hub"
        ) or (others if others else ())

    def judged(self, value: Value, quiet: bool) -> Iterator[ModelUse]:
        if value.text is None:
            if value.reason and not quiet:
                yield self.use(value.reason.partition(": ")[2] or value.reason, Named(None, value.reason))
            return
        named = self.loader.namer(value.text)
        if names.is_task(value.text) and not named.model:
            return
        if named.model or (named.reason and not quiet):
            yield self.use(value.text, named)

    def use(self, text: str, named: Named) -> ModelUse:
        revision = named.revision or self.revision
        return ModelUse(
            self.path, self.call.lineno, self.qualified, text, named.model, revision, named.reason
        )

    def text_of(self, keyword: str) -> str | None:
        node = argument(self.call, None, (keyword,))
        values = self.ev.values(node, self.scope, self.call.lineno) if node is not None else ()
        return values[0].text if values else None


def _unpacks(call: ast.Call) -> bool:
    return any(keyword.arg is None for keyword in call.keywords)


def _qualified(ev: Evaluator, node: ast.expr, scope: Scope, line: int, depth: int = 0) -> str | None:
    """The dotted name of what is called, through imports and through the call that made an object."""
    if depth > 8:
        return None
    if isinstance(node, ast.Attribute):
        root = _qualified(ev, node.value, scope, line, depth + 1)
        return f"{root}.{node.attr}" if root else None
    if isinstance(node, ast.Call):
        return _qualified(ev, node.func, scope, line, depth + 1)
    if not isinstance(node, ast.Name):
        return None
    bindings = ev.bindings(node.id, scope, line)
    for binding in bindings:
        if binding.kind == "import":
            return str(binding.extra)
        if binding.kind == "value" and isinstance(binding.node, ast.Call | ast.Attribute | ast.Name):
            return _qualified(ev, binding.node, binding.scope, binding.line, depth + 1)
    return _star_import(ev, node.id) if not bindings else None


def _star_import(ev: Evaluator, name: str) -> str | None:
    """`from package import *` gives every name that nothing else binds."""
    stars = ev.module.found.scope.names.get("*", ())
    return f"{stars[-1].extra.removesuffix('*')}{name}" if stars else None
