"""The pages of one repository: card, files, history, request for access."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy import Connection

from zoohub.errors import ModelNotFound, ZooError
from zoohub.hub.api.base import split_revision
from zoohub.hub.api.files import file_facts
from zoohub.hub.errors import Disabled, EntryNotFound, GatedRepo, RepoNotFound
from zoohub.hub.facts import current_record
from zoohub.hub.gating import access_status, request_access
from zoohub.hub.middleware import SLASH
from zoohub.hub.repos import Commit, Repo
from zoohub.hub.trees import Trees
from zoohub.hub.verdicts import judge
from zoohub.hub.web.lineage import lineage_svg
from zoohub.hub.web.render import View, card_html, members_only
from zoohub.registry import ModelRecord

MAX_CARD = 500_000
MAX_FILES = 2000
router = APIRouter(include_in_schema=False, dependencies=[Depends(members_only)])
PREFIXES = (("/datasets/{ns}/{name}", "dataset"), ("/{ns}/{name}", "model"), ("/{name}", "model"))


@dataclass(slots=True)
class Opened:
    """A repository of this hub that is looked at, with what the user may do."""

    repo: Repo
    commit: Commit
    writes: bool
    access: str | None  # None: readable; else "blocked" or the state of the request: "", pending, rejected


def open_repo(view: View, connection: Connection, type: str, name: str, revision: str = "main") -> Opened:
    """The repository at a revision, as the user may see it.

    Raises:
        RepoNotFound, RevisionNotFound.
    """
    repos = view.hub.repos
    repo = repos.visible(connection, view.actor, type, name)
    access: str | None = None
    try:
        repos.check_read(connection, view.actor, repo)
    except GatedRepo:
        access = access_status(connection, view.actor, repo)
    except Disabled:
        access = "blocked"
    commit = repos.resolve(connection, repo, revision)
    return Opened(repo, commit, repos.can_write(view.actor, repo), access)


def asked_for(request: Request) -> tuple[str, str]:
    """Type and id of the repository that the address names."""
    parts = request.path_params
    path = str(request.scope["path"]).removeprefix(str(request.scope.get("root_path", "")))
    type_ = "dataset" if path.startswith("/datasets/") else "model"
    return type_, f"{parts['ns']}/{parts['name']}" if "ns" in parts else parts["name"]


def model_page(request: Request) -> Response:
    """The page of a model or dataset, of this hub or of the registry alone."""
    view = View(request)
    type_, name = asked_for(request)
    with view.hub.db.read() as connection:
        try:
            opened = open_repo(view, connection, type_, name)
        except RepoNotFound:
            if type_ != "model":
                raise
            return _registry_page(view, name)
        if opened.repo.moved:
            return RedirectResponse(view.link(opened.repo.path), 307)
        record = current_record(opened.repo, opened.commit)
        card = files = None
        if opened.access is None:
            trees = Trees(view.hub.db, connection)
            files = list(trees.files(opened.commit.tree))
            card = _card(view, connection, opened, trees)
    return _render(view, record, type=type_, opened=opened, files=files, card=card)


def _registry_page(view: View, name: str) -> Response:
    try:
        record = view.hub.registry.get(name)
    except ZooError as error:
        raise RepoNotFound(anonymous=False) from error
    return _render(view, record, type="model", opened=None, files=None, card=None)


def _render(view: View, record: ModelRecord, *, opened: Opened | None, **values: Any) -> Response:
    model = values["type"] == "model"
    kin = None
    if model:
        try:
            kin = view.hub.registry.lineage(record.id, depth=4, limit=40)
        except ModelNotFound:
            kin = None  # a private model: the registry knows nothing of it
    verdict = judge(record, view.hub.config.policy, view.hub.registry) if model else None
    return view.page(
        "model.html", record=record, verdict=verdict,
        flags=json.loads(opened.repo.flags) if opened and opened.repo.flags else [],
        lineage=lineage_svg(view, kin) if kin and (kin.bases or kin.derived) else None,
        endpoint=view.base, opened=opened, **values,
    )  # fmt: skip


def _card(view: View, connection: Connection, opened: Opened, trees: Trees) -> Any:
    entry = trees.find(opened.commit.tree, "README.md")
    blob = view.hub.blobs.get(entry.sha256, connection) if entry and entry.sha256 else None
    if blob is None:
        return None
    from zoohub.cards import Card

    text = view.hub.blobs.read(blob, 0, MAX_CARD)
    try:
        body = Card.read(text).body
    except ZooError:
        return None
    return card_html(body, f"{view.root}{opened.repo.path}/resolve/{opened.commit.oid}")


def files_page(request: Request) -> Response:
    """The files of a folder at one revision."""
    view = View(request)
    type_, name = asked_for(request)
    given = str(request.path_params.get("rev", "main")).replace(SLASH, "/")
    revision, path = split_revision(given, str(request.path_params.get("path", "")).strip("/"))
    with view.hub.db.read() as connection:
        opened = open_repo(view, connection, type_, name, revision)
        if opened.access is not None:
            return RedirectResponse(view.link(opened.repo.path), 303)
        trees = Trees(view.hub.db, connection)
        folder = trees.find(opened.commit.tree, path)
        if folder is None or not folder.folder:
            raise EntryNotFound(opened.commit.oid)
        prefix = f"{path}/" if path else ""
        entries = list(trees.walk(folder.oid, prefix, recursive=False))
        entries.sort(key=lambda item: (not item[1].folder, item[0]))
        refs = view.hub.repos.refs(connection, opened.repo)
    return view.page(
        "files.html", opened=opened, type=type_, revision=revision, path=path,
        refs=[row.name for row in refs], files=[file_facts(*item) for item in entries[:MAX_FILES]],
        more=max(len(entries) - MAX_FILES, 0),
        quoted=lambda text: quote(text, safe="/"), rev=quote(revision, safe=""),
    )  # fmt: skip


def commits_page(request: Request) -> Response:
    """The history of a revision."""
    view = View(request)
    type_, name = asked_for(request)
    revision = str(request.path_params.get("rev", "main")).replace(SLASH, "/")
    with view.hub.db.read() as connection:
        opened = open_repo(view, connection, type_, name, revision)
        history = []
        for commit in view.hub.repos.history(connection, opened.commit):
            history.append(commit)
            if len(history) == 100:
                break
    return view.page("commits.html", opened=opened, type=type_, revision=revision, history=history)


def ask_page(request: Request, token: str = Form("")) -> Response:
    """Request access to a gated repository."""
    view = View(request)
    view.check_form(token)
    type_, name = asked_for(request)
    request_access(view.hub, view.actor, type_, name, {})
    path = f"/{name}" if type_ == "model" else f"/datasets/{name}"
    return RedirectResponse(view.link(path), 303)


for _prefix, _ in PREFIXES:
    router.add_api_route(_prefix + "/tree/{rev}", files_page, methods=["GET"])
    router.add_api_route(_prefix + "/tree/{rev}/{path:path}", files_page, methods=["GET"])
    router.add_api_route(_prefix + "/commits/{rev:path}", commits_page, methods=["GET"])
    router.add_api_route(_prefix + "/commit/{rev}", files_page, methods=["GET"])
    router.add_api_route(_prefix + "/ask-access", ask_page, methods=["POST"])
for _prefix, _ in PREFIXES:
    router.add_api_route(_prefix, model_page, methods=["GET"])
