"""Rebuild zoohub/cards/licenses/fingerprints.json.gz from folders of license texts.

    python scripts/license_fingerprints.py FOLDER...

Texts that are known already stay known (`--anew`: only those of the folders). A file is taken where its name
is `<license id>.txt` or in TEXTS, or where its front matter (as the scancode license database writes it)
names the SPDX id of an entry. Words of a license are shipped only where its text may be passed on verbatim;
of the others the digests of their sentences are.
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path

from zoohub.cards.licenses import all_licenses, recognition, wording

TEXTS = {
    "bilibili-model-ula-2025-09-09.LICENSE": "bilibili-model",
    "BigScience-BLOOM-OpenRAIL-M.txt": "bigscience-openrail-m",
    "CreativeML-OpenRAIL-M.txt": "creativeml-openrail-m",
    "OPT-175B.txt": "opt-175b",
    "OpenRAIL++.txt": "openrail++",
    "SEER.txt": "seer",
    "apple-ml-ferret-2023.LICENSE": "apple-ascl",
    "bigcode-open-rail-m-v1.LICENSE": "bigcode-openrail-m",
    "bigscience-open-rail-m.LICENSE": "bigscience-openrail-m",
    "bigscience-open-rail-m2.LICENSE": "openrail++",
    "bigscience-rail-1.0.LICENSE": "bigscience-bloom-rail-1.0",
    "chameleon-research-2024.LICENSE": "chameleon-research",
    "deepseek-la-1.0.LICENSE": "deepseek-1.0",
    "exaone-ai-model-1.1-nc.LICENSE": "exaone-1.1-nc",
    "fair-ai-public-1.0-sd.LICENSE": "fair-ai-public-1.0-sd",
    "falcon-2-11b-1.0.LICENSE": "falcon-2-11b",
    "flux-1-nc.LICENSE": "flux-1-dev-nc",
    "gemma-tou-2024-04-01.LICENSE": "gemma-2024-04",
    "gemma-tou-2025-03-24.LICENSE": "gemma-2025-03",
    "gretelai-sal-1.0.LICENSE": "gretel-sal-1.0",
    "hyperclova-x-seed-2025.LICENSE": "hyperclova-x-seed",
    "llama-2-license-2023.LICENSE": "llama2",
    "llama-3.1-license-2024.LICENSE": "llama3.1",
    "llama-3.2-license-2024.LICENSE": "llama3.2",
    "llama-3.3-license-2024.LICENSE": "llama3.3",
    "llama-4-cla-2025.LICENSE": "llama4",
    "llama-license-2023.LICENSE": "llama1",
    "llama2.LICENSE.txt": "llama2",
    "llama3.LICENSE.txt": "llama3",
    "llama3_1.LICENSE.txt": "llama3.1",
    "llama3_2.LICENSE.txt": "llama3.2",
    "llama3_3.LICENSE.txt": "llama3.3",
    "llama4.LICENSE.txt": "llama4",
    "llama2.USE_POLICY.md": "llama2",
    "llama3.USE_POLICY.md": "llama3",
    "llama3_1.USE_POLICY.md": "llama3.1",
    "llama3_2.USE_POLICY.md": "llama3.2",
    "llama3_3.USE_POLICY.md": "llama3.3",
    "llama4.USE_POLICY.md": "llama4",
    "ltxv-owl-2025-05-05.LICENSE": "ltxv-open-weights-2025-05",
    "moonshot-ai-modified-mit-2025.LICENSE": "kimi-k2-modified-mit",
    "nvidia-open-model-2025-04-28.LICENSE": "nvidia-open-model-2025-04",
    "open-aleph-1.0.LICENSE": "open-aleph-1.0",
    "openmdw-1.0.LICENSE": "openmdw-1.0",
    "playground-v2-community.LICENSE": "playground-v2",
    "polyform-strict-1.0.0.LICENSE": "polyform-strict-1.0.0",
    "qwen-2024.LICENSE": "qwen-2024",
    "stability-ai-community-2024.LICENSE": "stability-community",
    "stability-ai-nc-2023-12-06.LICENSE": "stability-nc-2023",
    "stable-diffusion-2022-08-22.LICENSE": "creativeml-openrail-m",
    "tencent-hunyuan-3d-2.0-cla.LICENSE": "tencent-hunyuan-3d-2.0",
    "tongyi-qianwen-2023.LICENSE": "tongyi-qianwen",
}
# SPDX texts whose authors reserve the text itself.
RESERVED = {
    "busl-1.1",
    "sspl-1.0",
    "elastic-2.0",
    "polyform-noncommercial-1.0.0",
    "polyform-small-business-1.0.0",
}
_END_OF_TERMS = re.compile(r"^\s*END OF TERMS AND CONDITIONS\s*$", re.MULTILINE)


def body(text: str) -> str:
    """The license text without the front matter that a database put before it."""
    if text.startswith("---\n") and "\n---\n" in text[4:]:
        return text[4:].split("\n---\n", 1)[1]
    return text


def spdx_ids() -> dict[str, str]:
    table: dict[str, str] = {}
    for entry in all_licenses():
        if entry.spdx and not entry.spdx.startswith("LicenseRef-"):
            table[entry.spdx.lower()] = entry.id
            table[entry.spdx.lower().replace("-only", "-or-later")] = entry.id
            table[entry.spdx.lower().removesuffix("-only")] = entry.id
    return table


def known_texts(folders: list[Path]) -> Iterator[tuple[str, str, str]]:
    """(license id, part, text) of each file that is one of ours, and the common shorter forms of it."""
    table = spdx_ids()
    own = {f"{entry.id}.txt": entry.id for entry in all_licenses()}
    for folder in folders:
        for file in sorted(folder.rglob("*")):
            if not file.is_file() or file.suffix not in (".LICENSE", ".txt", ".md"):
                continue
            raw = file.read_text(encoding="utf-8", errors="replace")
            named = (
                re.search(r"^spdx_license_key: *(\S+)", raw, re.MULTILINE)
                if raw.startswith("---\n")
                else None
            )
            license_id = (
                TEXTS.get(file.name) or own.get(file.name) or (table.get(named[1].lower()) if named else None)
            )
            if license_id is None or "is_exception: yes" in raw:
                continue
            text = body(raw)
            yield license_id, "use policy" if "USE_POLICY" in file.name else "license", text
            for form in shorter_forms(license_id, text):
                yield license_id, "license", form


def shorter_forms(license_id: str, text: str) -> Iterator[str]:
    """Forms of one license that are everywhere: without its appendix, with numbered clauses."""
    if license_id in ("apache-2.0", "gpl-2.0", "gpl-3.0", "agpl-3.0", "ecl-2.0") and (
        end := _END_OF_TERMS.search(text)
    ):
        yield text[: end.end()]
        yield text[: end.start()]
        if license_id == "apache-2.0":
            notice = text[text.rindex("Licensed under the Apache License") :]
            yield f"{text[: end.end()]}\n{notice}"
            yield f"{text[: end.start()]}\n{notice}"
    if license_id == "isc":
        yield text.replace("and/or distribute", "and distribute")
        yield text.replace("and distribute", "and/or distribute")
    if license_id in ("bsd-2-clause", "bsd-3-clause", "bsd-3-clause-clear"):
        bare = re.sub(r"^[ \t]*(\d\.|\*|-)[ \t]*", "", text, flags=re.MULTILINE)
        yield bare
        numbers = iter("123")
        starts = r"^[ \t]*(?=Redistributions? (?:of source|in binary)|Neither the name)"
        yield re.sub(starts, lambda _: f"{next(numbers)}. ", bare, flags=re.MULTILINE)


def build(folders: list[Path], known: list[dict[str, object]]) -> list[dict[str, object]]:
    shipped = set(spdx_ids().values()) - RESERVED
    found: dict[str, dict[str, object]] = {str(item["digest"]): item for item in known}
    for license_id, part, text in known_texts(folders):
        digest = wording.digest(text)
        if digest in found:
            assert found[digest]["id"] == license_id, (license_id, found[digest]["id"])
            continue
        segments = [
            [s.digest, s.words, s.text if license_id in shipped else ""] for s in wording.segments(text)
        ]
        found[digest] = {"id": license_id, "part": part, "digest": digest, "segments": segments}
    return sorted(found.values(), key=lambda item: (str(item["id"]), str(item["part"]), str(item["digest"])))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--anew", action="store_true", help="forget the texts that are known")
    given = parser.parse_args()
    known = [] if given.anew else json.loads(gzip.decompress(recognition.DATA.read_bytes()))
    data = build(given.folders, known)
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    recognition.DATA.write_bytes(gzip.compress(text.encode(), 9, mtime=0))
    licenses = {item["id"] for item in data}
    print(f"{len(data)} texts of {len(licenses)} licenses, {recognition.DATA.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
