"""Reading constants out of Python source without running it: a small evaluator of literal expressions.

It knows literals, names bound to literals, `{**a}`, string and number arithmetic, f-strings, plain list comprehensions,
and calls of functions whose body is one `return` (timm's `_cfg`). What it does not know is `UNREAD`, never a guess.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Iterator
from typing import Any


class _Unread:
    """The value of an expression that was not understood; it is falsy, so that it reads as not stated."""

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "UNREAD"


UNREAD = _Unread()

_OPERATORS: dict[type, Any] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv, ast.Pow: operator.pow, ast.BitOr: operator.or_,
}  # fmt: skip


class Reader:
    """Evaluates expressions of one module against its own constants and those handed in as `known`."""

    def __init__(self, tree: ast.Module, known: dict[str, Any] | None = None) -> None:
        self.names: dict[str, Any] = dict(known or {})
        self.functions: dict[str, ast.FunctionDef] = {}
        for node in tree.body:
            if isinstance(node, ast.FunctionDef):
                self.functions[node.name] = node
            elif isinstance(node, ast.Assign) and len(node.targets) == 1:
                self._bind(node.targets[0], node.value)
            elif isinstance(node, ast.AnnAssign) and node.value is not None:
                self._bind(node.target, node.value)

    def _bind(self, target: ast.expr, value: ast.expr) -> None:
        read = self.value(value)
        if isinstance(target, ast.Name) and (read is not UNREAD or target.id not in self.names):
            self.names[target.id] = read

    def value(self, node: ast.expr | None, scope: dict[str, Any] | None = None) -> Any:
        """The value of an expression; a part that is not understood is UNREAD, or is left out of a container."""
        scope = scope or {}
        match node:
            case ast.Constant(value=value):
                return value
            case ast.Name(id=name):
                return scope.get(name, self.names.get(name, UNREAD))
            case ast.List(elts=items):
                return self._items(items, scope)
            case ast.Tuple(elts=items):
                return tuple(self._items(items, scope))
            case ast.Set(elts=items):
                return sorted(self._items(items, scope), key=str)
            case ast.Dict(keys=keys, values=values):
                return self._dict(keys, values, scope)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                inner = self.value(operand, scope)
                return -inner if isinstance(inner, int | float) else UNREAD
            case ast.BinOp(left=left, op=op, right=right):
                return self._binary(self.value(left, scope), op, self.value(right, scope))
            case ast.JoinedStr(values=parts):
                texts = [
                    self.value(part.value if isinstance(part, ast.FormattedValue) else part, scope)
                    for part in parts
                ]
                return UNREAD if any(text is UNREAD for text in texts) else "".join(map(str, texts))
            case ast.Attribute(attr=name):
                return scope.get(name, self.names.get(name, UNREAD))
            case ast.Call():
                return self._call(node, scope)
            case ast.ListComp(elt=item, generators=loops):
                return list(self._loop(item, loops, scope))
        return UNREAD

    def _items(self, nodes: list[ast.expr], scope: dict[str, Any]) -> list[Any]:
        out: list[Any] = []
        for node in nodes:
            if isinstance(node, ast.Starred):
                inner = self.value(node.value, scope)
                out.extend(inner if isinstance(inner, list | tuple) else ())
            elif (value := self.value(node, scope)) is not UNREAD:
                out.append(value)
        return out

    def _loop(self, item: ast.expr, loops: list[ast.comprehension], scope: dict[str, Any]) -> Iterator[Any]:
        """The items of a list comprehension whose loops run over literals, without conditions."""
        if not loops:
            yield self.value(item, scope)
            return
        first, *rest = loops
        if isinstance(first.target, ast.Name) and not first.ifs:
            for value in self.value(first.iter, scope) or ():
                yield from self._loop(item, rest, scope | {first.target.id: value})

    def _dict(
        self, keys: list[ast.expr | None], values: list[ast.expr], scope: dict[str, Any]
    ) -> dict[Any, Any]:
        out: dict[Any, Any] = {}
        for key, value in zip(keys, values, strict=True):
            read = self.value(value, scope)
            if key is None:
                out.update(read if isinstance(read, dict) else {})
            elif read is not UNREAD and (name := self.value(key, scope)) is not UNREAD:
                out[name] = read
        return out

    def _binary(self, left: Any, op: ast.operator, right: Any) -> Any:
        if left is UNREAD or right is UNREAD or type(op) not in _OPERATORS:
            return UNREAD
        try:
            return _OPERATORS[type(op)](left, right)
        except (TypeError, ZeroDivisionError):
            return UNREAD

    def arguments(
        self, call: ast.Call, scope: dict[str, Any] | None = None
    ) -> tuple[list[Any], dict[str, Any]]:
        """Positional and keyword arguments of a call; keywords that were not understood are left out."""
        named: dict[str, Any] = {}
        for keyword in call.keywords:
            value = self.value(keyword.value, scope)
            if keyword.arg is None:
                named.update(value if isinstance(value, dict) else {})
            elif value is not UNREAD:
                named[keyword.arg] = value
        return [self.value(arg, scope) for arg in call.args], named

    def _call(self, call: ast.Call, scope: dict[str, Any]) -> Any:
        args, named = self.arguments(call, scope)
        name = call.func.id if isinstance(call.func, ast.Name) else ""
        if name == "dict":
            first = args[0] if args and isinstance(args[0], dict) else {}
            return {**first, **named}
        if name in {"list", "tuple", "set", "sorted", "frozenset"} and args:
            return list(args[0]) if isinstance(args[0], list | tuple) else UNREAD
        function = self.functions.get(name)
        if function is None:
            return UNREAD
        local = bind(function, args, named, self)
        [*_, last] = function.body
        return self.value(last.value, local) if isinstance(last, ast.Return) else UNREAD


def bind(function: ast.FunctionDef, args: list[Any], named: dict[str, Any], reader: Reader) -> dict[str, Any]:
    """Argument names -> values, as a call would bind them."""
    spec = function.args
    names = [arg.arg for arg in spec.args]
    local = dict(zip(names[len(names) - len(spec.defaults) :], map(reader.value, spec.defaults), strict=True))
    local |= dict(zip(names, args, strict=False))
    local |= {key: value for key, value in named.items() if key in names}
    if spec.kwarg:
        local[spec.kwarg.arg] = {key: value for key, value in named.items() if key not in names}
    return local


def calls(tree: ast.AST, *names: str) -> Iterator[ast.Call]:
    """Every call of a function of one of those names, in the order of the source."""
    found = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and called(node) in names]
    return iter(sorted(found, key=lambda node: (node.lineno, node.col_offset)))


def called(call: ast.Call) -> str:
    """The bare name of what is called."""
    return call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")
