"""Where bytes lie: a local folder, or an object store through fsspec. Keys are relative paths with '/'."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from zoohub.errors import MissingDependency
from zoohub.hub.errors import StorageFull

BEGIN_EVERY = 16 << 20  # bytes after which the disk is asked to begin
MAX_PARTS = 1000  # of one call; POSIX allows 1024


class Storage(Protocol):
    """What the hub asks of a place for bytes. An object appears whole under its key or not at all."""

    def put(self, source: Path, key: str) -> None:
        """Move the finished local file `source` to `key`; a present object is replaced."""

    def read(self, key: str, start: int, end: int) -> bytes:
        """The bytes [start, end) of an object. Raises FileNotFoundError."""

    def read_now(self, key: str, start: int, end: int) -> bytes | None:
        """The same, without waiting: None where it is not in memory, or not there."""

    def size(self, key: str) -> int | None:
        """The size of an object in bytes; None where there is none."""

    def remove(self, key: str) -> None:
        """Delete an object; one that is not there is no error."""

    def keys(self, prefix: str) -> Iterator[tuple[str, float]]:
        """Every key under `prefix` with the time of its last change."""


class FolderStorage:
    """A folder of this machine. Writing is temp file, fsync, rename, fsync of the folder."""

    def __init__(self, root: Path) -> None:
        self.root, self._prefix = root, f"{root}{os.sep}"
        root.mkdir(parents=True, exist_ok=True)

    def path(self, key: str) -> Path:
        """The local file of a key."""
        return self.root / key

    def put(self, source: Path, key: str) -> None:
        """See `Storage.put`. `source` must lie on the same file system."""
        target = self.path(key)
        if not target.parent.is_dir():
            target.parent.mkdir(parents=True, exist_ok=True)
            _sync_folder(target.parent.parent)
        source.replace(target)
        _sync_folder(target.parent)

    def read(self, key: str, start: int, end: int) -> bytes:
        """See `Storage.read`."""
        descriptor = os.open(self.path(key), os.O_RDONLY)
        try:
            return os.pread(descriptor, end - start, start)
        finally:
            os.close(descriptor)

    def read_now(self, key: str, start: int, end: int) -> bytes | None:
        """See `Storage.read_now`. Only Linux tells what its page cache holds."""
        if not hasattr(os, "RWF_NOWAIT"):
            return None
        found = bytearray(end - start)
        try:
            descriptor = os.open(f"{self._prefix}{key}", os.O_RDONLY)
            try:
                count = os.preadv(descriptor, [found], start, os.RWF_NOWAIT)
            finally:
                os.close(descriptor)
        except OSError:  # also where the file system cannot tell
            return None
        return bytes(found) if count == end - start else None

    def size(self, key: str) -> int | None:
        """See `Storage.size`."""
        try:
            return self.path(key).stat().st_size
        except FileNotFoundError:
            return None

    def remove(self, key: str) -> None:
        """See `Storage.remove`."""
        self.path(key).unlink(missing_ok=True)

    def keys(self, prefix: str) -> Iterator[tuple[str, float]]:
        """See `Storage.keys`."""
        for folder, _, names in os.walk(self.root / prefix):
            for name in names:
                path = Path(folder, name)
                try:
                    yield path.relative_to(self.root).as_posix(), path.stat().st_mtime
                except FileNotFoundError:
                    continue


class ObjectStorage:
    """An object store that fsspec knows, such as `s3://bucket/prefix`."""

    def __init__(self, url: str, options: dict[str, Any] | None = None) -> None:
        try:
            import fsspec
        except ImportError as error:
            raise MissingDependency("fsspec", "server") from error
        self.fs, self.root = fsspec.core.url_to_fs(url, **(options or {}))
        self.root = self.root.rstrip("/")

    def _at(self, key: str) -> str:
        return f"{self.root}/{key}"

    def put(self, source: Path, key: str) -> None:
        """See `Storage.put`; a store's own upload is atomic."""
        self.fs.put_file(str(source), self._at(key))
        source.unlink()

    def read(self, key: str, start: int, end: int) -> bytes:
        """See `Storage.read`."""
        return bytes(self.fs.cat_file(self._at(key), start=start, end=end)) if end > start else b""

    def read_now(self, key: str, start: int, end: int) -> bytes | None:
        """See `Storage.read_now`: nothing is at hand."""
        return None

    def size(self, key: str) -> int | None:
        """See `Storage.size`."""
        try:
            return int(self.fs.size(self._at(key)))
        except FileNotFoundError:
            return None

    def remove(self, key: str) -> None:
        """See `Storage.remove`."""
        try:
            self.fs.rm_file(self._at(key))
        except FileNotFoundError:
            return

    def keys(self, prefix: str) -> Iterator[tuple[str, float]]:
        """See `Storage.keys`."""
        self.fs.invalidate_cache()
        for path, info in self.fs.find(self._at(prefix), detail=True).items():
            changed = info.get("LastModified") or info.get("mtime") or 0.0
            yield (
                path[len(self.root) + 1 :],
                changed.timestamp() if hasattr(changed, "timestamp") else changed,
            )


