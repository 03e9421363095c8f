"""The Hugging Face Hub, a mirror of it or a private hub: whatever HF_ENDPOINT names."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from urllib.parse import quote, urlencode, urljoin, urlsplit

from zoohub import settings
from zoohub.errors import InvalidRecord, SourceError
from zoohub.registry.records import ModelFile, ModelRecord
from zoohub.registry.sources import Page, Refusal, Source, Wanted, transport
from zoohub.registry.sources.hub_record import from_hub

PAGE = 500
LARGEST_RECORD = 2 << 20  # bytes of JSON: more is no description of a model
OFFICIAL = "https://huggingface.co"

EXPAND = (
    "author", "baseModels", "cardData", "config", "createdAt", "downloads", "gated", "gguf", "lastModified",
    "library_name", "likes", "model-index", "pipeline_tag", "safetensors", "sha", "siblings", "tags",
    "usedStorage",
)  # fmt: skip


class HubSource(Source):
    """Models of a hub, newest first; their files through the hub's resolve addresses."""

    name = "hub"
    authority = True
    newest_first = True
    remote = True

    def __init__(self, endpoint: str | None = None, *, token: bool = True) -> None:
        self._with_token = token
        self.endpoint = (endpoint or settings.hub_endpoint()).rstrip("/")

    @property
    def place(self) -> str:
        """The address of the hub."""
        return self.endpoint

    def owns(self, record: ModelRecord) -> bool:
        """Whether this hub is where the record was synced from."""
        return record.source == self.name and record.origin == self.endpoint

    def pages(self, wanted: Wanted | None = None, cursor: str | None = None) -> Iterator[Page]:
        """List models by time of change, the newest first; stops at `wanted.since`.

        Several tasks or authors are as many listings, one after the other; the cursor names listing and page.

        Raises:
            SourceError: the hub does not answer, or its pages go round in circles.
        """
        wanted = wanted or Wanted()
        number, path = json.loads(cursor) if cursor else (0, None)
        url = urljoin(self.endpoint, path) if path else None
        listings = [
            (task, author) for task in wanted.tasks or (None,) for author in wanted.authors or (None,)
        ]
        given = 0
        for at in range(number, len(listings)):
            start = url if at == number and url else self._listing(*listings[at])
            for page, following in self._walk(start, wanted.since):
                taken = _filtered(page, wanted, given)
                given += len(taken.records)
                done = wanted.limit is not None and given >= wanted.limit
                after = (
                    None
                    if done
                    else _cursor(at, following)
                    if following
                    else _next_listing(at, len(listings))
                )
                yield Page(taken.records, taken.refused, after)
                if done:
                    return

    def _listing(self, task: str | None, author: str | None) -> str:
        query: list[tuple[str, Any]] = [("sort", "lastModified"), ("limit", PAGE)]
        query += [("pipeline_tag", task)] if task else []
        query += [("author", author)] if author else []
        query += [("expand", name) for name in EXPAND]
        return f"{self.endpoint}/api/models?{urlencode(query)}"

    def _walk(self, url: str, since: str | None) -> Iterator[tuple[Page, str | None]]:
        """Pages from an address on, each with the address of the next; ends at models older than `since`."""
        before: set[str] = set()
        stale = 0
        while True:
            answer = transport.get_json(url, headers=self._headers())
            if not isinstance(answer.data, list):
                raise SourceError(f"{self.endpoint} answered a listing that is no list.")
            page = _read(answer.data, self.endpoint)
            following = answer.next
            ids = {record.id for record in page.records} | {refusal.id for refusal in page.refused}
            stale = stale + 1 if ids <= before else 0
            if following and (following == url or stale >= 3):
                raise SourceError(f"{self.endpoint} pages in circles: the same models come again and again.")
            if following and not transport.same_host(following, self.endpoint):
                raise SourceError(f"{self.endpoint} names a next page on another host; it is not followed.")
            older = since is not None and any((record.updated or since) < since for record in page.records)
            if older:
                page = Page(
                    tuple(r for r in page.records if (r.updated or since or "") >= (since or "")),
                    page.refused,
                )
            following = None if older else following
            yield page, following
            if not following:
                return
            url, before = following, ids or before

    @contextmanager
    def open(self, record: ModelRecord) -> Iterator[HubFiles]:
        """Ask what a revision holds; its commit is pinned for the reading that follows.

        Raises:
            SourceError: no such model or revision, no right to it, or no answer.
        """
        revision = record.revision or "main"
        name = quote(record.model_id.name, safe="/")
        url = f"{self.endpoint}/api/models/{name}/revision/{quote(revision, safe='')}"
        data = transport.get_json(url, params={"blobs": "true"}, headers=self._headers()).data
        try:
            described = from_hub(data)
        except InvalidRecord as error:
            raise SourceError(
                f"{self.endpoint} describes {record.id} in a way that cannot be: {error.reason}."
            ) from error
        commit = described.revision or revision
        base = f"{self.endpoint}/{name}/resolve/{quote(commit, safe='')}"
        yield HubFiles(base, commit, described.files, _git_oids(data), self._headers())

    def _headers(self) -> dict[str, str]:
        """A token only where its owner means it to go.

        HF_TOKEN was set beside HF_ENDPOINT and goes there; the token that `hf auth login` stored is the
        official hub's and goes to no other host.
        """
        from huggingface_hub import get_token

        if not self._with_token:
            return {"User-Agent": "zoohub"}
        official = transport.same_host(self.endpoint, OFFICIAL)
        token = get_token() if official else os.environ.get("HF_TOKEN")
        return {"User-Agent": "zoohub", **({"Authorization": f"Bearer {token}"} if token else {})}


