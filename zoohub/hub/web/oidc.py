"""Login at another place: to the OpenID Connect provider and back."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from zoohub.hub.errors import NotFound, Refusal, Unauthorized
from zoohub.hub.oidc import LIFE, Provider, user_of
from zoohub.hub.web.account import inside, start_session
from zoohub.hub.web.render import View

COOKIE = "zoo_oidc"
router = APIRouter(include_in_schema=False)


@router.get("/login/oidc")
def leave(request: Request) -> Response:
    """Send the browser to the provider."""
    view = View(request)
    provider = _provider(view)
    url, kept = provider.start(_back(view))
    answer = RedirectResponse(url, 303)
    value = view.hub.signer.sign("oidc", kept | {"next": inside(request.query_params.get("next"))}, LIFE)
    answer.set_cookie(
        COOKIE, value, max_age=int(LIFE), httponly=True, samesite="lax", path=view.root + "/login",
        secure=view.base.startswith("https:"),
    )  # fmt: skip
    return answer


@router.get("/login/oidc/callback")
def come_back(request: Request) -> Response:
    """Log in whom the provider sends back to the browser that left from here."""
    view = View(request)
    provider = _provider(view)
    address = request.client.host if request.client else None
    try:
        kept = view.hub.signer.read("oidc", request.cookies.get(COOKIE, ""))
        person = provider.finish(_back(view), request.url.query, kept)
        user_id = user_of(view.hub.accounts, person, create=view.hub.config.oidc_create)
    except Refusal as error:
        view.hub.accounts.note("-", "login.failed", "oidc", address=address)
        message = (
            "This login took too long or began elsewhere."
            if isinstance(error, Unauthorized)
            else error.message
        )
        return view.page("login.html", error.status, problem=view.say(message), next="/")
    answer = start_session(view, user_id, inside(kept["next"]))
    answer.delete_cookie(COOKIE, path=view.root + "/login")
    return answer


def _provider(view: View) -> Provider:
    if view.hub.oidc is None:
        raise NotFound("This hub has no other login")
    return view.hub.oidc


def _back(view: View) -> str:
    return f"{view.base}/login/oidc/callback"
