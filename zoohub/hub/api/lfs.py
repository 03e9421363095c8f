"""Large files by the Git LFS protocol: batch, upload in one or several parts, verify.

The addresses that files are put to are signed and good for one file of one repository only, because the
client sends them no token.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse

from zoohub.hub import names
from zoohub.hub.api.base import Ask, Asked, on_repo, receive, run
from zoohub.hub.errors import BadRequest, NotFound

PART = 256 << 20
LIFE = 86400.0
MAX_OBJECTS = 1000
_MEDIA = "application/vnd.git-lfs+json"


# `/{repo}.git/info/lfs/objects/batch`.
router = APIRouter()


@on_repo(router, "POST", ".git/info/lfs/objects/batch")
async def batch(ask: Asked) -> Response:
    """Where to send large files."""
    return await run(_batch, ask, await ask.json())


# Where the files go: addresses that `batch` gives out.
transfer_router = APIRouter(prefix="/lfs", include_in_schema=False)


@transfer_router.put("/put/{signed}")
async def put(ask: Asked) -> Response:
    """Take a file in one piece."""
    data = ask.hub.signer.read("lfs", ask.parts["signed"])
    path = ask.hub.incoming.new()
    try:
        digest, size = await receive(ask, path, data["size"])
        _check(data, digest, size)
        await run(_keep, ask, data, path)
    finally:
        path.unlink(missing_ok=True)
    return Response(status_code=200)


@transfer_router.put("/part/{signed}/{number}")
async def part(ask: Asked) -> Response:
    """Take one part of a file."""
    data = ask.hub.signer.read("lfs", ask.parts["signed"])
    number = int(ask.parts["number"]) if ask.parts["number"].isdigit() else 0
    start = (number - 1) * PART
    if not 0 <= start < data["size"]:
        raise BadRequest("There is no such part")
    expected = min(PART, data["size"] - start)
    path = _part_folder(ask, data) / f"{number:06}"
    await run(lambda: path.parent.mkdir(exist_ok=True))
    fresh = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    try:
        digest, size = await receive(ask, fresh, expected)
        if size != expected:
            raise BadRequest(f"Part {number} is {size} bytes long, not {expected}")
        await run(fresh.replace, path)
    finally:
        fresh.unlink(missing_ok=True)
    return Response(status_code=200, headers={"ETag": f'"{digest}"'})


@transfer_router.post("/complete/{signed}")
async def complete(ask: Asked) -> Response:
    """Join the parts of a file and check the whole."""
    data = ask.hub.signer.read("lfs", ask.parts["signed"])
    await ask.body()
    await run(_join, ask, data)
    return JSONResponse({"oid": data["oid"]})


@transfer_router.post("/verify/{signed}")
async def verify(ask: Asked) -> Response:
    """Confirm that a file is here."""
    data = ask.hub.signer.read("lfs", ask.parts["signed"])
    body = await ask.json()
    blob = await run(ask.hub.blobs.get, data["oid"])
    if blob is None or body.get("oid") != data["oid"] or body.get("size") != blob.size:
        raise NotFound("The file is not here, or has another size")
    return JSONResponse({})


def _batch(ask: Ask, data: dict[str, Any]) -> Response:
    objects = data.get("objects")
    if not isinstance(objects, list) or len(objects) > MAX_OBJECTS:
        raise BadRequest(f"'objects' is no list of at most {MAX_OBJECTS}")
    if data.get("hash_algo", "sha256") != "sha256":
        raise BadRequest("Only SHA-256 names a large file")
    hub, wanted = ask.hub, [_object(item) for item in objects]
    if data.get("operation") != "upload":
        raise BadRequest("Only uploads go by LFS here; downloads are plain HTTP")
    with hub.db.read() as connection:
        # Whoever may open a pull request may send files for it; the commit decides what becomes of them.
        repo = hub.commits.allowed(connection, ask.user, ask.type, ask.name, "main", create_pr=True)
    present = hub.commits.reusable(ask.user, repo, [oid for oid, _ in wanted])
    multipart = "multipart" in (data.get("transfers") or ())
    answers = []
    for oid, size in wanted:
        if size > hub.config.max_file:
            message = f"A file has at most {hub.config.max_file} bytes"
            answers.append({"oid": oid, "size": size, "error": {"code": 422, "message": message}})
        elif present.get(oid) == size:
            answers.append({"oid": oid, "size": size})
        else:
            facts = {"repo": repo.id, "oid": oid, "size": size, "user": ask.user.id}
            signed = hub.signer.sign("lfs", facts, LIFE)
            actions = _actions(ask, signed, size, multipart and size > hub.config.multipart_from)
            answers.append({"oid": oid, "size": size, "authenticated": True, "actions": actions})
    return JSONResponse({"transfer": "basic", "objects": answers, "hash_algo": "sha256"}, media_type=_MEDIA)


def _object(item: object) -> tuple[str, int]:
    if not isinstance(item, dict) or type(item.get("size")) is not int or not 0 <= item["size"] < 1 << 53:
        raise BadRequest("An object needs an oid and a size")
    return names.sha256(item.get("oid")), item["size"]


def _actions(ask: Ask, signed: str, size: int, multipart: bool) -> dict[str, Any]:
    verify = {"href": f"{ask.base}/lfs/verify/{signed}"}
    if not multipart:
        return {"upload": {"href": f"{ask.base}/lfs/put/{signed}"}, "verify": verify}
    count = -(-size // PART)
    header = {str(number): f"{ask.base}/lfs/part/{signed}/{number}" for number in range(1, count + 1)}
    upload = {"href": f"{ask.base}/lfs/complete/{signed}", "header": {"chunk_size": str(PART), **header}}
    return {"upload": upload, "verify": verify}


def _check(data: dict[str, Any], digest: str, size: int) -> None:
    if size != data["size"]:
        raise BadRequest(f"The file is {size} bytes long, not {data['size']}; it was not kept")
    if digest != data["oid"]:
        raise BadRequest(f"The file's SHA-256 is {digest}, not {data['oid']}; it was not kept")


def _keep(ask: Ask, data: dict[str, Any], path: Path) -> None:
    ask.hub.blobs.add_file(path, data["oid"], data["size"])
    ask.hub.hold(data["repo"], data["oid"])


def _part_folder(ask: Ask, data: dict[str, Any]) -> Path:
    return ask.hub.incoming.folder / f"parts-{data['repo']}-{data['oid']}"


def _join(ask: Ask, data: dict[str, Any]) -> None:
    """Put the parts together, one read and one write, and check the whole."""
    folder, count = _part_folder(ask, data), -(-data["size"] // PART)
    digest, size, path = hashlib.sha256(), 0, ask.hub.incoming.new()
    try:
        with path.open("wb") as out:
            for number in range(1, count + 1):
                part = folder / f"{number:06}"
                if not part.is_file():
                    raise BadRequest(f"Part {number} was not sent")
                with part.open("rb") as source:
                    while chunk := source.read(4 << 20):
                        digest.update(chunk)
                        out.write(chunk)
                        size += len(chunk)
            out.flush()
            os.fsync(out.fileno())
        _check(data, digest.hexdigest(), size)
        _keep(ask, data, path)
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        path.unlink(missing_ok=True)
