"""The content-addressed store: whole, verified files, named by their SHA-256.

A blob is either an object of its own, or a recipe: pieces of packs. A pack holds the raw chunks of one Xet
xorb (so two files that share chunks share their bytes), or the small files of one commit (so a thousand of
them cost one fsync). Bytes are moved into place inside the transaction that adds their row, and removed
inside the one that deletes it; the database's locks thereby keep garbage collection and uploads apart.
"""

from __future__ import annotations

import hashlib
import os
import struct
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, select, update

from zoohub.hub.db import Database
from zoohub.hub.errors import BadRequest
from zoohub.hub.storage import Incoming, Storage, check_free
from zoohub.hub.tables import blob_packs, blobs, pack_owners, packs

READ_SIZE = 1 << 20
HASH_SIZE = 256 << 10  # what is read and hashed at once, so that it stays in the processor's cache
_PIECE = struct.Struct("<32sQQ")
_checking = [threading.Lock() for _ in range(16)]  # by the first digit of a SHA-256


@dataclass(frozen=True, slots=True)
class Piece:
    """The bytes [start, end) of the stored object `key`."""

    key: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Blob:
    """A whole file in the store: SHA-256, size in bytes, and the pieces it lies in, in order."""

    sha256: str
    size: int
    pieces: tuple[Piece, ...]

    def cut(self, start: int, end: int, most: int = READ_SIZE) -> Iterator[Piece]:
        """The pieces of the bytes [start, end), each at most `most` bytes long."""
        at = 0
        for piece in self.pieces:
            size = piece.end - piece.start
            low, high = max(start - at, 0), min(end - at, size)
            while low < high:
                stop = min(low + most, high)
                yield Piece(piece.key, piece.start + low, piece.start + stop)
                low = stop
            at += size
            if at >= end:
                return


def blob_key(sha256: str) -> str:
    """Where a blob of its own lies."""
    return f"blobs/{sha256[:2]}/{sha256}"


def pack_key(digest: str) -> str:
    """Where a pack lies."""
    return f"packs/{digest[:2]}/{digest}"


def encode_recipe(parts: Sequence[tuple[str, int, int]]) -> bytes:
    """Pack `(pack, offset, length)` triples, joining neighbors."""
    joined: list[tuple[str, int, int]] = []
    for pack, offset, length in parts:
        if joined and joined[-1][0] == pack and joined[-1][1] + joined[-1][2] == offset:
            joined[-1] = (pack, joined[-1][1], joined[-1][2] + length)
        else:
            joined.append((pack, offset, length))
    return b"".join(_PIECE.pack(bytes.fromhex(pack), offset, length) for pack, offset, length in joined)


def decode_recipe(recipe: bytes) -> list[tuple[str, int, int]]:
    """The inverse of `encode_recipe`."""
    return [(pack.hex(), offset, length) for pack, offset, length in _PIECE.iter_unpack(recipe)]


