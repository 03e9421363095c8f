"""Query: what is searched for, as plain data; and how it becomes a plan.

Values of one facet are alternatives (OR), different facets must all hold (AND), `exclude` takes away.
`unknown` is a value of every facet, so that what lacks a fact stays findable.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from functools import partial
from typing import Any as Anything

from zoohub import tasks
from zoohub.errors import InvalidQuery, UnknownLicense, UsageError, did_you_mean, suggest
from zoohub.registry import fulltext, license_facts
from zoohub.registry.encoding import epoch, key_of
from zoohub.registry.plan import All, Any, Between, Candidate, Checked, Has, Node, Not
from zoohub.registry.records import UNKNOWN
from zoohub.registry.tokens import (
    EVERY,
    MOST_PARAMETERS,
    count_token,
    date_tokens,
    facet,
    least_in,
    params_bucket,
)

SORTS = ("relevance", "downloads", "likes", "updated", "parameters")

# facet of a query -> kind of token
FACETS = {
    "task": "task", "modality": "modality", "license": "license", "language": "language", "library": "library",
    "author": "author", "dataset": "dataset", "base_model": "base", "relation": "relation", "tag": "tag",
    "source": "source", "format": "format",
}  # fmt: skip
Values = tuple[str, ...]


@dataclass(frozen=True)
class Query:
    """A search.

    Facets hold alternatives; `require` maps a facet to values that must all be, `exclude` to values that must not
    be. `gated`, `gone`: True, False, or None for both; models that are gone from their source are left out unless
    asked for. `updated_since` is an ISO 8601 date. `sort` is one of `SORTS`, highest first unless `ascending`;
    models without the figure come last either way. Without a text, relevance is popularity (downloads, then
    likes). `cursor` goes on where an earlier search of the same query stopped.
    """

    text: str = ""
    task: Values = ()
    modality: Values = ()
    license: Values = ()
    language: Values = ()
    library: Values = ()
    author: Values = ()
    dataset: Values = ()
    base_model: Values = ()
    relation: Values = ()
    tag: Values = ()
    source: Values = ()
    format: Values = ()
    require: Mapping[str, Values] = field(default_factory=dict)
    exclude: Mapping[str, Values] = field(default_factory=dict)
    gated: bool | None = None
    gone: bool | None = False
    has_safetensors: bool | None = None
    updated_since: str | None = None
    min_params: int | None = None
    max_params: int | None = None
    sort: str = "relevance"
    ascending: bool = False
    limit: int | None = None
    cursor: str | None = None

    def __post_init__(self) -> None:
        if self.sort not in SORTS:
            raise InvalidQuery(f"Cannot sort by {self.sort!r}.", f"Sort by one of: {', '.join(SORTS)}")
        if self.limit is not None and self.limit < 0:
            raise InvalidQuery(f"A limit of {self.limit} is impossible.")
        if self.updated_since is not None and epoch(self.updated_since) is None:
            raise InvalidQuery(f"{self.updated_since!r} is no date.", "Write it as 2026-08-22.")
        low, high = self.min_params, self.max_params
        if low is not None and high is not None and low > high:
            raise InvalidQuery(f"No model has at least {low} and at most {high} parameters.")

    @classmethod
    def of(cls, text: str = "", **facets: Anything) -> Query:
        """A query from loose values: one text or several for a facet, `not_<facet>` to exclude.

        Raises:
            UsageError: no facet is called so.
        """
        known = {f.name for f in fields(cls)}
        values: dict[str, Anything] = {}
        exclude: dict[str, Values] = {}
        for name, value in facets.items():
            plain = name.removeprefix("not_")
            if name != plain and plain in FACETS:
                exclude[plain] = _several(value)
            elif name in FACETS:
                values[name] = _several(value)
            elif name in known:
                values[name] = value
            else:
                choices = [*known, *(f"not_{facet}" for facet in FACETS)]
                raise UsageError(f"A search has no {name!r}.{did_you_mean(suggest(name, choices))}")
        if exclude:
            values["exclude"] = {**values.get("exclude", {}), **exclude}
        return cls(text=text, **values)

    def facets(self) -> Iterable[tuple[str, Values]]:
        """The facets that hold values."""
        return ((name, values) for name in FACETS if (values := getattr(self, name)))


@dataclass(frozen=True)
class Search:
    """A query that was read: its plan, and the words that relevance is judged by."""

    plan: Node
    words: tuple[str, ...]


def read(query: Query) -> Search:
    """The plan of a query.

    Raises:
        UnknownTask, UnknownLicense: a facet's value is no task or license; the message names near ones.
    """
    parts: list[Node] = []
    for name, values in query.facets():
        parts.append(_alternatives(name, values))
    for name, values in query.require.items():
        parts.extend(_facet(name, value.strip()) for value in values)
    for name, values in query.exclude.items():
        parts.append(Not(_alternatives(name, values)))
    if query.has_safetensors is not None:
        has = Has("format:safetensors")
        parts.append(has if query.has_safetensors else Not(has))
    if query.gated is not None:
        parts.append(Has(f"gated:{'yes' if query.gated else 'no'}"))
    if query.updated_since is not None:
        parts.append(_updated_since(query.updated_since))
    if query.min_params is not None or query.max_params is not None:
        parts.append(_parameters(query.min_params or 0, query.max_params))
    text = fulltext.read(query.text)
    if text:
        parts.append(text.plan)
    parts.append(Has(EVERY) if query.gone is None else Has(f"gone:{'yes' if query.gone else 'no'}"))
    return Search(All(tuple(parts)), text.words if text else ())


def _several(value: Anything) -> Values:
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else tuple(value)


def _alternatives(name: str, values: Values) -> Node:
    parts = [_facet(name, value.strip()) for value in values]
    return parts[0] if len(parts) == 1 else Any(tuple(parts))


def _facet(name: str, value: str) -> Node:
    if name == "task" and value != UNKNOWN and not _is_raw_task(value):
        value = tasks.resolve(value).id
    elif name == "modality" and value.lower() not in (*tasks.MODALITIES, UNKNOWN):
        raise InvalidQuery(f"{value!r} is no modality.", f"There are: {', '.join(tasks.MODALITIES)}")
    elif name == "license":
        return _license(value)
    elif name == "base_model":
        return Has(f"base:{key_of(value)[:200]}")
    elif name == "tag" and value.startswith(("license:", "dataset:")):
        return Has(facet(*value.split(":", 1)))
    return Has(facet(FACETS[name], value))


def _is_raw_task(value: str) -> bool:
    return tasks.get(value) is not None


def _license(value: str) -> Node:
    if value.lower() in license_facts.GROUPS:
        return Has(f"license:@{value.lower()}")
    try:
        return Has(facet("license", license_facts.resolve(value)))
    except UnknownLicense as error:
        raise UnknownLicense(value, error.near) from None


def _updated_since(date: str) -> Node:
    """Later months and days are sure; a time of day makes the models of that day be looked at."""
    seconds = epoch(date)
    assert seconds is not None
    month, day, _ = date_tokens(date)
    # "month:unknown" and letters altogether sort after every figure.
    later = Any((Between(f"{month}0", "month:a"), All((Has(month), Between(f"{day}0", "day:a")))))
    same_day = Checked(Has(day), partial(_is_since, seconds)) if seconds % 86_400 else Has(day)
    return Any((later, same_day))


def _is_since(seconds: int, candidate: Candidate) -> bool:
    updated = epoch(candidate.doc.get("updated"))
    return updated is not None and updated >= seconds


def _parameters(low: int, high: int | None) -> Node:
    """Whole buckets between the ends, and exact numbers within the buckets of the ends."""
    high = MOST_PARAMETERS if high is None else min(high, MOST_PARAMETERS)
    first, last = params_bucket(low), params_bucket(high)
    exact = [Between(count_token(max(low, least_in(bucket))), count_token(min(high + 1, least_in(bucket + 1))))
             for bucket in {first, last}]  # fmt: skip
    return Any((Between(f"params:{first + 1:03}", f"params:{last:03}"), *exact))
