"""The hub as one object: its parts put together, without HTTP."""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, select, update

from zoohub.hub.accounts import Accounts, Actor
from zoohub.hub.blobs import Blob, Blobs
from zoohub.hub.commits import CommitRequest, Commits
from zoohub.hub.config import Config
from zoohub.hub.counts import Counts
from zoohub.hub.db import Database
from zoohub.hub.facts import hosted_record, repo_record
from zoohub.hub.inspection import Inspector
from zoohub.hub.kept import Kept, Watch
from zoohub.hub.mirror import Mirror
from zoohub.hub.modelfacts import HOSTED, OWN
from zoohub.hub.oidc import Provider
from zoohub.hub.repos import HEADS, Commit, Repo, Repos, repo_of
from zoohub.hub.signing import Signer
from zoohub.hub.storage import FolderStorage, Incoming, Storage, open_storage
from zoohub.hub.tables import holdings, repos
from zoohub.hub.trees import Entry, Trees
from zoohub.hub.words import FilterWords
from zoohub.hub.xetingest import XetIngest
from zoohub.registry import Query, Registry

# A type of the Hugging Face API's tags -> the facet of the registry.
TAG_TYPES = {
    "pipeline_tag": "task", "library": "library", "license": "license", "language": "language",
    "dataset": "dataset", "other": "tag",
}  # fmt: skip
MAX_TAGS = 1000
Headers = tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True, slots=True)
class Pushed:
    """What came of a push; `warning` is shown by the client."""

    repo: Repo
    oid: str
    pull: int | None = None
    warning: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """A file of a repository at a revision, and the headers that a plain request for it is answered with."""

    repo: Repo
    commit: Commit
    path: str
    entry: Entry
    blob: Blob
    headers: Headers


