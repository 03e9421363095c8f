"""How pages are made: templates, languages, safe Markdown, and what every page knows."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote, urlencode

from fastapi import Depends, Form, HTTPException, Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from zoohub import tasks
from zoohub.hub.accounts import NOBODY, Actor
from zoohub.hub.api.base import run
from zoohub.hub.errors import Unauthorized
from zoohub.hub.modelfacts import iso
from zoohub.hub.service import Hub

HERE = Path(__file__).parent
LANGUAGES = {"en": "English", "zh": "中文"}
SESSION_COOKIE = "zoo_session"
# Nothing but what this site itself serves is loaded, whatever a card or a file name may hold.
POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_CARD_TAGS = frozenset({
    "a", "b", "blockquote", "br", "code", "dd", "del", "details", "div", "dl", "dt", "em", "h1", "h2",
    "h3", "h4", "h5", "h6", "hr", "i", "img", "kbd", "li", "ol", "p", "pre", "s", "span", "strong", "sub",
    "summary",
    "sup", "table", "tbody", "td", "th", "thead", "tr", "ul",
})  # fmt: skip
_ABSOLUTE = re.compile(r"(?i)^([a-z][a-z0-9+.-]*:|//|#|/)")


@lru_cache
def _phrases(language: str) -> dict[str, str]:
    path = HERE / f"{language}.json"
    found: dict[str, str] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return found


def translate(text: str, language: str) -> str:
    """An English phrase in another language; the phrase itself where there is no translation."""
    return _phrases(language).get(text, text)


class View:
    """One request for a page: who asks, in which language, and how to answer."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.hub: Hub = request.app.state.hub
        self.language = self._language()
        self._actor: Actor | None = None

    def _language(self) -> str:
        wanted = self.request.query_params.get("lang") or self.request.cookies.get("zoo_lang")
        if wanted in LANGUAGES:
            return wanted
        for part in self.request.headers.get("accept-language", "").split(","):
            short = part.split(";")[0].strip()[:2].lower()
            if short in LANGUAGES:
                return short
        return "en"

    @property
    def actor(self) -> Actor:
        """Who is logged in; a session that has ended is nobody."""
        if self._actor is None:
            token = self.request.cookies.get(SESSION_COOKIE)
            self._actor = NOBODY
            if token:
                try:
                    found = self.hub.accounts.actor(token)
                    self._actor = found if found.session else NOBODY
                except Unauthorized:
                    pass
            self.request.state.actor = self._actor.name or None
        return self._actor

    @property
    def base(self) -> str:
        """The hub's own address, without '/' at the end."""
        public = self.hub.config.public_url
        return (public or str(self.request.base_url)).rstrip("/")

    @property
    def root(self) -> str:
        """The path that all addresses of the hub begin with, behind a proxy."""
        return str(self.request.scope.get("root_path", "")).rstrip("/")

    def form_token(self) -> str:
        """What a form carries to show that it came from this site, for this session."""
        return self.hub.signer.sign("form", {"session": self.actor.token_id}, 12 * 3600)

    def check_form(self, token: object) -> None:
        """Refuse a form that another site sent.

        Raises:
            Unauthorized.
        """
        site = self.request.headers.get("sec-fetch-site")
        origin = self.request.headers.get("origin")
        foreign = site not in (None, "same-origin", "none") or (
            origin not in (None, "null", self.base) and origin != str(self.request.base_url).rstrip("/")
        )
        data = self.hub.signer.read("form", str(token or ""))
        if foreign or data["session"] != self.actor.token_id:
            raise Unauthorized(
                "This form came from another site or an ended session. Go back and reload the page."
            )

    def say(self, text: str, **values: object) -> str:
        """A phrase in the page's language, with values put in."""
        phrase = translate(text, self.language)
        return phrase.format(**values) if values else phrase

    def page(self, template: str, status: int = 200, **values: Any) -> HTMLResponse:
        """A page as an answer."""
        text = environment().get_template(template).render(view=self, _=self.say, actor=self.actor, **values)
        answer = HTMLResponse(text, status, headers={
            "Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "same-origin", "X-Frame-Options": "DENY", "Vary": "Cookie, Accept-Language",
            "Cache-Control": "no-store" if not self.actor.anonymous else "private, no-cache",
        })  # fmt: skip
        if self.request.query_params.get("lang") in LANGUAGES:
            answer.set_cookie("zoo_lang", self.language, max_age=365 * 86400, samesite="lax", httponly=True)
        return answer

    def link(self, path: str, **query: object) -> str:
        """An address of this hub, with its query."""
        found = {key: value for key, value in query.items() if value not in (None, "", [])}
        return self.root + quote(path, safe="/@%:+") + (f"?{urlencode(found, doseq=True)}" if found else "")

    def with_query(self, **changes: object) -> str:
        """The address of this page with some of its query changed; None takes a key away."""
        params = self.request.query_params
        query: dict[str, object] = {
            key: params.getlist(key) for key in params if key not in ("cursor", "partial")
        }
        query |= changes
        path = str(self.request.scope["path"]).removeprefix(self.root)
        return self.link(path, **query)

    def day(self, seconds: float | None) -> str:
        """The day of a time; nothing for None."""
        return (iso(seconds) or "")[:10]

    def task_name(self, task: str | None) -> str:
        """The name of a task in the page's language."""
        found = tasks.get(task or "")
        return (task or "") if found is None else (found.name_zh if self.language == "zh" else found.name)


