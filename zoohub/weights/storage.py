"""The store: where pulled files lie, laid out as the Hugging Face cache does.

    <store>/models--<namespace>--<name>/
        blobs/<sha256>                 the bytes, named by their digest
        blobs/<name>.incomplete        a download that goes on where it stopped
        snapshots/<revision>/<path>    relative links into blobs/
        refs/<branch>                  which revision a branch was
        zoo/<revision>.json            the manifest, written last: what a complete pull brought

With `HF_HUB_CACHE` set to the store, transformers finds a hub model in it offline.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from zoohub import settings
from zoohub.errors import WeightsError
from zoohub.registry import ModelId

CHUNK = 1 << 20
PARTIAL = ".incomplete"
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file of a pulled model. `made_from` is the SHA-256 of the pickle that it was converted from."""

    path: str
    size: int
    sha256: str
    made_from: str | None = None


@dataclass(frozen=True, slots=True)
class Manifest:
    """What one pull brought: written when all of it is in place, so its presence means "complete".

    `partial` marks a pull of chosen files only; `trusted` that the user allowed this revision to run
    code of its own; `dropped` the pickles (path: SHA-256) whose tensors `files` now hold.
    """

    id: str
    revision: str
    files: tuple[StoredFile, ...]
    partial: bool = False
    trusted: bool = False
    dropped: Mapping[str, str] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)


class Repo:
    """The part of the store that holds one model."""

    def __init__(self, root: Path, model: ModelId) -> None:
        self.model = model
        self.folder = root / folder_name(model)
        self._locks = root / ".locks"

    @classmethod
    def of_snapshot(cls, folder: Path) -> Repo | None:
        """The place that a snapshot folder belongs to; None for a folder that is no snapshot of a store."""
        place = folder.parent.parent
        if folder.parent.name != "snapshots" or not (place / "zoo" / f"{folder.name}.json").is_file():
            return None
        manifest = _read_manifest(place / "zoo" / f"{folder.name}.json")
        return cls(place.parent, ModelId.parse(manifest.id, folders=False)) if manifest else None

    @property
    def blobs(self) -> Path:
        """The folder of the bytes."""
        return self.folder / "blobs"

    def blob(self, sha256: str) -> Path:
        """Where the bytes of that digest lie, or would."""
        return self.blobs / sha256

    def snapshot(self, revision: str) -> Path:
        """The folder a library loads from."""
        return self.folder / "snapshots" / revision

    def manifests(self) -> list[Manifest]:
        """The complete pulls, newest first."""
        found = sorted((self.folder / "zoo").glob("*.json"), key=lambda path: path.stat().st_mtime_ns)
        return [manifest for path in reversed(found) if (manifest := _read_manifest(path))]

    def manifest(self, revision: str | None) -> Manifest | None:
        """The pull of `revision`: a commit, or a branch that was pulled; without one, the newest."""
        if revision is None:
            pulled = self.manifests()
            return next((item for item in pulled if not item.partial), pulled[0] if pulled else None)
        ref = self.folder / "refs" / revision
        if ref.is_file():
            revision = ref.read_text().strip()
        return _read_manifest(self.folder / "zoo" / f"{revision}.json")

    def holds(self, manifest: Manifest) -> bool:
        """All files of a manifest are in place with their sizes."""
        folder = self.snapshot(manifest.revision)
        return all(_size(folder / file.path) == file.size for file in manifest.files)

    def damaged(self, manifest: Manifest) -> list[StoredFile]:
        """The files of a manifest whose bytes are not what they were; every byte is read."""
        return [
            file
            for file in manifest.files
            if _size(self.blob(file.sha256)) != file.size or sha256_of(self.blob(file.sha256)) != file.sha256
        ]

    @contextmanager
    def lock(self, say: Any = None) -> Iterator[None]:
        """One process at a time writes a model; the lock falls with its process."""
        from filelock import FileLock, Timeout

        with full_disk(self.folder):
            self._locks.mkdir(parents=True, exist_ok=True)
        guard = FileLock(self._locks / f"{self.folder.name}.lock")
        try:
            guard.acquire(timeout=0)
        except Timeout:
            if say:
                say(f"Waiting for another process that pulls {self.model.key} ...")
            guard.acquire()
        try:
            yield
        finally:
            guard.release()

    def land(self, partial: Path, sha256: str) -> Path:
        """Give finished, verified bytes their name: on the disk before the name appears."""
        _sync(partial)
        blob = self.blob(sha256)
        partial.replace(blob)
        _sync(self.blobs)
        return blob

    def add(self, data: bytes) -> StoredFile:
        """Store small bytes that this program made; the caller sets the path."""
        sha256 = hashlib.sha256(data).hexdigest()
        if not self.blob(sha256).is_file():
            self.blobs.mkdir(parents=True, exist_ok=True)
            partial = self.blobs / f"{sha256}{PARTIAL}"
            partial.write_bytes(data)
            self.land(partial, sha256)
        return StoredFile("", len(data), sha256)

    def publish(self, manifest: Manifest, refs: Sequence[str] = ()) -> Path:
        """Link the files of a complete pull into its snapshot, then write its refs and its manifest."""
        folder = self.snapshot(manifest.revision)
        for file in manifest.files:
            _link(self.blob(file.sha256), folder / file.path)
        for ref in refs:
            if ref != manifest.revision:
                write_atomically(self.folder / "refs" / ref, manifest.revision.encode())
        text = json.dumps(asdict(manifest), indent=1, ensure_ascii=False)
        write_atomically(self.folder / "zoo" / f"{manifest.revision}.json", text.encode())
        return folder

    def drop_partials(self) -> None:
        """Remove what interrupted pulls left; call it under the lock only."""
        for path in self.blobs.glob(f"*{PARTIAL}"):
            path.unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove the model, first the manifests, so that an interrupted removal is no complete model."""
        shutil.rmtree(self.folder / "zoo", ignore_errors=True)
        shutil.rmtree(self.folder, ignore_errors=True)


class Store:
    """All pulled models."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def repo(self, model: ModelId) -> Repo:
        """The place of one model."""
        return Repo(self.root, model)

    def models(self) -> Iterator[tuple[Repo, Manifest]]:
        """Every complete pull, by id."""
        for folder in sorted(self.root.glob("models--*/zoo")):
            for path in sorted(folder.glob("*.json")):
                if manifest := _read_manifest(path):
                    yield self.repo(ModelId.parse(manifest.id, folders=False)), manifest


