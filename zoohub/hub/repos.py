"""Repositories: who may see and change them, creating, moving, deleting, and their references."""

from __future__ import annotations

import hashlib
import json
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, Row, delete, func, select, update
from sqlalchemy.exc import IntegrityError

from zoohub.hub import names
from zoohub.hub.accounts import Actor, note
from zoohub.hub.db import Database
from zoohub.hub.errors import (
    BadRequest,
    Conflict,
    Disabled,
    Forbidden,
    GatedRepo,
    RepoNotFound,
    RevisionNotFound,
    Unauthorized,
)
from zoohub.hub.tables import access, commits, redirects, refs, repos, users
from zoohub.hub.trees import EMPTY_TREE

HEADS, TAGS, PULLS = "refs/heads/", "refs/tags/", "refs/pr/"


@dataclass(frozen=True, slots=True)
class Repo:
    """One repository as its row says; `moved` when it was asked for by an old id."""

    id: int
    type: str
    name: str
    key: str
    owner_id: int
    private: bool
    gated: str | None
    blocked: str | None
    flags: str | None
    mirror: str | None
    downloads: int
    record: str | None
    created: float
    updated: float
    moved: bool = False

    @property
    def namespace(self) -> str:
        """The user or organization it belongs to."""
        return self.name.split("/")[0] if "/" in self.name else ""

    @property
    def path(self) -> str:
        """Its address below the hub's root."""
        return f"/{self.name}" if self.type == "model" else f"/datasets/{self.name}"


@dataclass(frozen=True, slots=True)
class Commit:
    """One revision."""

    oid: str
    tree: str
    parent: str | None
    author: str
    title: str
    message: str
    at: float