def sent_form(request: Request, token: str = Form("")) -> View:
    """The view of a form that was sent from this site.

    Raises:
        Unauthorized: see `View.check_form`.
    """
    view = View(request)
    view.check_form(token)
    return view


Sent = Annotated[View, Depends(sent_form)]


async def members_only(request: Request) -> None:
    """Sends strangers to the login where this hub shows them nothing, whatever the address."""
    view = View(request)
    if view.hub.config.login_required and await run(lambda: view.actor.anonymous):
        path = str(request.scope["path"]).removeprefix(view.root)
        raise HTTPException(303, headers={"Location": view.link("/login", next=path)})


@lru_cache
def environment() -> Environment:
    """The templates."""
    made = Environment(
        loader=FileSystemLoader(HERE / "templates"), autoescape=select_autoescape(default=True),
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    made.filters |= {"count": human_count, "bytes": human_bytes, "day": lambda text: (text or "")[:10]}
    made.globals |= {"languages": LANGUAGES, "style_version": style_version()}
    return made


@lru_cache
def style_version() -> str:
    """Changes when a static file changes, so that browsers may keep them."""
    import hashlib

    digest = hashlib.sha256()
    for path in sorted((HERE / "static").iterdir()):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def human_count(number: float | None) -> str:
    """1234567 -> 1.2M; nothing for None."""
    return _human(number, 1000, ("", "k", "M", "B", "T"))


def human_bytes(number: float | None) -> str:
    """1536 -> 1.5 KiB; nothing for None."""
    return _human(number, 1024, (" B", " KiB", " MiB", " GiB", " TiB"))


def _human(number: float | None, base: int, units: tuple[str, ...]) -> str:
    if number is None:
        return ""
    value, unit = float(number), 0
    while abs(value) >= base and unit < len(units) - 1:
        value, unit = value / base, unit + 1
    return f"{value:.0f}{units[unit]}" if unit == 0 or value >= 100 else f"{value:.1f}{units[unit]}"


def card_html(text: str, resolve: str) -> Markup:
    """A card's Markdown as HTML that can do no harm; relative addresses are files below `resolve`."""
    import nh3
    from markdown_it import MarkdownIt

    rendered = (
        MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).render(text[:500_000])
    )

    def attribute(tag: str, name: str, value: str) -> str | None:
        if name in ("href", "src") and not _ABSOLUTE.match(value):
            return f"{resolve}/{value.removeprefix('./')}"
        if tag == "img" and name == "src" and not value.startswith(resolve):
            return None  # pictures from elsewhere would tell that site who reads what
        return value

    clean = nh3.clean(
        rendered,
        tags=set(_CARD_TAGS),
        attributes={
            "a": {"href", "title"}, "img": {"src", "alt", "title", "width", "height"}, "ol": {"start"},
            "td": {"align", "colspan"}, "th": {"align", "colspan"}, "code": {"class"},
        },
        attribute_filter=attribute,
        url_schemes={"http", "https", "mailto"},
        link_rel="nofollow noopener noreferrer",
    )  # fmt: skip
    return Markup(clean)  # noqa: S704  # nh3 cleaned it against a list of what is allowed
