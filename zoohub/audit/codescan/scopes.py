"""One walk over a syntax tree: who binds which name where, and which calls there are."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


class Binding(NamedTuple):
    """A place that gives a name its value.

    kind: `value` (node is the expression), `item` (one of the items of node), `part` (node unpacked, `extra`
    is the
    index), `parameter` (extra: index), `function`, `class`, `import` (node is None, `extra` is the dotted
    name, with
    leading dots where relative), `other`. `sure`: it always happens when the body of its scope runs.
    """

    kind: str
    node: Any
    scope: Scope
    line: int
    sure: bool
    extra: Any = None


@dataclass(slots=True, eq=False)
class Scope:
    """Names bound in a module, class or function; `owner` is the class that a method belongs to."""

    parent: Scope | None
    node: ast.AST | None = None
    owner: Scope | None = None
    names: dict[str, list[Binding]] = field(default_factory=dict)

    def bind(self, name: str, binding: Binding) -> None:
        """Note one more place that gives `name` a value."""
        self.names.setdefault(name, []).append(binding)


@dataclass(slots=True, eq=False)
class Index:
    """What the walk found in one module. `callers` has the calls by name; those of a method as `.name`."""

    scope: Scope
    calls: list[tuple[ast.Call, Scope]] = field(default_factory=list)
    callers: dict[str, list[tuple[ast.Call, Scope]]] = field(default_factory=dict)
    classes: list[Scope] = field(default_factory=list)
    functions: dict[ast.AST, Scope] = field(default_factory=dict)
    texts: list[ast.Constant] = field(default_factory=list)


def index(tree: ast.Module) -> Index:
    """Walk `tree` once."""
    found = Index(Scope(None, tree))
    _Walk(found).body(tree.body, found.scope, True)
    return found


class _Walk:
    """The walk; statements that may not run, or may run again, are not `sure`."""

    def __init__(self, found: Index) -> None:
        self.found = found

    def body(self, nodes: list[Any], scope: Scope, sure: bool) -> None:
        for node in nodes:
            self.visit(node, scope, sure)

    def visit(self, node: ast.AST, scope: Scope, sure: bool) -> None:
        handler = _HANDLERS.get(type(node))
        if handler is None:
            for child in _children(node):
                self.visit(child, scope, sure)
        else:
            handler(self, node, scope, sure)

    def function(self, node: Any, scope: Scope, sure: bool) -> None:
        outer = scope.parent if isinstance(scope.node, ast.ClassDef) else scope
        inner = Scope(outer, node, scope if isinstance(scope.node, ast.ClassDef) else scope.owner)
        self.found.functions[node] = inner
        if not isinstance(node, ast.Lambda):
            scope.bind(node.name, Binding("function", node, inner, node.lineno, sure))
            self.body(node.decorator_list, scope, sure)
        arguments = node.args
        for position, argument in enumerate([*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]):
            inner.bind(argument.arg, Binding("parameter", node, scope, node.lineno, True, position))
        for argument in (arguments.vararg, arguments.kwarg):
            if argument:
                inner.bind(argument.arg, Binding("other", None, scope, node.lineno, True))
        self.body([*arguments.defaults, *(d for d in arguments.kw_defaults if d)], scope, sure)
        if isinstance(node, ast.Lambda):
            self.visit(node.body, inner, True)
        else:
            self.body(node.body, inner, True)

    def klass(self, node: ast.ClassDef, scope: Scope, sure: bool) -> None:
        inner = Scope(scope, node)
        self.found.classes.append(inner)
        scope.bind(node.name, Binding("class", node, inner, node.lineno, sure))
        self.body(node.decorator_list, scope, sure)
        self.body([*node.bases, *node.keywords], scope, sure)
        self.body(node.body, inner, True)

    def assign(self, node: Any, scope: Scope, sure: bool) -> None:
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        for target in targets:
            if node.value is not None:
                self.target(target, "value", node.value, scope, sure)
        if node.value is not None:
            self.visit(node.value, scope, sure)

    def augmented(self, node: ast.AugAssign, scope: Scope, sure: bool) -> None:
        self.target(node.target, "other", None, scope, sure)
        self.visit(node.value, scope, sure)

    def loop(self, node: Any, scope: Scope, sure: bool) -> None:
        self.target(node.target, "item", node.iter, scope, True)
        self.visit(node.iter, scope, sure)
        if isinstance(node, ast.comprehension):
            self.body(node.ifs, scope, sure)
        else:
            self.body(node.body, scope, False)
            self.body(node.orelse, scope, False)

    def comprehension(self, node: Any, scope: Scope, sure: bool) -> None:
        for generator in node.generators:
            self.visit(generator, scope, sure)
        for child in _children(node):
            if not isinstance(child, ast.comprehension):
                self.visit(child, scope, sure)

    def context(self, node: Any, scope: Scope, sure: bool) -> None:
        for item in node.items:
            if item.optional_vars is not None:
                self.target(item.optional_vars, "value", item.context_expr, scope, sure)
            self.visit(item.context_expr, scope, sure)
        self.body(node.body, scope, sure)

    def branch(self, node: Any, scope: Scope, sure: bool) -> None:
        for child in _children(node):
            self.visit(child, scope, False)

    def imports(self, node: ast.Import, scope: Scope, sure: bool) -> None:
        for alias in node.names:
            name = alias.asname or alias.name.partition(".")[0]
            dotted = alias.name if alias.asname else name
            scope.bind(name, Binding("import", None, scope, node.lineno, sure, dotted))

    def imports_from(self, node: ast.ImportFrom, scope: Scope, sure: bool) -> None:
        module = "." * node.level + (node.module or "")
        for alias in node.names:
            dotted = f"{module}{'' if module.endswith('.') else '.'}{alias.name}"
            scope.bind(alias.asname or alias.name, Binding("import", None, scope, node.lineno, sure, dotted))

    def call(self, node: ast.Call, scope: Scope, sure: bool) -> None:
        pair = (node, scope)
        function = node.func
        if isinstance(function, ast.Name):
            self.found.callers.setdefault(function.id, []).append(pair)
        elif isinstance(function, ast.Attribute):
            self.found.callers.setdefault(f".{function.attr}", []).append(pair)
        self.found.calls.append(pair)
        for child in _children(node):
            self.visit(child, scope, sure)

    def constant(self, node: ast.Constant, scope: Scope, sure: bool) -> None:
        if isinstance(node.value, str) and node.value.startswith("http"):
            self.found.texts.append(node)

    def statement(self, node: ast.Expr, scope: Scope, sure: bool) -> None:
        if not isinstance(node.value, ast.Constant):  # else: a docstring or a stray text
            self.visit(node.value, scope, sure)

    def target(self, target: ast.AST, kind: str, value: Any, scope: Scope, sure: bool) -> None:
        line = getattr(target, "lineno", 0)
        if isinstance(target, ast.Name):
            scope.bind(target.id, Binding(kind, value, scope, line, sure))
        elif isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name):
            name = f"{target.value.id}.{target.attr}"
            home = scope.owner if target.value.id in ("self", "cls") and scope.owner else scope
            home.bind(name, Binding(kind, value, scope, line, sure))
        elif isinstance(target, ast.Tuple | ast.List):
            for position, part in enumerate(target.elts):
                if isinstance(part, ast.Name):
                    part_kind = {"value": "part", "item": "item part"}.get(kind, "other")
                    scope.bind(part.id, Binding(part_kind, value, scope, line, sure, position))


_HANDLERS: dict[type, Any] = {
    ast.FunctionDef: _Walk.function, ast.AsyncFunctionDef: _Walk.function, ast.Lambda: _Walk.function,
    ast.ClassDef: _Walk.klass, ast.Assign: _Walk.assign, ast.AnnAssign: _Walk.assign,
        ast.NamedExpr: _Walk.assign,
    ast.AugAssign: _Walk.augmented, ast.For: _Walk.loop, ast.AsyncFor: _Walk.loop,
        ast.comprehension: _Walk.loop,
    ast.ListComp: _Walk.comprehension, ast.SetComp: _Walk.comprehension,
        ast.GeneratorExp: _Walk.comprehension,
    ast.DictComp: _Walk.comprehension, ast.With: _Walk.context, ast.AsyncWith: _Walk.context,
        ast.If: _Walk.branch,
    ast.While: _Walk.branch, ast.Try: _Walk.branch, ast.TryStar: _Walk.branch, ast.Match: _Walk.branch,
    ast.Import: _Walk.imports, ast.ImportFrom: _Walk.imports_from, ast.Call: _Walk.call,
        ast.Constant: _Walk.constant,
    ast.Expr: _Walk.statement, ast.Name: lambda *_: None, ast.Pass: lambda *_: None,
}  # fmt: skip


def _children(node: ast.AST) -> Iterator[ast.AST]:
    for name in node._fields:
        value = getattr(node, name, None)
        if isinstance(value, ast.AST):
            if value._fields:
                yield value
        elif isinstance(value, list):
            for item in value:
                if isinstance(item, ast.AST):
                    yield item
