"""Figures of cards and licenses: cost of the license door, strings of real records, texts with real edits.

    python benchmarks/cards.py [--data FOLDER]

FOLDER (or ZOO_BENCH_DATA) holds `data/hub_records_*.tar.xz` and `licenses/texts`; without it only what
needs no data is measured.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tarfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def door() -> str:
    code = (
        "import time, dataclasses, json, pathlib, zoohub.errors\nstart = time.process_time()\n"
        "from zoohub.cards.licenses import get, in_group\n"
        "in_group('mit', 'commercial'); get('llama3.1').answer('use')\n"
        "print((time.process_time() - start) * 1000)"
    )
    runs = [
        float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
        for _ in range(9)
    ]
    return f"license door: import and first answers {statistics.median(runs):.1f} ms of processor time"


def per_call(call: Callable[[], object], times: int) -> float:
    """Microseconds a call, median of five rounds."""
    rounds = []
    for _ in range(5):
        start = time.perf_counter()
        for _ in range(times):
            call()
        rounds.append((time.perf_counter() - start) / times * 1e6)
    return statistics.median(rounds)


def calls() -> str:
    from zoohub.cards import Card
    from zoohub.cards.licenses import in_group, normalize

    text = (
        "---\n" + "".join(f"key{n}: [a, b, c]\n" for n in range(30)) + "license: mit\n---\n" + "Text.\n" * 200
    )
    return (
        f"in_group {per_call(lambda: in_group('llama3.2', 'commercial'), 20_000):.2f} us, "
        f"normalize an id {per_call(lambda: normalize('apache-2.0'), 5_000):.1f} us, "
        f"an unknown name {per_call(lambda: normalize('some-own-license'), 500):.0f} us, "
        f"read a card of 32 keys {per_call(lambda: Card.read(text), 20) / 1000:.1f} ms"
    )


def strings(folder: Path) -> str:
    from zoohub.cards.licenses import normalize

    archive = max((folder / "data").glob("hub_records_*.tar.xz"))
    found: Counter[str | None] = Counter()
    with tarfile.open(archive) as tar:
        for member in tar:
            if member.name.startswith(("data/", "./data/")) and member.name.endswith(".json"):
                stream = tar.extractfile(member)
                assert stream is not None
                found[json.load(stream).get("license")] += 1
    start = time.perf_counter()
    known = {raw: normalize(raw).id for raw in found}
    seconds = time.perf_counter() - start
    records = sum(found.values())
    stated = records - found[None]
    named = sum(number for raw, number in found.items() if known[raw] != "unknown")
    return (
        f"{len(found)} distinct license strings of {records:,} records in {seconds * 1000:.0f} ms; "
        f"of {stated:,} records that state one, {named / stated:.1%} name a license of the knowledge base"
    )


def installed() -> str:
    """License files of the packages that are installed here: real files, edited by their authors."""
    import sysconfig

    from zoohub.cards.licenses import recognize_file
    from zoohub.errors import CardError

    texts: dict[bytes, Path] = {}
    for path in sorted(Path(sysconfig.get_paths()["purelib"]).rglob("*")):
        if path.is_file() and path.name.upper().startswith(("LICENSE", "LICENCE", "COPYING")):
            texts.setdefault(path.read_bytes(), path)
    how: Counter[str] = Counter()
    for path in texts.values():
        try:
            how[recognize_file(path).how] += 1
        except CardError:
            how["refused"] += 1
    told = ", ".join(f"{count} {name}" for name, count in how.most_common())
    return f"{len(texts)} distinct license files of installed packages: {told}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=os.environ.get("ZOO_BENCH_DATA"))
    folder = parser.parse_args().data
    print(door())
    print(calls())
    print(installed())
    if folder is None:
        return
    print(strings(Path(folder)))
    tests = [
        "tests/cards/test_license_texts.py",
        "tests/cards/test_license_spelling.py",
        "-q",
        "-k",
        "all_known or the_key",
    ]
    subprocess.run([sys.executable, "-m", "pytest", *tests], cwd=ROOT, check=True,
                   env={**os.environ, "ZOO_BENCH_DATA": str(folder)})  # fmt: skip


if __name__ == "__main__":
    main()