class Repos:
    """Looks up and changes repositories. With `login_required`, nobody reads anonymously."""

    def __init__(self, db: Database, *, login_required: bool = False) -> None:
        self.db, self.login_required = db, login_required

    # --- looking up, and who may do what --------------------------------------------------------------

    def find(self, connection: Connection, type: str, name: str) -> Repo | None:
        """The repository of that id in any case, also by an id it had before it was moved."""
        key = name.lower()
        row = connection.execute(select(repos).where(repos.c.type == type, repos.c.key == key)).first()
        if row is not None:
            return repo_of(row)
        old = (
            select(repos)
            .join(redirects, redirects.c.repo_id == repos.c.id)
            .where(redirects.c.type == type, redirects.c.key == key)
        )
        row = connection.execute(old).first()
        return None if row is None else replace(repo_of(row), moved=True)

    def visible(self, connection: Connection, actor: Actor, type: str, name: str) -> Repo:
        """The repository, if the actor may know of it.

        Raises:
            RepoNotFound: it does not exist or is hidden: one answer, by one path, for both.
        """
        repo = self.find(connection, type, name)
        if repo is None or not self.can_see(actor, repo):
            raise RepoNotFound(anonymous=actor.anonymous)
        return repo

    def readable(self, connection: Connection, actor: Actor, type: str, name: str) -> Repo:
        """The repository, if the actor may read its files.

        Raises:
            RepoNotFound, GatedRepo (access must be requested first), Disabled (blocked by policy).
        """
        repo = self.visible(connection, actor, type, name)
        self.check_read(connection, actor, repo)
        return repo

    def check_read(self, connection: Connection, actor: Actor, repo: Repo) -> None:
        """See `readable`."""
        if self.can_write(actor, repo):
            return
        if repo.blocked:
            raise Disabled(f"This repository is blocked: {repo.blocked}")
        if repo.gated and not self._granted(connection, actor, repo):
            error = GatedRepo(
                f"Access to {repo.type} {repo.name} is restricted. Log in, and request access on its page."
            )
            error.status = 401 if actor.anonymous else 403
            raise error

    def may_read(self, connection: Connection, actor: Actor, repo: Repo) -> bool:
        """Whether the actor may read the files of a repository that it sees."""
        try:
            self.check_read(connection, actor, repo)
        except (Disabled, GatedRepo):
            return False
        return True

    def writable(self, connection: Connection, actor: Actor, type: str, name: str) -> Repo:
        """The repository, if the actor may commit to it."""
        repo = self.visible(connection, actor, type, name)
        if actor.anonymous:
            raise Unauthorized
        if not self.can_write(actor, repo):
            raise Forbidden(f"You have no right to write to {repo.name} with this token")
        if repo.mirror:
            raise Forbidden(f"{repo.name} is a copy of {repo.mirror} and is not written to here")
        return repo

    def administered(self, connection: Connection, actor: Actor, type: str, name: str) -> Repo:
        """The repository, if the actor may move, delete or reconfigure it."""
        repo = self.visible(connection, actor, type, name)
        if not self.can_administer(actor, repo):
            raise Unauthorized if actor.anonymous else Forbidden(f"You do not administer {repo.name}")
        return repo

    def can_see(self, actor: Actor, repo: Repo) -> bool:
        """Whether the repository's existence is no secret to the actor."""
        if not repo.private:
            return not (self.login_required and actor.anonymous)
        return (actor.admin or repo.owner_id in actor.roles) and actor.covers(repo.key)

    def can_write(self, actor: Actor, repo: Repo) -> bool:
        """Whether the actor may commit."""
        if actor.role != "write" or not actor.covers(repo.key):
            return False
        return actor.admin or actor.roles.get(repo.owner_id) in ("write", "admin")

    def can_administer(self, actor: Actor, repo: Repo) -> bool:
        """Whether the actor may move, delete or reconfigure the repository."""
        if actor.role != "write" or not actor.covers(repo.key):
            return False
        return actor.admin or actor.roles.get(repo.owner_id) == "admin"

    def _granted(self, connection: Connection, actor: Actor, repo: Repo) -> bool:
        if actor.anonymous:
            return False
        if repo.owner_id in actor.roles or actor.admin:
            return True
        where = (access.c.repo_id == repo.id, access.c.user_id == actor.id, access.c.status == "accepted")
        return bool(connection.scalar(select(func.count()).where(*where)))

    # --- creating and changing ------------------------------------------------------------------------

    def create(
        self,
        actor: Actor,
        name: str,
        namespace: str | None = None,
        *,
        type: str = "model",
        private: bool = False,
        mirror: str | None = None,
    ) -> Repo:
        """Create a repository with an empty first commit on `main`.

        Raises:
            Conflict: it exists already; Forbidden: not in that namespace.
        """
        if actor.anonymous:
            raise Unauthorized
        if type not in names.REPO_TYPES:
            raise BadRequest(f"This hub keeps models and datasets, no {type!r}")
        now = time.time()
        with self.db.write() as connection:
            owner = self._owner(connection, actor, namespace or actor.name)
            full = f"{owner.name}/{names.repo_name(name)}"
            if not actor.covers(full.lower()):
                raise Forbidden(f"This token is not good for {full}")
            row = {
                "type": type, "key": full.lower(), "name": full, "owner_id": owner.id, "private": private,
                "mirror": mirror, "created": now, "updated": now, "downloads": 0,
            }  # fmt: skip
            connection.execute(
                delete(redirects).where(redirects.c.type == type, redirects.c.key == row["key"])
            )
            try:
                repo_id = int(connection.scalar(repos.insert().values(**row).returning(repos.c.id)) or 0)
            except IntegrityError as error:
                raise Conflict(f"You already created this {type} repo: {full}") from error
            first = add_commit(connection, repo_id, EMPTY_TREE, None, actor.name, "initial commit", "")
            connection.execute(refs.insert().values(repo_id=repo_id, name=HEADS + "main", oid=first))
            note(connection, actor.name, "repo.create", f"{type}:{full}", {"private": private})
            found = self.find(connection, type, full)
            assert found is not None
            return found

    def _owner(self, connection: Connection, actor: Actor, namespace: str) -> Row[Any]:
        owner = connection.execute(select(users).where(users.c.key == namespace.lower())).first()
        role = None if owner is None else "admin" if actor.admin else actor.roles.get(owner.id)
        if owner is None or actor.role != "write" or role not in ("write", "admin"):
            raise Forbidden(f"You have no right to create repositories under the namespace {namespace!r}")
        return owner

    def delete(self, actor: Actor, type: str, name: str) -> Repo:
        """Delete a repository and return what it was; its blobs go with the next garbage collection."""
        with self.db.write() as connection:
            repo = self.administered(connection, actor, type, name)
            if repo.moved:
                raise RepoNotFound(anonymous=actor.anonymous)
            connection.execute(delete(repos).where(repos.c.id == repo.id))
            note(connection, actor.name, "repo.delete", f"{type}:{repo.name}")
            return repo

    def move(self, actor: Actor, type: str, old: str, new: str) -> Repo:
        """Rename or hand over a repository; the old id leads to the new one from then on."""
        namespace, slash, name = new.partition("/")
        if not slash:
            raise BadRequest("The new id has the form namespace/name")
        with self.db.write() as connection:
            repo = self.administered(connection, actor, type, old)
            owner = self._owner(connection, actor, namespace)
            full = f"{owner.name}/{names.repo_name(name)}"
            if not actor.covers(full.lower()):
                raise Forbidden(f"This token is not good for {full}")
            key = {"type": type, "key": full.lower()}
            connection.execute(
                delete(redirects).where(redirects.c.type == type, redirects.c.key == key["key"])
            )
            try:
                connection.execute(
                    update(repos)
                    .where(repos.c.id == repo.id)
                    .values(key=key["key"], name=full, owner_id=owner.id)
                )
            except IntegrityError as error:
                raise Conflict(f"The {type} {full} exists already") from error
            if repo.key != key["key"]:
                self.db.insert_new(connection, redirects, {"type": type, "key": repo.key, "repo_id": repo.id})
            note(connection, actor.name, "repo.move", f"{type}:{repo.name}", {"to": full})
            found = self.find(connection, type, full)
            assert found is not None
            return found

    def configure(self, actor: Actor, type: str, name: str, **facts: Any) -> Repo:
        """Change `private` or `gated` of a repository."""
        with self.db.write() as connection:
            repo = self.administered(connection, actor, type, name)
            if facts:
                connection.execute(update(repos).where(repos.c.id == repo.id).values(**facts))
                note(connection, actor.name, "repo.settings", f"{type}:{repo.name}", facts)
            found = self.find(connection, type, repo.name)
            assert found is not None
            return found

    # --- references and revisions ---------------------------------------------------------------------

    def resolve(self, connection: Connection, repo: Repo, revision: str) -> Commit:
        """The commit that a branch, tag, pull request or commit id names.

        Raises:
            RevisionNotFound.
        """
        wanted = revision if revision.startswith("refs/") else None
        candidates = [wanted] if wanted else [HEADS + revision, TAGS + revision]
        query = (
            select(commits, refs.c.name)
            .join(refs, refs.c.oid == commits.c.oid)
            .where(refs.c.repo_id == repo.id, refs.c.name.in_(candidates))
            .order_by(refs.c.name)
        )
        row = connection.execute(query).first()
        if row is None and 7 <= len(revision) <= 40 and all(char in "0123456789abcdef" for char in revision):
            by_oid = select(commits).where(commits.c.repo_id == repo.id, commits.c.oid.startswith(revision))
            found = connection.execute(by_oid.limit(2)).all()
            row = found[0] if len(found) == 1 else None
        if row is None:
            raise RevisionNotFound(revision)
        return _commit(row)

    def refs(self, connection: Connection, repo: Repo) -> list[Row[Any]]:
        """All references of a repository."""
        query = select(refs).where(refs.c.repo_id == repo.id).order_by(refs.c.name)
        return list(connection.execute(query))

    def history(self, connection: Connection, head: Commit) -> Iterator[Commit]:
        """A commit and its ancestors, newest first."""
        current: Commit | None = head
        while current is not None:
            yield current
            if current.parent is None:
                return
            row = connection.execute(select(commits).where(commits.c.oid == current.parent)).first()
            current = None if row is None else _commit(row)

    def create_ref(
        self, actor: Actor, type: str, name: str, ref: str, start: str, message: str | None = None
    ) -> None:
        """Create a branch or tag at a revision.

        Raises:
            Conflict: it exists already.
        """
        names.branch(ref.split("/", 2)[2])
        with self.db.write() as connection:
            repo = self.writable(connection, actor, type, name)
            oid = self.resolve(connection, repo, start).oid
            row = {"repo_id": repo.id, "name": ref, "oid": oid, "message": message}
            if not self.db.insert_new(connection, refs, row):
                kind = "Tag" if ref.startswith(TAGS) else "Reference"
                shown = ref.removeprefix(TAGS) if kind == "Tag" else ref
                raise Conflict(f"{kind} {shown} already exists")
            note(connection, actor.name, "ref.create", f"{type}:{repo.name}", {"ref": ref, "oid": oid})

    def delete_ref(self, actor: Actor, type: str, name: str, ref: str) -> None:
        """Delete a branch or tag; `main` stays."""
        with self.db.write() as connection:
            repo = self.writable(connection, actor, type, name)
            if ref == HEADS + "main":
                raise Forbidden(f"Cannot delete {ref}")
            where = (refs.c.repo_id == repo.id, refs.c.name == ref)
            if not connection.execute(delete(refs).where(*where)).rowcount:
                raise RevisionNotFound(ref)
            note(connection, actor.name, "ref.delete", f"{type}:{repo.name}", {"ref": ref})

    def squash(self, actor: Actor, type: str, name: str, branch: str, message: str) -> str:
        """Replace the history of a branch by one commit with the same files; returns its id."""
        with self.db.write() as connection:
            repo = self.writable(connection, actor, type, name)
            head = self.resolve(connection, repo, HEADS + branch)
            oid = add_commit(connection, repo.id, head.tree, None, actor.name, message, "")
            where = (refs.c.repo_id == repo.id, refs.c.name == HEADS + branch)
            connection.execute(update(refs).where(*where).values(oid=oid))
            note(connection, actor.name, "ref.squash", f"{type}:{repo.name}", {"branch": branch, "oid": oid})
            return oid


def add_commit(
    connection: Connection,
    repo_id: int,
    tree: str,
    parent: str | None,
    author: str,
    title: str,
    message: str,
    *,
    oid: str | None = None,
) -> str:
    """Insert a commit; returns its id, which no two commits share."""
    row = {
        "repo_id": repo_id, "tree": tree, "parent": parent, "author": author, "title": title,
        "message": message, "at": time.time(),
    }  # fmt: skip
    oid = oid or hashlib.sha256(json.dumps([row, secrets.token_hex(8)]).encode()).hexdigest()[:40]
    connection.execute(commits.insert().values(oid=oid, **row))
    return oid


def repo_of(row: Row[Any]) -> Repo:
    """A row of the table as a `Repo`."""
    return Repo(
        row.id, row.type, row.name, row.key, row.owner_id, bool(row.private), row.gated, row.blocked,
        row.flags, row.mirror, row.downloads, row.record, row.created, row.updated,
    )  # fmt: skip


def _commit(row: Row[Any]) -> Commit:
    return Commit(row.oid, row.tree, row.parent, row.author, row.title, row.message, row.at)