class Blobs:
    """Adds and reads blobs. `reserve` bytes of the disk are left free."""

    def __init__(self, db: Database, storage: Storage, incoming: Incoming, reserve: int = 64 << 20) -> None:
        self.db, self.storage, self.incoming, self.reserve = db, storage, incoming, reserve

    # --- reading --------------------------------------------------------------------------------------

    def get(self, sha256: str, connection: Connection | None = None) -> Blob | None:
        """The blob of that SHA-256; None where the store has none."""
        if connection is None:
            with self.db.read() as fresh:
                return self.get(sha256, fresh)
        row = connection.execute(select(blobs.c.size, blobs.c.recipe).where(blobs.c.sha256 == sha256)).first()
        return None if row is None else _blob(sha256, row.size, row.recipe)

    def several(self, connection: Connection, digests: Sequence[str]) -> dict[str, Blob]:
        """The blobs of those SHA-256s that the store has; at most 500 are asked for."""
        query = select(blobs.c.sha256, blobs.c.size, blobs.c.recipe).where(blobs.c.sha256.in_(digests))
        return {row.sha256: _blob(*row) for row in connection.execute(query)}

    def known(self, connection: Connection, digests: Sequence[str]) -> dict[str, int]:
        """Which of `digests` the store has, with their sizes."""
        found: dict[str, int] = {}
        for at in range(0, len(digests), 500):
            query = select(blobs.c.sha256, blobs.c.size).where(blobs.c.sha256.in_(digests[at : at + 500]))
            found.update({row.sha256: row.size for row in connection.execute(query)})
        return found

    def read(self, blob: Blob, start: int = 0, end: int | None = None) -> bytes:
        """Bytes of a blob in memory: for small files and headers."""
        stop = blob.size if end is None else min(end, blob.size)
        return b"".join(
            self.storage.read(piece.key, piece.start, piece.end) for piece in blob.cut(start, stop)
        )

    def iterate(self, blob: Blob) -> Iterator[bytes]:
        """The bytes of a blob, in pieces."""
        for piece in blob.cut(0, blob.size, HASH_SIZE):
            yield self.storage.read(piece.key, piece.start, piece.end)

    # --- adding ---------------------------------------------------------------------------------------

    def add_file(self, path: Path, sha256: str, size: int) -> None:
        """Take over a local file that was verified and fsynced; `path` is gone afterwards."""
        with self.db.write() as connection:
            row = {"sha256": sha256, "size": size, "recipe": None, "created": time.time()}
            if self.db.insert_new(connection, blobs, row):
                self.storage.put(path, blob_key(sha256))
            else:
                self._touch(connection, sha256)
        path.unlink(missing_ok=True)

    def add_small(self, contents: Sequence[bytes]) -> list[str]:
        """Add small files together; returns their SHA-256s in order. One pack holds those that are new."""
        digests = [hashlib.sha256(content).hexdigest() for content in contents]
        with self.db.read() as connection:
            known = self.known(connection, digests)
        fresh = {
            digest: content for digest, content in zip(digests, contents, strict=True) if digest not in known
        }
        if fresh:
            self._add_small_pack(fresh)
        return digests

    def _add_small_pack(self, fresh: dict[str, bytes]) -> None:
        body = b"".join(fresh.values())
        # The prefix keeps a commit's pack apart from a client's xorb of the same hash.
        digest = hashlib.sha256(b"commit\0" + body).hexdigest()
        ends, at = [], 0
        for content in fresh.values():
            at += len(content)
            ends.append(at)
        path = self._write(body)
        try:
            with self.db.write() as connection:
                self._insert_pack(connection, path, digest, len(body), ends)
                start = 0
                for (sha256, content), end in zip(fresh.items(), ends, strict=True):
                    recipe = encode_recipe([(digest, start, len(content))]) if content else b""
                    self._insert_recipe(connection, sha256, len(content), recipe, {digest})
                    start = end
        finally:
            path.unlink(missing_ok=True)

    def add_pack(self, digest: str, path: Path, ends: list[int], user_id: int) -> bool:
        """Keep the file of a verified xorb's chunks for `user_id`; returns whether the pack is new."""
        with self.db.write() as connection:
            fresh = self._insert_pack(connection, path, digest, ends[-1], ends)
            self._own_pack(connection, digest, user_id)
            return fresh

    def _own_pack(self, connection: Connection, digest: str, user_id: int) -> None:
        connection.execute(update(packs).where(packs.c.hash == digest).values(touched=time.time()))
        self.db.insert_new(connection, pack_owners, {"pack": digest, "user_id": user_id})

    def add_recipe(self, sha256: str, size: int, parts: Sequence[tuple[str, int, int]]) -> None:
        """Add a blob made of pieces of packs, after checking its SHA-256 against the bytes.

        Raises:
            BadRequest: the pieces do not have that SHA-256, or a pack is gone.
        """
        recipe = encode_recipe(parts)
        # A client that loses patience with a large file asks again: it waits for the first check and shares it.
        with _checking[int(sha256[0], 16)]:
            self._add_recipe(_blob(sha256, size, recipe), recipe, {pack for pack, _, _ in parts})

    def _add_recipe(self, blob: Blob, recipe: bytes, used: set[str]) -> None:
        if not self._is_checked(blob.sha256, recipe):
            if blob.size != sum(piece.end - piece.start for piece in blob.pieces):
                raise BadRequest("The shard names a size that its segments do not add up to")
            digest = hashlib.sha256()
            for chunk in self.iterate(blob):
                digest.update(chunk)
            if digest.hexdigest() != blob.sha256:
                raise BadRequest("A file's SHA-256 is not the one that the shard names; it was not kept")
        with self.db.write() as connection:
            query = select(packs.c.hash).where(packs.c.hash.in_(used))
            if len(connection.execute(query if self.db.is_sqlite else query.with_for_update()).all()) != len(
                used
            ):
                raise BadRequest(
                    "A xorb that the shard names is not here; clear HF_XET_CACHE and upload again"
                )
            self._insert_recipe(connection, blob.sha256, blob.size, recipe, used)

    def _is_checked(self, sha256: str, recipe: bytes) -> bool:
        """Whether just these pieces were found to have that SHA-256 before."""
        with self.db.read() as connection:
            return connection.scalar(select(blobs.c.recipe).where(blobs.c.sha256 == sha256)) == recipe

    # --- the pieces of a transaction ------------------------------------------------------------------

    def _write(self, body: bytes) -> Path:
        check_free(self.incoming.folder, len(body), self.reserve)
        path = self.incoming.new()
        with path.open("wb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        return path

    def _insert_pack(
        self, connection: Connection, path: Path, digest: str, size: int, ends: list[int]
    ) -> bool:
        offsets = struct.pack(f"<{len(ends)}I", *ends)
        row = {"hash": digest, "size": size, "offsets": offsets, "touched": time.time()}
        fresh = self.db.insert_new(connection, packs, row)
        if fresh:
            self.storage.put(path, pack_key(digest))
        return fresh

    def _insert_recipe(
        self, connection: Connection, sha256: str, size: int, recipe: bytes, used: set[str]
    ) -> None:
        row = {"sha256": sha256, "size": size, "recipe": recipe, "created": time.time()}
        if self.db.insert_new(connection, blobs, row):
            for pack in sorted(used):
                self.db.insert_new(connection, blob_packs, {"sha256": sha256, "pack": pack})
        else:
            self._touch(connection, sha256)

    def _touch(self, connection: Connection, sha256: str) -> None:
        """Begin the grace of garbage collection anew."""
        connection.execute(update(blobs).where(blobs.c.sha256 == sha256).values(created=time.time()))


def _blob(sha256: str, size: int, recipe: bytes | None) -> Blob:
    if recipe is None:
        return Blob(sha256, size, (Piece(blob_key(sha256), 0, size),))
    pieces = tuple(
        Piece(pack_key(pack), offset, offset + length) for pack, offset, length in decode_recipe(recipe)
    )
    return Blob(sha256, size, pieces)
