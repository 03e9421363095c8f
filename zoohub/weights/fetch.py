"""One file from a source into the store: resumed, counted, hashed while it streams, landed whole."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import BinaryIO

from zoohub import settings
from zoohub.errors import DigestMismatch, SourceError
from zoohub.registry import ModelFile
from zoohub.registry.sources import Files
from zoohub.weights.storage import CHUNK, PARTIAL, Repo, StoredFile

ATTEMPTS = 5
PAUSE = 0.25  # seconds before the second attempt; it doubles from one to the next


class Stopped(Exception):
    """The pull was told to stop; what was fetched stays, to be resumed."""


def fetch(
    source: Files, file: ModelFile, repo: Repo, advance: Callable[[int], object], stop: Event
) -> StoredFile:
    """Bring one file into the store and return it with its size and digest.

    An interrupted file goes on where it stopped. `advance` is told of each number of bytes that arrived
    (negative when they must be fetched again).

    Raises:
        DigestMismatch: size or SHA-256 differ from what was promised; the file is not kept.
        SourceError: the source failed `ATTEMPTS` times in a row without one new byte.
        OSError: the file cannot be written.
    """
    if file.sha256 and repo.blob(file.sha256).is_file():
        size = repo.blob(file.sha256).stat().st_size
        if file.size in (None, size):
            advance(size)
            return StoredFile(file.path, size, file.sha256)
    download = _Download(source, file, repo, advance, stop)
    try:
        return download.run()
    except (DigestMismatch, Stopped) as error:
        if isinstance(error, DigestMismatch) or download.size == 0:
            download.partial.unlink(missing_ok=True)
        raise


class _Download:
    def __init__(
        self, source: Files, file: ModelFile, repo: Repo, advance: Callable[[int], object], stop: Event
    ) -> None:
        self.source, self.file, self.repo, self.advance, self.stop = source, file, repo, advance, stop
        key = file.sha256 or hashlib.sha256(f"{source.revision}\0{file.path}".encode()).hexdigest()
        self.size = 0
        self.partial: Path = repo.blobs / f"{key}{PARTIAL}"
        # git's digest holds the size too, so it is of use only where the size is stated
        self.git_oid = "" if file.sha256 or file.size is None else source.git_oids.get(file.path, "")
        self.resumable = bool(file.sha256 or (source.revision and file.size is not None))

    def run(self) -> StoredFile:
        self.repo.blobs.mkdir(parents=True, exist_ok=True)
        self._borrow()
        resumed = self._stream(fresh=not self.resumable)
        if resumed and self._problem():  # the old part may be what is wrong: once more from the start
            self.advance(-self.size)
            self._stream(fresh=True)
        if problem := self._problem():
            raise DigestMismatch(self.file.path, *problem)
        self.repo.land(self.partial, self.digest.hexdigest())
        return StoredFile(self.file.path, self.size, self.digest.hexdigest())

    def _borrow(self) -> None:
        """Copy what the Hugging Face clients downloaded earlier; its bytes are verified as any others."""
        theirs = settings.hugging_face_cache() / self.repo.folder.name / "blobs"
        known = theirs / (self.file.sha256 or self.git_oid or PARTIAL)
        if not self.partial.exists() and known.is_file() and known.stat().st_size == self.file.size:
            shutil.copyfile(known, self.partial)

    def _stream(self, *, fresh: bool) -> bool:
        """Fetch to the end; True where it began with an older part."""
        if fresh:
            self.partial.unlink(missing_ok=True)
        self.digest, self.size = hashlib.sha256(), 0
        self.git = hashlib.sha1(b"blob %d\0" % (self.file.size or 0), usedforsecurity=False)
        with self.partial.open("a+b") as out:
            out.seek(0)
            while piece := out.read(CHUNK):
                self._take(piece)
            resumed = self.size > 0
            self.advance(self.size)
            failures = 0
            while not self._complete():
                before = self.size
                try:
                    self._append(out)
                except SourceError:
                    failures = 1 if self.size > before else failures + 1
                    if failures >= ATTEMPTS:
                        raise
                    self.stop.wait(min(8.0, PAUSE * 2**failures))
                else:
                    break
        return resumed

    def _append(self, out: BinaryIO) -> None:
        for piece in self.source.chunks(self.file, self.size):
            if self.stop.is_set():
                raise Stopped
            out.write(piece)
            self._take(piece)
            self.advance(len(piece))
            if self.file.size is not None and self.size > self.file.size:
                return  # more than was promised: stop before it fills the disk
        out.flush()
        if self.file.size is not None and self.size < self.file.size:
            raise SourceError(
                f"{self.file.path}: the stream ended after {self.size} of {self.file.size} bytes."
            )

    def _take(self, piece: bytes) -> None:
        self.digest.update(piece)
        self.size += len(piece)
        if self.git_oid:
            self.git.update(piece)

    def _complete(self) -> bool:
        return self.file.size is not None and self.size >= self.file.size

    def _problem(self) -> tuple[str, str] | None:
        """(expected, found) where size or digest is not what was promised."""
        if self.file.size is not None and self.size != self.file.size:
            return f"{self.file.size} bytes", f"{self.size} bytes"
        found = self.digest.hexdigest()
        if self.file.sha256 and found != self.file.sha256.lower():
            return f"SHA-256 {self.file.sha256}", found
        if self.git_oid and self.git.hexdigest() != self.git_oid:
            return f"git SHA-1 {self.git_oid}", self.git.hexdigest()
        return None
