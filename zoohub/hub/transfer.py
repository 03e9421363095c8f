"""Whole models in and out: import from a hub or a folder, export to a folder. Every file is verified."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from zoohub import settings
from zoohub.hub import names
from zoohub.hub.accounts import Actor
from zoohub.hub.commits import MAX_REGULAR, CommitRequest, LfsFile
from zoohub.hub.errors import BadRequest, Conflict, EntryNotFound, Unavailable
from zoohub.hub.mirror import entries_of
from zoohub.hub.service import Hub, Pushed
from zoohub.hub.storage import check_free
from zoohub.hub.trees import Entry, Trees, git_oid
from zoohub.hub.upstream import Upstream

Say = Callable[[str], None]
Opener = Callable[[str], Any]  # path of a file -> context manager of its chunks


def import_model(
    hub: Hub,
    actor: Actor,
    model: str,
    *,
    target: str | None = None,
    origin: str | None = None,
    revision: str | None = None,
    private: bool = False,
    say: Say = lambda _text: None,
) -> Pushed:
    """Copy a model into this hub as one commit, with its card and license texts.

    `origin` is a hub's address, or a folder whose subfolder `model` it is; the default is `HF_ENDPOINT`.
    The commit names where it came from. The policy of this hub judges it as any push.

    Raises:
        Unavailable, BadRequest: the origin does not answer, or a file is not what it promised.
    """
    folder = Path(origin or ".") / model if origin is None or "://" not in origin else None
    if folder is not None and (origin is not None or folder.is_dir()):
        if not folder.is_dir():
            raise BadRequest(f"There is no folder {folder}")
        title, files, opener = f"Import from {folder.name}", _listed(folder), _local(folder)
        name = target or f"{actor.name}/{folder.resolve().name}"
    else:
        upstream = Upstream(origin or settings.hub_endpoint(), token=os.environ.get("HF_TOKEN"), private=True)
        info = upstream.info("model", model, revision or "main")
        title = f"Import {info.get('id', model)} at {info['sha']} from {upstream.base}"
        files, name = dict(entries_of(info.get("siblings") or [])), target or model
        opener = _remote(upstream, model, str(info["sha"]))
    namespace, slash, short = name.partition("/")
    if not slash:
        raise BadRequest(f"{name!r} has no namespace: name one with --to namespace/name")
    if hub.accounts.find(namespace) is None and actor.id is not None:
        hub.accounts.create_org(namespace, actor.id)
        actor = hub.accounts.as_user(actor.id)
    try:
        hub.create_repo(actor, short, namespace, private=private)
    except Conflict:
        say(f"{name} is here already; its files are replaced")
    return hub.push(actor, "model", name, "main", _request(hub, actor, name, title, files, opener, say))


def _request(
    hub: Hub, actor: Actor, name: str, title: str, files: dict[str, Entry | None], opener: Opener, say: Say
) -> CommitRequest:
    request = CommitRequest(title=title)
    with hub.db.read() as connection:
        repo = hub.repos.writable(connection, actor, "model", name)
        head = hub.repos.resolve(connection, repo, "main")
        present = {path for path, _ in Trees(hub.db, connection).files(head.tree)}
    request.deleted = sorted(present - set(files))
    for path, entry in files.items():
        assert entry is not None
        say(f"{path} ({entry.size} bytes)")
        with opener(path) as chunks:
            if entry.lfs or entry.size > MAX_REGULAR:
                request.lfs[path] = keep_large(hub, repo.id, chunks, entry, path)
            else:
                request.regular[path] = _small(entry, path, chunks)
    return request


def _small(entry: Entry, path: str, chunks: Iterator[bytes]) -> bytes:
    body = bytearray()
    for chunk in chunks:
        body += chunk
        if len(body) > entry.size:
            break
    if len(body) != entry.size or (entry.oid and git_oid(bytes(body)) != entry.oid):
        raise Unavailable(f"{path} is not what was promised; nothing was imported")
    return bytes(body)


def keep_large(
    hub: Hub, repo_id: int, chunks: Iterable[bytes], promised: Entry | None = None, path: str = ""
) -> LfsFile:
    """Keep a large file for a commit to a repository; of what was `promised`, size and SHA-256 must be right.

    Raises:
        Unavailable: it is not what was promised; StorageFull.
    """
    most = promised.size if promised is not None else None
    check_free(hub.incoming.folder, most or 0, hub.config.disk_reserve)
    place, digest, size = hub.incoming.new(), hashlib.sha256(), 0
    try:
        with place.open("wb") as out:
            for chunk in chunks:
                size += len(chunk)
                if most is not None and size > most:
                    break
                digest.update(chunk)
                out.write(chunk)
            out.flush()
            os.fsync(out.fileno())
        found = digest.hexdigest()
        if promised is not None and (size != promised.size or promised.sha256 not in (None, "", found)):
            raise Unavailable(f"{path} is not what was promised; nothing was imported")
        hub.blobs.add_file(place, found, size)
    finally:
        place.unlink(missing_ok=True)
    hub.hold(repo_id, found)
    return LfsFile(found, size)


def _listed(folder: Path) -> dict[str, Entry | None]:
    """The plain files of a folder; links that lead out of it and hidden files are left out."""
    root = folder.resolve()
    found: dict[str, Entry | None] = {}
    for place in sorted(root.rglob("*")):
        path = place.relative_to(root).as_posix()
        hidden = any(part.startswith(".") for part in path.split("/"))
        if not hidden and place.is_file() and place.resolve().is_relative_to(root):
            found[names.file_path(path)] = Entry(place.name, "", place.stat().st_size)
    return found


def _local(folder: Path) -> Opener:
    @contextmanager
    def opened(path: str) -> Iterator[Iterator[bytes]]:
        with (folder / path).open("rb") as file:
            yield iter(lambda: file.read(1 << 20), b"")

    return opened


def _remote(upstream: Upstream, model: str, sha: str) -> Opener:
    return lambda path: upstream.file("model", model, sha, path)


def export_repo(hub: Hub, type: str, name: str, revision: str, folder: Path) -> int:
    """Write the files of a revision to an empty or new folder; returns how many.

    Raises:
        Refusal: there is no such repository or revision; BadRequest: the folder holds something.
    """
    if folder.exists() and any(folder.iterdir()):
        raise BadRequest(f"The folder {folder} is not empty")
    with hub.db.read() as connection:
        repo = hub.repos.find(connection, type, name)
        if repo is None:
            raise BadRequest(f"There is no {type} {name!r} on this hub")
        commit = hub.repos.resolve(connection, repo, revision)
        files = list(Trees(hub.db, connection).files(commit.tree))
    for path, entry in files:
        blob = hub.blobs.get(entry.sha256) if entry.sha256 else None
        if blob is None:
            raise EntryNotFound(commit.oid)
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        part, digest = target.with_name(target.name + ".part"), hashlib.sha256()
        with part.open("wb") as out:
            for chunk in hub.blobs.iterate(blob):
                digest.update(chunk)
                out.write(chunk)
        if digest.hexdigest() != blob.sha256:
            shutil.rmtree(folder)
            raise Unavailable(f"{path} is damaged in the store; run: zoo hub fsck")
        part.replace(target)
    return len(files)
