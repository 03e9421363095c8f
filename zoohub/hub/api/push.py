"""Writing to repositories: what a commit needs before it, the commit, branches and tags."""

from __future__ import annotations

import base64
import fnmatch
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse

from zoohub.hub import names
from zoohub.hub.api.base import Ask, Asked, flag, on_repo, run, split_revision, text
from zoohub.hub.commits import CommitRequest, split_lines
from zoohub.hub.errors import BadRequest
from zoohub.hub.inspection import read_front_matter
from zoohub.hub.repos import HEADS, TAGS
from zoohub.hub.trees import Trees

# Formats that are large files whatever their size, as the Hugging Face hub's .gitattributes has it.
BINARY = frozenset({
    "7z", "arrow", "avif", "bin", "bz2", "ckpt", "flac", "ftz", "gguf", "gif", "gz", "h5", "jpeg",
    "jpg", "joblib", "lfs", "lz4", "mlmodel", "model", "mp3", "mp4", "msgpack", "npy", "npz", "ogg",
    "onnx", "ot", "parquet", "pb", "pickle", "pkl", "png", "pt", "pth", "pyc", "rar", "safetensors",
    "tar", "tflite", "tgz", "tiff", "wasm", "wav", "webm", "webp", "xz", "zip", "zst",
})  # fmt: skip


# Below `/api/models` and `/api/datasets`: what write.
router = APIRouter()


@on_repo(router, "POST", "/preupload/{rev}")
async def preupload(ask: Asked) -> Response:
    """How each file of a commit is to be sent."""
    return await run(_preupload, ask, await ask.json())


@on_repo(router, "POST", "/commit/{rev}")
async def commit(ask: Asked) -> Response:
    """Commit to a branch."""
    return await run(_commit, ask, await ask.body(ask.hub.config.max_commit))


@on_repo(router, "POST", "/branch/{rev:path}")
async def create_branch(ask: Asked) -> Response:
    """Create a branch."""
    start = (await ask.json(optional=True)).get("startingPoint")
    return await run(_create_ref, ask, HEADS, start or "main", None)


@on_repo(router, "DELETE", "/branch/{rev:path}")
def delete_branch(ask: Asked) -> Response:
    """Delete a branch."""
    ask.hub.repos.delete_ref(ask.user, ask.type, ask.name, HEADS + ask.parts["rev"])
    return Response(status_code=200)


@on_repo(router, "POST", "/tag/{rev:path}")
async def create_tag(ask: Asked) -> Response:
    """Create a tag."""
    data = await ask.json()
    tag = names.branch(text(data, "tag"))
    return await run(_create_ref, ask, TAGS, ask.parts["rev"], data.get("message"), tag)


@on_repo(router, "DELETE", "/tag/{rev:path}")
def delete_tag(ask: Asked) -> Response:
    """Delete a tag."""
    ask.hub.repos.delete_ref(ask.user, ask.type, ask.name, TAGS + ask.parts["rev"])
    return Response(status_code=200)


@on_repo(router, "POST", "/super-squash/{rev:path}")
async def squash(ask: Asked) -> Response:
    """Replace a branch's history by one commit."""
    message = text(await ask.json(), "message", "Super-squash")[:1000]
    oid = await run(ask.hub.repos.squash, ask.user, ask.type, ask.name, ask.parts["rev"], message)
    return JSONResponse({"commitOid": oid})


def _create_ref(ask: Ask, prefix: str, start: object, message: object, name: str | None = None) -> Response:
    if not isinstance(start, str) or not (message is None or isinstance(message, str)):
        raise BadRequest("The starting point and the message are texts")
    ref = prefix + (name or names.branch(ask.parts["rev"]))
    ask.hub.repos.create_ref(ask.user, ask.type, ask.name, ref, start, message)
    return Response(status_code=200)


def _preupload(ask: Ask, data: dict[str, Any]) -> Response:
    files = data.get("files")
    if not isinstance(files, list) or not all(isinstance(item, dict) for item in files):
        raise BadRequest("'files' is no list of objects")
    create_pr = flag(ask.request.query_params.get("create_pr"))
    revision, _ = split_revision(ask.parts["rev"], "")
    hub = ask.hub
    with hub.db.read() as connection:
        repo = hub.commits.allowed(connection, ask.user, ask.type, ask.name, revision, create_pr)
        commit = hub.repos.resolve(connection, repo, revision)
        trees = Trees(hub.db, connection)
        ignore = _ignored(data.get("gitIgnore"))
        answers = []
        for item in files:
            path = names.file_path(text(item, "path"))
            entry = trees.find(commit.tree, path)
            known = entry is not None and not entry.folder
            answers.append({
                "path": item["path"], "uploadMode": _mode(item, path, hub.config.max_regular),
                "shouldIgnore": any(ignore(part) for part in (path, path.rsplit("/", 1)[-1])),
                **({"oid": entry.sha256 if entry.lfs else entry.oid} if known and entry else {}),
            })  # fmt: skip
    return JSONResponse({"files": answers, "commitOid": commit.oid})


def _mode(item: dict[str, Any], path: str, most: int) -> str:
    """Small text goes with the commit, everything else as a large file."""
    size = item.get("size", 0)
    if not isinstance(size, int) or size < 0:
        raise BadRequest(f"The size of {path!r} is no number")
    if size > most or path.rsplit(".", 1)[-1].lower() in BINARY:
        return "lfs" if size else "regular"
    try:
        sample = base64.b64decode(item.get("sample") or "", validate=False)
    except (ValueError, TypeError) as error:
        raise BadRequest(f"The sample of {path!r} is no base64") from error
    return "lfs" if b"\0" in sample else "regular"


def _ignored(text_: object) -> Any:
    patterns = [
        line.strip().rstrip("/")
        for line in (text_.splitlines() if isinstance(text_, str) else ())
        if line.strip() and not line.startswith(("#", "!"))
    ][:1000]
    return lambda path: any(fnmatch.fnmatch(path, pattern.lstrip("/")) for pattern in patterns)


def _commit(ask: Ask, body: bytes) -> Response:
    request = CommitRequest.parse(split_lines(body))
    revision, _ = split_revision(ask.parts["rev"], "")
    create_pr = flag(ask.request.query_params.get("create_pr"))
    done = ask.hub.push(ask.user, ask.type, ask.name, revision, request, create_pr=create_pr)
    ask.request.app.state.metrics.pushes.inc()
    home = ask.base + done.repo.path
    answer: dict[str, Any] = {
        "success": True, "commitOid": done.oid, "commitUrl": f"{home}/commit/{done.oid}", "hookOutput": "",
    }  # fmt: skip
    if done.pull is not None:
        answer["pullRequestUrl"] = f"{home}/discussions/{done.pull}"
    headers = {"X-HF-Warning": quote(done.warning, safe=" :;,.()'/-_")} if done.warning else None
    return JSONResponse(answer, headers=headers)


def yaml_findings(content: str) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """Errors and warnings of a card's metadata, as `/api/validate-yaml` gives them."""
    try:
        data = read_front_matter(content)
    except BadRequest as error:
        return [{"message": error.message}], []
    return [], [] if data else [{"message": "empty or missing yaml metadata in repo card"}]
