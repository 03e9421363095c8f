"""License expressions over our ids: parsed by `license-expression`, answered with three values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from zoohub.cards.licenses.knowledge import OPERATIONS, UNKNOWN, Fact, License, all_licenses, get, in_group


@dataclass(frozen=True, slots=True)
class Expression:
    """An understood expression: its text and parts, in our ids, else as SPDX writes them."""

    text: str
    ids: tuple[str, ...]


def parse(text: str) -> Expression | None:
    """Read an SPDX-like expression; None where it is none, or names a license that nobody knows."""
    from license_expression import ExpressionError, ExpressionParseError

    try:
        tree = _licensing().parse(text, validate=True, strict=True, simple=False)
    except (ExpressionError, ExpressionParseError, ValueError, TypeError, AttributeError, IndexError):
        return None
    if tree is None:
        return None
    ids = tuple(dict.fromkeys(str(key) for key in _licensing().license_keys(tree)))
    return Expression(str(tree.render("{symbol.key}")), ids)


def combined(expression: str) -> License:
    """The terms of an expression as one license: AND needs every part's yes, OR one part's.

    Raises:
        UnknownLicense: a part has no entry; ValueError: `expression` is none.
    """
    parsed = parse(expression)
    if parsed is None:
        raise ValueError(f"{expression!r} is no license expression")
    if parsed.text in parsed.ids:
        return get(parsed.text)
    tree = _licensing().parse(expression)
    parts = [get(id) for id in parsed.ids]
    conditions = tuple(dict.fromkeys(condition for part in parts for condition in part.conditions))
    return License(
        id=parsed.text,
        name=parsed.text,
        kind="family",
        spdx=spdx(parsed.text),
        steward=None,
        released=None,
        url=None,
        text="read" if all(part.text == "read" for part in parts) else "partly",
        facts={operation: _fact(tree, operation) for operation in OPERATIONS},
        conditions=conditions,
        versions=(),
        aliases=(),
        sources=tuple(dict.fromkeys(source for part in parts for source in part.sources)),
        notes="",
    )


def all_in_group(expression: str, group: str) -> bool:
    """Whether the licenses of an expression are in a group: of AND every part, of OR one that may be chosen.

    Raises:
        UnknownLicense: there is no such group.
    """
    return _holds(_licensing().parse(expression), lambda part: in_group(part, group))


def _holds(tree: Any, test: Callable[[str], bool]) -> bool:
    arguments = getattr(tree, "args", ())
    if not arguments or hasattr(tree, "license_symbol"):
        return test(str(getattr(tree, "license_symbol", tree).key))
    decide = any if type(tree).__name__ == "OR" else all
    return decide(_holds(argument, test) for argument in arguments)


def spdx(expression: str) -> str | None:
    """The expression with SPDX ids and `LicenseRef-` names, for a bill of materials; None if it is none."""
    parsed = parse(expression)
    if parsed is None:
        return None
    table = {entry.id: entry.spdx or f"LicenseRef-{entry.id}" for entry in all_licenses()}
    tokens = parsed.text.replace("(", "( ").replace(")", " )").split()
    return " ".join(table.get(token, token) for token in tokens).replace("( ", "(").replace(" )", ")")


def _fact(tree: Any, operation: str) -> Fact:
    arguments = getattr(tree, "args", ())
    if not arguments or hasattr(tree, "license_symbol"):
        key = str(getattr(tree, "license_symbol", tree).key)
        fact = get(key).fact(operation)
        return Fact(fact.answer, f"{key}: {fact.clause}")
    parts = [_fact(argument, operation) for argument in arguments]
    answers = {part.answer for part in parts}
    decisive, other = ("yes", "no") if type(tree).__name__ == "OR" else ("no", "yes")
    answer = decisive if decisive in answers else other if answers == {other} else UNKNOWN
    return Fact(answer, "; ".join(part.clause for part in parts))


@cache
def _licensing() -> Any:
    """license-expression's parser, with our ids as symbols and the SPDX ids that have no entry."""
    from license_expression import LicenseSymbol, Licensing, get_license_index

    symbols, taken = [], set()
    for entry in all_licenses():
        names = tuple(word for word in {entry.spdx or "", *entry.aliases} if word and _is_token(word))
        fresh = tuple(name for name in names if name.lower() not in taken and name.lower() != entry.id)
        symbols.append(LicenseSymbol(entry.id, aliases=fresh))
        taken.update({entry.id, *(name.lower() for name in fresh)})
    for item in get_license_index():
        key = item.get("spdx_license_key") or ""
        if (
            key
            and not key.startswith("LicenseRef-")
            and key.lower() not in taken
            and not item["is_deprecated"]
        ):
            symbols.append(LicenseSymbol(key, is_exception=item["is_exception"]))
            taken.add(key.lower())
    return Licensing(symbols)


def _is_token(word: str) -> bool:
    return all(char.isalnum() or char in ".+-_" for char in word)
