"""Bring a model onto this machine: from the place that has it, or what is here already."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from zoohub import settings
from zoohub.errors import NotPulled, SourceError, WeightsError
from zoohub.registry import ModelId, ModelRecord
from zoohub.registry.sources import Source, hub_mirror, source
from zoohub.weights.job import CATALOG, Options, Pull, is_curated, promised, say, trusts
from zoohub.weights.selection import WEIGHT_SUFFIXES, Selection, select
from zoohub.weights.storage import Repo, store


@dataclass(frozen=True, slots=True)
class Plan:
    """What a pull would do: the files at `revision`; `present` bytes of them are here already."""

    id: str
    revision: str
    selection: Selection
    present: int


def pull(
    model: str | ModelId | ModelRecord,
    *,
    revision: str | None = None,
    convert: bool = False,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    trust: str | None = None,
    progress: bool = True,
) -> Path:
    """Fetch a model's files and return the folder that holds them, ready to load.

    Each file is checked against the size and SHA-256 that the record or the source states, and judged by
    `check`; nothing appears in the folder before all of it is there. An interrupted pull goes on where it
    stopped. `convert` allows to convert a pickle to safetensors in a process of its own (done unasked where
    the catalog pins its digest). `include` and `exclude` are shell patterns on file paths. `trust` is
    "MODEL@REVISION" of a model that may run code of its own. A folder is checked and returned as it is.

    Raises:
        SourceError: no source answered; DigestMismatch, UnsafeFile, NeedsCode, WeightsError (disk full, no
        weights in a safe format); NotPulled: offline, and it is not here; ModelNotFound, InvalidModelId.
    """
    record = _record(model, revision)
    options = Options(convert, tuple(include), tuple(exclude), trust, progress)
    if record.source == "folder" and not convert:
        return _own_folder(record, options)
    here = local(record)
    if here is not None and not options.partial and (_is_pinned(record) or settings.offline()):
        return here
    if settings.offline() and record.source not in ("pypi", "folder"):
        raise _not_pulled(record)
    return _first_that_answers(record, options, here)


def plan(
    model: str | ModelId | ModelRecord,
    *,
    revision: str | None = None,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    trust: str | None = None,
) -> Plan:
    """What `pull` with the same arguments would fetch; nothing is written."""
    record = _record(model, revision)
    with source(record.source).open(record) as files:
        repo = store().repo(record.model_id)
        listed = promised(record, files.files)
        curated = is_curated(record)
        chosen = select(listed, include=include, exclude=exclude, code=bool(trust), curated=curated)
        present = sum(file.size or 0 for file in (*chosen.take, *chosen.convert)
                      if file.sha256 and repo.blob(file.sha256).is_file())  # fmt: skip
        return Plan(record.id, files.revision or "", chosen, present)


def local(model: str | ModelId | ModelRecord, revision: str | None = None) -> Path | None:
    """The folder of a model that was pulled completely, or None; no network is used.

    Without a revision: the one that the record pins, else the newest that was pulled.
    """
    record = _record(model, revision)
    if record.source == "folder":
        path = Path(record.model_id.name)
        return path if path.is_dir() else None
    for ident in (record.id, *record.mirrors):
        repo = store().repo(ModelId.parse(ident, folders=False))
        wanted = record.revision if ident == record.id else None
        manifest = repo.manifest(wanted)
        if manifest and not manifest.partial and repo.holds(manifest):
            return repo.snapshot(manifest.revision)
    return None


def is_trusted(folder: Path) -> bool:
    """Was this snapshot pulled with the user's leave to run code of its own?"""
    repo = Repo.of_snapshot(folder)
    manifest = repo.manifest(folder.name) if repo else None
    return bool(manifest and manifest.trusted)


def _record(model: str | ModelId | ModelRecord, revision: str | None) -> ModelRecord:
    """The registry's record of a model; a hub model that the registry lacks is tried as it is named."""
    if isinstance(model, ModelRecord):
        return replace(model, revision=revision) if revision else model
    from zoohub.errors import ModelNotFound
    from zoohub.registry import get

    text = str(model)
    named = model if isinstance(model, ModelId) else None
    if named is None and text.startswith((".", "/", "~", "folder:")):
        named = ModelId.parse(text)
    if named and named.source == "folder":
        return ModelRecord(id=named.key, source="folder")
    try:
        record = get(text)
    except ModelNotFound:
        ident = named or ModelId.parse(text)
        if ident.source not in ("hub", "modelscope") or ident.namespace is None:
            raise
        record = ModelRecord(id=ident.key, source=ident.source, revision=ident.revision)
    wanted = revision or (named.revision if named else None) or _named_revision(text)
    return replace(record, revision=wanted) if wanted else record


def _named_revision(text: str) -> str | None:
    return text.partition("@")[2] or None


def _is_pinned(record: ModelRecord) -> bool:
    """The revision cannot move: a commit, or the version of a package."""
    revision = record.revision or ""
    return record.source in CATALOG or (len(revision) == 40 and revision.isalnum())


def _not_pulled(record: ModelRecord) -> NotPulled:
    return NotPulled(
        f"{record.id} is not on this machine, and no network may be used (ZOO_OFFLINE or HF_HUB_OFFLINE).",
        f"Where there is a network: zoo pull {record.id}",
    )


def _own_folder(record: ModelRecord, options: Options) -> Path:
    from zoohub.weights.checker import check

    folder = Path(record.model_id.name)
    if not folder.is_dir():
        raise WeightsError(f"There is no folder {str(folder)!r}.")
    check(folder).require(trusted=trusts(options.trust, record.id, ""), model=record.id)
    return folder


def _first_that_answers(record: ModelRecord, options: Options, here: Path | None) -> Path:
    """The places that have the model, one after the other; a copy that is here where none answers."""
    failures: list[SourceError] = []
    places = list(_places(record))
    for number, (origin, there) in enumerate(places, 1):
        origin.progress = options.progress
        try:
            with origin.open(there) as files:
                return Pull(there, files, options).run()
        except SourceError as error:
            failures.append(error)
            say(f"{there.id}: {error.message}", options.progress and number < len(places))
    if here is not None and not options.partial:
        say(f"No source of {record.id} answers; the copy on this machine is used.", True)
        return here
    raise failures[0]


def _places(record: ModelRecord) -> Iterator[tuple[Source, ModelRecord]]:
    """Where the model lies: at its own source, that source's mirrors, and as what other ids call it.

    Another id has revisions of its own and may word its card otherwise, but its weights must be the same. The
    order is that of `ZOO_SOURCES`, if it is set. A mirror gets no token.
    """
    weights = tuple(file for file in record.files if file.path.endswith(WEIGHT_SUFFIXES))
    same = [record]
    for ident in record.mirrors:
        there = ModelId.parse(ident, folders=False)
        other = replace(record, id=there.key, source=there.source, revision=there.revision)
        same.append(replace(other, files=weights, mirrors=()))
    order = settings.source_order()
    same.sort(key=lambda item: order.index(item.source) if item.source in order else len(order))
    for item in same:
        yield source(item.source), item
        if item.source == "hub":
            yield from ((hub_mirror(endpoint), item) for endpoint in settings.mirrors())
