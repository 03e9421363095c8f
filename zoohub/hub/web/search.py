"""The pages that find models: search with facets, comparison."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import FileResponse

from zoohub.cards import licenses
from zoohub.errors import ZooError
from zoohub.hub.api.listing import hidden
from zoohub.hub.errors import NotFound
from zoohub.hub.facts import current_record
from zoohub.hub.modelfacts import HOSTED, OWN
from zoohub.hub.web.render import HERE, View, human_bytes, human_count, members_only
from zoohub.registry import SORTS, ModelRecord, Query

FACETS = ("task", "license", "library", "language", "source")
UNKNOWN = "unknown"
PAGE = 30
SHOWN_VALUES = 12

router = APIRouter(include_in_schema=False, dependencies=[Depends(members_only)])
static_router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True)
class FacetValue:
    """One value of a facet: how many models have it, and the address that turns it on or off."""

    value: str
    label: str
    count: int
    on: bool
    link: str


@router.get("/")
@router.get("/search")
def search(request: Request) -> Response:
    """Search, with facets and counts."""
    view = View(request)
    params = request.query_params
    problem, query = "", Query()
    try:
        query = _query(params)
        page = view.hub.registry.search(replace(query, limit=PAGE, cursor=params.get("cursor") or None))
        records, cursor = list(page), page.cursor
        total = view.hub.counts.total(query)
        facets = {"place": [_place(view, query)], **{name: _facet(view, name, query) for name in FACETS}}
    except ZooError as error:
        problem, records, cursor, total, facets = error.message, [], None, 0, {}
    own = [] if params.get("cursor") else hidden_records(view, query)
    values: dict[str, Any] = {
        "records": [*own, *records], "own": {record.id for record in own}, "cursor": cursor,
        "total": total + len(own), "facets": facets, "query": params.get("q", ""), "problem": problem,
        "sort": params.get("sort", "relevance"), "sorts": SORTS, "license_answer": license_answer, "own_origin": OWN,
    }  # fmt: skip
    return view.page("_results.html" if params.get("partial") else "search.html", **values)


def _query(params: Any) -> Query:
    facets: dict[str, Any] = {name: tuple(params.getlist(name)) for name in FACETS if params.get(name)}
    if params.get("author"):
        facets["author"] = (params["author"],)
    if params.get("place") == "here":
        facets["require"] = {"tag": (HOSTED,)}
    sort = params.get("sort", "relevance")
    return Query(text=params.get("q", "")[:300], sort=sort if sort in SORTS else "relevance", **facets)


def _place(view: View, query: Query) -> FacetValue:
    """The choice between what this hub has and all that is known."""
    on = bool(query.require)
    count = view.hub.counts.total(replace(query, require={"tag": (HOSTED,)}))
    return FacetValue(
        "here", view.say("on this hub"), count, on, view.with_query(place=None if on else "here")
    )


def _facet(view: View, name: str, query: Query) -> list[FacetValue]:
    """The values of one facet, counted over what the other facets leave."""
    chosen: tuple[str, ...] = getattr(query, name)
    nothing: dict[str, Any] = {name: ()}
    counts = view.hub.counts.by(name, replace(query, **nothing))
    names = [
        *chosen,
        *(value for value, _ in counts.most_common(SHOWN_VALUES + len(chosen)) if value not in chosen),
    ]
    found = []
    for value in names[:SHOWN_VALUES]:
        rest = [item for item in chosen if item != value]
        link = view.with_query(**{name: rest if value in chosen else [*chosen, value]})
        label = view.task_name(value) if name == "task" else value
        label = view.say("unknown") if value == UNKNOWN else label
        found.append(FacetValue(value, label, counts.get(value, 0), value in chosen, link))
    return found


def hidden_records(view: View, query: Query) -> list[ModelRecord]:
    """The private models that the user may see and that match; only they themselves see them."""
    found = hidden(view.hub, view.actor, query, 500)
    with view.hub.db.read() as connection:
        return [
            current_record(repo, view.hub.repos.resolve(connection, repo, "main")) for repo in found[:PAGE]
        ]


def license_answer(record: ModelRecord) -> str:
    """Whether the license allows commercial use: yes, no or unknown."""
    return licenses.get(record.license).answer("commercial")


@router.get("/compare")
def compare(request: Request) -> Response:
    """Two or more models side by side."""
    view = View(request)
    names = [name.strip() for name in request.query_params.getlist("id") if name.strip()][:4]
    records, problems = [], []
    for name in names:
        try:
            records.append(find_record(view, name))
        except ZooError as error:
            problems.append(error.message)
    rows = comparison(view, records)
    return view.page("compare.html", names=names, records=records, problems=problems, rows=rows)


def find_record(view: View, name: str) -> ModelRecord:
    """The record of a model that the user may see, of this hub or of the registry.

    Raises:
        ModelNotFound, AmbiguousModel.
    """
    with view.hub.db.read() as connection:
        repo = view.hub.repos.find(connection, "model", name)
        if repo is not None and view.hub.repos.can_see(view.actor, repo):
            return current_record(repo, view.hub.repos.resolve(connection, repo, "main"))
    return view.hub.registry.get(name)


def comparison(view: View, records: list[ModelRecord]) -> list[tuple[str, list[Any], bool]]:
    """Rows of a table: what is compared, a value for each model, whether the values differ."""

    def row(label: str, values: list[Any]) -> tuple[str, list[Any], bool]:
        return view.say(label), values, len({str(value) for value in values}) > 1

    metrics: Mapping[tuple[str, str], None] = dict.fromkeys(
        (metric.dataset or "", metric.metric) for record in records for metric in record.metrics
    )
    rows = [
        row("Task", [view.task_name(record.task) for record in records]),
        row(
            "License",
            [view.say(UNKNOWN) if record.license == UNKNOWN else record.license for record in records],
        ),
        row("Commercial use", [view.say(license_answer(record)) for record in records]),
        row("Parameters", [human_count(record.parameters) for record in records]),
        row("Size", [human_bytes(record.size) for record in records]),
        row("Library", [record.library or "" for record in records]),
        row("Formats", [", ".join(record.formats) for record in records]),
        row("Languages", [", ".join(record.languages[:12]) for record in records]),
        row("Base models", [", ".join(base.id for base in record.base_models) for record in records]),
        row("Downloads", [human_count(record.downloads) for record in records]),
        row("Updated", [(record.updated or "")[:10] for record in records]),
    ]
    for dataset, name in list(metrics)[:30]:
        values = [
            next((m.value for m in record.metrics if (m.dataset or "", m.metric) == (dataset, name)), "")
            for record in records
        ]
        rows.append((f"{name} · {dataset}", values, len(set(map(str, values))) > 1))
    return [item for item in rows if any(str(value) for value in item[1])]


@router.get("/docs")
def docs(request: Request) -> Response:
    """The calls of the API."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for path, operations in request.app.openapi()["paths"].items():
        for method, operation in operations.items():
            about = str(operation.get("description", "")).split("\n")[0]
            facts = {"method": method.upper(), "path": path, "about": about}
            facts["parameters"] = operation.get("parameters", [])
            groups.setdefault(operation.get("tags", ["other"])[0], []).append(facts)
    return View(request).page("docs.html", groups=groups)


@static_router.get("/static/{name}")
def static(name: str) -> Response:
    """A file of the pages' own."""
    path = HERE / "static" / name
    if path.parent != HERE / "static" or not path.is_file():
        raise NotFound("No such file")
    return FileResponse(path, headers={"Cache-Control": "public, max-age=31536000, immutable"})


@static_router.get("/robots.txt")
def robots() -> Response:
    """A private hub is not for search engines."""
    return Response("User-agent: *\nDisallow: /\n", media_type="text/plain")


@static_router.get("/favicon.ico")
def favicon() -> Response:
    """The icon."""
    return FileResponse(HERE / "static" / "icon.svg", media_type="image/svg+xml")
