"""Train zoohub/registry/records.zdict, the dictionary that the documents of the registry are compressed with.

    python scripts/record_dictionary.py --data ARCHIVE [--test LATER_ARCHIVE]

Every stored document is read with this file: train it anew only together with a new first byte of the format
(`encoding`). `--test` prints what a record takes that is in the later archive only.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

import hub_records  # noqa: E402
import zstandard  # noqa: E402

from zoohub.registry import ModelRecord, encoding  # noqa: E402
from zoohub.registry.sources import records  # noqa: E402
from zoohub.registry.sources.catalog import CatalogSource  # noqa: E402

TARGET = ROOT / "zoohub" / "registry" / "records.zdict"
SIZE = 1 << 16


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
    TARGET.write_bytes(zstandard.train_dictionary(SIZE, samples).as_bytes())
    if options.test:
        known = {record.id for record in seen}
        report([record for record in hub_records.records(options.test) if record.id not in known])


def report(unseen: list[ModelRecord]) -> None:
    """Print how far records are compressed that the training has not seen."""
    texts = [encoding.as_json(record) for record in unseen]
    stored = [encoding.compressed(text) for text in texts]
    before, after = (sum(map(len, parts)) / len(texts) for parts in (texts, stored))
    print(f"{len(texts)} records: {before:.0f} -> {after:.0f} bytes")


if __name__ == "__main__":
    main()
