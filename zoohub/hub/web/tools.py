"""The pages that advise: the recommend form and the license audit."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends, Request, Response

from zoohub import tasks
from zoohub.errors import UsageError, ZooError
from zoohub.hub.verdicts import POLICIES, audit_models
from zoohub.hub.web.render import View, members_only
from zoohub.hub.web.search import find_record
from zoohub.registry import ModelRecord
from zoohub.selector import Answer, answer

MOST_MODELS = 50
router = APIRouter(include_in_schema=False, dependencies=[Depends(members_only)])


@router.get("/recommend")
def recommend(request: Request) -> Response:
    """Which model fits: the form, and what the selector answers."""
    view = View(request)
    names = ("task", "samples", "classes", "language", "memory", "license")
    form = {name: request.query_params.get(name, "").strip() for name in names}
    found, problem = None, ""
    if form["task"]:
        try:
            found = _advice(view, form)
        except ZooError as error:
            problem = error.message
    shown = sorted(tasks.TASKS, key=lambda task: view.task_name(task.id))
    return view.page("recommend.html", form=form, tasks=shown, found=found, problem=problem)


def _advice(view: View, form: dict[str, str]) -> Answer:
    wishes: dict[str, Any] = {key: form[key] for key in ("language", "memory", "license") if form[key]}
    for key in ("samples", "classes"):
        if form[key]:
            if not form[key].isdigit() or len(form[key]) > 12:
                raise UsageError(f"{form[key][:40]!r} is no number")
            wishes[key] = int(form[key])
    return answer(form["task"], registry=view.hub.registry, limit=10, **wishes)


@router.get("/audit")
def audit(request: Request) -> Response:
    """May these models be used: the form, and the report."""
    view = View(request)
    text, policy = request.query_params.get("models", ""), request.query_params.get("policy", "")
    report, problem = None, ""
    wanted = [line.strip() for line in text.replace(",", "\n").splitlines() if line.strip()]
    if wanted:
        try:
            if policy and policy not in POLICIES:
                raise UsageError(f"There is no policy {policy[:40]!r}")
            models = [_seen(view, name) for name in wanted[:MOST_MODELS]]
            report = audit_models(models, policy or view.hub.config.policy, view.hub.registry)
        except ZooError as error:
            problem = error.message
    return view.page(
        "audit.html", models=text, policy=policy, policies=POLICIES, report=report, problem=problem
    )


def _seen(view: View, name: str) -> str | ModelRecord:
    """The record of a model that the user may see; the name where there is none, which is a finding."""
    try:
        return find_record(view, name)
    except ZooError:
        return name
