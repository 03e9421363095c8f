"""Xet uploads become ordinary blobs: xorbs are kept as packs, shards turn into recipes."""

from __future__ import annotations

import struct
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import select

from zoohub.hub.blobs import Blobs
from zoohub.hub.errors import BadRequest
from zoohub.hub.storage import IncomingFile
from zoohub.hub.tables import holdings, pack_owners, packs
from zoohub.hub.xetformat import (
    Segment,
    ShardFile,
    XorbParser,
    node,
    parse_shard,
    xorb_hash,
)

HASHERS = 4  # files of one shard that are read and hashed at once


class XorbReceiver:
    """A xorb on its way in: its chunks are unpacked, hashed and written while the next ones arrive.

    `take` what comes, then `keep` it; `close` in any case.
    """

    def __init__(self, blobs: Blobs, digest: str, user_id: int, size: int) -> None:
        self._blobs, self._digest, self._user = blobs, digest, user_id
        self._parser = XorbParser()
        self._nodes: list[tuple[bytes, int]] = []
        self._ends: list[int] = []
        self._file = IncomingFile(blobs.incoming.new(), blobs.reserve, size)

    def take(self, parts: Sequence[bytes]) -> None:
        """Take further bytes.

        Raises:
            BadRequest: the bytes are no xorb.
        """
        for part in parts:
            chunks = self._parser.feed(part)
            for chunk in chunks:
                self._nodes.append(node(chunk))
                self._ends.append((self._ends[-1] if self._ends else 0) + len(chunk))
            self._file.write(chunks)

    def keep(self) -> bool:
        """Keep the xorb, of which everything came; returns whether it is new.

        Raises:
            BadRequest: it ends too early, or has another hash than its address names.
        """
        self._parser.close()
        if xorb_hash(self._nodes) != self._digest:
            raise BadRequest("The xorb's hash is not the one that the address names; it was not kept")
        self._file.sync()
        return self._blobs.add_pack(self._digest, self._file.path, self._ends, self._user)

    def close(self) -> None:
        """Give back what is held; what was not kept is gone."""
        self._file.close()


class XetIngest:
    """What the Xet endpoints do. A user builds files only from xorbs that this user has sent."""

    def __init__(self, blobs: Blobs) -> None:
        self.blobs, self.db = blobs, blobs.db

    def receive(self, digest: str, user_id: int, size: int) -> XorbReceiver:
        """What takes the bytes of a xorb as they arrive: `size` of them, if that was said, else 0."""
        return XorbReceiver(self.blobs, digest, user_id, size)

    def add_shard(self, body: bytes, user_id: int, repo_id: int) -> list[ShardFile]:
        """Build the files of a shard and note that the repository may commit them.

        Raises:
            BadRequest: malformed, an unknown xorb, or a SHA-256 that is not that of the bytes.
        """
        files = parse_shard(body)
        ends = self._chunk_ends({segment.xorb for file in files for segment in file.segments}, user_id)

        def add(file: ShardFile) -> None:
            parts = [_locate(segment, ends) for segment in file.segments]
            self.blobs.add_recipe(file.sha256, file.size, parts)

        with ThreadPoolExecutor(HASHERS) as pool:
            deque(pool.map(add, files), maxlen=0)
        with self.db.write() as connection:
            for file in files:
                row = {"repo_id": repo_id, "sha256": file.sha256, "committed": False, "at": time.time()}
                self.db.insert_new(connection, holdings, row)
        return files

    def _chunk_ends(self, wanted: set[str], user_id: int) -> dict[str, Sequence[int]]:
        """The ends of all chunks of each xorb that this user may use."""
        ends: dict[str, Sequence[int]] = {}
        names = sorted(wanted)
        with self.db.read() as connection:
            for at in range(0, len(names), 200):
                query = (
                    select(packs.c.hash, packs.c.offsets)
                    .join(pack_owners, pack_owners.c.pack == packs.c.hash)
                    .where(packs.c.hash.in_(names[at : at + 200]), pack_owners.c.user_id == user_id)
                )
                for row in connection.execute(query):
                    ends[row.hash] = struct.unpack(f"<{len(row.offsets) // 4}I", row.offsets)
        if missing := wanted - set(ends):
            raise BadRequest(
                f"{len(missing)} xorbs that the shard names are not here; clear HF_XET_CACHE and upload again"
            )
        return ends


def _locate(segment: Segment, ends: dict[str, Sequence[int]]) -> tuple[str, int, int]:
    bounds = ends[segment.xorb]
    if segment.end > len(bounds):
        raise BadRequest("The shard names chunks that a xorb does not have")
    start = bounds[segment.start - 1] if segment.start else 0
    length = bounds[segment.end - 1] - start
    if length != segment.size:
        raise BadRequest("The shard names a size that a segment does not have")
    return segment.xorb, start, length
