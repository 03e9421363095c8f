"""The ASGI application: all routes, and what becomes of errors."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator

from anyio import to_thread
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from sqlalchemy.exc import DBAPIError, OperationalError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

import zoohub
from zoohub.errors import ZooError
from zoohub.hub.api import discussions, downloads, files, lfs, listing, people, push, repos, xet
from zoohub.hub.config import Config
from zoohub.hub.errors import DISK_FULL, Refusal, StorageFull
from zoohub.hub.limits import RateLimit
from zoohub.hub.middleware import EncodedSlashes, Metrics, Observe, log
from zoohub.hub.openapi import describe, unique_id
from zoohub.hub.searchers import Searchers
from zoohub.hub.service import Hub
from zoohub.hub.shortcuts import Shortcuts
from zoohub.hub.web import account, models, oidc, search, tools
from zoohub.hub.web import discussions as discussion_pages
from zoohub.hub.web.render import View

FLUSH_EVERY = 10.0
CATCH_UP_TURNS = 30
WORDS_TURNS = 60
SHORTCUTS = [
    ("GET", "/api/models", listing.listing),
    *[
        ("GET|HEAD", f"{prefix}/{name}/resolve/{{rev}}/{{path:path}}", downloads.resolve)
        for prefix in ("/datasets", "")
        for name in ("{ns}/{name}", "{name}")
    ],
]


def create_app(config: Config, hub: Hub | None = None) -> FastAPI:
    """The hub as an ASGI application. Without `hub`, one is opened at start-up and closed at the end."""
    app = FastAPI(
        title="zoohub", version=zoohub.__version__, lifespan=_lifespan, docs_url=None, redoc_url=None,
        generate_unique_id_function=unique_id,
        description=(
            "A private model hub that the unmodified Hugging Face client talks to. Send an access token as "
            "`Authorization: Bearer <token>`."
        ),
    )  # fmt: skip
    app.state.config, app.state.hub, app.state.metrics = config, hub, Metrics()
    _add_routes(app)
    describe(app)
    _add_error_handlers(app)
    app.state.xorbs = asyncio.Semaphore(xet.AT_A_TIME)
    app.state.asked = {}  # lists of models that are being looked for
    app.add_middleware(Shortcuts, routes=SHORTCUTS)
    app.add_middleware(RateLimit, limit=config.rate)
    app.add_middleware(Observe, metrics=app.state.metrics)
    app.add_middleware(EncodedSlashes)
    return app


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    opened = app.state.hub is None
    if opened:
        app.state.hub = await to_thread.run_sync(Hub, app.state.config)
    app.state.searchers = Searchers(app.state.config.database_url, app.state.config.searchers)
    upkeep = asyncio.create_task(_keep_up(app.state.hub))
    try:
        yield
    finally:
        upkeep.cancel()
        await app.state.searchers.close()
        await to_thread.run_sync(app.state.hub.close if opened else app.state.hub.flush)


async def _keep_up(hub: Hub) -> None:
    """What is due every few seconds: writing the counted downloads; now and then: looking after the index."""
    for turn in itertools.count():
        try:
            await to_thread.run_sync(hub.flush)
            if turn % WORDS_TURNS == 0:
                await to_thread.run_sync(hub.words.renew)
            if turn % CATCH_UP_TURNS == 0 and (lost := await to_thread.run_sync(hub.catch_up)):
                log.warning("%d models of this hub had to be indexed anew", lost)
        except (DBAPIError, ZooError):
            log.exception("The upkeep failed; it is tried again")
        await asyncio.sleep(FLUSH_EVERY)


def _add_routes(app: FastAPI) -> None:
    app.add_api_route("/health", health, methods=["GET"], tags=["operation"])
    app.add_api_route("/health", health, methods=["HEAD"], include_in_schema=False)
    app.add_api_route("/metrics", metrics, methods=["GET"], tags=["operation"])
    app.include_router(people.router, tags=["people"])
    app.include_router(repos.manage_router, tags=["repositories"])
    app.include_router(xet.store_router)
    app.include_router(lfs.transfer_router)
    for plural in ("models", "datasets"):
        # What lists must come before what names a repository, and verbs before ids of two parts.
        for part in (
            listing.router,
            files.router,
            push.router,
            xet.token_router,
            people.gate_router,
            discussions.router,
            repos.info_router,
        ):
            app.include_router(part, prefix=f"/api/{plural}", tags=[plural])
    for prefix in ("/datasets", ""):
        app.include_router(downloads.resolve_router, prefix=prefix, tags=["download"])
        app.include_router(lfs.router, prefix=prefix, tags=["upload"])
    # Pages come last: the page of a model is any path of one or two parts.
    for pages in (
        search.static_router,
        search.router,
        tools.router,
        account.router,
        oidc.router,
        discussion_pages.router,
        models.router,
    ):
        app.include_router(pages)


def health(request: Request) -> Response:
    """Whether the hub is alive and reaches its database."""
    hub: Hub = request.app.state.hub
    with hub.db.read() as connection:
        connection.exec_driver_sql("SELECT 1")
    return JSONResponse({"status": "ok", "version": zoohub.__version__})


def metrics(request: Request) -> Response:
    """Figures for Prometheus, of this process."""
    return PlainTextResponse(
        generate_latest(request.app.state.metrics.registry), media_type=CONTENT_TYPE_LATEST
    )


def _add_error_handlers(app: FastAPI) -> None:
    @app.exception_handler(Refusal)
    async def refused(request: Request, error: Refusal) -> Response:
        return await tell(request, error.status, error.message, error.code, error.headers)

    @app.exception_handler(ZooError)
    async def zoo_error(request: Request, error: ZooError) -> Response:
        return await tell(request, 400, error.message)

    @app.exception_handler(HTTPException)
    async def http_error(request: Request, error: HTTPException) -> Response:
        return await tell(request, error.status_code, str(error.detail), headers=dict(error.headers or {}))

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        text = "; ".join(f"{item['loc'][-1]}: {item['msg']}" for item in error.errors())
        return await tell(request, 422, text)

    @app.exception_handler(ClientDisconnect)
    async def gone(_request: Request, _error: ClientDisconnect) -> Response:
        return Response(status_code=499)

    @app.exception_handler(OSError)
    async def disk(request: Request, error: OSError) -> Response:
        if error.errno in DISK_FULL:
            return answer(507, StorageFull.MESSAGE)
        return unexpected(request, error)

    @app.exception_handler(OperationalError)
    async def busy(request: Request, error: OperationalError) -> Response:
        if "locked" in str(error.orig):
            return answer(503, "The database is busy. Try again.", headers={"Retry-After": "2"})
        if "full" in str(error.orig):
            return answer(507, StorageFull.MESSAGE)
        return unexpected(request, error)

    @app.exception_handler(Exception)
    async def failed(request: Request, error: Exception) -> Response:
        return unexpected(request, error)


def unexpected(request: Request, error: Exception) -> Response:
    """An error that nobody foresaw: logged whole, told without details."""
    log.error("Unexpected error", exc_info=error, extra={"facts": {"id": request.state.request_id}})
    return answer(500, "Internal error; the log of the hub has the details under this request's id")


async def tell(
    request: Request,
    status: int,
    message: str,
    code: str | None = None,
    headers: dict[str, str] | None = None,
) -> Response:
    """An error as a page for a browser, else as the Hugging Face client reads it."""
    wants_page = request.headers.get("accept", "").startswith(
        "text/html"
    ) and not request.url.path.startswith("/api/")
    plain = answer(status, message, code, headers)
    if status < 400 or not wants_page or request.app.state.hub is None:
        return plain

    def render() -> Response:
        page = View(request).page("error.html", status, code=status, message=message)
        page.headers.update({key: value for key, value in plain.headers.items() if key.startswith("x-")})
        return page

    return await to_thread.run_sync(render)


def answer(
    status: int, message: str, code: str | None = None, headers: dict[str, str] | None = None
) -> Response:
    """An error as the Hugging Face client reads it: headers for the code and the message, JSON for people."""
    plain = message.encode("ascii", "backslashreplace").decode().replace("\r", " ").replace("\n", " ")
    extra = {"X-Error-Message": plain[:1000], **(headers or {})}
    if code:
        extra["X-Error-Code"] = code
    if status == 401:
        extra["WWW-Authenticate"] = "Bearer"
    return JSONResponse({"error": message}, status, headers=extra)
