"""Keeping the store in order: garbage collection beside running uploads, and a check of all that is kept."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from sqlalchemy import Connection, delete, exists, func, select

from zoohub.hub.blobs import blob_key, pack_key
from zoohub.hub.repos import Repo, repo_of
from zoohub.hub.service import Hub
from zoohub.hub.tables import (
    blob_packs,
    blobs,
    commits,
    holdings,
    pack_owners,
    packs,
    refs,
    repos,
    tokens,
    trees,
)
from zoohub.hub.trees import EMPTY_TREE, Trees

DAY = 86400.0
# How long what nobody refers to is kept: it may be on its way into a commit.
GRACE = 1 * DAY
# hf_xet remembers for three weeks which chunks the store has; were they gone, its uploads would fail.
PACK_GRACE = 28 * DAY


@dataclass(slots=True)
class Swept:
    """What a garbage collection removed."""

    blobs: int = 0
    packs: int = 0
    bytes: int = 0
    trees: int = 0
    commits: int = 0
    strays: int = 0
    uploads: int = 0


def collect(hub: Hub, *, grace: float = GRACE, pack_grace: float | None = None) -> Swept:
    """Remove what no repository needs any more and nobody is sending.

    Each blob goes in a transaction of its own, which looks again whether it is still unneeded; an upload or
    commit at the same time either comes first and keeps it, or comes after and stores it anew.
    """
    now = time.time()
    swept = Swept()
    pack_time = now - (max(grace, PACK_GRACE) if pack_grace is None else pack_grace)
    for repo in _repos(hub):
        _release(hub, repo, now - grace)
    for sha256 in _loose_blobs(hub, now - grace):
        _remove_blob(hub, sha256, now - grace, swept)
    for digest in _loose_packs(hub, pack_time):
        _remove_pack(hub, digest, pack_time, swept)
    _forget_history(hub, now - grace, swept)
    swept.strays = _remove_strays(hub, now - grace)
    swept.uploads = hub.incoming.clean(now - grace)
    with hub.db.write() as connection:
        connection.execute(delete(tokens).where(tokens.c.expires < now))
    return swept


def _repos(hub: Hub) -> list[Repo]:
    with hub.db.read() as connection:
        return [repo_of(row) for row in connection.execute(select(repos).order_by(repos.c.id))]


def _release(hub: Hub, repo: Repo, before: float) -> None:
    """Let go of blobs that no reference of a repository reaches, and of uploads that came to nothing."""
    with hub.db.write() as connection:
        needed = hub.reachable(connection, repo)
        old = select(holdings.c.sha256).where(holdings.c.repo_id == repo.id, holdings.c.at < before)
        loose = [sha256 for sha256 in connection.scalars(old) if sha256 not in needed]
        for at in range(0, len(loose), 500):
            where = (holdings.c.repo_id == repo.id, holdings.c.sha256.in_(loose[at : at + 500]))
            connection.execute(delete(holdings).where(*where))


def _loose_blobs(hub: Hub, before: float) -> list[str]:
    held = exists().where(holdings.c.sha256 == blobs.c.sha256)
    with hub.db.read() as connection:
        return list(connection.scalars(select(blobs.c.sha256).where(blobs.c.created < before, ~held)))


def _remove_blob(hub: Hub, sha256: str, before: float, swept: Swept) -> None:
    with hub.db.write() as connection:
        query = select(blobs.c.size, blobs.c.recipe).where(
            blobs.c.sha256 == sha256,
            blobs.c.created < before,
            ~exists().where(holdings.c.sha256 == blobs.c.sha256),
        )
        row = connection.execute(query if hub.db.is_sqlite else query.with_for_update()).first()
        if row is None:
            return
        connection.execute(delete(blob_packs).where(blob_packs.c.sha256 == sha256))
        connection.execute(delete(blobs).where(blobs.c.sha256 == sha256))
        if row.recipe is None:
            hub.storage.remove(blob_key(sha256))
            swept.bytes += row.size
        swept.blobs += 1


def _loose_packs(hub: Hub, before: float) -> list[str]:
    used = exists().where(blob_packs.c.pack == packs.c.hash)
    with hub.db.read() as connection:
        return list(connection.scalars(select(packs.c.hash).where(packs.c.touched < before, ~used)))


def _remove_pack(hub: Hub, digest: str, before: float, swept: Swept) -> None:
    with hub.db.write() as connection:
        query = select(packs.c.size).where(
            packs.c.hash == digest,
            packs.c.touched < before,
            ~exists().where(blob_packs.c.pack == packs.c.hash),
        )
        row = connection.execute(query if hub.db.is_sqlite else query.with_for_update()).first()
        if row is None:
            return
        connection.execute(delete(pack_owners).where(pack_owners.c.pack == digest))
        connection.execute(delete(packs).where(packs.c.hash == digest))
        hub.storage.remove(pack_key(digest))
        swept.packs += 1
        swept.bytes += row.size


def _forget_history(hub: Hub, before: float, swept: Swept) -> None:
    """Delete commits that no reference reaches, and folders that no commit reaches."""
    with hub.db.write() as connection:
        rows = connection.execute(select(commits.c.oid, commits.c.parent))
        parents = {row.oid: row.parent for row in rows}
        live: set[str] = set()
        for oid in connection.scalars(select(refs.c.oid)):
            current: str | None = oid
            while current is not None and current not in live:
                live.add(current)
                current = parents.get(current)
        old = set(connection.scalars(select(commits.c.oid).where(commits.c.at < before)))
        swept.commits = _delete_in(connection, commits, commits.c.oid, old - live)
        needed = _needed_trees(hub, connection)
        known = set(connection.scalars(select(trees.c.oid)))
        swept.trees = _delete_in(connection, trees, trees.c.oid, known - needed)


def _needed_trees(hub: Hub, connection: Connection) -> set[str]:
    reader = Trees(hub.db, connection)
    needed: set[str] = set()
    for root in connection.scalars(select(commits.c.tree).distinct()):
        stack = [root]
        while stack:
            oid = stack.pop()
            if oid in needed or oid == EMPTY_TREE:
                continue
            needed.add(oid)
            stack += [entry.oid for entry in reader.load(oid).values() if entry.folder]
    return needed


def _delete_in(connection: Connection, table: object, column: object, values: set[str]) -> int:
    items = sorted(values)
    for at in range(0, len(items), 500):
        connection.execute(delete(table).where(column.in_(items[at : at + 500])))  # type: ignore[arg-type,attr-defined]
    return len(items)


def _remove_strays(hub: Hub, before: float) -> int:
    """Remove stored objects that no row knows: what a crash between moving a file and its row left."""
    count = 0
    for prefix, table, column in (("blobs", blobs, blobs.c.sha256), ("packs", packs, packs.c.hash)):
        for key, changed in hub.storage.keys(prefix):
            if changed >= before:
                continue
            with hub.db.write() as connection:
                name = key.rsplit("/", 1)[-1]
                if not connection.scalar(select(func.count()).select_from(table).where(column == name)):
                    hub.storage.remove(key)
                    count += 1
    return count


@dataclass(slots=True)
class Health:
    """What a check found: how much was looked at, and each fault in words."""

    repos: int = 0
    commits: int = 0
    blobs: int = 0
    bytes: int = 0
    faults: list[str] = field(default_factory=list)


def check(hub: Hub, *, contents: bool = True, progress: Callable[[str], None] | None = None) -> Health:
    """Check that every reference leads to a whole commit, and every blob has the bytes that its name says.

    Without `contents`, sizes are compared and bytes are not read.
    """
    health = Health()
    with hub.db.read() as connection:
        for row in connection.execute(select(repos).order_by(repos.c.id)):
            health.repos += 1
            health.faults += list(_check_repo(hub, connection, repo_of(row), health))
        digests = list(connection.scalars(select(blobs.c.sha256).order_by(blobs.c.sha256)))
    for sha256 in digests:
        health.blobs += 1
        if fault := _check_blob(hub, sha256, health, contents=contents):
            health.faults.append(fault)
        if progress and health.blobs % 1000 == 0:
            progress(f"{health.blobs} of {len(digests)} blobs")
    return health


def _check_repo(hub: Hub, connection: Connection, repo: Repo, health: Health) -> Iterator[str]:
    reader = Trees(hub.db, connection)
    names = hub.repos.refs(connection, repo)
    if not any(row.name == "refs/heads/main" for row in names):
        yield f"{repo.type} {repo.name}: no branch main"
    seen: set[str] = set()
    for row in names:
        current: str | None = row.oid
        while current is not None and current not in seen:
            seen.add(current)
            commit = connection.execute(select(commits).where(commits.c.oid == current)).first()
            if commit is None or commit.repo_id != repo.id:
                yield f"{repo.type} {repo.name}: {row.name} leads to the commit {current}, which is not there"
                break
            health.commits += 1
            yield from _check_tree(hub, connection, reader, repo, commit.oid, commit.tree)
            current = commit.parent


def _check_tree(
    hub: Hub, connection: Connection, reader: Trees, repo: Repo, oid: str, root: str
) -> Iterator[str]:
    try:
        files = list(reader.files(root))
    except LookupError as error:
        yield f"{repo.type} {repo.name}: commit {oid}: {error}"
        return
    known = hub.blobs.known(connection, [entry.sha256 for _, entry in files if entry.sha256])
    for path, entry in files:
        if entry.sha256 is None and not repo.mirror:
            yield f"{repo.type} {repo.name}: commit {oid}: {path} names no blob"
        elif entry.sha256 and known.get(entry.sha256) != entry.size:
            yield f"{repo.type} {repo.name}: commit {oid}: the blob of {path} is missing or has another size"


def _check_blob(hub: Hub, sha256: str, health: Health, *, contents: bool) -> str | None:
    blob = hub.blobs.get(sha256)
    if blob is None:
        return None  # collected meanwhile
    health.bytes += blob.size
    for piece in blob.pieces:
        size = hub.storage.size(piece.key)
        if size is None or size < piece.end:
            return f"blob {sha256}: {piece.key} is missing or too short"
    if not contents:
        return None
    digest = hashlib.sha256()
    for chunk in hub.blobs.iterate(blob):
        digest.update(chunk)
    return None if digest.hexdigest() == sha256 else f"blob {sha256}: its bytes have another SHA-256"
