"""Packages as bytes to read: downloaded at a pinned version, opened as an archive, never imported."""

from __future__ import annotations

import ast
import hashlib
import json
import re
import subprocess
import sys
import tarfile
import zipfile
from email.parser import HeaderParser
from functools import cached_property
from pathlib import Path

# The catalog is rebuilt from exactly these; `python -m scripts.catalog --upgrade NAME` moves one on.
PINS_FILE = Path(__file__).with_name("pins.txt")


def pins() -> dict[str, str]:
    """Package -> pinned version."""
    lines = PINS_FILE.read_text("utf-8").split()
    return dict(line.split("==") for line in lines)


class Package:
    """One downloaded distribution, wheel or source archive; it notes which of its files were read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.read: set[str] = set()
        self._zip = zipfile.ZipFile(path) if path.suffix in {".whl", ".zip"} else None
        self._tar = None if self._zip else tarfile.open(path)  # noqa: SIM115 - lives as long as the package

    @cached_property
    def names(self) -> list[str]:
        """All files, sorted, with the source archive's top folder taken off."""
        if self._zip:
            return sorted(name for name in self._zip.namelist() if not name.endswith("/"))
        assert self._tar
        return sorted(m.name.partition("/")[2] for m in self._tar.getmembers() if m.isfile())

    def find(self, pattern: str) -> list[str]:
        """The files whose whole path matches the regular expression."""
        return [name for name in self.names if re.fullmatch(pattern, name)]

    def bytes(self, name: str) -> bytes:
        """A file's content."""
        self.read.add(name)
        if self._zip:
            return self._zip.read(name)
        assert self._tar
        top = self._tar.getnames()[0].split("/")[0]
        stream = self._tar.extractfile(f"{top}/{name}")
        assert stream
        return stream.read()

    def text(self, name: str) -> str:
        """A file's content as text."""
        return self.bytes(name).decode("utf-8")

    def tree(self, name: str) -> ast.Module:
        """A Python file, parsed and not run."""
        return ast.parse(self.text(name))

    @cached_property
    def metadata(self) -> dict[str, str]:
        """Name, Version, License ... as the package states them."""
        if "package.json" in self.names:
            stated = json.loads(self.text("package.json"))
            return {key: str(stated.get(key, "not stated")) for key in ("name", "version", "license")}
        [name] = self.find(r"[^/]+\.dist-info/METADATA") or self.find("PKG-INFO")[:1]
        content = self._zip.read(name).decode() if self._zip else self.text(name)
        message = HeaderParser().parsestr(content)
        classified = [value for value in message.get_all("Classifier", []) if value.startswith("License ::")]
        declared = message["License-Expression"] or (message["License"] or "").split("\n")[0]
        stated = declared or "; ".join(value.rsplit(" :: ", 1)[-1] for value in classified)
        return {"name": message["Name"], "version": message["Version"], "license": stated or "not stated"}

    def provenance(self) -> dict[str, object]:
        """What the catalog's records of this package rest on."""
        digest = hashlib.sha256(self.path.read_bytes()).hexdigest()
        files = sorted(self.read)
        shown = files if len(files) <= 12 else [*files[:11], f"... and {len(files) - 11} more"]
        return {
            "package": self.metadata["name"],
            "version": self.metadata["version"],
            "license of the package": self.metadata["license"],
            "archive": self.path.name,
            "sha256": digest,
            "files read": shown,
        }


def fetch(name: str, folder: Path, *, pinned: bool = True) -> Package:
    """The package, downloaded by its registry's own client into `folder` unless it lies there already."""
    name, _, version = name.partition("==")
    version = version or (pins().get(name, "") if pinned else "")
    place = folder / name.replace("npm:", "npm/").replace("@", "") / (version or "newest")
    if not (place.is_dir() and any(place.iterdir())):
        place.mkdir(parents=True, exist_ok=True)
        client = _npm if name.startswith("npm:") else _pip
        client(name.removeprefix("npm:"), version, place)
    [archive] = place.iterdir()
    return Package(archive)


def _pip(name: str, version: str, place: Path) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet", "--no-deps"]
    wanted = f"{name}=={version}" if version else name
    subprocess.run([*command, "--no-build-isolation", "--dest", str(place), wanted], check=True)


def _npm(name: str, version: str, place: Path) -> None:
    wanted = f"{name}@{version}" if version else name
    subprocess.run(
        ["npm", "pack", "--silent", "--pack-destination", str(place), wanted],
        check=True,
        stdout=subprocess.DEVNULL,
    )
