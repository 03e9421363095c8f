"""Discussions and pull requests of a repository, and merging.

A pull request is a discussion with commits of its own on `refs/pr/N`. What happens to a discussion is a row of
`hub_events`: comment, status-change, title-change, commit.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, func, select, update

from zoohub.hub.accounts import Actor, note
from zoohub.hub.errors import BadRequest, Conflict, Forbidden, NotFound, Unauthorized
from zoohub.hub.repos import HEADS, PULLS, Commit, Repo, Repos
from zoohub.hub.tables import discussions, events, refs
from zoohub.hub.trees import Entry, Trees

MAX_TITLE, MAX_COMMENT = 200, 65_536
OPEN = ("open", "draft")
STATES = {"open": OPEN, "closed": ("closed", "merged")}
PAGE = 50


@dataclass(frozen=True, slots=True)
class Merge:
    """What a pull request would change on its target; `conflicts` are files that both sides changed."""

    base: Commit
    head: Commit
    changes: dict[str, Entry | None]
    conflicts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Listed:
    """One page of a repository's discussions, the newest first; `count` of all that match, `closed` of all states."""

    rows: list[Row[Any]]
    count: int
    closed: int


def listed(
    connection: Connection,
    repo: Repo,
    *,
    pull: bool | None = None,
    author: str = "",
    status: str = "",
    page: int = 0,
) -> Listed:
    """The discussions of a repository: of one kind, one author, one of `STATES`, where these are given."""
    where = [discussions.c.repo_id == repo.id]
    if pull is not None:
        where.append(discussions.c.pull.is_(pull))
    if author:
        where.append(func.lower(discussions.c.author) == author.lower())
    closed = connection.scalar(select(func.count()).where(*where, discussions.c.status.in_(STATES["closed"])))
    if status:
        where.append(discussions.c.status.in_(STATES[status]))
    count = connection.scalar(select(func.count()).where(*where))
    query = select(discussions).where(*where).order_by(discussions.c.number.desc())
    rows = connection.execute(query.limit(PAGE).offset(page * PAGE)).all()
    return Listed(list(rows), int(count or 0), int(closed or 0))


def begin(
    repos: Repos,
    connection: Connection,
    actor: Actor,
    repo: Repo,
    title: str,
    text: str,
    *,
    pull: bool = False,
) -> int:
    """Open a discussion, or a draft of a pull request, for somebody who may; returns its number.

    Raises:
        Unauthorized, Forbidden; Conflict: the repository is a copy; BadRequest: the title or the text is too long.
    """
    check_speaker(actor, repo)
    if repo.mirror:
        raise Conflict(f"{repo.name} is a copy of {repo.mirror} and is discussed there")
    if not 3 <= len(title.strip()) <= MAX_TITLE:
        raise BadRequest(f"A title has 3 to {MAX_TITLE} characters")
    number = opened(connection, repo, actor.name, title, pull=pull, status="draft" if pull else "open")
    if text:
        commented(connection, repo, number, actor.name, text)
    if pull:
        head = repos.resolve(connection, repo, HEADS + "main")
        row = {"repo_id": repo.id, "name": refs_of(number)[0], "oid": head.oid}
        connection.execute(refs.insert().values(**row))
    note(connection, actor.name, "discussion.open", f"{repo.type}:{repo.name}", {"number": number})
    return number


def opened(
    connection: Connection, repo: Repo, author: str, title: str, *, pull: bool, status: str = "open"
) -> int:
    """Open a discussion, or with `pull` a pull request; returns its number."""
    where = discussions.c.repo_id == repo.id
    number = int(connection.scalar(select(func.max(discussions.c.number)).where(where)) or 0) + 1
    row = {
        "repo_id": repo.id, "number": number, "title": title.strip()[:MAX_TITLE], "author": author, "pull": pull,
        "status": status, "created": time.time(),
    }  # fmt: skip
    connection.execute(discussions.insert().values(**row))
    return number


def found(connection: Connection, repo: Repo, number: int) -> Row[Any]:
    """The discussion of that number.

    Raises:
        NotFound.
    """
    where = (discussions.c.repo_id == repo.id, discussions.c.number == number)
    row = connection.execute(select(discussions).where(*where)).first()
    if row is None:
        raise NotFound(f"{repo.name} has no discussion {number}")
    return row


def history(connection: Connection, repo: Repo, number: int) -> list[Row[Any]]:
    """What happened to a discussion, oldest first."""
    where = (events.c.repo_id == repo.id, events.c.number == number)
    return list(connection.execute(select(events).where(*where).order_by(events.c.id)))


def happened(
    connection: Connection, repo: Repo, number: int, kind: str, author: str, data: dict[str, Any]
) -> Row[Any]:
    """Note an event."""
    row = {
        "repo_id": repo.id, "number": number, "kind": kind, "author": author, "data": json.dumps(data),
        "at": time.time(),
    }  # fmt: skip
    return connection.execute(events.insert().values(**row).returning(*events.c)).one()


