"""One way to ask a server: patient with rate limits and failures, bounded in time and in bytes.

Built on the client that huggingface_hub brings, so that proxies and certificates are set in one place. A
token goes only where it is handed in, and never along a redirect or a link to another host.
"""

from __future__ import annotations

import email.utils
import json
import logging
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from zoohub import settings
from zoohub.errors import SourceError

CHUNK = 1 << 20
ATTEMPTS = 5
TIMEOUT = 30.0
PATIENCE = 600.0  # seconds that a server may ask us to wait, at most
LARGEST_PAGE = 256 << 20

_AGAIN = {408, 429, 500, 502, 503, 504}
_log = logging.getLogger(__name__)

Params = Mapping[str, Any] | list[tuple[str, Any]]


class Answer(NamedTuple):
    """A parsed JSON body and the address of the next page, if the server names one."""

    data: Any
    next: str | None


def get_json(
    url: str, *, params: Params | None = None, headers: Mapping[str, str] | None = None, body: Any = None,
    method: str = "GET", limit: int = LARGEST_PAGE,
) -> Answer:  # fmt: skip
    """Ask for JSON.

    Raises:
        SourceError: no answer after several tries, a refusal, more than `limit` bytes, or no JSON.
    """
    for last in _attempts():
        try:
            with _stream(method, url, params, headers, body) as response:
                if _is_busy(response, url, last):
                    continue
                _require_ok(response, url)
                content = _bounded(response, url, limit)
                return Answer(json.loads(content), response.links.get("next", {}).get("url"))
        except (ValueError, RecursionError) as error:  # no JSON, no text: it may have been cut short
            if last:
                raise SourceError(f"{_host(url)} answered something that is no JSON.") from error
        except _network_errors() as error:
            _again_or_fail(error, url, last)
    raise AssertionError("the last attempt returns or raises")


def chunks(url: str, start: int = 0, headers: Mapping[str, str] | None = None) -> Iterator[bytes]:
    """The bytes at an address from `start` on; a server that ignores ranges is read past what is known.

    It does not try again: the caller does, from where it stopped.
    """
    asked = {"Accept-Encoding": "identity", **(headers or {})}
    if start:
        asked["Range"] = f"bytes={start}-"
    try:
        with _stream("GET", url, None, asked, None) as response:
            if response.status_code == 416:
                return
            _require_ok(response, url)
            skip = start if response.status_code != 206 else start - _begin(response, start)
            for piece in response.iter_bytes():  # as they arrive: what was read before a failure is kept
                if skip < len(piece):
                    yield piece[max(skip, 0) :]
                skip -= len(piece)
    except _network_errors() as error:
        raise SourceError(f"{_host(url)} broke off: {error or type(error).__name__}.") from error


def same_host(url: str, endpoint: str) -> bool:
    """Whether an address lies at the endpoint itself: only there may a token go."""
    left, right = urlsplit(url), urlsplit(endpoint)
    return (left.scheme, left.hostname, left.port) == (right.scheme, right.hostname, right.port)


@contextmanager
def _stream(
    method: str, url: str, params: Params | None, headers: Mapping[str, str] | None, body: Any
) -> Iterator[Any]:
    if settings.offline():
        raise SourceError(f"{_host(url)} is not asked: ZOO_OFFLINE or HF_HUB_OFFLINE is set.")
    from huggingface_hub import get_session

    with get_session().stream(
        method,
        url,
        params=_pairs(params),
        headers=dict(headers or {}),
        json=body,
        timeout=TIMEOUT,
        follow_redirects=True,
    ) as response:
        yield response


def _pairs(params: Params | None) -> Any:
    """None where there is nothing to add: an empty mapping would take the query off the address."""
    return params or None


def _attempts() -> Iterator[bool]:
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(pause(attempt))
        yield attempt == ATTEMPTS - 1


def pause(attempt: int) -> float:
    """Seconds to wait before the given repetition, from 1 on."""
    return float(min(2.0 ** (attempt - 2), 8.0))


def _is_busy(response: Any, url: str, last: bool) -> bool:
    """Whether to ask again; it has waited then for as long as the server asked for."""
    if response.status_code not in _AGAIN or last:
        return False
    wait = wait_asked(response.headers)
    if wait is not None and wait > 0:
        if wait > PATIENCE:
            raise SourceError(f"{_host(url)} asks to wait {wait:.0f} seconds.", "Try again later.")
        if wait > 2:
            _log.warning("%s asks to wait %.0f s (HTTP %d).", _host(url), wait, response.status_code)
        time.sleep(wait)
    return True


def wait_asked(headers: Mapping[str, str]) -> float | None:
    """Seconds that an answer asks us to wait: `Retry-After` (seconds or a date) or the Hub's `RateLimit`."""
    stated = headers.get("Retry-After") or headers.get("retry-after")
    if stated:
        if stated.strip().isdigit():
            return float(stated)
        try:
            return max(0.0, email.utils.parsedate_to_datetime(stated).timestamp() - time.time())
        except ValueError:
            return None
    limit = headers.get("RateLimit") or headers.get("ratelimit") or ""
    reset = re.search(r";\s*t=(\d{1,6})", limit)
    return float(reset[1]) if reset and re.search(r";\s*r=0\b", limit) else None


def _require_ok(response: Any, url: str) -> None:
    status = response.status_code
    if status < 400:
        return
    told = _printable(response.headers.get("X-Error-Message", ""))[:300].rstrip(". ")
    code = response.headers.get("X-Error-Code", "")
    remedy = ""
    if code == "GatedRepo" or status in (401, 403):
        remedy = (
            "It may be private or gated: accept its terms on its page, then hf auth login (or set HF_TOKEN)."
        )
    elif status == 404:
        told = told or f"nothing at {urlsplit(url).path}"
    raise SourceError(f"{_host(url)} answered HTTP {status}{f': {told}' if told else ''}.", remedy)


def _bounded(response: Any, url: str, limit: int) -> bytes:
    content = bytearray()
    for piece in response.iter_bytes(CHUNK):
        content += piece
        if len(content) > limit:
            raise SourceError(f"{_host(url)} sent more than {limit >> 20} MiB in one answer.")
    return bytes(content)


def _begin(response: Any, start: int) -> int:
    stated = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    begin = int(stated[1]) if stated else start
    if begin > start:
        raise SourceError("A server answered with another part of the file than was asked for.")
    return begin


def _again_or_fail(error: Exception, url: str, last: bool) -> None:
    if last:
        raise SourceError(
            f"{_host(url)} cannot be reached: {_printable(str(error)) or type(error).__name__}.",
            "Check the network, or name a mirror: HF_ENDPOINT=https://... (ModelScope: MODELSCOPE_ENDPOINT).",
        ) from error


def _network_errors() -> tuple[type[Exception], ...]:
    """The failures of the client library: httpx with huggingface_hub 1, httpx2 with 2."""
    from huggingface_hub import get_session

    client = import_module(type(get_session()).__mro__[-2].__module__.partition(".")[0])
    return (client.HTTPError, client.StreamError, client.InvalidURL)


def _host(url: str) -> str:
    return urlsplit(url).netloc.rsplit("@", 1)[-1] or url


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else " " for char in text)
