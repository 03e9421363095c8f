"""The pages of a user: login, tokens, upload."""

from __future__ import annotations

from functools import partial

from fastapi import APIRouter, File, Form, Request, Response, UploadFile
from fastapi.responses import RedirectResponse

from zoohub.errors import ZooError
from zoohub.hub import names
from zoohub.hub.accounts import SESSION_LIFE
from zoohub.hub.api.push import BINARY
from zoohub.hub.commits import CommitRequest
from zoohub.hub.errors import BadRequest, Conflict, Refusal, Unauthorized
from zoohub.hub.transfer import keep_large
from zoohub.hub.web.render import SESSION_COOKIE, Sent, View

router = APIRouter(include_in_schema=False)


@router.get("/login")
def login_page(request: Request) -> Response:
    """The login form."""
    view = View(request)
    return view.page("login.html", problem="", next=inside(request.query_params.get("next")))


@router.post("/login")
def login(
    request: Request,
    name: str = Form(""),
    password: str = Form(""),
    token: str = Form(""),
    next: str = Form("/"),
) -> Response:
    """Log in by name and password."""
    view = View(request)
    accounts = view.hub.accounts
    address = request.client.host if request.client else "-"
    try:
        view.check_form(token)
        accounts.check_guesses(address, view.hub.config.login_rate)
        user_id = accounts.login(name[:100], password[:1000])
    except Refusal as error:
        if isinstance(error, Unauthorized):
            accounts.login_failed(name, address)
        return view.page("login.html", error.status, problem=error.message, next=inside(next))
    return start_session(view, user_id, inside(next))


def start_session(view: View, user_id: int, target: str) -> Response:
    """Answer with the cookie of a new session."""
    value = view.hub.accounts.create_token(user_id, "session", "write", life=SESSION_LIFE, kind="session")
    answer = RedirectResponse(view.root + target, 303)
    answer.set_cookie(
        SESSION_COOKIE, value, max_age=int(SESSION_LIFE), httponly=True, samesite="lax",
        path=view.root or "/", secure=view.base.startswith("https:"),
    )  # fmt: skip
    return answer


def inside(target: str | None) -> str:
    """Where to go after the login: a path of this site and nothing else."""
    safe = target and target.startswith("/") and not target.startswith(("//", "/\\")) and "\\" not in target
    return target if safe and target and target.isprintable() else "/"


@router.post("/logout")
def logout(view: Sent) -> Response:
    """End the session."""
    if view.actor.id is not None and view.actor.token_id is not None:
        view.hub.accounts.revoke(view.actor.id, view.actor.token_id)
    answer = RedirectResponse(view.root + "/", 303)
    answer.delete_cookie(SESSION_COOKIE, path=view.root or "/")
    return answer


@router.get("/settings/tokens")
def tokens_page(request: Request) -> Response:
    """The user's access tokens."""
    return _tokens(View(request))


@router.post("/settings/tokens")
def tokens(
    view: Sent,
    name: str = Form(""),
    role: str = Form("read"),
    scope: str = Form(""),
    days: str = Form(""),
    revoke: str = Form(""),
) -> Response:
    """Make or revoke a token."""
    if view.actor.id is None:
        return _to_login(view)
    made = problem = ""
    try:
        if revoke:
            view.hub.accounts.revoke(view.actor.id, int(revoke) if revoke.isdigit() else -1)
            view.hub.accounts.note(view.actor.name, "token.revoke", view.actor.name, {"id": revoke})
        else:
            life = float(days) * 86400 if days.isdigit() and int(days) else None
            made = view.hub.accounts.create_token(
                view.actor.id, name.strip(), role, scope=scope.split() or None, life=life
            )
            view.hub.accounts.note(
                view.actor.name, "token.add", view.actor.name, {"name": name, "role": role}
            )
    except Refusal as error:
        problem = error.message
    return _tokens(view, made=made, problem=problem)


def _tokens(view: View, made: str = "", problem: str = "") -> Response:
    if view.actor.id is None:
        return _to_login(view)
    return view.page(
        "tokens.html",
        tokens=view.hub.accounts.tokens(view.actor.id),
        made=made,
        problem=problem,
        endpoint=view.base,
    )


def _to_login(view: View) -> Response:
    path = str(view.request.scope["path"]).removeprefix(view.root)
    return RedirectResponse(view.link("/login", next=path), 303)


@router.get("/upload")
def upload_page(request: Request) -> Response:
    """The form to upload files with."""
    view = View(request)
    if view.actor.anonymous:
        return _to_login(view)
    return view.page("upload.html", problem="", repo=request.query_params.get("repo", ""))


@router.post("/upload")
def upload(
    request: Request,
    token: str = Form(""),
    repo: str = Form(""),
    folder: str = Form(""),
    message: str = Form(""),
    private: str = Form(""),
    files: list[UploadFile] = File(default=[]),  # noqa: B008  # FastAPI reads it at definition
) -> Response:
    """Commit the files of the form."""
    view = View(request)
    if view.actor.anonymous:
        return _to_login(view)
    try:
        view.check_form(token)
        path = _upload(view, repo.strip(), folder.strip("/ "), message.strip(), bool(private), files)
    except ZooError as error:
        status = error.status if isinstance(error, Refusal) else 400
        return view.page("upload.html", status, problem=error.message, repo=repo)
    return RedirectResponse(view.link(path), 303)


def _upload(view: View, repo: str, folder: str, message: str, private: bool, files: list[UploadFile]) -> str:
    namespace, slash, name = repo.partition("/")
    if not slash:
        namespace, name = view.actor.name, repo
    full = f"{namespace}/{names.repo_name(name)}"
    sent = [file for file in files if file.filename]
    if not sent:
        raise BadRequest(view.say("Choose at least one file."))
    try:
        view.hub.create_repo(view.actor, name, namespace, private=private)
    except Conflict:
        pass
    request = CommitRequest(title=message or view.say("Upload in the browser"))
    with view.hub.db.read() as connection:
        target = view.hub.repos.writable(connection, view.actor, "model", full)
    for file in sent:
        path = names.file_path("/".join(filter(None, [folder, (file.filename or "").replace("\\", "/")])))
        if (file.size or 0) <= view.hub.config.max_regular and path.rsplit(".", 1)[-1].lower() not in BINARY:
            request.regular[path] = file.file.read()
        else:
            request.lfs[path] = keep_large(view.hub, target.id, iter(partial(file.file.read, 4 << 20), b""))
    return view.hub.push(view.actor, "model", full, "main", request).repo.path
