"""Asking another hub, on a short leash: public addresses only, checked at each redirect and at the socket.

The name is resolved once, the addresses are checked, and the connection goes to the address that was
checked; a name that resolves differently a moment later gains nothing. A token goes to the upstream's own
host and nowhere else. Where the environment names a proxy, public hosts are asked through it (see `proxies`).
"""

from __future__ import annotations

import http.client
import ipaddress
import json
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

from zoohub.hub.errors import NotFound, Unavailable
from zoohub.hub.proxies import is_public_name, proxy_for

TIMEOUT = 20.0
MAX_REDIRECTS = 5
MAX_JSON = 64 << 20
CHUNK = 1 << 20
AGENT = "zoohub-mirror"


class Upstream:
    """Another hub. `private`: its own host may lie in a private network, or with `everywhere` any host."""

    def __init__(
        self, base: str, *, token: str | None = None, private: bool = False, everywhere: bool = False
    ) -> None:
        self.base = base.rstrip("/")
        self.host = urlsplit(self.base).hostname or ""
        self.token, self.private, self.everywhere = token, private, everywhere
        if urlsplit(self.base).scheme not in ("http", "https") or not self.host:
            raise Unavailable(f"{self.base!r} is no address of a hub")

    def info(self, type: str, name: str, revision: str) -> dict[str, Any]:
        """What the upstream says of a repository, with its files.

        Raises:
            NotFound: it has none, or shows it to nobody; Unavailable.
        """
        path = f"/api/{type}s/{quote(name)}/revision/{quote(revision, safe='')}?blobs=true"
        with self.open(path) as answer:
            body = answer.read(MAX_JSON + 1)
        try:
            data = json.loads(body) if len(body) <= MAX_JSON else None
        except (ValueError, RecursionError):
            data = None
        if not isinstance(data, dict) or not isinstance(data.get("sha"), str):
            raise Unavailable(f"{self.base} answered nonsense")
        return data

    @contextmanager
    def file(self, type: str, name: str, revision: str, path: str) -> Iterator[Iterator[bytes]]:
        """The bytes of a file, as they come."""
        prefix = "/datasets/" if type == "dataset" else "/"
        with self.open(f"{prefix}{quote(name)}/resolve/{quote(revision, safe='')}/{quote(path)}") as answer:
            yield _chunks(answer)

    @contextmanager
    def open(self, path: str) -> Iterator[http.client.HTTPResponse]:
        """GET an address of the upstream, following redirects.

        Raises:
            NotFound, Unavailable.
        """
        url = urljoin(self.base + "/", path.lstrip("/")) if not path.startswith("http") else path
        for _ in range(MAX_REDIRECTS + 1):
            connection, target, headers = self._connect(url)
            try:
                connection.request("GET", target, headers=headers)
                answer = connection.getresponse()
                if answer.status in (301, 302, 303, 307, 308):
                    url = urljoin(url, answer.headers.get("Location", ""))
                    continue
                self._check(answer)
                yield answer
                return
            except (OSError, http.client.HTTPException) as error:
                raise Unavailable(f"{self.host} does not answer: {error}") from error
            finally:
                connection.close()
        raise Unavailable(f"{self.host} redirects in circles")

    def _check(self, answer: http.client.HTTPResponse) -> None:
        if answer.status in (401, 403, 404):
            raise NotFound(f"{self.host} has no such thing, or does not show it")
        if answer.status != 200:
            raise Unavailable(f"{self.host} answered {answer.status}")

    def _headers(self, host: str) -> dict[str, str]:
        headers = {"User-Agent": AGENT, "Accept-Encoding": "identity"}
        if self.token and host == self.host:
            headers["Authorization"] = f"Bearer {self.token}"
        return headers

    def _connect(self, url: str) -> tuple[http.client.HTTPConnection, str, dict[str, str]]:
        """The connection for an address, and the target and headers of the request."""
        parts = urlsplit(url)
        host = parts.hostname or ""
        if parts.scheme not in ("http", "https") or parts.username or not host:
            raise Unavailable(f"{self.host} leads to an address that is not followed")
        port = parts.port or (443 if parts.scheme == "https" else 80)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        headers, proxy, address = (
            self._headers(host),
            proxy_for(parts.scheme, host),
            self._resolve(host, port),
        )
        if proxy is not None and (address is None or is_public(address)):
            if address is None and not is_public_name(host):
                raise Unavailable(
                    f"{host} is no name on the public internet, and the proxy is not asked for it"
                )
            connection = proxy.connect(parts.scheme, host, port, TIMEOUT)
            if parts.scheme == "http":
                return connection, f"http://{parts.netloc}{target}", headers | proxy.headers()
            return connection, target, headers
        if address is None:
            raise Unavailable(f"{host} cannot be found")
        pinned = _Pinned if parts.scheme == "http" else _PinnedTls
        return pinned(host, port, address), target, headers

    def _resolve(self, host: str, port: int) -> str | None:
        """An address of a host that may be connected to; all of its addresses must be allowed. None: not found.

        Raises:
            Unavailable: one of them is not allowed.
        """
        try:
            found = {str(item[4][0]) for item in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)}
        except (OSError, UnicodeError):
            return None
        if not (self.everywhere or (self.private and host == self.host)):
            for address in found:
                if not is_public(address):
                    raise Unavailable(f"{host} lies in a private network, which this hub does not ask")
        return min(found)


def is_public(address: str) -> bool:
    """Whether an address belongs to the public internet."""
    parsed = ipaddress.ip_address(address.split("%")[0])
    mapped = getattr(parsed, "ipv4_mapped", None) or getattr(parsed, "sixtofour", None)
    return bool((mapped or parsed).is_global and not parsed.is_multicast)


class _Pinned(http.client.HTTPConnection):
    """A connection to an address that was checked before, whatever the name says now."""

    def __init__(self, host: str, port: int, address: str) -> None:
        super().__init__(host, port, timeout=TIMEOUT)
        self._address = address

    def connect(self) -> None:
        """See `http.client.HTTPConnection`."""
        self.sock = socket.create_connection((self._address, self.port), TIMEOUT)


class _PinnedTls(http.client.HTTPSConnection):
    """As `_Pinned`, with the certificate checked against the name."""

    def __init__(self, host: str, port: int, address: str) -> None:
        self._tls = ssl.create_default_context()
        super().__init__(host, port, timeout=TIMEOUT, context=self._tls)
        self._address = address

    def connect(self) -> None:
        """See `http.client.HTTPSConnection`."""
        plain = socket.create_connection((self._address, self.port), TIMEOUT)
        self.sock = self._tls.wrap_socket(plain, server_hostname=self.host)


def _chunks(answer: http.client.HTTPResponse) -> Iterator[bytes]:
    while chunk := answer.read(CHUNK):
        yield chunk
