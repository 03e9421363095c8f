"""Builds zoohub/selector/facts/*.csv.gz from published result tables (see zoohub/selector/facts/README.md), and the
catalog's table of parameter counts.

    python scripts/selector_facts.py TABLES_FOLDER [--open-clip FOLDER_OF_THE_UNPACKED_PACKAGE]

Only sources under Apache-2.0, MIT or CC0 are read. Each row names its source and commit.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(HERE)]
FACTS = HERE / "zoohub" / "selector" / "facts"
SIZES = HERE / "zoohub" / "cards" / "catalog" / "parameters.csv.gz"
COLUMNS = (
    "model",
    "task",
    "dataset",
    "metric",
    "value",
    "higher_is_better",
    "n_train",
    "n_classes",
    "language",
    "domain",
    "strategy",
    "seeds",
    "source",
)
HUB = {
    "roberta-base": "FacebookAI/roberta-base",
    "roberta-large": "FacebookAI/roberta-large",
    "xlm-roberta-base": "FacebookAI/xlm-roberta-base",
    "bert-base-uncased": "google-bert/bert-base-uncased",
    "bert-base-cased": "google-bert/bert-base-cased",
    "t5-base": "google-t5/t5-base",
    "t5-small": "google-t5/t5-small",
    "distilbert-base-uncased": "distilbert/distilbert-base-uncased",
    "gpt2": "openai-community/gpt2",
    "bert_base_cased": "google-bert/bert-base-cased",
    "microsoft_deberta_v3_base": "microsoft/deberta-v3-base",
    "google_t5_v1_1_base": "google/t5-v1_1-base",
    "bert_base_uncased": "google-bert/bert-base-uncased",
    "t5_base": "google-t5/t5-base",
    "roberta_base": "FacebookAI/roberta-base",
}
SETFIT = {
    "setfit_all-roberta-large-v1": ("sentence-transformers/all-roberta-large-v1", "setfit"),
    "setfit_all-MiniLM-L6-v2": ("sentence-transformers/all-MiniLM-L6-v2", "setfit"),
    "setfit_paraphrase-mpnet-base-v2-epochs_20": ("sentence-transformers/paraphrase-mpnet-base-v2", "setfit"),
    "setfit_paraphrase-mpnet-base-v2-linear-probe": (
        "sentence-transformers/paraphrase-mpnet-base-v2",
        "probe",
    ),
    "setfit_paraphrase-multilingual-mpnet-base-v2": (
        "sentence-transformers/paraphrase-multilingual-mpnet-base-v2",
        "setfit",
    ),
    "transformers_distilbert-base-uncased": ("distilbert/distilbert-base-uncased", "full"),
    "transformers_roberta-large": ("FacebookAI/roberta-large", "full"),
    "transformers_xlm-roberta-base": ("FacebookAI/xlm-roberta-base", "full"),
}
Row = dict[str, Any]


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def row(model: str, task: str, dataset: str, metric: str, value: Any, source: str, **more: Any) -> Row:
    return {
        "model": HUB.get(model, model),
        "task": task,
        "dataset": dataset,
        "metric": metric,
        "value": f"{float(value):.5g}",
        "higher_is_better": 1,
        "source": source,
        **more,
    }


def model_recycling(folder: Path) -> Iterator[Row]:
    """Fine-tuned text classifiers; records too good to be true are left out (Board.mask_leaks)."""
    from zoohub.registry import Evidence
    from zoohub.selector.board import Board

    source = "IBM/model-recycling@1c1d422"
    bases = {
        HUB.get(r["model"], r["model"]): HUB.get(r["base_model"], r["base_model"])
        for r in read(folder / "recycling_models.csv")
    }
    seeds = defaultdict(list)
    for r in read(folder / "recycling_base_seeds.csv"):
        if r["acc"]:
            seeds[HUB[r["model"]], r["dataset"]].append(float(r["acc"]))
    rows = [
        Evidence(
            HUB.get(r["model"], r["model"]), "text-classification", r["dataset"], "accuracy", float(r["acc"])
        )
        for r in read(folder / "recycling.csv")
        if r["acc"]
    ]
    known = {m for m, _ in seeds}
    rows = [r for r in rows if r.model not in known]
    means = [
        Evidence(m, "text-classification", d, "accuracy", sum(v) / len(v), seeds=len(v))
        for (m, d), v in seeds.items()
    ]
    bases = {**bases, **dict.fromkeys(known)}
    board, _ = Board.build(rows + means).mask_leaks(bases)
    count = {(m, d): len(v) for (m, d), v in seeds.items()}
    for i, model in enumerate(board.models):
        for j, context in enumerate(board.contexts):
            value = board.values[i, j]
            if value == value and value > 0:  # a failed run is no result
                yield row(
                    model,
                    "text-classification",
                    context.dataset,
                    "accuracy",
                    value,
                    source,
                    strategy="full",
                    language="en",
                    seeds=count.get((model, context.dataset), 1),
                )


def setfit(folder: Path) -> Iterator[Row]:
    from zoohub.selector.facts import datasets, plain

    found = defaultdict(list)
    for r in read(folder / "setfit_fewshot.csv"):
        if r["method"] in SETFIT and r["measure"] == "accuracy" and r["k_per_class"] != "full":
            found[SETFIT[r["method"]], r["dataset"], int(r["k_per_class"])].append(float(r["score"]) / 100)
    for ((model, strategy), dataset, k), values in found.items():
        known = datasets().get(plain(dataset))
        classes = int(known.n_classes) if known and known.n_classes else 2
        yield row(
            model,
            "text-classification",
            dataset,
            "accuracy",
            sum(values) / len(values),
            "huggingface/setfit@0f8e322",
            strategy=strategy,
            n_train=k * classes,
            n_classes=classes,
            seeds=len(values),
            language="en" if "multi" not in dataset else "",
        )


def timm(folder: Path) -> Iterator[Row]:
    best: dict[tuple[str, str], dict[str, str]] = {}
    for r in read(folder / "timm_imagenet_variants.csv"):
        key = (r["model"], r["dataset"])
        if key not in best or float(r["acc"]) > float(best[key]["acc"]):
            best[key] = r
    for (model, dataset), r in best.items():
        yield row(
            f"timm/{model}",
            "image-classification",
            dataset,
            "accuracy",
            float(r["acc"]) / 100,
            "huggingface/pytorch-image-models@aa4b5850 results",
            strategy="full",
            n_train=1281167,
            n_classes=1000,
            domain="natural/objects",
        )


def open_clip(folder: Path, package: Path | None) -> Iterator[Row]:
    """Zero-shot accuracy and linear probes of CLIP models, by the hub ids that open_clip states."""
    ids = _open_clip_ids(package) if package else {}
    for r in read(folder / "openclip_zeroshot.csv"):
        if (r["name"], r["pretrained"]) in ids:
            yield row(
                ids[r["name"], r["pretrained"]],
                "zero-shot-image-classification",
                r["dataset"],
                "accuracy",
                r["score"],
                "mlfoundations/open_clip@89fb801 docs",
                strategy="zero-shot",
            )
    from zoohub.selector.facts import datasets, plain

    for r in read(folder / "clip_fewshot_lp.csv"):
        name, pretrained = r["model"].split(" ")
        facts = datasets().get(plain(r["dataset"]))
        if (name, pretrained) in ids and facts and facts.n_classes and facts.n_train:
            k = int(r["k_shot"])
            size = facts.n_train if k < 0 else k * facts.n_classes
            yield row(
                ids[name, pretrained],
                "image-classification",
                r["dataset"],
                "accuracy",
                r["lp_acc1"],
                "LAION-AI/CLIP_benchmark@48de38c",
                strategy="probe",
                n_train=int(size),
                n_classes=int(facts.n_classes),
            )


def _open_clip_ids(package: Path) -> dict[tuple[str, str], str]:
    import types

    bare = types.ModuleType("open_clip")  # its __init__ would import torch and more
    bare.__path__ = [str(package / "open_clip")]
    sys.modules["open_clip"] = bare
    from open_clip.pretrained import _PRETRAINED

    found = {}
    for name, entries in _PRETRAINED.items():
        for tag, entry in entries.items():
            hub = entry.get("hf_hub", "").strip("/")
            if hub.count("/") == 1:
                found[name, tag] = hub
                found[f"{name}-quickgelu", tag] = hub
    return found


def mteb(folder: Path) -> Iterator[Row]:
    values = defaultdict(list)
    for r in read(folder / "mteb_en_v1.csv"):
        values[r["model"], r["dataset"]].append(float(r["main_score"]))
    for (model, dataset), v in values.items():
        yield row(
            model,
            "feature-extraction",
            dataset,
            "main_score",
            sum(v) / len(v),
            "embeddings-benchmark/results@f4cc6c8b3",
            strategy="zero-shot",
            language="en",
        )


def scaling_law(folder: Path) -> Iterator[Row]:
    for r in read(folder / "ft_scaling_law.csv"):
        yield row(
            r["model"],
            "text-generation",
            r["dataset"],
            "test_loss",
            r["test_loss"],
            "linhaowei1/Fine-tuning-Scaling-Law@5214568",
            higher_is_better=0,
            strategy="full",
            n_train=int(float(r["n_train"])),
        )


def open_asr(folder: Path) -> Iterator[Row]:
    for r in read(folder / "open_asr_en_shortform.csv"):
        for column, text in r.items():
            if (
                column.endswith(" WER")
                and not column.startswith("Avg")
                and re.fullmatch(r"[\d.]+", text or "")
            ):
                yield row(
                    r["model"],
                    "automatic-speech-recognition",
                    column.removesuffix(" WER"),
                    "wer",
                    text,
                    "huggingface/open_asr_leaderboard@d1e99b2",
                    higher_is_better=0,
                    strategy="zero-shot",
                    language="en",
                )


def gift_eval(folder: Path) -> Iterator[Row]:
    links = {
        r["model"]: m.group(1)
        for r in read(folder / "gift_eval_models.csv")
        if (m := re.match(r"https://huggingface.co/([\w.-]+/[\w.-]+)", r["model_link"]))
    }
    shared = [link for link in links.values() if list(links.values()).count(link) == 1]
    for r in read(folder / "gift_eval.csv"):
        if links.get(r["model"]) in shared and r["mase"]:
            yield row(
                links[r["model"]],
                "time-series-forecasting",
                r["dataset"],
                "mase",
                r["mase"],
                "SalesforceAIResearch/gift-eval@4fd98a9",
                higher_is_better=0,
                strategy="zero-shot",
                domain=r["domain"],
            )


def openmmlab(folder: Path) -> Iterator[Row]:
    wanted = {
        "box AP": "object-detection",
        "mask AP": "image-segmentation",
        "Top 1 Accuracy": "image-classification",
    }
    found: dict[tuple[str, str, str], Row] = {}
    for r in read(folder / "openmmlab_metafiles.csv"):
        task = wanted.get(r["metric"])
        if task and r["value"]:
            found[r["model"], r["dataset"], task] = row(
                f"web:{r['lib']}/{r['model']}",
                task,
                r["dataset"],
                "accuracy" if r["metric"].startswith("Top") else r["metric"],
                float(r["value"]) / 100,
                f"PyPI {r['lib']} metafiles",
                strategy="full",
            )
    yield from found.values()


def write(rows: list[Row]) -> None:
    by_task = defaultdict(list)
    for r in rows:
        by_task[r["task"]].append(r)
    for task, items in sorted(by_task.items()):
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(
            sorted(items, key=lambda r: (r["source"], r["dataset"], str(r.get("n_train")), r["model"]))
        )
        with (
            (FACTS / f"{task}.csv.gz").open("wb") as file,
            gzip.GzipFile("", "wb", 9, file, mtime=0) as packed,
        ):
            packed.write(text.getvalue().encode())
        print(f"{task}: {len(items)} results of {len({r['model'] for r in items})} models")


def sizes(folder: Path) -> None:
    """Parameters that the tables state, with the source; of two that state one model the later here counts."""
    found: dict[str, tuple[int, str]] = {}
    for r in read(folder / "timm_imagenet_variants.csv"):
        count = round(float(r["param_count"]) * 1e6)
        found[f"timm/{r['model']}"] = count, "huggingface/pytorch-image-models@aa4b5850"
    for r in read(folder / "ft_scaling_law.csv"):
        count = int(float(r["params"]))
        found[HUB.get(r["model"], r["model"])] = count, "linhaowei1/Fine-tuning-Scaling-Law@5214568"
    for r in read(folder / "recycling_models.csv"):
        for name in (r["model"], r["base_model"]) if r["size"] else ():
            found[HUB.get(name, name)] = int(float(r["size"])), "IBM/model-recycling@1c1d422"
    for r in read(folder / "openmmlab_metafiles.csv"):
        if r["params"]:
            found[f"web:{r['lib']}/{r['model']}"] = int(float(r["params"])), f"PyPI {r['lib']} metafiles"
    lines = [
        "model,parameters,source",
        *(f"{name},{count},{by}" for name, (count, by) in sorted(found.items())),
    ]
    with SIZES.open("wb") as file, gzip.GzipFile("", "wb", 9, file, mtime=0) as packed:
        packed.write("".join(f"{line}\n" for line in lines).encode())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tables", type=Path)
    parser.add_argument("--open-clip", type=Path)
    args = parser.parse_args()
    rows = [
        *model_recycling(args.tables),
        *setfit(args.tables),
        *timm(args.tables),
        *open_clip(args.tables, args.open_clip),
        *mteb(args.tables),
        *scaling_law(args.tables),
        *open_asr(args.tables),
        *gift_eval(args.tables),
        *openmmlab(args.tables),
    ]
    write(rows)
    sizes(args.tables)


if __name__ == "__main__":
    main()