class Hub:
    """Everything a request needs. Open with `Hub(config)`, close with `close`."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.registry = Registry.open(config.database_url, catalog=config.catalog)
        self.words = FilterWords(self.registry)
        self.counts = Counts(self.registry)
        self.db = Database(config.database_url)
        self.watch = Watch(config.database_url)
        self.answers: Kept[tuple[bytes, dict[str, str]]] = Kept(self.watch, 16 << 20)
        self.places: Kept[Place] = Kept(self.watch, 8 << 20)
        self.heads: Kept[tuple[Repo, Commit]] = Kept(self.watch, 2 << 20)
        folder = config.folder
        self.storage: Storage = (
            open_storage(config.storage, dict(config.storage_options))
            if config.storage
            else FolderStorage(folder / "objects")
        )
        # Files are moved into a local storage by rename, so they arrive on the same file system.
        local = self.storage.root if isinstance(self.storage, FolderStorage) else folder
        self.incoming = Incoming(local / "incoming")
        self.blobs = Blobs(self.db, self.storage, self.incoming, config.disk_reserve)
        self.accounts = Accounts(self.db, Kept(self.watch, 4 << 20), self.watch)
        self.repos = Repos(self.db, login_required=config.login_required)
        self.commits = Commits(
            self.repos, self.blobs, config.quota or None, Inspector(config, self.blobs, self.registry)
        )
        self.xet = XetIngest(self.blobs)
        self.mirror = Mirror(self)
        self.signer = Signer(self.db.secret())
        self.oidc = Provider(config) if config.oidc_issuer else None
        self._downloads: Counter[int] = Counter()
        self._lock = threading.Lock()

    def close(self) -> None:
        """Write what is pending and give connections back."""
        self.flush()
        self.watch.close()
        self.registry.close()
        self.db.close()

    # --- what concerns more than one part -------------------------------------------------------------

    def push(
        self,
        actor: Actor,
        type: str,
        name: str,
        revision: str,
        request: CommitRequest,
        *,
        create_pr: bool = False,
    ) -> Pushed:
        """Commit, and let the registry know what `main` is now."""
        done = self.commits.commit(actor, type, name, revision, request, create_pr=create_pr)
        if done.ref == HEADS + "main":
            self.index(done.repo.id)
        return Pushed(done.repo, done.oid, done.pull, "; ".join(done.flags[:3]))

    def merge(self, actor: Actor, type: str, name: str, number: int, comment: str = "") -> Pushed:
        """Merge a pull request, and let the registry know what `main` is now."""
        done = self.commits.merge(actor, type, name, number, comment)
        self.index(done.repo.id)
        return Pushed(done.repo, done.oid, warning="; ".join(done.flags[:3]))

    def create_repo(self, actor: Actor, name: str, namespace: str | None = None, **facts: Any) -> Repo:
        """Create a repository, which search finds at once."""
        repo = self.repos.create(actor, name, namespace, **facts)
        self.index(repo.id)
        return repo

    def duplicate_repo(
        self, actor: Actor, type: str, source: str, target: str, private: bool | None = None
    ) -> Repo:
        """Copy a repository that the actor may read to a new one, as hidden and as gated as it was.

        Raises:
            Conflict: the new one exists; what `Commits.copy` raises: then it is not made.
        """
        with self.db.read() as connection:
            origin = self.repos.readable(connection, actor, type, source)
        hidden = origin.private if private is None else private
        namespace, _, name = target.rpartition("/")
        repo = self.repos.create(actor, name, namespace or None, type=type, private=hidden)
        try:
            if origin.gated:
                self.repos.configure(actor, type, repo.name, gated=origin.gated)
            self.commits.copy(actor, type, origin.name, repo.name)
        except Exception:
            self.repos.delete(actor, type, repo.name)
            raise
        self.index(repo.id)
        return repo

    def delete_repo(self, actor: Actor, type: str, name: str) -> None:
        """Delete a repository, here and in the registry."""
        repo = self.repos.delete(actor, type, name)
        if type == "model" and not repo.private:
            self.registry.delete([repo.name])

    def move_repo(self, actor: Actor, type: str, old: str, new: str) -> Repo:
        """Move a repository, here and in the registry."""
        repo = self.repos.move(actor, type, old, new)
        if type == "model" and not repo.private:
            self.registry.delete([old])
        self.index(repo.id)
        return repo

    def configure_repo(self, actor: Actor, type: str, name: str, **facts: Any) -> Repo:
        """Change visibility or gating; the registry only knows public repositories."""
        repo = self.repos.configure(actor, type, name, **facts)
        self.index(repo.id)
        return repo

    def hold(self, repo_id: int, sha256: str) -> None:
        """Note that a blob was sent to a repository, which may commit it now."""
        row = {"repo_id": repo_id, "sha256": sha256, "committed": False, "at": time.time()}
        with self.db.write() as connection:
            self.db.insert_new(connection, holdings, row)

    def index(self, repo_id: int) -> None:
        """Bring the registry up to date with a repository; of private ones it learns nothing."""
        with self.db.read() as connection:
            row = connection.execute(select(repos).where(repos.c.id == repo_id)).first()
            if row is None or row.type != "model":
                return
            repo = repo_of(row)
            head = self.repos.resolve(connection, repo, "main")
        if repo.private:
            self.registry.delete([repo.name])
        else:
            record = hosted_record(repo, head)
            self.registry.add([record])
            self.words.learn(record.library)
        self.counts.forget()

    def catch_up(self) -> int:
        """Index anew what the registry no longer knows as this hub's; returns how many models those were.

        A sync of the same registry with another hub may overwrite the record of a model of the same name.
        """
        public = (repos.c.type == "model", repos.c.private.is_(False))
        with self.db.read() as connection:
            count = connection.scalar(select(func.count()).where(*public))
            if count == self.registry.count(Query(tag=(HOSTED,), gone=None)):
                return 0
            rows = connection.execute(select(repos).where(*public)).all()
            lost = [
                hosted_record(repo, self.repos.resolve(connection, repo, "main"))
                for repo in map(repo_of, rows)
                if (known := self.registry.find(repo.name)) is None or known.origin != OWN
            ]
        self.registry.add(lost)
        self.counts.forget()
        return len(lost)

    def tags(self, type: str) -> dict[str, list[dict[str, str]]]:
        """The tags of this hub's public repositories by type, the most frequent first."""
        if type == "model":
            own = Query(tag=(HOSTED,))
            found = {kind: self.counts.by(facet, own) for kind, facet in TAG_TYPES.items()}
        else:
            found = {kind: Counter() for kind in TAG_TYPES}
            with self.db.read() as connection:
                public = select(repos).where(repos.c.type == type, repos.c.private.is_(False))
                for row in connection.execute(public):
                    if (record := repo_record(repo_of(row))) is not None:
                        found["pipeline_tag"].update(record.tasks)
                        found["license"].update([record.license])
                        found["language"].update(record.languages)
                        found["other"].update(record.tags)
        prefix = {"license": "license:", "dataset": "dataset:"}
        return {
            kind: [
                {"id": prefix.get(kind, "") + value, "label": value, "type": kind}
                for value, _ in counts.most_common(MAX_TAGS)
                if value not in ("unknown", HOSTED)
            ]
            for kind, counts in found.items()
        }

    def reachable(self, connection: Connection, repo: Repo) -> set[str]:
        """The blobs that any reference of a repository reaches."""
        trees = Trees(self.db, connection)
        seen: set[str] = set()
        found: set[str] = set()
        for ref in self.repos.refs(connection, repo):
            for commit in self.repos.history(connection, self.repos.resolve(connection, repo, ref.oid)):
                if commit.tree not in seen:
                    seen.add(commit.tree)
                    found.update(entry.sha256 for _, entry in trees.files(commit.tree) if entry.sha256)
        return found

    # --- downloads ------------------------------------------------------------------------------------

    def count_download(self, repo_id: int) -> None:
        """Count one download; written with the next `flush`."""
        with self._lock:
            self._downloads[repo_id] += 1

    def flush(self) -> None:
        """Write the counted downloads, and when tokens were used."""
        self.accounts.flush()
        with self._lock:
            counts, self._downloads = self._downloads, Counter()
        if counts:
            with self.db.write() as connection:
                for repo_id, count in counts.items():
                    values: dict[str, Any] = {"downloads": repos.c.downloads + count}
                    connection.execute(update(repos).where(repos.c.id == repo_id).values(**values))
