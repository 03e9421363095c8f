"""Users, organizations, their members, and access tokens."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Row, delete, func, select, update
from sqlalchemy.exc import IntegrityError

from zoohub.hub import names
from zoohub.hub.db import Database
from zoohub.hub.errors import BadRequest, Conflict, NotFound, TooManyRequests, Unauthorized
from zoohub.hub.kept import Kept, Watch
from zoohub.hub.tables import log, members, repos, tokens, users

ROLES = ("read", "write", "admin")
SESSION_LIFE = 14 * 86400.0
GUESS_WINDOW = 300.0  # seconds
FAILED = "login.failed"
# scrypt at 16 MiB and about 50 ms: the cost of one guess.
_SCRYPT = {"n": 2**14, "r": 8, "p": 1}
_DUMMY = "scrypt$AAAAAAAAAAAAAAAAAAAAAA==$" + base64.b64encode(bytes(32)).decode()


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks: a user with the rights of the token that came with the request, or nobody."""

    id: int | None = None
    name: str = ""
    admin: bool = False
    role: str = "read"
    scope: tuple[str, ...] | None = None
    roles: dict[int, str] = field(default_factory=dict)  # role by namespace (own and organizations)
    orgs: tuple[tuple[str, str], ...] = ()  # (name, role)
    token_id: int | None = None
    token_name: str = ""
    session: bool = False

    @property
    def anonymous(self) -> bool:
        """Whether nobody is logged in."""
        return self.id is None

    def covers(self, repo_key: str) -> bool:
        """Whether the token's scope includes a repository (`namespace/name` in lower case)."""
        return self.scope is None or any(
            repo_key == item or repo_key.startswith(item + "/") for item in self.scope
        )


NOBODY = Actor()


def hash_password(password: str) -> str:
    """A salted scrypt hash of a password."""
    salt = secrets.token_bytes(16)
    digest = hashlib.scrypt(password.encode(), salt=salt, **_SCRYPT)
    return f"scrypt${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"


def check_password(password: str, stored: str | None) -> bool:
    """Whether `password` has that hash; takes as long where there is none."""
    _, salt, digest = (stored or _DUMMY).split("$")
    found = hashlib.scrypt(password.encode(), salt=base64.b64decode(salt), **_SCRYPT)
    return hmac.compare_digest(found, base64.b64decode(digest)) and stored is not None


