"""What a text in the code can be: through variables, constants of other modules, f-strings, defaults and
call sites.

This does not run code. An expression has one or several possible values; each is a text, a thing that names
no model
(a path, None), or a hole with the reason why it is not known.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from itertools import islice, product
from typing import Any

from zoohub.audit.codescan import objects
from zoohub.audit.codescan.project import Module
from zoohub.audit.codescan.scopes import Binding, Scope
from zoohub.audit.words import words

MOST = 32  # possible values followed per expression
DEEPEST = 24  # steps from one expression to another
LONGEST = 500  # expressions looked at for one argument of one call


@dataclass(frozen=True, slots=True)
class Value:
    """One possible value: `text` where known; else a hole with a `reason`, `soft` where a caller or the
    environment
    decides (so that a default beside it is the answer); neither text nor reason: it names no model."""

    text: str | None = None
    reason: str = ""
    soft: bool = False


NOTHING = Value()
_SAME = words("strip rstrip lstrip lower upper as_posix encode decode")
_PATHS = words("Path PurePath abspath realpath expanduser dirname mkdtemp resolve getcwd snapshot_download "
                   "hf_hub_download cached_download")  # fmt: skip
_DEFAULTS = words("get getenv pop setdefault")
_FIELDS = words("field Field Option Argument Param CharField StrField")


@dataclass(slots=True)
class Trail:
    """The way to a value: the expressions that are being looked at (against circles) and how many there
    were."""

    seen: set[int] = field(default_factory=set)
    steps: int = 0

    def closed(self, node: ast.AST) -> bool:
        """Whether `node` may not be looked at now; counts a step."""
        self.steps += 1
        return self.steps > LONGEST or len(self.seen) > DEEPEST or id(node) in self.seen


class Evaluator:
    """Values of expressions in one module; the trail goes along into other modules."""

    def __init__(self, module: Module, trail: Trail | None = None) -> None:
        self.module = module
        self.trail = trail or Trail()

    def values(self, node: ast.expr | None, scope: Scope, line: int) -> tuple[Value, ...]:
        """The possible values of `node`, seen from `scope` at `line`; without doubles, in order of
        finding."""
        if node is None:
            return ()
        if self.trail.closed(node):
            return (_hole(node),)
        self.trail.seen.add(id(node))
        try:
            handler = _HANDLERS.get(type(node))
            found = handler(self, node, scope, line) if handler else (_hole(node),)
        finally:
            self.trail.seen.discard(id(node))
        return tuple(dict.fromkeys(found))[:MOST]

    # --- names ------------------------------------------------------------------------------------

    def name(self, node: ast.Name, scope: Scope, line: int) -> tuple[Value, ...]:
        bindings = self.bindings(node.id, scope, line)
        if not bindings:
            return (Value(reason=f"{node.id!r} is not defined here"),)
        return tuple(value for binding in bindings for value in self.bound(binding, node.id, line))

    def bindings(self, name: str, scope: Scope | None, line: int) -> list[Binding]:
        """The places that can have given `name` its value, nearest scope first, as of `line` within that
        scope."""
        start = scope
        while scope is not None:
            found = scope.names.get(name)
            if found:
                return _as_of(found, line) if scope is start else found
            scope = scope.parent
        return []

    def bound(self, binding: Binding, name: str, line: int) -> tuple[Value, ...]:
        """The values that one binding gives."""
        if binding.kind == "value":
            return self.values(binding.node, binding.scope, binding.line)
        if binding.kind == "parameter":
            return self.parameter(binding, name)
        if binding.kind in ("item", "part", "item part"):
            return self.items(binding)
        if binding.kind == "import":
            return self.imported(binding.extra)
        return (Value(reason=f"{name!r} is no plain text"),)

    def items(self, binding: Binding) -> tuple[Value, ...]:
        nodes = objects.items(self, binding)
        if nodes is None:
            return (_hole(binding.node),)
        return tuple(value for node, scope in nodes for value in self.values(node, scope, binding.line))

    def imported(self, dotted: str) -> tuple[Value, ...]:
        """A constant of another module of the same tree."""
        hit = self.module.project.imported(self.module.path, dotted)
        if hit is None or not hit[1]:
            return (Value(reason=f"{dotted.lstrip('.')!r} lies outside the scanned code"),)
        module, rest = hit
        other = Evaluator(module, self.trail)
        expression = ast.parse(rest, mode="eval").body
        return other.values(expression, module.found.scope, 1 << 30)

    # --- parameters -------------------------------------------------------------------------------

    def parameter(self, binding: Binding, name: str) -> tuple[Value, ...]:
        """A parameter: its default, what decorators give it, and what the calls in this module pass."""
        function, outer = binding.node, binding.scope
        found = [
            *self.values(objects.default(function, name), outer, function.lineno),
            *(value for node in objects.decorated(function, name) for value in self.given(node, outer)),
            *self.passed(function, outer, name, binding.extra),
        ]
        useful = [value for value in found if value != NOTHING]
        called = getattr(function, "name", "a lambda")
        return tuple(useful) or (Value(reason=f"parameter {name!r} of {called}()", soft=True),)

    def given(self, node: ast.expr, scope: Scope) -> tuple[Value, ...]:
        if isinstance(node, ast.List | ast.Tuple):
            return tuple(value for item in node.elts for value in self.values(item, scope, item.lineno))
        return self.values(node, scope, node.lineno)

    def passed(self, function: Any, outer: Scope, name: str, position: int) -> tuple[Value, ...]:
        """What calls in this module pass for a parameter."""
        called = getattr(function, "name", "")
        if isinstance(outer.node, ast.ClassDef):
            position -= 1  # self
            called = outer.node.name if called == "__init__" else f".{called}"
        found: list[Value] = []
        for call, scope in self.module.found.callers.get(called, ())[:MOST]:
            node = argument(call, position, (name,))
            if node is not None:
                found += self.values(node, scope, call.lineno)
        return tuple(found)

    # --- expressions ------------------------------------------------------------------------------

    def constant(self, node: ast.Constant, scope: Scope, line: int) -> tuple[Value, ...]:
        if isinstance(node.value, str):
            return (Value(node.value),)
        return (NOTHING,)

    def joined(self, node: ast.JoinedStr, scope: Scope, line: int) -> tuple[Value, ...]:
        parts = []
        for part in node.values:
            inner = part.value if isinstance(part, ast.FormattedValue) else part
            parts.append((inner, self.values(inner, scope, line)))
        return _concatenated(parts)

    def binary(self, node: ast.BinOp, scope: Scope, line: int) -> tuple[Value, ...]:
        if isinstance(node.op, ast.Div):
            return (NOTHING,)  # a path
        if isinstance(node.op, ast.Add):
            return _concatenated([(side, self.values(side, scope, line)) for side in (node.left, node.right)])
        if isinstance(node.op, ast.Mod):
            filling = node.right.elts if isinstance(node.right, ast.Tuple) else [node.right]
            return self.filled(node.left, [(None, item) for item in filling], scope, line, "%s")
        return (_hole(node),)

    def filled(
        self,
        template: ast.expr,
        filling: list[tuple[str | None, ast.expr]],
        scope: Scope,
        line: int,
        mark: str,
    ) -> tuple[Value, ...]:
        """A template with `%s` or `{}` / `{name}`, filled."""
        results = []
        options = [[(key, item, value) for value in self.values(item, scope, line)] for key, item in filling]
        for pattern in self.values(template, scope, line):
            if pattern.text is None:
                return (_hole(template),)
            for choice in islice(product(*options), MOST):
                text = pattern.text
                for position, (key, item, value) in enumerate(choice):
                    shown = value.text if value.text is not None else "{" + ast.unparse(item) + "}"
                    for spelling in (f"{{{key}}}" if key else mark, f"{{{position}}}"):
                        text = text.replace(spelling, shown, 1)
                unknown = [value for _, _, value in choice if value.text is None]
                results.append(_partly(text, unknown) if unknown else Value(text))
        return tuple(results)

    def either(self, node: ast.BoolOp, scope: Scope, line: int) -> tuple[Value, ...]:
        return tuple(value for side in node.values for value in self.values(side, scope, line))

    def conditional(self, node: ast.IfExp, scope: Scope, line: int) -> tuple[Value, ...]:
        return self.values(node.body, scope, line) + self.values(node.orelse, scope, line)

    def walrus(self, node: ast.NamedExpr, scope: Scope, line: int) -> tuple[Value, ...]:
        return self.values(node.value, scope, line)

    def attribute(self, node: ast.Attribute, scope: Scope, line: int) -> tuple[Value, ...]:
        if node.attr in ("value", "name") and isinstance(node.value, ast.Attribute):
            return self.values(node.value, scope, line)  # a member of an enumeration
        found = objects.attribute(self, node, scope, line)
        return tuple(found) if found else (_hole(node, soft=objects.is_argument(node)),)

    def subscript(self, node: ast.Subscript, scope: Scope, line: int) -> tuple[Value, ...]:
        if ast.unparse(node.value) == "os.environ":
            return (Value(reason=f"the environment decides: {ast.unparse(node)}", soft=True),)
        nodes = objects.entry(self, node, scope, line)
        if nodes is None:
            return (_hole(node),)
        return tuple(value for item, home in nodes for value in self.values(item, home, line))

    def call(self, node: ast.Call, scope: Scope, line: int) -> tuple[Value, ...]:
        function = node.func
        name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
        if name in _PATHS or (name == "join" and "path" in ast.unparse(function)):
            return (NOTHING,)
        if name == "str" and node.args:
            return self.values(node.args[0], scope, line)
        if name in _DEFAULTS:
            return self.looked_up(node, scope, line)
        if name in _FIELDS:
            default = argument(node, 0, ("default",))
            return self.values(default, scope, line) if default is not None else (_hole(node, soft=True),)
        if name == "getattr" and len(node.args) == 3:
            return self.values(node.args[2], scope, line)
        if isinstance(function, ast.Attribute):
            if name == "format":
                filling = [(None, item) for item in node.args] + [(k.arg, k.value) for k in node.keywords]
                return self.filled(function.value, filling, scope, line, "{}")
            if name in _SAME:
                return self.values(function.value, scope, line)
            if name == "join" and node.args and isinstance(node.args[0], ast.List | ast.Tuple):
                return self.glued(function.value, node.args[0].elts, scope, line)
        return objects.returned(self, function, scope, line) or (_hole(node),)

    def glued(self, glue: ast.expr, parts: list[ast.expr], scope: Scope, line: int) -> tuple[Value, ...]:
        pieces: list[tuple[ast.expr, tuple[Value, ...]]] = []
        for position, part in enumerate(parts):
            if position:
                pieces.append((glue, self.values(glue, scope, line)))
            pieces.append((part, self.values(part, scope, line)))
        return _concatenated(pieces)

    def looked_up(self, node: ast.Call, scope: Scope, line: int) -> tuple[Value, ...]:
        """`os.environ.get("X", "default")`, `settings.get("model", "default")`, or an entry of a known
        table."""
        default = argument(node, 1, ("default",))
        known: list[Value] = []
        if isinstance(node.func, ast.Attribute) and node.args:
            nodes = objects.entry_of(self, node.func.value, node.args[0], scope, line)
            known = [value for item, home in nodes or () for value in self.values(item, home, line)]
        if default is not None:
            known += self.values(default, scope, line)
        environment = "environ" in ast.unparse(node.func) or "getenv" in ast.unparse(node.func)
        return tuple(known) or (_hole(node, soft=environment),)


def argument(call: ast.Call, position: int | None, keywords: tuple[str, ...]) -> ast.expr | None:
    """The expression passed by keyword, else by position; None where it is not passed."""
    for keyword in keywords:
        for given in call.keywords:
            if given.arg == keyword:
                return given.value
    if position is None or not 0 <= position < len(call.args):
        return None
    starred = any(isinstance(item, ast.Starred) for item in call.args[: position + 1])
    return None if starred else call.args[position]


def _as_of(bindings: list[Binding], line: int) -> list[Binding]:
    """Those that can hold at `line`: back to the last one that surely ran. None before it: all (a loop, a
    recursion)."""
    found: list[Binding] = []
    for binding in sorted((b for b in bindings if b.line <= line), key=lambda b: -b.line):
        found.append(binding)
        if binding.sure:
            break
    return found or bindings


def _concatenated(parts: list[tuple[ast.expr, tuple[Value, ...]]]) -> tuple[Value, ...]:
    """Texts put together; a part that is not known leaves its expression in braces."""
    results = []
    for choice in islice(product(*(values or (NOTHING,) for _, values in parts)), MOST):
        shown = [value.text if value.text is not None else "{" + ast.unparse(node) + "}"
                 for (node, _), value in zip(parts, choice, strict=True)]  # fmt: skip
        unknown = [value for value in choice if value.text is None]
        results.append(_partly("".join(shown), unknown) if unknown else Value("".join(shown)))
    return tuple(results)


def _partly(text: str, unknown: list[Value]) -> Value:
    if text.startswith(("/", "./", "~")):
        return NOTHING
    return Value(reason=f"only partly known: {text}", soft=all(value.soft for value in unknown))


def _hole(node: ast.AST, soft: bool = False) -> Value:
    return Value(reason=f"not known before it runs: {_short(node)}", soft=soft)


def _short(node: ast.AST) -> str:
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= 60 else text[:59] + "…"


_HANDLERS: dict[type, Any] = {
    ast.Constant: Evaluator.constant, ast.Name: Evaluator.name, ast.JoinedStr: Evaluator.joined,
    ast.BinOp: Evaluator.binary, ast.BoolOp: Evaluator.either, ast.IfExp: Evaluator.conditional,
    ast.NamedExpr: Evaluator.walrus, ast.Attribute: Evaluator.attribute, ast.Subscript: Evaluator.subscript,
    ast.Call: Evaluator.call,
    ast.Await: lambda self, node, scope, line: self.values(node.value, scope, line),
}  # fmt: skip
