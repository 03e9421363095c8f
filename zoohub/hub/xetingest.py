"""Xet uploads become ordinary blobs: xorbs are kept as packs, shards turn into recipes."""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Sequence

from sqlalchemy import select

from zoohub.hub.blobs import Blobs
from zoohub.hub.errors import BadRequest
from zoohub.hub.storage import check_free
from zoohub.hub.tables import holdings, pack_owners, packs
from zoohub.hub.xetformat import Segment, ShardFile, node, nodes_hash, parse_shard, xorb_chunks


class XetIngest:
    """What the Xet endpoints do. A user builds files only from xorbs that this user has sent."""

    def __init__(self, blobs: Blobs) -> None:
        self.blobs, self.db = blobs, blobs.db

    def add_xorb(self, digest: str, body: bytes | bytearray, user_id: int) -> bool:
        """Check and keep a xorb; returns whether it is new.

        Raises:
            BadRequest: the bytes are no xorb, or have another hash.
        """
        # Chunk by chunk, so that a xorb is in memory once.
        path, nodes, ends, at = self.blobs.incoming.new(), [], [], 0
        check_free(path.parent, len(body), self.blobs.reserve)
        try:
            with path.open("wb") as out:
                for chunk in xorb_chunks(body):
                    nodes.append(node(chunk))
                    at += len(chunk)
                    ends.append(at)
                    out.write(chunk)
                out.flush()
                os.fsync(out.fileno())
            if nodes_hash(nodes) != digest:
                raise BadRequest("The xorb's hash is not the one that the address names; it was not kept")
            return self.blobs.add_pack(digest, path, ends, user_id)
        finally:
            path.unlink(missing_ok=True)

    def add_shard(self, body: bytes, user_id: int, repo_id: int) -> list[ShardFile]:
        """Build the files of a shard and note that the repository may commit them.

        Raises:
            BadRequest: malformed, an unknown xorb, or a SHA-256 that is not that of the bytes.
        """
        files = parse_shard(body)
        ends = self._chunk_ends({segment.xorb for file in files for segment in file.segments}, user_id)
        for file in files:
            parts = [_locate(segment, ends) for segment in file.segments]
            self.blobs.add_recipe(file.sha256, file.size, parts)
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
