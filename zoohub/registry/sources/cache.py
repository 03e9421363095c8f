"""What already lies on this machine: the Hugging Face and ModelScope caches, found without network."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

from zoohub.errors import InvalidModelId, InvalidRecord
from zoohub.registry.records import ModelId, ModelRecord
from zoohub.registry.sources import Files, Page, Refusal, Source, Wanted, facts, source
from zoohub.registry.sources.folder import described

PAGE = 100


class CacheSource(Source):
    """Models of both caches, each under the id it has at its hub, with the revision that lies here."""

    name = "cache"

    def pages(self, wanted: Wanted | None = None, cursor: str | None = None) -> Iterator[Page]:
        """All cached models, sorted by id; the cursor is the last id that is behind."""
        wanted = wanted or Wanted()
        found = {
            f"{name}@{revision}": (name, revision, path)
            for name, revision, path in (*_hugging_face(), *_modelscope())
        }
        keys = [key for key in sorted(found) if cursor is None or key > cursor]
        for start in range(0, len(keys), PAGE):
            part = keys[start : start + PAGE]
            page = _read([found[key] for key in part], wanted)
            yield replace(page, cursor=part[-1], total=len(found))

    def open(self, record: ModelRecord) -> AbstractContextManager[Files]:
        """Open the model at the hub that its id names."""
        return source(record.source).open(record)


def _read(found: list[tuple[str, str | None, Path]], wanted: Wanted) -> Page:
    records, refused = [], []
    for name, revision, path in found:
        try:
            record = _record(name, revision, path)
        except InvalidRecord as error:
            refused.append(Refusal(error.ident, error.reason))
            continue
        if not wanted.tasks or set(record.tasks) & set(wanted.tasks):
            records.append(record)
    return Page(tuple(records), tuple(refused))


def _record(name: str, revision: str | None, path: Path) -> ModelRecord:
    try:
        parsed = ModelId.parse(name, folders=False)
        plain = ModelRecord(id=parsed.key, source=parsed.source, revision=revision, author=parsed.namespace)
        return described(path, plain)
    except InvalidModelId as error:
        raise facts.refused(name, "its id is no model id") from error
    except (ValueError, OSError, RecursionError) as error:
        raise facts.refused(name, error) from error


def _hugging_face() -> Iterator[tuple[str, str | None, Path]]:
    """(id, commit, snapshot) of each cached model: the snapshot that `main` names, else the latest."""
    root = hugging_face_cache()
    for folder in sorted(root.glob("models--*")) if root.is_dir() else ():
        snapshots = folder / "snapshots"
        if not snapshots.is_dir():
            continue
        named = folder / "refs" / "main"
        commit = named.read_text("utf-8").strip() if named.is_file() else ""
        chosen = snapshots / commit if commit and (snapshots / commit).is_dir() else _latest(snapshots)
        if chosen is not None and any(chosen.iterdir()):
            name = folder.name.removeprefix("models--").replace("--", "/")
            yield name, chosen.name, chosen


def _latest(folder: Path) -> Path | None:
    inside = [path for path in folder.iterdir() if path.is_dir()]
    return max(inside, key=lambda path: (path.stat().st_mtime, path.name), default=None)


def hugging_face_cache() -> Path:
    """Where huggingface_hub keeps its downloads: HF_HUB_CACHE, HF_HOME or its default, as they are now."""
    named = os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE")
    if named:
        return Path(named).expanduser()
    home = os.environ.get("HF_HOME")
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return (Path(home) if home else Path(cache) / "huggingface").expanduser() / "hub"


def _modelscope() -> Iterator[tuple[str, str | None, Path]]:
    """(id, None, folder) of each model in the three layouts that ModelScope's client has had."""
    root = Path(os.environ.get("MODELSCOPE_CACHE") or "~/.cache/modelscope").expanduser()
    seen: set[str] = set()
    for base in (root / "models", root / "hub" / "models", root / "hub", root):
        for owner in sorted(base.iterdir()) if base.is_dir() else ():
            if not owner.is_dir() or owner.name.startswith((".", "_")):
                continue
            if (owner / "snapshots").is_dir():  # owner--name/snapshots/revision
                chosen = _latest(owner / "snapshots")
                places = [(owner.name.replace("--", "/", 1), chosen)] if chosen else []
            elif owner.name in ("hub", "models", "datasets", "studios", "mcps", "skills", "temp"):
                continue
            else:  # owner/name, dots in the name written as ___
                places = [
                    (f"{owner.name}/{path.name.replace('___', '.')}", path)
                    for path in sorted(owner.iterdir())
                ]
            for name, path in places:
                if name not in seen and path.is_dir() and not path.is_symlink() and any(path.iterdir()):
                    seen.add(name)
                    yield f"modelscope:{name}", None, path
