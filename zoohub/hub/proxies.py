"""The way out through the proxy that the environment names: `HTTP_PROXY`, `HTTPS_PROXY`, `NO_PROXY`.

The proxy looks names up, not this machine. So what cannot be checked by its addresses is checked by its form: no name
that only means something inside a network is sent there.
"""

from __future__ import annotations

import base64
import http.client
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies_environment, proxy_bypass

from zoohub.hub.errors import Unavailable

# Names of these domains are looked up within a network (RFC 6761, 6762, 8375, 9476 and common use).
_INNER = (
    "localhost", "local", "internal", "intranet", "lan", "home", "corp", "private", "localdomain", "arpa", "onion",
    "invalid", "test",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy; `authorization` is the value of its header, if it wants one."""

    host: str
    port: int
    authorization: str | None

    def connect(self, scheme: str, host: str, port: int, timeout: float) -> http.client.HTTPConnection:
        """A connection to a host: a tunnel for https, in which the host's own certificate is checked."""
        if scheme == "http":
            return http.client.HTTPConnection(self.host, self.port, timeout=timeout)
        tunnel = http.client.HTTPSConnection(self.host, self.port, timeout=timeout)
        tunnel.set_tunnel(host, port, self.headers())
        return tunnel

    def headers(self) -> dict[str, str]:
        """What the proxy wants to be told."""
        return {"Proxy-Authorization": self.authorization} if self.authorization else {}


def proxy_for(scheme: str, host: str) -> Proxy | None:
    """The proxy that the environment names for a host, if it does.

    Raises:
        Unavailable: it is none that speaks HTTP.
    """
    address = getproxies_environment().get(scheme)
    if not address or proxy_bypass(host):
        return None
    parts = urlsplit(address if "://" in address else f"http://{address}")
    if parts.scheme != "http" or not parts.hostname:
        raise Unavailable(f"The proxy for {scheme} is no http:// address")
    authorization = None
    if parts.username:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        authorization = "Basic " + base64.b64encode(pair.encode()).decode()
    return Proxy(parts.hostname, parts.port or 80, authorization)


def is_public_name(host: str) -> bool:
    """Whether a host that this machine cannot look up has the form of a name on the public internet."""
    labels = host.lower().rstrip(".").split(".")
    # A last label with a digit is an address in one of its many spellings.
    return len(labels) > 1 and all(labels) and labels[-1].isalpha() and labels[-1] not in _INNER