def open_storage(place: str, options: dict[str, Any] | None = None) -> Storage:
    """The storage at `place`: a path, or an address such as `s3://bucket/prefix`."""
    scheme = urlsplit(place).scheme
    if not scheme or len(scheme) == 1:
        return FolderStorage(Path(place).expanduser().resolve())
    if scheme == "file":
        return FolderStorage(Path(urlsplit(place).path))
    return ObjectStorage(place, options)


class Incoming:
    """The folder of files on their way in: a name of its own for each, removed if not taken over."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def new(self) -> Path:
        """A fresh path."""
        return self.folder / secrets.token_hex(16)

    def clean(self, before: float) -> int:
        """Remove what was last written before `before`; returns how many files."""
        count = 0
        for path in self.folder.iterdir():
            try:
                if path.stat().st_mtime < before:
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
                    count += 1
            except FileNotFoundError:
                continue
        return count


class IncomingFile:
    """A file on its way in, of at most `most` bytes, of which `reserve` must be left free on the disk.

    Raises (on opening):
        StorageFull.
    """

    def __init__(self, path: Path, reserve: int, most: int, *, at: int = 0) -> None:
        check_free(path.parent, most, reserve)
        self.path, self._begun, self._end = path, at, at
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
        os.lseek(self._descriptor, at, os.SEEK_SET)

    def write(self, parts: Sequence[bytes | memoryview]) -> None:
        """Write further bytes, and let the disk begin with them, so that `sync` has little left to wait for."""
        for first in range(0, len(parts), MAX_PARTS):
            some = parts[first : first + MAX_PARTS]
            written = os.writev(self._descriptor, some)
            self._end += written
            if written < sum(map(len, some)):
                rest = memoryview(b"".join(some))[written:]
                while rest:
                    written = os.write(self._descriptor, rest)
                    self._end, rest = self._end + written, rest[written:]
        if self._end - self._begun >= BEGIN_EVERY and hasattr(os, "posix_fadvise"):
            # Of pages that are not written yet, Linux takes this as the wish to write them.
            os.posix_fadvise(self._descriptor, self._begun, self._end - self._begun, os.POSIX_FADV_DONTNEED)
            self._begun = self._end

    def sync(self) -> None:
        """Make what was written last."""
        os.fsync(self._descriptor)

    def close(self, *, keep: bool = False) -> None:
        """Close the file, and unless `keep`, remove what is left under its path."""
        os.close(self._descriptor)
        if not keep:
            self.path.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def check_free(folder: Path, needed: int, reserve: int) -> None:
    """Refuse to begin what would fill the disk.

    Raises:
        StorageFull: fewer than `needed + reserve` bytes are free.
    """
    if shutil.disk_usage(folder).free < needed + reserve:
        raise StorageFull
