"""Login by OpenID Connect: the authorization code flow with PKCE, by authlib; tokens are verified by joserfc."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from zoohub.errors import MissingDependency
from zoohub.hub import names
from zoohub.hub.accounts import Accounts
from zoohub.hub.errors import BadRequest, Conflict, Forbidden, Unavailable

if TYPE_CHECKING:
    from zoohub.hub.config import Config

SCOPE = "openid profile email"
TIMEOUT = 15.0
LIFE = 600.0  # seconds from the start of a login to its end
MAX_NAMES = 50
ALGORITHMS = ["RS256", "ES256", "PS256", "EdDSA", "RS512", "ES512"]


@dataclass(frozen=True, slots=True)
class Person:
    """Who logged in, as the provider says: `subject` is issuer and subject, which never change."""

    subject: str
    name: str
    fullname: str | None
    email: str | None


class Provider:
    """The OpenID Connect provider that the configuration names; it is asked when first needed."""

    def __init__(self, config: Config) -> None:
        self.issuer, self._config = config.oidc_issuer.rstrip("/"), config
        self._metadata: dict[str, Any] | None = None

    def start(self, redirect: str) -> tuple[str, dict[str, str]]:
        """Where to send the browser, and what must be known again when it comes back.

        Raises:
            Unavailable: the provider does not answer; MissingDependency.
        """
        kept = {"nonce": secrets.token_urlsafe(24), "verifier": secrets.token_urlsafe(48)}
        url, state = self._session(redirect).create_authorization_url(
            self._known()["authorization_endpoint"], nonce=kept["nonce"], code_verifier=kept["verifier"]
        )
        return url, kept | {"state": state}

    def finish(self, redirect: str, query: str, kept: dict[str, str]) -> Person:
        """Who came back with `query`, the address's query.

        Raises:
            Forbidden: the provider refused, or what it says does not hold; Unavailable.
        """
        from authlib.common.errors import AuthlibBaseError
        from joserfc.errors import JoseError
        from requests import RequestException

        try:
            token = self._session(redirect).fetch_token(
                self._known()["token_endpoint"], authorization_response=f"{redirect}?{query}",
                state=kept["state"], code_verifier=kept["verifier"], timeout=TIMEOUT,
            )  # fmt: skip
            claims = self._verified(str(token.get("id_token") or ""), kept["nonce"])
        except RequestException as error:
            raise Unavailable("The login provider does not answer") from error
        except (AuthlibBaseError, JoseError, ValueError, KeyError) as error:
            raise Forbidden(f"The login did not hold: {type(error).__name__}") from error
        name = claims.get("preferred_username") or str(claims.get("email") or "").split("@")[0]
        email = claims.get("email") if claims.get("email_verified", True) else None
        return Person(f"{self.issuer} {claims['sub']}"[:500], str(name or "user"), claims.get("name"), email)

    def _verified(self, id_token: str, nonce: str) -> dict[str, Any]:
        """The claims of an ID token that this provider signed for this hub and this login."""
        from joserfc import jwt
        from joserfc.jwk import KeySet

        keys = KeySet.import_key_set(cast("Any", self._json(self._known()["jwks_uri"])))
        claims = jwt.decode(id_token, keys, algorithms=ALGORITHMS).claims
        jwt.JWTClaimsRegistry(
            leeway=60,
            iss={"essential": True, "value": self._known()["issuer"]},
            aud={"essential": True, "value": self._config.oidc_client_id},
            nonce={"essential": True, "value": nonce},
            exp={"essential": True}, sub={"essential": True},
        ).validate(claims)  # fmt: skip
        return claims

    def _session(self, redirect: str) -> Any:
        try:
            from authlib.integrations.requests_client import OAuth2Session
        except ImportError as error:
            raise MissingDependency("authlib", "oidc") from error
        config = self._config
        return OAuth2Session(
            config.oidc_client_id, config.oidc_client_secret or None, scope=SCOPE, redirect_uri=redirect,
            code_challenge_method="S256",
        )  # fmt: skip

    def _known(self) -> dict[str, Any]:
        if self._metadata is None:
            found = self._json(f"{self.issuer}/.well-known/openid-configuration")
            if str(found.get("issuer", "")).rstrip("/") != self.issuer:
                raise Unavailable(f"{self.issuer} says that it is another issuer")
            self._metadata = found
        return self._metadata

    def _json(self, url: str) -> dict[str, Any]:
        import requests

        try:
            answer = requests.get(url, timeout=TIMEOUT)
            answer.raise_for_status()
            data = answer.json()
        except (requests.RequestException, ValueError) as error:
            raise Unavailable("The login provider does not answer") from error
        if not isinstance(data, dict):
            raise Unavailable("The login provider answered nonsense")
        return data


def user_of(accounts: Accounts, person: Person, *, create: bool) -> int:
    """The id of the user whose login this is; made on the first one, if that is configured.

    A name that is taken is never taken over: the new user gets another one.

    Raises:
        Forbidden: disabled, or unknown and nobody is made.
    """
    known = accounts.of_subject(person.subject)
    if known is not None:
        if known.disabled:
            raise Forbidden("This user is disabled")
        return int(known.id)
    if not create:
        raise Forbidden("Nobody here has this login; ask the administrator")
    for name in _names(person.name):
        try:
            names.namespace(name)
            return accounts.create_user(
                name, subject=person.subject, fullname=(person.fullname or "")[:200] or None,
                email=(person.email or "")[:320] or None,
            )  # fmt: skip
        except (BadRequest, Conflict):
            continue
    raise Forbidden(f"No free name for {person.name!r}; ask the administrator")


def _names(wanted: str) -> Iterator[str]:
    """What a new user might be called, the best first; not every one of these is allowed or free."""
    plain = re.sub(r"[^A-Za-z0-9]+", "-", wanted)[:40].strip("-") or "user"
    for stem in (plain, f"user-{plain}", "user"):
        yield stem
        yield from (f"{stem}-{number}" for number in range(2, MAX_NAMES))
