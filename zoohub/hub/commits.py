"""A commit: operations on one branch become a new tree, and the branch moves in one transaction."""

from __future__ import annotations

import base64
import binascii
import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, func, select, update

from zoohub.hub import discussions, names
from zoohub.hub.accounts import Actor, note
from zoohub.hub.blobs import Blobs
from zoohub.hub.errors import (
    BadRequest,
    Conflict,
    QuotaExceeded,
    Refusal,
    RevisionNotFound,
    StaleParent,
)
from zoohub.hub.repos import HEADS, PULLS, Commit, Repo, Repos, add_commit
from zoohub.hub.tables import blobs as blob_table
from zoohub.hub.tables import holdings, refs, repos, users
from zoohub.hub.trees import Entry, Trees, git_oid

MAX_OPERATIONS = 25_000
MAX_REGULAR = 10 << 20
MAX_TRIES = 20


@dataclass(frozen=True, slots=True)
class LfsFile:
    """A large file that was uploaded before the commit."""

    sha256: str
    size: int | None


@dataclass(slots=True)
class CommitRequest:
    """What the body of a commit asks for. `files` maps paths to content; folders end without '/'."""

    title: str = ""
    message: str = ""
    parent: str | None = None
    regular: dict[str, bytes] = field(default_factory=dict)
    lfs: dict[str, LfsFile] = field(default_factory=dict)
    deleted: list[str] = field(default_factory=list)

    @classmethod
    def parse(cls, lines: Iterable[bytes]) -> CommitRequest:
        """Read the ndjson of the Hugging Face client.

        Raises:
            BadRequest: with the number of the line that is wrong.
        """
        request, count = cls(), 0
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            count += 1
            if count > MAX_OPERATIONS + 1:
                raise BadRequest(f"A commit has at most {MAX_OPERATIONS} operations")
            try:
                item = json.loads(line)
                request._add(item["key"], item["value"])
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
                raise BadRequest(f"Line {number} of the commit is malformed: {error}") from error
        if not request.title:
            raise BadRequest("The commit has no header with a summary")
        return request

    def _add(self, key: str, value: dict[str, Any]) -> None:
        if key == "header":
            self.title = _text(value["summary"])[:1000]
            self.message = _text(value.get("description") or "")[:65536]
            self.parent = value.get("parentCommit")
            return
        path = names.file_path(value["path"].rstrip("/"))
        if key == "file":
            self.regular[path] = _content(value)
            self.lfs.pop(path, None)
        elif key == "lfsFile":
            if value.get("algo", "sha256") != "sha256":
                raise BadRequest("Only SHA-256 names a large file")
            size = value.get("size")
            self.lfs[path] = LfsFile(names.sha256(value["oid"]), int(size) if size is not None else None)
            self.regular.pop(path, None)
        elif key in ("deletedFile", "deletedFolder", "deletedEntry"):
            self.deleted.append(path)
        else:
            raise BadRequest(f"Unknown operation {key!r}")


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise BadRequest("A commit's summary and description are texts")
    return value.encode("utf-8", "replace").decode().replace("\0", "")


def _content(value: dict[str, Any]) -> bytes:
    content = value["content"]
    if value.get("encoding", "utf-8") == "base64":
        try:
            raw = base64.b64decode(content, validate=True)
        except binascii.Error as error:
            raise BadRequest(f"The content of {value['path']!r} is no base64") from error
    else:
        raw = content.encode()
    if len(raw) > MAX_REGULAR:
        raise BadRequest(f"{value['path']!r} is too large for a regular file: upload it as a large file")
    return raw


@dataclass(frozen=True, slots=True)
class Committed:
    """The result: the new commit, the reference it is on, and the pull request where one was opened."""

    repo: Repo
    oid: str
    ref: str
    pull: int | None
    tree: str
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """A commit that is not made yet: the changes, and all files as they would be afterwards."""

    repo: Repo
    ref: str
    parent: Commit
    changes: dict[str, Entry | None]
    files: dict[str, Entry]
    merges: int | None = None  # the number of the pull request that this merges


@dataclass(frozen=True, slots=True)
class Inspection:
    """What a look at a plan found: the model's record as JSON, findings, and why reading is blocked."""

    record: str | None = None
    flags: tuple[str, ...] = ()
    blocked: str | None = None