def store() -> Store:
    """The store of this user: `ZOO_STORE`, else `$ZOO_HOME/store`."""
    return Store(settings.store())


def folder_name(model: ModelId) -> str:
    """As the Hugging Face cache names it. Other sources get a namespace that no hub id can have."""
    if model.source == "folder":
        digest = hashlib.sha256(model.name.encode()).hexdigest()[:12]
        return f"models--folder.--{Path(model.name).name}-{digest}"
    parts = model.name.split("/")
    if model.source != "hub":
        parts.insert(0, f"{model.source}.")
    return "--".join(["models", *parts])


@contextmanager
def full_disk(where: Path, clean_up: Callable[[], object] = lambda: None) -> Iterator[None]:
    """Say plainly that the disk is full, after `clean_up`."""
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        clean_up()
        raise WeightsError(
            f"No space left for {where} ({error.strerror}). Nothing half-written was kept.",
            "Free some space (zoo store list, zoo store rm MODEL) or set ZOO_STORE to a larger disk.",
        ) from error


def write_atomically(path: Path, data: bytes) -> None:
    """Write a small file so that a reader sees the old or the new one, never half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}{PARTIAL}")
    try:
        partial.write_bytes(data)
        _sync(partial)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, as hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _read_manifest(path: Path) -> Manifest | None:
    try:
        data = json.loads(path.read_text())
        return Manifest(**{**data, "files": tuple(StoredFile(**item) for item in data["files"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None  # not there, or not written by this program: then the pull is simply done again


def _link(blob: Path, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    target = os.path.relpath(blob, path.parent)
    if path.is_symlink() and str(path.readlink()) == target:
        return
    partial = path.with_name(f".{path.name}.{os.getpid()}{PARTIAL}")
    partial.unlink(missing_ok=True)
    try:
        partial.symlink_to(target)
    except OSError:  # a system without links (Windows without the right): a second name, else a copy
        try:
            partial.hardlink_to(blob)
        except OSError:
            shutil.copyfile(blob, partial)
    partial.replace(path)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1


def _sync(path: Path) -> None:
    if path.is_dir() and os.name == "nt":
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