def commented(connection: Connection, repo: Repo, number: int, author: str, text: str) -> Row[Any]:
    """Add a comment.

    Raises:
        BadRequest: empty or too long.
    """
    if not text.strip() or len(text) > MAX_COMMENT:
        raise BadRequest(f"A comment has 1 to {MAX_COMMENT} characters")
    return happened(connection, repo, number, "comment", author, {"text": text})


def committed(connection: Connection, repo: Repo, ref: str, author: str, oid: str, title: str) -> None:
    """Note a commit, if it was one to a pull request."""
    number = ref.removeprefix(PULLS)
    if number != ref and number.isdigit():
        happened(connection, repo, int(number), "commit", author, {"oid": oid, "subject": title})


def set_status(connection: Connection, repo: Repo, row: Row[Any], status: str, author: str) -> Row[Any]:
    """Open or close a discussion.

    Raises:
        Conflict: it was merged.
    """
    if row.status == "merged":
        raise Conflict("A merged pull request stays merged")
    _change(connection, repo, row.number, status=status)
    return happened(connection, repo, row.number, "status-change", author, {"status": status})


def set_title(connection: Connection, repo: Repo, row: Row[Any], title: str, author: str) -> Row[Any]:
    """Rename a discussion."""
    if not 3 <= len(title.strip()) <= MAX_TITLE:
        raise BadRequest(f"A title has 3 to {MAX_TITLE} characters")
    _change(connection, repo, row.number, title=title.strip())
    return happened(
        connection, repo, row.number, "title-change", author, {"from": row.title, "to": title.strip()}
    )


def edit(connection: Connection, row: Row[Any], **facts: Any) -> Row[Any]:
    """Change the text of a comment, or hide it.

    Raises:
        Conflict: it is hidden already.
    """
    data = json.loads(row.data)
    if data.get("hidden"):
        raise Conflict("A hidden comment stays hidden")
    data |= {**facts, "edited": time.time()}
    if data.get("hidden"):
        data["text"] = ""  # what is hidden is gone
    query = update(events).where(events.c.id == row.id).values(data=json.dumps(data)).returning(*events.c)
    return connection.execute(query).one()


def merged(connection: Connection, repo: Repo, row: Row[Any], oid: str, author: str) -> None:
    """Note that a pull request is merged."""
    _change(connection, repo, row.number, status="merged", merged=oid)
    happened(connection, repo, row.number, "status-change", author, {"status": "merged"})


def _change(connection: Connection, repo: Repo, number: int, **values: Any) -> None:
    where = (discussions.c.repo_id == repo.id, discussions.c.number == number)
    connection.execute(update(discussions).where(*where).values(**values))


def check_speaker(actor: Actor, repo: Repo) -> None:
    """Refuse whoever may read but not speak: nobody, and tokens that only read.

    Raises:
        Unauthorized, Forbidden.
    """
    if actor.anonymous:
        raise Unauthorized
    if actor.role != "write" or not actor.covers(repo.key):
        raise Forbidden("A discussion needs a token with the role 'write'")


def check_author(actor: Actor, repo: Repo, author: str) -> None:
    """Refuse whoever is not the author.

    Raises:
        Unauthorized, Forbidden.
    """
    check_speaker(actor, repo)
    if actor.name != author:
        raise Forbidden("Only its author does that")


def check_owner(repos: Repos, actor: Actor, repo: Repo, author: str) -> None:
    """Refuse whoever is neither the author nor may write to the repository.

    Raises:
        Unauthorized, Forbidden.
    """
    check_speaker(actor, repo)
    if actor.name != author and not repos.can_write(actor, repo):
        raise Forbidden("Only its author and those who may write to the repository do that")


def merge_of(repos: Repos, connection: Connection, repo: Repo, number: int, onto: Commit) -> Merge:
    """What a pull request changed since it left the history of `onto`, and where `onto` changed the same."""
    head = repos.resolve(connection, repo, f"{PULLS}{number}")
    base = _common(repos, connection, head, onto)
    trees = Trees(repos.db, connection)
    was, theirs, ours = (dict(trees.files(commit.tree)) for commit in (base, head, onto))
    changes = _changes(was, theirs)
    others = _changes(was, ours)
    conflicts = tuple(sorted(path for path, entry in changes.items() if others.get(path, entry) != entry))
    return Merge(base, head, {path: e for path, e in changes.items() if ours.get(path) != e}, conflicts)


def _changes(old: dict[str, Entry], new: dict[str, Entry]) -> dict[str, Entry | None]:
    paths = old.keys() | new.keys()
    return {path: new.get(path) for path in paths if old.get(path) != new.get(path)}


def _common(repos: Repos, connection: Connection, one: Commit, other: Commit) -> Commit:
    """The newest commit that both histories have.

    Raises:
        Conflict: none, since one of them was squashed.
    """
    known = {commit.oid for commit in repos.history(connection, other)}
    for commit in repos.history(connection, one):
        if commit.oid in known:
            return commit
    raise Conflict("The branch was rewritten since this pull request began: commit its changes anew")


def refs_of(number: int) -> tuple[str, str]:
    """The reference of a pull request and the one that it is merged into."""
    return f"{PULLS}{number}", f"{HEADS}main"
