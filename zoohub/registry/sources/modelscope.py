"""ModelScope through its open HTTP API: the same record, with the twin on the Hugging Face Hub if known."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from urllib.parse import quote, urlencode

from zoohub import settings, tasks
from zoohub.errors import InvalidRecord, SourceError
from zoohub.registry.records import LicenseEvidence, ModelFile, ModelId, ModelRecord
from zoohub.registry.sources import Page, Refusal, Source, Wanted, facts, transport
from zoohub.registry.sources.catalog import twins
from zoohub.registry.sources.licensed import licensed
from zoohub.registry.sources.modelscope_tasks import TASKS

PAGE = 50  # the most that the API gives at once
REACH = 3000  # the API lists no further than this for one query
_LISTED = "/openapi/v1/models"


class ModelScopeSource(Source):
    """Models of ModelScope; one query reaches 3,000 models, so tasks and authors are asked for one by one."""

    name = "modelscope"
    authority = True
    newest_first = True
    remote = True

    def __init__(self, endpoint: str | None = None) -> None:
        self.endpoint = (endpoint or settings.modelscope_endpoint()).rstrip("/")

    @property
    def place(self) -> str:
        """The address of ModelScope."""
        return self.endpoint

    def pages(self, wanted: Wanted | None = None, cursor: str | None = None) -> Iterator[Page]:
        """List models, the newest first; the cursor is "listing.page".

        Raises:
            SourceError: ModelScope does not answer, or answers what is no listing.
        """
        wanted = wanted or Wanted()
        listings = [
            (task, author) for task in _task_words(wanted.tasks) for author in wanted.authors or (None,)
        ]
        first, number = (int(part) for part in (cursor or "0.1").split("."))
        given = 0
        for at in range(first, len(listings)):
            page_number = number if at == first else 1
            while page_number * PAGE <= REACH:
                page, total = self._page(*listings[at], page_number)
                older = wanted.since is not None and any(
                    (r.updated or wanted.since) < wanted.since for r in page.records
                )
                records = _taken(page.records, wanted, given)
                given += len(records)
                done = wanted.limit is not None and given >= wanted.limit
                last = older or page_number * PAGE >= total or not (page.records or page.refused)
                step = (
                    f"{at}.{page_number + 1}"
                    if not last
                    else f"{at + 1}.1"
                    if at + 1 < len(listings)
                    else None
                )
                yield Page(
                    records, page.refused, None if done else step, total if len(listings) == 1 else None
                )
                if done:
                    return
                if last:
                    break
                page_number += 1

    def _page(self, task: str | None, author: str | None, number: int) -> tuple[Page, int]:
        query = {"page_number": number, "page_size": PAGE, "sort": "last_modified"}
        query |= {"filter.task": task} if task else {}
        query |= {"owner": author} if author else {}
        answer = transport.get_json(
            f"{self.endpoint}{_LISTED}?{urlencode(query)}", headers=self._headers()
        ).data
        data = _data(answer, self.endpoint)
        items = data.get("models", data.get("Models"))
        if not isinstance(items, list):
            raise SourceError(f"{self.endpoint} answered a listing that is no list.")
        records, refused = [], []
        for item in items:
            try:
                records.append(replace(from_modelscope(item), origin=self.endpoint))
            except InvalidRecord as error:
                refused.append(Refusal(error.ident, error.reason))
        total = data.get("total_count", data.get("TotalCount"))
        return Page(tuple(records), tuple(refused)), int(total) if isinstance(total, int) else len(items)

    @contextmanager
    def open(self, record: ModelRecord) -> Iterator[ModelScopeFiles]:
        """List the files of a revision (default: master), with size and SHA-256.

        Raises:
            SourceError: no such model or revision, or no answer.
        """
        name, revision = record.model_id.name, record.revision or "master"
        query = urlencode({"Revision": revision, "Recursive": "True"})
        url = f"{self.endpoint}/api/v1/models/{quote(name)}/repo/files?{query}"
        data = _data(transport.get_json(url, headers=self._headers()).data, self.endpoint)
        rows = data.get("Files", data.get("files"))
        if not isinstance(rows, list):
            raise SourceError(f"{self.endpoint} lists no files of {name}.")
        commit = facts.text(_field(data, "LatestCommitter", "Revision"), 64) or revision
        yield ModelScopeFiles(f"{self.endpoint}/api/v1/models/{quote(name)}/repo", revision, commit,
                              tuple(_files(rows)), self._headers())  # fmt: skip

    def _headers(self) -> dict[str, str]:
        token = os.environ.get("MODELSCOPE_API_TOKEN")
        return {"User-Agent": "zoohub", **({"Authorization": f"Bearer {token}"} if token else {})}


class ModelScopeFiles:
    """The files of one revision."""

    def __init__(
        self, base: str, asked: str, revision: str, files: tuple[ModelFile, ...], headers: dict[str, str]
    ) -> None:
        self.revision: str | None = revision
        self.files = files
        self.git_oids: dict[str, str] = {}
        self._base, self._asked, self._headers = base, asked, headers

    def chunks(self, file: ModelFile, start: int = 0) -> Iterator[bytes]:
        """The bytes of one file from `start` on."""
        query = urlencode({"Revision": self._asked, "FilePath": file.path})
        return transport.chunks(f"{self._base}?{query}", start, self._headers)


def from_modelscope(item: object) -> ModelRecord:
    """The record of one model as ModelScope's open API describes it.

    Raises:
        InvalidRecord: no id, an impossible size, or lists that are too long.
    """
    if not isinstance(item, Mapping):
        raise facts.refused("?", "no JSON object")
    name = _name(item)
    try:
        ident = ModelId.parse(f"modelscope:{name}", folders=False).key
    except Exception as error:
        raise facts.refused(name, "its id is no model id") from error
    try:
        return licensed(_record(ident, name, item))
    except (ValueError, TypeError, AttributeError) as error:
        raise facts.refused(ident, error) from error


def _name(item: Mapping[str, Any]) -> str:
    """`owner/name`: the API gives it as id, or in two parts."""
    ident = item.get("id", item.get("Id"))
    if isinstance(ident, str) and "/" in ident:
        return ident
    owner, name = item.get("owner", item.get("Path")), item.get("name", item.get("Name"))
    return f"{owner}/{name}"


def _record(ident: str, name: str, item: Mapping[str, Any]) -> ModelRecord:
    stated = facts.words(item.get("tasks", item.get("Tasks")))
    known = [task for word in stated if (task := _task(word))]
    raw = facts.license_word(item.get("license", item.get("License")))
    tags = facts.words(item.get("tags", item.get("Tags")))
    return ModelRecord(
        id=ident,
        source="modelscope",
        author=name.split("/")[0],
        task=known[0] if known else None,
        tasks=tuple(dict.fromkeys(known)),
        library=next(
            (word for word in ("transformers", "diffusers", "sentence-transformers") if word in tags), None
        ),
        license_raw=raw,
        license_evidence=(LicenseEvidence("card", "README.md", raw),) if raw else (),
        parameters=facts.count(item.get("parameters"), facts.MOST_PARAMETERS, "number of parameters"),
        size=facts.count(item.get("file_size"), facts.MOST_BYTES, "size in bytes"),
        downloads=facts.count(item.get("downloads", item.get("Downloads")), 10**12, "number of downloads"),
        likes=facts.count(item.get("likes", item.get("Likes")), 10**10, "number of likes"),
        created=facts.when(item.get("created_at", item.get("CreatedAt"))),
        updated=facts.when(item.get("last_modified", item.get("UpdatedAt"))),
        gated=bool(item["gated"]) if item.get("gated") is not None else None,
        tags=tuple(dict.fromkeys((*tags, *(word for word in stated if not _task(word))))),
        mirrors=twins().get(ident, ()),
        description=facts.text(item.get("description", item.get("Description")), 1000),
    )


def _task(word: str) -> str | None:
    found = tasks.match(word)
    return found.id if found else TASKS.get(word)


def _task_words(wanted: tuple[str, ...]) -> list[str | None]:
    """ModelScope's words for the tasks that are wanted; None: no filter."""
    words: list[str | None] = []
    for task in wanted:
        words += [task, *(word for word, known in TASKS.items() if known == task and word != task)]
    return words or [None]


