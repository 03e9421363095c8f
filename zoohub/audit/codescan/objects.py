"""Values that live in something: attributes of classes and arguments, entries of tables, items of lists,
returns."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from zoohub.audit.codescan.scopes import Binding, Scope

if TYPE_CHECKING:
    from zoohub.audit.codescan.values import Evaluator, Value

Placed = tuple[ast.expr, Scope]
_LITERALS = (ast.Dict, ast.List, ast.Tuple, ast.Set)
_PARSED = ("parse_args", "parse_known_args", "parse_args_into_dataclasses")


# --- parameters -------------------------------------------------------------------------------------


def default(function: Any, name: str) -> ast.expr | None:
    """The default of a parameter."""
    arguments = function.args
    plain = [*arguments.posonlyargs, *arguments.args]
    pairs = [
        *zip(reversed(plain), reversed(arguments.defaults), strict=False),
        *zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True),
    ]
    return next((value for argument, value in pairs if argument.arg == name), None)


def decorated(function: Any, name: str) -> Iterator[ast.expr]:
    """What decorators give a parameter: the default of a click option, the values of a parametrized test."""
    for call in getattr(function, "decorator_list", ()):
        if not isinstance(call, ast.Call) or not call.args:
            continue
        texts = [
            item.value for item in call.args if isinstance(item, ast.Constant) and isinstance(item.value, str)
        ]
        last = getattr(call.func, "attr", getattr(call.func, "id", ""))
        if last in ("option", "argument") and name in {_destination(text) for text in texts}:
            yield from (keyword.value for keyword in call.keywords if keyword.arg == "default")
        elif last == "parametrize" and texts[:1] == [name] and len(call.args) > 1:
            yield call.args[1]


def _destination(flag: str) -> str:
    return flag.partition("/")[0].lstrip("-").replace("-", "_")


# --- tables and lists -------------------------------------------------------------------------------


def container(ev: Evaluator, node: ast.expr | None, scope: Scope, line: int) -> Placed | None:
    """The literal table or list that an expression stands for."""
    if isinstance(node, _LITERALS):
        return node, scope
    if node is None or ev.trail.closed(node):
        return None
    ev.trail.seen.add(id(node))
    try:
        return _container(ev, node, scope, line)
    finally:
        ev.trail.seen.discard(id(node))


def _container(ev: Evaluator, node: ast.expr, scope: Scope, line: int) -> Placed | None:
    if isinstance(node, ast.Call):
        name = getattr(node.func, "id", getattr(node.func, "attr", ""))
        if name == "dict" and node.keywords and not node.args:
            keys: list[ast.expr | None] = [ast.Constant(keyword.arg) for keyword in node.keywords]
            return ast.Dict(keys, [keyword.value for keyword in node.keywords]), scope
        if name in ("list", "tuple", "sorted", "set", "MappingProxyType", "copy", "field") and node.args:
            return container(ev, node.args[0], scope, line)
        return None
    if isinstance(node, ast.Subscript):
        found = entry(ev, node, scope, line) or []
        return container(ev, found[0][0], found[0][1], line) if len(found) == 1 else None
    for expression, home in _definitions(ev, node, scope, line):
        if literal := container(ev, expression, home, getattr(expression, "lineno", line)):
            return literal
    return None


def _definitions(ev: Evaluator, node: ast.expr, scope: Scope, line: int) -> Iterator[Placed]:
    """The expressions that a name or an attribute was given, also in another module."""
    if isinstance(node, ast.Name):
        for binding in ev.bindings(node.id, scope, line):
            if binding.kind == "value":
                yield binding.node, binding.scope
            elif binding.kind == "import":
                yield from _elsewhere(ev, binding.extra)
    elif isinstance(node, ast.Attribute):
        home = owner(ev, node.value, scope, line)
        if isinstance(home, Scope):
            yield from fields(ev, home, node.attr)
        elif isinstance(node.value, ast.Name):
            for binding in ev.bindings(node.value.id, scope, line):
                if binding.kind == "import":
                    yield from _elsewhere(ev, f"{binding.extra}.{node.attr}")


def _elsewhere(ev: Evaluator, dotted: str) -> Iterator[Placed]:
    hit = ev.module.project.imported(ev.module.path, dotted)
    if hit and hit[1] and "." not in hit[1]:
        for binding in hit[0].found.scope.names.get(hit[1], ()):
            if binding.kind == "value":
                yield binding.node, binding.scope


def entry(ev: Evaluator, node: ast.Subscript, scope: Scope, line: int) -> list[Placed] | None:
    """`TABLE[key]`: the entry, or all entries where the key is not known."""
    return entry_of(ev, node.value, node.slice, scope, line)


def entry_of(ev: Evaluator, table: ast.expr, key: ast.expr, scope: Scope, line: int) -> list[Placed] | None:
    """The entries of a literal table or list that `key` can mean; None where it is no literal."""
    literal = container(ev, table, scope, line)
    if literal is None:
        return None
    node, home = literal
    if isinstance(node, ast.Dict):
        wanted = {value.text for value in ev.values(key, scope, line)}
        pairs = [
            (k.value, v) for k, v in zip(node.keys, node.values, strict=True) if isinstance(k, ast.Constant)
        ]
        exact = [(value, home) for name, value in pairs if name in wanted]
        if exact or (wanted and None not in wanted):
            return exact or None
        return [(value, home) for _, value in pairs] or None
    elements = getattr(node, "elts", [])
    index = key.value if isinstance(key, ast.Constant) else None
    if isinstance(key, ast.UnaryOp) and isinstance(key.operand, ast.Constant):
        index = -key.operand.value  # type: ignore[operator]
    if isinstance(index, int):
        return [(elements[index], home)] if -len(elements) <= index < len(elements) else None
    return [(element, home) for element in elements] or None


def items(ev: Evaluator, binding: Binding) -> list[Placed] | None:
    """What a loop or an unpacking gives a name."""
    node, scope, line = binding.node, binding.scope, binding.line
    if binding.kind == "part":
        literal = container(ev, node, scope, line)
        elements = getattr(literal[0], "elts", []) if literal else []
        return [(elements[binding.extra], scope)] if binding.extra < len(elements) else None
    view = ""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and not node.args:
        view, node = node.func.attr, node.func.value
    elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "enumerate" and node.args:
        view, node = "enumerate", node.args[0]
    literal = container(ev, node, scope, line)
    if literal is None:
        return None
    found = list(_viewed(literal[0], view, binding.extra if binding.kind == "item part" else None))
    return [(item, literal[1]) for item in found] or None


def _viewed(literal: ast.expr, view: str, position: int | None) -> Iterator[ast.expr]:
    if isinstance(literal, ast.Dict):
        keys = [key for key in literal.keys if key is not None]
        if view == "values" or (view == "items" and position == 1):
            yield from literal.values
        elif position is None or view == "items":
            yield from keys
        return
    for element in getattr(literal, "elts", []):
        if position is None or (view == "enumerate" and position == 1):
            yield element
        elif (
            view != "enumerate" and isinstance(element, ast.Tuple | ast.List) and position < len(element.elts)
        ):
            yield element.elts[position]


# --- attributes -------------------------------------------------------------------------------------


def is_argument(node: ast.Attribute) -> bool:
    """Whether an attribute reads like a command line argument, which the caller decides."""
    return getattr(node.value, "id", "") in ("args", "opts", "options", "flags", "FLAGS", "opt", "arguments")


def attribute(ev: Evaluator, node: ast.Attribute, scope: Scope, line: int) -> list[Value]:
    """The values of `something.name`; empty where nothing is known of it."""
    if isinstance(node.value, ast.Name):
        dotted = [b for b in ev.bindings(f"{node.value.id}.{node.attr}", scope, line) if b.kind == "value"]
        if dotted and node.value.id not in ("self", "cls"):
            return [
                value for binding in dotted for value in ev.values(binding.node, binding.scope, binding.line)
            ]
    home = owner(ev, node.value, scope, line)
    found: list[Value] = []
    if isinstance(home, str):
        return list(ev.imported(f"{home}.{node.attr}"))
    if isinstance(home, ast.Call):
        return _constructed(ev, home, node.attr, scope, line)
    if home is not None:
        return [
            value for item, place in fields(ev, home, node.attr) for value in ev.values(item, place, line)
        ]
    for item, place in _loose(ev, node.attr):
        found += ev.values(item, place, line)
    return found


def owner(ev: Evaluator, node: ast.expr, scope: Scope, line: int) -> Scope | ast.Call | str | None:
    """What an object is: a class (its scope), the call that made it, a module (dotted name), or unknown."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return node if klass(ev, node.func, scope, line) else None
    if isinstance(node, ast.Name) and node.id in ("self", "cls"):
        return _enclosing(scope)
    if not isinstance(node, ast.Name):
        return None
    for binding in ev.bindings(node.id, scope, line):
        if binding.kind == "class":
            return binding.scope
        if binding.kind == "import":
            return klass(ev, node, scope, line) or str(binding.extra)
        if binding.kind == "value" and isinstance(binding.node, ast.Call):
            return binding.node if klass(ev, binding.node.func, binding.scope, binding.line) else None
        if binding.kind == "parameter" and (hint := _annotation(binding.node, node.id)) is not None:
            return klass(ev, hint, binding.scope, binding.line)
    return None


