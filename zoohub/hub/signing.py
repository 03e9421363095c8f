"""Short-lived signed texts: Xet tokens, upload addresses, form tokens; each good for one purpose."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from typing import Any

from zoohub.hub.errors import Unauthorized


class Signer:
    """Signs with the key that all workers of a hub share."""

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()

    def sign(self, purpose: str, data: dict[str, Any], life: float) -> str:
        """A text that carries `data` for `life` seconds."""
        body = json.dumps({**data, "exp": int(time.time() + life)}, separators=(",", ":")).encode()
        return f"{_text(body)}.{_text(self._mac(purpose, body))}"

    def read(self, purpose: str, text: str) -> dict[str, Any]:
        """The data of a signed text.

        Raises:
            Unauthorized: not signed by this hub for that purpose, or expired.
        """
        try:
            raw, _, mac = text.partition(".")
            body = _bytes(raw)
            good = hmac.compare_digest(_bytes(mac), self._mac(purpose, body))
            data: dict[str, Any] = json.loads(body) if good else {}
        except ValueError as error:
            raise Unauthorized("The signed address or token is not valid") from error
        if not data or data["exp"] < time.time():
            raise Unauthorized("The signed address or token is not valid any more")
        return data

    def _mac(self, purpose: str, body: bytes) -> bytes:
        return hmac.digest(self._secret, purpose.encode() + b"\0" + body, hashlib.sha256)


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
