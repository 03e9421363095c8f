"""The OpenAPI description: what FastAPI makes of the routes, and the parameters that handlers read."""

from __future__ import annotations

import re
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

_PARAMETER = re.compile(r"\{(\w+)\}")
PATH_NOTES = {
    "ns": "The namespace: a user or an organization.",
    "name": "The repository's name; a whole id where it has no namespace.",
    "rev": "A branch, a tag, a commit id, or refs/pr/N; its '/' sent as %2F.",
    "path": "The path of a file or folder.",
}
LISTING = {
    "search": "Words of the name or the description.",
    "author": "The namespace.",
    "filter": "A task, library, language, format, tag, license:..., dataset:..., base_model:...; repeatable.",
    "pipeline_tag": "The task.",
    "num_parameters": "Bounds such as min:1B,max:8B.",
    "sort": "downloads, likes, lastModified, createdAt, trendingScore or num_parameters.",
    "limit": "At most so many on a page (1 to 1000).",
    "cursor": "Where to go on; the Link header has it.",
    "expand": "Only these keys; repeat for more.",
    "full": "With all files.",
}
QUERIES: dict[str, dict[str, str]] = {
    "/api/models": LISTING,
    "/api/datasets": {key: LISTING[key] for key in ("search", "author", "filter", "limit", "cursor", "full")},
}
TREE = {
    "recursive": "Folders within too.",
    "expand": "With the last commit of each.",
    "limit": "",
    "cursor": "",
}


def unique_id(route: APIRoute) -> str:
    """The id of an operation: its function and its address."""
    return re.sub(r"\W+", "_", f"{route.name}_{route.path_format}").strip("_")


def describe(app: FastAPI) -> None:
    """Let the application describe itself in full."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = get_openapi(
                title=app.title, version=app.version, description=app.description, routes=app.routes
            )
            for path, operations in schema["paths"].items():
                for method, operation in operations.items():
                    _complete(path, method, operation)
            schema.setdefault("components", {})["securitySchemes"] = {
                "token": {"type": "http", "scheme": "bearer"}
            }
            schema["security"] = [{"token": []}, {}]
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _complete(path: str, method: str, operation: dict[str, Any]) -> None:
    parameters: list[dict[str, Any]] = operation.setdefault("parameters", [])
    known = {item["name"] for item in parameters}
    parameters += [
        _parameter(name, "path", PATH_NOTES.get(name, ""), required=True)
        for name in _PARAMETER.findall(path)
        if name not in known
    ]
    queries = TREE if "/tree/" in path else QUERIES.get(path, {})
    for name, note in queries.items() if method == "get" else ():
        parameters.append(_parameter(name, "query", note, required=False))
    if method in ("post", "put") or path.endswith("/delete"):
        content = "application/x-ndjson" if "/commit/" in path else "application/json"
        schema = {"type": "string"} if "/commit/" in path else {"type": "object"}
        operation.setdefault("requestBody", {"content": {content: {"schema": schema}}})


def _parameter(name: str, place: str, note: str, *, required: bool) -> dict[str, Any]:
    found = {"name": name, "in": place, "required": required, "schema": {"type": "string"}}
    return found | ({"description": note} if note else {})