def _enclosing(scope: Scope | None) -> Scope | None:
    while scope is not None and scope.owner is None:
        scope = scope.parent
    return scope.owner if scope else None


def klass(ev: Evaluator, node: ast.expr, scope: Scope, line: int) -> Scope | None:
    """The class that a name stands for, in this module or another of the tree."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.isidentifier():
        node = ast.Name(node.value)
    if not isinstance(node, ast.Name):
        return None
    for binding in ev.bindings(node.id, scope, line):
        if binding.kind == "class":
            return binding.scope
        if binding.kind == "import" and (hit := ev.module.project.imported(ev.module.path, binding.extra)):
            for other in hit[0].found.scope.names.get(hit[1], ()):
                if other.kind == "class":
                    return other.scope
    return None


def _annotation(function: Any, name: str) -> ast.expr | None:
    arguments = function.args
    for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs):
        if argument.arg == name:
            hint: ast.expr | None = argument.annotation
            if isinstance(hint, ast.BinOp):  # Config | None
                hint = hint.left
            return hint
    return None


def fields(ev: Evaluator, home: Scope, name: str, depth: int = 0) -> Iterator[Placed]:
    """What a class gives an attribute: in its body, through `self.name = ...`, or by a base class."""
    found = False
    for spelling in (name, f"self.{name}", f"cls.{name}"):
        for binding in home.names.get(spelling, ()):
            if binding.kind == "value":
                found = True
                yield binding.node, binding.scope
    if not found and depth < 8 and isinstance(home.node, ast.ClassDef):
        for base in home.node.bases:
            parent = klass(ev, base, home.parent or home, 1 << 30)
            if parent is not None and parent is not home:
                yield from fields(ev, parent, name, depth + 1)


def _constructed(ev: Evaluator, call: ast.Call, name: str, scope: Scope, line: int) -> list[Value]:
    """An attribute of `Class(...)`: what the call passes, else the default of the class."""
    for keyword in call.keywords:
        if keyword.arg == name:
            return list(ev.values(keyword.value, scope, line))
    home = klass(ev, call.func, scope, line)
    return (
        [value for item, place in fields(ev, home, name) for value in ev.values(item, place, line)]
        if home
        else []
    )


def _loose(ev: Evaluator, name: str) -> Iterator[Placed]:
    """An attribute of something unknown: an argparse default of that name, else a field of the one class
    that has it."""
    found = False
    for call, scope in ev.module.found.callers.get(".add_argument", ()):
        flags = [
            item.value for item in call.args if isinstance(item, ast.Constant) and isinstance(item.value, str)
        ]
        given = {keyword.arg: keyword.value for keyword in call.keywords}
        target = given.get("dest")
        wanted = (
            {target.value} if isinstance(target, ast.Constant) else {_destination(flag) for flag in flags}
        )
        if name in wanted and "default" in given:
            found = True
            yield given["default"], scope
    if not found:
        homes = [home for home in ev.module.found.classes if _declares(home, name)]
        if len(homes) == 1:
            yield from fields(ev, homes[0], name)


def _declares(home: Scope, name: str) -> bool:
    """Whether a class declares `name` with a type, as dataclasses and settings do."""
    node = home.node
    return isinstance(node, ast.ClassDef) and any(
        isinstance(item, ast.AnnAssign) and getattr(item.target, "id", "") == name for item in node.body
    )


# --- functions --------------------------------------------------------------------------------------


def returned(ev: Evaluator, function: ast.expr, scope: Scope, line: int) -> tuple[Value, ...]:
    """The values that a function of this module returns; empty where it is unknown."""
    bindings: list[Binding] = []
    if isinstance(function, ast.Name):
        bindings = ev.bindings(function.id, scope, line)
    elif isinstance(function, ast.Attribute) and getattr(function.value, "id", "") in ("self", "cls"):
        home = _enclosing(scope)
        bindings = home.names.get(function.attr, []) if home else []
    found: list[Value] = []
    for binding in bindings:
        if binding.kind == "function":
            for node in _returns(binding.node):
                found += ev.values(node.value, binding.scope, node.lineno)
    return tuple(found)


def _returns(function: ast.AST) -> Iterator[ast.Return]:
    waiting: list[ast.AST] = list(getattr(function, "body", ()))
    while waiting:
        node = waiting.pop(0)
        if isinstance(node, ast.Return) and node.value is not None:
            yield node
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            waiting[:0] = [
                child
                for child in ast.iter_child_nodes(node)
                if isinstance(child, ast.stmt | ast.ExceptHandler)
            ]
