"""Train zoohub/registry/records.zdict, the words that the documents of the registry are deflated with.

    pip install zstandard
    python scripts/record_dictionary.py --data ARCHIVE [--test LATER_ARCHIVE]

Every stored document is read with this file: train it anew only together with a new first byte of the format
(`encoding`). `--test` prints what a record takes that is in the later archive only.
"""

from __future__ import annotations

import argparse
import sys
import zlib
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

import hub_records  # noqa: E402

from zoohub.registry import ModelRecord, encoding  # noqa: E402
from zoohub.registry.sources import records  # noqa: E402
from zoohub.registry.sources.catalog import CatalogSource  # noqa: E402

TARGET = ROOT / "zoohub" / "registry" / "records.zdict"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="archive of hub records")
    parser.add_argument("--test", type=Path, help="archive of a later day")
    options = parser.parse_args()
    seen = hub_records.records(options.data)
    samples = [encoding.as_json(record) for record in seen]
    samples += [encoding.as_json(record) for record in list(records(CatalogSource()))[::4]]
    words = trained(samples)
    TARGET.write_bytes(words)
    if options.test:
        known = {record.id for record in seen}
        report([record for record in hub_records.records(options.test) if record.id not in known], words)


def trained(samples: list[bytes]) -> bytes:
    """The most useful parts of the samples, the best last: zlib reaches what is near most cheaply."""
    import zstandard

    made = zstandard.train_dictionary(encoding.DICTIONARY_BYTES, samples).as_bytes()
    return made[-encoding.DICTIONARY_BYTES :]


def report(unseen: list[ModelRecord], words: bytes) -> None:
    """Print how far records are deflated that the training has not seen."""
    texts = [encoding.as_json(record) for record in unseen]
    primed = zlib.compressobj(encoding.LEVEL, zlib.DEFLATED, encoding.WINDOW, encoding.MEMORY, 0, words)
    packed = 0
    for text in texts:
        deflate = primed.copy()
        packed += len(deflate.compress(text)) + len(deflate.flush()) + 1
    print(f"{len(texts)} records: {sum(map(len, texts)) / len(texts):.0f} -> {packed / len(texts):.0f} bytes")


if __name__ == "__main__":
    main()