def _taken(records: tuple[ModelRecord, ...], wanted: Wanted, given: int) -> tuple[ModelRecord, ...]:
    if wanted.since is not None:
        records = tuple(record for record in records if (record.updated or wanted.since) >= wanted.since)
    if wanted.min_downloads is not None:
        records = tuple(record for record in records if (record.downloads or 0) >= wanted.min_downloads)
    return records if wanted.limit is None else records[: max(wanted.limit - given, 0)]


def _data(answer: object, endpoint: str) -> Mapping[str, Any]:
    """The payload, which both of ModelScope's APIs wrap."""
    data = _field(answer, "data") or _field(answer, "Data") or answer
    if not isinstance(data, Mapping):
        raise SourceError(f"{endpoint} answered what is no ModelScope answer.")
    return data


def _field(item: object, *path: str) -> object:
    for key in path:
        item = item.get(key) if isinstance(item, Mapping) else None
    return item


def _files(rows: list[Any]) -> Iterator[ModelFile]:
    for row in rows:
        if (
            isinstance(row, Mapping)
            and row.get("Type", "blob") != "tree"
            and isinstance(row.get("Path"), str)
        ):
            size, digest = row.get("Size"), str(row.get("Sha256") or "")
            known = digest if re.fullmatch(r"[0-9a-f]{64}", digest) else None
            yield ModelFile(row["Path"], size if isinstance(size, int) and size >= 0 else None, known)
