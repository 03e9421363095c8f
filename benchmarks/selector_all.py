"""The selector's benchmark over a folder of tables, and the union of their data sets.

    python benchmarks/selector_all.py --tables FOLDER [--only NAME ...] [--markdown]

Runs benchmarks/selector.py on each table that is there and prints one JSON line with the paired differences to
the static prior over all data sets together. Regret is pooled as a share of the way from the median model to
the best, for the tables have different units. emms_cnn repeats sfda_cnn and is left out.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
from rankmetrics import interval

HERE = Path(__file__).resolve().parent
# table: options of selector.py; files are named relative to the folder
TABLES: dict[str, list[str]] = {
    "transfergraph_image": ["--models", "transfergraph_image_models.csv"],
    "sfda_cnn": [],
    "sfda_ssl": [],
    "parc_all": [],
    "parc_controlled": [],
    "lovm": [],
    "clip_fewshot_lp": [],
    "geobench_seg": [],
    "open_asr_en_shortform": [],
    "openclip_zeroshot": [],
    "ft_scaling_law": [],
    "setfit_fewshot": ["--split", "/"],
    "gift_eval": ["--models", "gift_eval_models.csv", "--split", "/"],
    "mteb_en_v1": ["--models", "mteb_models.csv"],
    "recycling": ["--models", "recycling_models.csv"],
}
COLUMNS = (
    "table | data sets | wtau static | wtau zoohub | difference | reg@1 static | reg@1 zoohub | difference | "
    "tie-set holds the best, size | 80 % interval holds | first near the best: said, was"
)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tables", type=Path, required=True, help="the folder of csv files")
    parser.add_argument("--only", nargs="*", default=list(TABLES), help="these tables")
    parser.add_argument("--markdown", action="store_true", help="print the rows of a table, too")
    args = parser.parse_args()
    found = {}
    for name in args.only:
        if (args.tables / f"{name}.csv").is_file():
            found[name] = one(args.tables, name)
            if args.markdown:
                print(row(name, found[name]), flush=True)
    print(json.dumps({"tables": len(found), **union(found)}))


def one(folder: Path, name: str) -> dict:
    options = [str(folder / o) if o.endswith(".csv") else o for o in TABLES[name]]
    command = [sys.executable, str(HERE / "selector.py"), str(folder / f"{name}.csv"), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def union(found: dict[str, dict]) -> dict:
    """Mean paired differences over all data sets of all tables, with bootstrap intervals."""
    out: dict = {}
    for metric in ("wtau", "nreg@1"):
        gaps = np.concatenate([np.array(result["per_dataset"][metric]) for result in found.values()])
        out["data_sets"] = len(gaps)
        out[f"{metric} - static"] = [round(float(gaps.mean()), 4), *interval(gaps)]
    return out


def row(name: str, result: dict) -> str:
    ours, static, gap = result["zoohub"], result["static"], result["zoohub - static"]
    tie = result["tie_set"]
    regret = gap["reg@1"]
    cells = (
        name,
        str(result["datasets"]),
        f"{static['wtau']:.3f}",
        f"{ours['wtau']:.3f}",
        "{:+.3f} [{:+.3f}, {:+.3f}]".format(*gap["wtau"]),
        f"{static['reg@1']:.4g}",
        f"{ours['reg@1']:.4g}",
        f"{regret[0]:+.2g} [{regret[1]:+.2g}, {regret[2]:+.2g}]",
        f"{tie['holds_best']:.0%}, {tie['mean_size']} of {tie['of_models']:.0f}",
        f"{result['interval_80']:.0%}",
        "{expected:.0%}, {was:.0%}".format(**result["near_best"]),
    )
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    main()