class HubFiles:
    """The files of one commit."""

    def __init__(
        self, base: str, revision: str, files: tuple[ModelFile, ...], git_oids: dict[str, str],
        headers: dict[str, str],
    ) -> None:  # fmt: skip
        self.revision: str | None = revision
        self.files = files
        self.git_oids = git_oids
        self._base, self._headers = base, headers

    def chunks(self, file: ModelFile, start: int = 0) -> Iterator[bytes]:
        """The bytes of one file from `start` on."""
        return transport.chunks(f"{self._base}/{quote(file.path, safe='/')}", start, self._headers)


def _git_oids(data: Any) -> dict[str, str]:
    """The git SHA-1 of each file that lies in git itself; one in large file storage has a SHA-256 instead."""
    files = [item for item in data.get("siblings") or () if isinstance(item, dict) and not item.get("lfs")]
    return {str(item.get("rfilename")): str(item["blobId"]) for item in files if item.get("blobId")}


def _read(items: list[Any], endpoint: str) -> Page:
    """The records of one answer; a bad one is set aside with the reason."""
    records, refused = [], []
    for item in items:
        try:
            _require_small(item)
            records.append(replace(from_hub(item), origin=endpoint))
        except InvalidRecord as error:
            refused.append(Refusal(error.ident, error.reason))
    return Page(tuple(records), tuple(refused))


def _require_small(item: object) -> None:
    size = len(json.dumps(item, default=str))
    if size > LARGEST_RECORD:
        ident = item.get("id", "?") if isinstance(item, dict) else "?"
        raise InvalidRecord(str(ident)[:200], f"its description has {size >> 20} MiB")


def _filtered(page: Page, wanted: Wanted, given: int) -> Page:
    records = page.records
    if wanted.min_downloads is not None:
        least = wanted.min_downloads
        records = tuple(record for record in records if (record.downloads or 0) >= least)
    if wanted.limit is not None:
        records = records[: max(wanted.limit - given, 0)]
    return Page(records, page.refused)


def _cursor(listing: int, url: str) -> str:
    parts = urlsplit(url)
    return json.dumps([listing, parts._replace(scheme="", netloc="").geturl()])


def _next_listing(at: int, listings: int) -> str | None:
    return json.dumps([at + 1, None]) if at + 1 < listings else None