class Commits:
    """Performs commits.

    `quota` is the default room of a namespace in bytes (None: unlimited); `inspect` looks at a plan before
    it is carried out and refuses it by raising.
    """

    def __init__(
        self,
        repos_: Repos,
        blobs: Blobs,
        quota: int | None = None,
        inspect: Callable[[Plan], Inspection] | None = None,
    ) -> None:
        self.repos, self.blobs, self.db, self.quota, self.inspect = repos_, blobs, repos_.db, quota, inspect
        self._turns = [threading.Lock() for _ in range(256)]

    def commit(
        self, actor: Actor, type: str, name: str, revision: str, request: CommitRequest,
        *, create_pr: bool = False,
    ) -> Committed:  # fmt: skip
        """Apply a request to a branch, or to a new pull request that begins at it.

        Raises:
            StaleParent: the branch has moved on; BadRequest, QuotaExceeded, Forbidden.
        """
        with self.db.read() as connection:
            self.allowed(connection, actor, type, name, revision, create_pr)
        digests = self.blobs.add_small(list(request.regular.values()))

        def plan(connection: Connection) -> Plan:
            return self._plan(connection, actor, type, name, revision, request, digests, create_pr)

        return self._carry_out(actor, (type, name), plan, request, create_pr)

    def merge(self, actor: Actor, type: str, name: str, number: int, comment: str = "") -> Committed:
        """Merge an open pull request into `main`, as one commit.

        Raises:
            NotFound; Conflict: it is not open, or both sides changed the same files; Forbidden.
        """
        request = CommitRequest(message=comment)

        def plan(connection: Connection) -> Plan:
            repo = self.repos.writable(connection, actor, type, name)
            row = discussions.found(connection, repo, number)
            if not row.pull or row.status not in discussions.OPEN:
                raise Conflict(f"{number} is no open pull request")
            request.title = f"{row.title} (#{number})"
            main = self.repos.resolve(connection, repo, HEADS + "main")
            found = discussions.merge_of(self.repos, connection, repo, number, main)
            if found.conflicts:
                raise Conflict(f"Both sides changed {', '.join(found.conflicts[:5])}")
            files = dict(Trees(self.db, connection).files(main.tree))
            for path, entry in found.changes.items():
                if entry is None:
                    files.pop(path, None)
                else:
                    files[path] = entry
            return Plan(repo, HEADS + "main", main, found.changes, files, merges=number)

        return self._carry_out(actor, (type, name), plan, request, create_pr=False)

    def copy(self, actor: Actor, type: str, source: str, target: str) -> Committed:
        """Commit all files of one repository's `main` to another one's.

        Raises:
            BadRequest: the source is a copy of another hub's whose files are not all here; QuotaExceeded.
        """
        request = CommitRequest(title=f"Duplicate of {source}")

        def plan(connection: Connection) -> Plan:
            repo = self.repos.writable(connection, actor, type, target)
            origin = self.repos.readable(connection, actor, type, source)
            head = self.repos.resolve(connection, origin, HEADS + "main")
            files = dict(Trees(self.db, connection).files(head.tree))
            known = self.blobs.known(connection, [entry.sha256 or "" for entry in files.values()])
            if any((entry.sha256 or "") not in known for entry in files.values()):
                raise BadRequest(f"Some files of {source} are not on this hub: import it instead")
            main = self.repos.resolve(connection, repo, HEADS + "main")
            return Plan(repo, HEADS + "main", main, dict(files), files)

        return self._carry_out(actor, (type, target), plan, request, create_pr=False)

    def _carry_out(
        self, actor: Actor, key: tuple[str, str], make: Callable[[Connection], Plan], request: CommitRequest,
        create_pr: bool,
    ) -> Committed:  # fmt: skip
        # Commits of one process to a repository take turns; those of others show as a moved parent.
        with self._turns[hash((key[0], key[1].lower())) % len(self._turns)]:
            for _ in range(MAX_TRIES):
                with self.db.read() as connection:
                    plan = make(connection)
                report = self.inspect(plan) if self.inspect else Inspection()
                with self.db.write() as connection:
                    again = make(connection)
                    if (again.parent.oid, again.changes) == (plan.parent.oid, plan.changes):
                        return self._perform(connection, actor, again, request, create_pr, report)
        raise StaleParent(f"{plan.ref} changes faster than this commit can be checked. Try again.")

    def _plan(
        self, connection: Connection, actor: Actor, type: str, name: str, revision: str,
        request: CommitRequest, digests: list[str], create_pr: bool,
    ) -> Plan:  # fmt: skip
        repo = self.allowed(connection, actor, type, name, revision, create_pr)
        ref = self._head(connection, repo, revision, create_pr)
        parent = self.repos.resolve(connection, repo, ref)
        if request.parent and not (len(request.parent) >= 7 and parent.oid.startswith(request.parent)):
            raise StaleParent(
                f"The parent commit {request.parent[:40]} is not the head of {revision} any more: "
                f"that is {parent.oid}. Fetch it and commit again."
            )
        changes = self._changes(connection, actor, repo, request, digests)
        files = dict(Trees(self.db, connection).files(parent.tree))
        for path in request.deleted:
            for known in [known for known in files if known == path or known.startswith(path + "/")]:
                del files[known]
        files.update({path: entry for path, entry in changes.items() if entry is not None})
        return Plan(repo, ref, parent, changes, files)

    def _perform(
        self, connection: Connection, actor: Actor, plan: Plan, request: CommitRequest, create_pr: bool,
        report: Inspection,
    ) -> Committed:  # fmt: skip
        repo, parent = plan.repo, plan.parent
        trees = Trees(self.db, connection)
        tree = trees.apply(trees.apply(parent.tree, dict.fromkeys(request.deleted)), plan.changes)
        oid = add_commit(connection, repo.id, tree, parent.oid, actor.name, request.title, request.message)
        number = None
        if create_pr:
            number = discussions.opened(connection, repo, actor.name, request.title, pull=True)
            if request.message:
                discussions.commented(connection, repo, number, actor.name, request.message)
        ref = f"{PULLS}{number}" if create_pr else plan.ref
        self._move(connection, repo, ref, oid, None if create_pr else parent.oid)
        discussions.committed(connection, repo, ref, actor.name, oid, request.title)
        if plan.merges is not None:
            row = discussions.found(connection, repo, plan.merges)
            discussions.merged(connection, repo, row, oid, actor.name)
        self._hold(connection, repo, plan.changes)
        self._check_quota(connection, repo)
        values: dict[str, Any] = {"updated": time.time()}
        if ref == HEADS + "main":
            values |= {"record": report.record, "flags": json.dumps(report.flags) if report.flags else None,
                       "blocked": report.blocked}  # fmt: skip
        connection.execute(update(repos).where(repos.c.id == repo.id).values(**values))
        detail = {"ref": ref, "oid": oid, "files": len(plan.changes), "deleted": len(request.deleted)}
        note(connection, actor.name, "commit", f"{repo.type}:{repo.name}", detail)
        return Committed(repo, oid, ref, number, tree, report.flags)

    def allowed(
        self, connection: Connection, actor: Actor, type: str, name: str, revision: str, create_pr: bool
    ) -> Repo:
        """The repository, if the actor may commit to that revision of it, or open a pull request there.

        Who opened a pull request may go on with it without a right to write to the repository.
        """
        number = revision.removeprefix(PULLS)
        if not create_pr and (number == revision or not number.isdigit()):
            return self.repos.writable(connection, actor, type, name)
        repo = self.repos.readable(connection, actor, type, name)
        if repo.mirror:
            return self.repos.writable(connection, actor, type, name)
        discussions.check_speaker(actor, repo)
        if not create_pr:
            row = discussions.found(connection, repo, int(number[:9]))
            discussions.check_owner(self.repos, actor, repo, row.author)
            if row.status not in discussions.OPEN:
                raise Conflict(f"The pull request {row.number} is {row.status}")
        return repo

    def _head(self, connection: Connection, repo: Repo, revision: str, create_pr: bool) -> str:
        if create_pr:
            return revision
        ref = revision if revision.startswith("refs/") else HEADS + revision
        if not ref.startswith((HEADS, PULLS)):
            raise BadRequest(f"{revision!r} is no branch: commits go to branches")
        query = select(refs.c.oid).where(refs.c.repo_id == repo.id, refs.c.name == ref)
        if connection.execute(query if self.db.is_sqlite else query.with_for_update()).first() is None:
            raise RevisionNotFound(revision)
        return ref

    def _changes(
        self, connection: Connection, actor: Actor, repo: Repo, request: CommitRequest, digests: list[str]
    ) -> dict[str, Entry | None]:
        changes: dict[str, Entry | None] = {}
        for (path, content), sha256 in zip(request.regular.items(), digests, strict=True):
            changes[path] = Entry(path.rsplit("/", 1)[-1], git_oid(content), len(content), sha256)
        sizes = self._large(connection, actor, repo, [file.sha256 for file in request.lfs.values()])
        for path, file in request.lfs.items():
            size = sizes.get(file.sha256)
            if size is None:
                raise BadRequest(f"The large file {path!r} was not uploaded: no blob {file.sha256}")
            if file.size is not None and file.size != size:
                raise BadRequest(f"{path!r} is {size} bytes long, not {file.size}")
            changes[path] = Entry.lfs_file(path.rsplit("/", 1)[-1], file.sha256, size)
        return changes

    def _large(self, connection: Connection, actor: Actor, repo: Repo, wanted: list[str]) -> dict[str, int]:
        """Sizes of blobs that may be committed here: sent to this repository, or readable by the actor."""
        found: dict[str, int] = {}
        for at in range(0, len(wanted), 500):
            query = (
                select(blob_table.c.sha256, blob_table.c.size, holdings.c.repo_id, holdings.c.committed)
                .join(holdings, holdings.c.sha256 == blob_table.c.sha256)
                .where(blob_table.c.sha256.in_(wanted[at : at + 500]))
            )
            for row in connection.execute(query if self.db.is_sqlite else query.with_for_update()):
                if row.sha256 in found:
                    continue
                if row.repo_id == repo.id or (row.committed and self._reads(connection, actor, row.repo_id)):
                    found[row.sha256] = row.size
        return found

    def _reads(self, connection: Connection, actor: Actor, repo_id: int) -> bool:
        row = connection.execute(select(repos.c.type, repos.c.name).where(repos.c.id == repo_id)).first()
        if row is None:
            return False
        try:
            self.repos.readable(connection, actor, row.type, row.name)
        except Refusal:
            return False
        return True

    def reusable(self, actor: Actor, repo: Repo, digests: list[str]) -> dict[str, int]:
        """Which of `digests` need not be uploaded for a commit to this repository, with their sizes."""
        with self.db.read() as connection:
            return self._large(connection, actor, repo, digests)

    def _move(self, connection: Connection, repo: Repo, ref: str, oid: str, expected: str | None) -> None:
        """Let a reference point to the new commit, unless another commit came first."""
        if expected is None:
            connection.execute(refs.insert().values(repo_id=repo.id, name=ref, oid=oid))
            return
        where = (refs.c.repo_id == repo.id, refs.c.name == ref, refs.c.oid == expected)
        if not connection.execute(update(refs).where(*where).values(oid=oid)).rowcount:
            raise StaleParent(f"Another commit to {ref} came first. Fetch it and commit again.")

    def _hold(self, connection: Connection, repo: Repo, changes: dict[str, Entry | None]) -> None:
        """Note that the repository holds these blobs, so that they are counted and kept."""
        for path, entry in changes.items():
            if entry is None or entry.sha256 is None:
                continue
            row = {
                "repo_id": repo.id,
                "sha256": entry.sha256,
                "committed": True,
                "path": path,
                "at": time.time(),
            }
            if not self.db.insert_new(connection, holdings, row):
                where = (holdings.c.repo_id == repo.id, holdings.c.sha256 == entry.sha256)
                values = {"committed": True, "path": func.coalesce(holdings.c.path, path)}
                connection.execute(update(holdings).where(*where).values(**values))

    def _check_quota(self, connection: Connection, repo: Repo) -> None:
        limit = connection.scalar(select(users.c.quota).where(users.c.id == repo.owner_id)) or self.quota
        if limit is not None and (used := usage(connection, repo.owner_id)) > limit:
            raise QuotaExceeded(f"{repo.namespace} would hold {used} bytes; its quota is {limit} bytes")


def usage(connection: Connection, owner_id: int) -> int:
    """Bytes that the repositories of a namespace hold; a blob counts once in each repository."""
    query = (
        select(func.coalesce(func.sum(blob_table.c.size), 0))
        .select_from(holdings)
        .join(blob_table, blob_table.c.sha256 == holdings.c.sha256)
        .join(repos, repos.c.id == holdings.c.repo_id)
        .where(repos.c.owner_id == owner_id)
    )
    return int(connection.scalar(query) or 0)


def split_lines(body: bytes) -> Iterator[bytes]:
    """The lines of an ndjson body."""
    yield from body.split(b"\n")
