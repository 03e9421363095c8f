"""Pull-through: repositories of an upstream hub, known here once asked for, and kept file by file when read.

A mirrored repository is an ordinary one that nobody writes to. Its commits have the upstream's ids; a file
is fetched when first read, checked against the hash that the upstream promised, and served from here ever
after.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, select, update
from sqlalchemy.exc import IntegrityError

from zoohub.errors import InvalidRecord, ZooError
from zoohub.hub import names
from zoohub.hub.accounts import Actor, note
from zoohub.hub.blobs import Blob
from zoohub.hub.errors import BadRequest, NotFound, Refusal, Unavailable
from zoohub.hub.finding import fits
from zoohub.hub.repos import HEADS, Commit, Repo, add_commit, repo_of
from zoohub.hub.storage import check_free
from zoohub.hub.tables import commits, holdings, redirects, refs, repos, upstream_blobs, users
from zoohub.hub.trees import EMPTY_TREE, Entry, Trees
from zoohub.hub.upstream import Upstream
from zoohub.hub.verdicts import judge
from zoohub.registry import ModelRecord

if TYPE_CHECKING:
    from zoohub.hub.service import Hub

_BARE = re.compile(r"[A-Za-z0-9._-]{1,96}(/[A-Za-z0-9._-]{1,96})?")
MAX_FILES = 100_000
MISS_AGE = 60.0  # seconds until the upstream is asked again for what it did not have


class Mirror:
    """The upstream hub as this hub sees it. Does nothing where none is configured, or offline."""

    def __init__(self, hub: Hub) -> None:
        self.hub, self.config = hub, hub.config
        self.upstream: Upstream | None = None
        self._misses: dict[tuple[str, str, str], float] = {}
        if self.config.upstream:
            everywhere = self.config.upstream_private_addresses
            token = os.environ.get("ZOO_HUB_UPSTREAM_TOKEN")
            self.upstream = Upstream(self.config.upstream, token=token, everywhere=everywhere)

    def refresh(self, actor: Actor, type: str, name: str, revision: str) -> None:
        """Make a repository of the upstream known here, or up to date, if that is allowed and due.

        What goes wrong while an older state is known here is left to that state.
        """
        if not self.asks or not _BARE.fullmatch(name) or not self.allowed(name):
            return
        assert self.upstream is not None
        with self.hub.db.read() as connection:
            repo = self.hub.repos.find(connection, type, name)
            hidden = repo is not None and not self.hub.repos.can_see(actor, repo)
            if repo is not None and not hidden and not self._due(connection, repo, revision):
                return
        if self._misses.get((type, name.lower(), revision), 0.0) > time.monotonic():
            return
        try:
            info = self.upstream.info(type, name, revision)
            # The upstream is asked for a hidden one too: else the time of the answer would tell of it.
            if not hidden:
                self._take(type, name, revision, info)
        except NotFound:
            if len(self._misses) > 10_000:
                self._misses.clear()
            self._misses[type, name.lower(), revision] = time.monotonic() + MISS_AGE
        except (Unavailable, BadRequest):
            if repo is None:
                raise

    @property
    def asks(self) -> bool:
        """Whether there is an upstream that may be asked now."""
        return self.upstream is not None and not self.config.offline

    def allowed(self, name: str) -> bool:
        """Whether the configuration lets a repository be mirrored."""
        return fits(name, self.config.upstream_allow)

    def _due(self, connection: Connection, repo: Repo, revision: str) -> bool:
        if not repo.mirror:
            return False
        try:
            self.hub.repos.resolve(connection, repo, revision)
        except Refusal:
            return True
        if names.is_oid(revision):
            return False
        checked = connection.scalar(select(repos.c.checked).where(repos.c.id == repo.id)) or 0.0
        return time.time() - float(checked) > self.config.upstream_max_age

    # --- what the upstream has ------------------------------------------------------------------------

    def _take(self, type: str, asked: str, revision: str, info: dict[str, Any]) -> None:
        name = str(info.get("id") or asked)
        if not _BARE.fullmatch(name) or not names.is_oid(info["sha"]) or not self.allowed(name):
            raise BadRequest("The upstream hub answered for another repository than it was asked for")
        entries = dict(entries_of(info.get("siblings") or []))
        record = self._record(info) if type == "model" else None
        found = judge(record, self.config.policy, self.hub.registry) if record else None
        blocked = None
        if found is not None and found.verdict == "deny" and self.config.on_deny in ("block", "refuse"):
            blocked = "license policy: " + ("; ".join(found.reasons[:5]) or found.license)
        with self.hub.db.write() as connection:
            repo = self.hub.repos.find(connection, type, name) or self._create(connection, type, name)
            if not repo.mirror:
                return
            self._point(connection, repo, asked)
            oid = self._commit(connection, repo, info["sha"], entries)
            if not names.is_oid(revision):
                self._set_ref(connection, repo, revision, oid)
            values = {
                "checked": time.time(), "blocked": blocked, "gated": "manual" if info.get("gated") else None,
                "record": json.dumps(record.to_dict(sparse=True)) if record else None,
            }  # fmt: skip
            connection.execute(update(repos).where(repos.c.id == repo.id).values(**values))
        self.hub.index(repo.id)

    def _record(self, info: dict[str, Any]) -> ModelRecord | None:
        from zoohub.registry.sources.hub_record import from_hub

        try:
            return from_hub(info)
        except (InvalidRecord, ValueError, TypeError, KeyError):
            return None

    def _create(self, connection: Connection, type: str, name: str) -> Repo:
        namespace = name.split("/")[0] if "/" in name else name
        owner = connection.scalar(select(users.c.id).where(users.c.key == namespace.lower()))
        now = time.time()
        if owner is None:
            row = {"key": namespace.lower(), "name": namespace, "kind": "org", "created": now}
            owner = connection.scalar(users.insert().values(**row).returning(users.c.id))
        values = {
            "type": type, "key": name.lower(), "name": name, "owner_id": owner, "private": False,
            "mirror": self.config.upstream, "created": now, "updated": now, "downloads": 0,
        }  # fmt: skip
        repo_id = int(connection.scalar(repos.insert().values(**values).returning(repos.c.id)) or 0)
        first = add_commit(connection, repo_id, EMPTY_TREE, None, "mirror", "initial commit", "")
        connection.execute(refs.insert().values(repo_id=repo_id, name=HEADS + "main", oid=first))
        note(connection, "mirror", "repo.create", f"{type}:{name}", {"upstream": self.config.upstream})
        return repo_of(connection.execute(select(repos).where(repos.c.id == repo_id)).one())

    def _point(self, connection: Connection, repo: Repo, asked: str) -> None:
        """Let the name that was asked for lead to the one that the upstream has for it."""
        if asked.lower() != repo.key:
            row = {"type": repo.type, "key": asked.lower(), "repo_id": repo.id}
            self.hub.db.insert_new(connection, redirects, row)

    def _commit(self, connection: Connection, repo: Repo, sha: str, entries: dict[str, Entry | None]) -> str:
        oid = sha
        known = connection.scalar(select(commits.c.repo_id).where(commits.c.oid == oid))
        if known is not None and known != repo.id:
            # A duplicate of a repository has its commits too; here a commit belongs to one repository.
            oid = hashlib.sha256(f"{sha} {repo.id}".encode()).hexdigest()[:40]
            known = connection.scalar(select(commits.c.repo_id).where(commits.c.oid == oid))
        if known is None:
            tree = Trees(self.hub.db, connection).apply(EMPTY_TREE, entries)
            title = f"Mirror of {self.config.upstream}"
            add_commit(connection, repo.id, tree, None, "mirror", title, sha, oid=oid)
        return oid

    def _set_ref(self, connection: Connection, repo: Repo, revision: str, oid: str) -> None:
        ref = revision if revision.startswith("refs/") else HEADS + names.branch(revision)
        where = (refs.c.repo_id == repo.id, refs.c.name == ref)
        if not connection.execute(update(refs).where(*where).values(oid=oid)).rowcount:
            connection.execute(refs.insert().values(repo_id=repo.id, name=ref, oid=oid))

    # --- bytes ----------------------------------------------------------------------------------------

    def blob(self, connection: Connection, repo: Repo, entry: Entry) -> Blob | None:
        """The blob of a mirrored file, if it was fetched for this repository before.

        That the store has those bytes is not enough: an upstream that names the hash of somebody's private
        file must not be given the file.
        """
        wanted = holdings.c.sha256 == entry.sha256
        if entry.sha256 is None:
            wanted = holdings.c.sha256.in_(
                select(upstream_blobs.c.sha256).where(upstream_blobs.c.oid == entry.oid)
            )
        query = select(holdings.c.sha256).where(holdings.c.repo_id == repo.id, wanted)
        sha256 = connection.scalar(query.limit(1))
        return self.hub.blobs.get(sha256, connection) if sha256 else None

    def fetch(self, repo: Repo, commit: Commit, path: str, entry: Entry) -> Iterator[bytes]:
        """The bytes of a file as the upstream sends them; kept once they are whole and right.

        The last piece is held back until then, so that a wrong file never arrives whole.

        Raises:
            Unavailable: offline, no answer, or a file that is not what was promised.
        """
        if self.upstream is None or self.config.offline:
            raise Unavailable(f"{path} is not on this hub, and no upstream may be asked now")
        check_free(self.hub.incoming.folder, entry.size, self.config.disk_reserve)
        target = self.hub.incoming.new()
        try:
            yield from self._copy(repo, commit, path, entry, target)
        finally:
            target.unlink(missing_ok=True)

    def _copy(self, repo: Repo, commit: Commit, path: str, entry: Entry, target: Path) -> Iterator[bytes]:
        assert self.upstream is not None
        sha256, size, held = hashlib.sha256(), 0, b""
        git = hashlib.sha1(b"blob %d\0" % entry.size, usedforsecurity=False)
        with (
            self.upstream.file(repo.type, repo.name, commit.message, path) as chunks,
            target.open("wb") as out,
        ):
            for chunk in chunks:
                size += len(chunk)
                if size > entry.size:
                    raise Unavailable(f"The upstream sent more of {path} than it promised")
                out.write(chunk)
                sha256.update(chunk)
                git.update(chunk)
                if held:
                    yield held
                held = chunk
            out.flush()
            os.fsync(out.fileno())
        good = sha256.hexdigest() == entry.sha256 if entry.lfs else git.hexdigest() == entry.oid
        if size != entry.size or not good:
            raise Unavailable(f"The upstream sent another {path} than it promised; it was not kept")
        self._keep(repo, path, entry, target, sha256.hexdigest())
        yield held

    def _keep(self, repo: Repo, path: str, entry: Entry, target: Path, sha256: str) -> None:
        self.hub.blobs.add_file(target, sha256, entry.size)
        row = {"repo_id": repo.id, "sha256": sha256, "committed": True, "path": path, "at": time.time()}
        try:
            with self.hub.db.write() as connection:
                self.hub.db.insert_new(connection, holdings, row)
                self.hub.db.insert_new(connection, upstream_blobs, {"oid": entry.oid, "sha256": sha256})
        except IntegrityError as error:
            raise Unavailable(f"{path} was removed while it was fetched") from error


def entries_of(siblings: list[Any]) -> Iterator[tuple[str, Entry | None]]:
    """The files that an upstream lists; a name that this hub refuses is left out."""
    for item in siblings[:MAX_FILES]:
        try:
            path = names.file_path(str(item["rfilename"]))
            size, oid, lfs = int(item.get("size") or 0), str(item.get("blobId") or ""), item.get("lfs")
        except (ZooError, KeyError, TypeError, ValueError, AttributeError):
            continue
        name = path.rsplit("/", 1)[-1]
        if isinstance(lfs, dict) and re.fullmatch(r"[0-9a-f]{64}", str(lfs.get("sha256"))):
            yield path, Entry.lfs_file(name, str(lfs["sha256"]), int(lfs.get("size") or size))
        elif re.fullmatch(r"[0-9a-f]{40}", oid) and 0 <= size <= 1 << 30:
            yield path, Entry(name, oid, size)