def token_digest(token: str) -> str:
    """What is stored of a token. A token is random and long, so a plain hash suffices."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


class Accounts:
    """Reads and changes who there is."""

    def __init__(self, db: Database, kept: Kept[tuple[Actor, float | None]], watch: Watch) -> None:
        self.db, self._kept, self._watch = db, kept, watch
        self._used: dict[int, float] = {}

    # --- users and organizations ----------------------------------------------------------------------

    def find(self, name: str, connection: Connection | None = None) -> Row[Any] | None:
        """The user or organization of that name, in any case."""
        if connection is None:
            with self.db.read() as fresh:
                return self.find(name, fresh)
        return connection.execute(select(users).where(users.c.key == name.lower())).first()

    def of_subject(self, subject: str) -> Row[Any] | None:
        """The user of that OpenID Connect login."""
        with self.db.read() as connection:
            return connection.execute(select(users).where(users.c.subject == subject)).first()

    def need(self, name: str, kind: str | None = None) -> Row[Any]:
        """As `find`, but an unknown name is an error."""
        row = self.find(name)
        if row is None or (kind and row.kind != kind):
            raise NotFound(f"No {kind or 'user or org'} {name!r}")
        return row

    def count(self) -> int:
        """How many users there are."""
        with self.db.read() as connection:
            return int(connection.scalar(select(func.count()).where(users.c.kind == "user")) or 0)

    def everyone(self, kind: str) -> list[Row[Any]]:
        """All users or all organizations."""
        with self.db.read() as connection:
            return list(connection.execute(select(users).where(users.c.kind == kind).order_by(users.c.key)))

    def create_user(self, name: str, password: str | None = None, **facts: Any) -> int:
        """Create a user; returns the id.

        Raises:
            BadRequest: a bad name or a short password; Conflict: the name is taken.
        """
        if password is not None and len(password) < 8:
            raise BadRequest("A password has at least 8 characters")
        hashed = hash_password(password) if password is not None else None
        return self._create(names.namespace(name), "user", password=hashed, **facts)

    def create_org(self, name: str, owner_id: int, **facts: Any) -> int:
        """Create an organization with its first administrator; returns the id."""
        org_id = self._create(names.namespace(name), "org", **facts)
        self.set_member(org_id, owner_id, "admin")
        return org_id

    def _create(self, name: str, kind: str, **facts: Any) -> int:
        row = {"key": name.lower(), "name": name, "kind": kind, "created": time.time(), **facts}
        try:
            with self.db.write() as connection:
                return int(connection.scalar(users.insert().values(**row).returning(users.c.id)) or 0)
        except IntegrityError as error:
            raise Conflict(f"The name {name!r} is taken") from error

    def change(self, user_id: int, **facts: Any) -> None:
        """Change columns of a user; `password` is given in plain text."""
        if facts.get("password"):
            facts["password"] = hash_password(facts["password"])
        with self.db.write() as connection:
            connection.execute(update(users).where(users.c.id == user_id).values(**facts))
            if facts.get("disabled") or "password" in facts:
                connection.execute(
                    delete(tokens).where(tokens.c.user_id == user_id, tokens.c.kind == "session")
                )

    def delete(self, user_id: int) -> None:
        """Delete a user or organization that owns no repository."""
        with self.db.write() as connection:
            owned = connection.scalar(select(func.count()).where(repos.c.owner_id == user_id))
            if owned:
                raise Conflict(f"It still owns {owned} repositories; delete or move them first")
            connection.execute(delete(users).where(users.c.id == user_id))

    def login(self, name: str, password: str) -> int:
        """The id of the user with that password.

        Raises:
            Unauthorized: the same answer for an unknown name and a wrong password, in the same time.
        """
        row = self.find(name)
        good = check_password(password, row.password if row is not None else None)
        if row is None or not good or row.disabled:
            raise Unauthorized("Wrong name or password")
        return int(row.id)

    def login_failed(self, name: str, address: str) -> None:
        """Note a failed login."""
        self.note(name[:64], FAILED, "-", address=address)

    def check_guesses(self, address: str, limit: int) -> None:
        """Refuse an address from which `limit` logins failed within `GUESS_WINDOW`; 0: none is refused.

        They are counted in the log, so that it is one count for all workers, and for all restarts.

        Raises:
            TooManyRequests.
        """
        if not limit:
            return
        now = time.time()
        query = select(log.c.at).where(
            log.c.at > now - GUESS_WINDOW,
            log.c.action == FAILED,
            log.c.target == "-",
            log.c.address == address,
        )
        with self.db.read() as connection:
            failures = connection.scalars(query.order_by(log.c.at.desc()).limit(limit)).all()
        if len(failures) >= limit:
            wait = max(1, int(failures[-1] + GUESS_WINDOW - now))
            error = TooManyRequests(f"Too many failed logins from {address}. Try again in {wait} seconds.")
            error.headers["Retry-After"] = str(wait)
            raise error

    # --- members --------------------------------------------------------------------------------------

    def set_member(self, org_id: int, user_id: int, role: str | None) -> None:
        """Give a user a role in an organization; None removes the user.

        Raises:
            Conflict: the organization would be left without an administrator.
        """
        if role is not None and role not in ROLES:
            raise BadRequest(f"A role is one of {', '.join(ROLES)}")
        where = (members.c.org_id == org_id, members.c.user_id == user_id)
        with self.db.write() as connection:
            connection.execute(delete(members).where(*where))
            if role is not None:
                connection.execute(members.insert().values(org_id=org_id, user_id=user_id, role=role))
            admins = select(func.count()).where(members.c.org_id == org_id, members.c.role == "admin")
            if not connection.scalar(admins):
                raise Conflict("An organization needs an administrator")

    def members(self, org_id: int) -> list[Row[Any]]:
        """Name, full name and role of each member."""
        query = (
            select(users.c.id, users.c.name, users.c.fullname, members.c.role)
            .join(members, members.c.user_id == users.c.id)
            .where(members.c.org_id == org_id)
            .order_by(users.c.key)
        )
        with self.db.read() as connection:
            return list(connection.execute(query))

    # --- tokens ---------------------------------------------------------------------------------------

    def create_token(
        self,
        user_id: int,
        name: str,
        role: str = "read",
        *,
        scope: Sequence[str] | None = None,
        life: float | None = None,
        kind: str = "token",
        value: str | None = None,
    ) -> str:
        """Make a token, which is shown this once and stored as a hash.

        `scope` lists the namespaces or repositories it is good for, `life` is in seconds.
        """
        if role not in ("read", "write"):
            raise BadRequest("A token's role is read or write")
        if not name or len(name) > 100:
            raise BadRequest("A token's name has 1 to 100 characters")
        token = value or f"zoo_{secrets.token_urlsafe(30).replace('-', 'x').replace('_', 'y')}"
        now = time.time()
        row = {
            "user_id": user_id, "kind": kind, "name": name, "digest": token_digest(token), "role": role,
            "scope": json.dumps([item.lower() for item in scope]) if scope is not None else None,
            "created": now, "expires": now + life if life else None,
        }  # fmt: skip
        with self.db.write() as connection:
            connection.execute(tokens.insert().values(**row))
        return token

    def tokens(self, user_id: int) -> list[Row[Any]]:
        """The access tokens of a user, without their secrets."""
        query = select(tokens).where(tokens.c.user_id == user_id, tokens.c.kind == "token")
        with self.db.read() as connection:
            return list(connection.execute(query.order_by(tokens.c.created)))

    def revoke(self, user_id: int, token_id: int) -> None:
        """Delete a token of that user."""
        with self.db.write() as connection:
            where = (tokens.c.id == token_id, tokens.c.user_id == user_id)
            if not connection.execute(delete(tokens).where(*where)).rowcount:
                raise NotFound("No such token")

    def known(self, header: str, stamp: int | None) -> Actor | None:
        """Who an `Authorization` header names, if that is known without asking the database; None if not."""
        if not header:
            return NOBODY
        scheme, _, token = header.partition(" ")
        found = self._kept.get(token_digest(token.strip()), stamp) if scheme.lower() == "bearer" else None
        return found[0] if found is not None and (found[1] is None or time.time() < found[1]) else None

    def actor(self, token: str) -> Actor:
        """Who a token belongs to.

        Raises:
            Unauthorized: unknown, expired, or of a disabled user.
        """
        digest, stamp, now = token_digest(token), self._watch.stamp(), time.time()
        known = self._kept.get(digest, stamp)
        if known is not None and (known[1] is None or now < known[1]):
            return known[0]
        query = (
            select(tokens, users.c.name.label("user"), users.c.admin, users.c.disabled)
            .join(users, users.c.id == tokens.c.user_id)
            .where(tokens.c.digest == digest)
        )
        with self.db.read() as connection:
            row = connection.execute(query).first()
            if row is None or row.disabled or (row.expires is not None and row.expires < now):
                raise Unauthorized
            actor = self._actor(connection, row.user_id, row.user, row.admin)
        if row.used is None or now - row.used > 3600:
            self._used[row.id] = now
        found = Actor(
            id=actor.id, name=actor.name, admin=actor.admin, roles=actor.roles, orgs=actor.orgs,
            role=row.role, scope=tuple(json.loads(row.scope)) if row.scope is not None else None,
            token_id=row.id, token_name=row.name, session=row.kind == "session",
        )  # fmt: skip
        self._kept.put(digest, (found, row.expires), 1000 + 100 * len(found.roles), stamp)
        return found

    def flush(self) -> None:
        """Write when tokens were used; reading who asks must wait for no writer."""
        used, self._used = self._used, {}
        if used:
            with self.db.write() as connection:
                for token_id, at in used.items():
                    connection.execute(update(tokens).where(tokens.c.id == token_id).values(used=at))

    def as_user(self, user_id: int) -> Actor:
        """A user with all rights the user has: for the command line and signed addresses."""
        with self.db.read() as connection:
            row = connection.execute(select(users).where(users.c.id == user_id)).first()
            if row is None or row.disabled:
                raise Unauthorized
            return self._actor(connection, row.id, row.name, row.admin)

    def _actor(self, connection: Connection, user_id: int, name: str, admin: bool) -> Actor:
        query = (
            select(users.c.id, users.c.name, members.c.role)
            .join(members, members.c.org_id == users.c.id)
            .where(members.c.user_id == user_id)
            .order_by(users.c.key)
        )
        rows = connection.execute(query).all()
        roles = {user_id: "admin", **{row.id: row.role for row in rows}}
        orgs = tuple((row.name, row.role) for row in rows)
        return Actor(id=user_id, name=name, admin=admin, role="write", roles=roles, orgs=orgs)

    # --- the log --------------------------------------------------------------------------------------

    def note(
        self, actor: str, action: str, target: str, detail: object = None, *, address: str | None = None
    ) -> None:
        """Write one line of the audit log."""
        with self.db.write() as connection:
            note(connection, actor, action, target, detail, address=address)


def note(
    connection: Connection,
    actor: str,
    action: str,
    target: str,
    detail: object = None,
    *,
    address: str | None = None,
) -> None:
    """Write one line of the audit log inside the transaction that it tells of."""
    row = {"at": time.time(), "actor": actor or "-", "action": action, "target": target[:300]}
    text = None if detail is None else json.dumps(detail, ensure_ascii=False)[:4000]
    connection.execute(log.insert().values(**row, detail=text, address=address))
