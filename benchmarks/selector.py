"""How well the product's ranker predicts published results: leave one data set out, against plain baselines.

    python benchmarks/selector.py TABLE.csv [--models MODELS.csv] [--scores SCORES.csv] [--strategy S]

prints one JSON line: weighted tau, regret of the first and of the best of five, hit@5, each with a 95 %
bootstrap
interval over data sets, for the ranker of `zoo recommend` and, in the same run, for a random order, for the
number
of parameters and for the static prior (mean percentile rank on the other data sets). Differences to
the static prior are paired per data set.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")
sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parents[1])]

import numpy as np  # noqa: E402
import selectortable as table  # noqa: E402
from rankmetrics import interval, metrics  # noqa: E402

from zoohub.selector import facts, transfer  # noqa: E402
from zoohub.selector.board import Board, Context  # noqa: E402
from zoohub.selector.forecast import forecast  # noqa: E402
from zoohub.selector.ranking import rank  # noqa: E402
from zoohub.selector.traits import NO_TRAITS, Traits  # noqa: E402
from zoohub.selector.utility import utility  # noqa: E402

NAMES = ("wtau", "reg@1", "reg@5", "hit@5", "nreg@1")
RANDOM_ORDERS = 50


@dataclass
class Case:
    """One comparison to be predicted: column `index` of the board, with the evidence that may be seen."""

    index: int
    target: Context
    seen: Board
    models: list[str]
    truth: np.ndarray
    rows: np.ndarray


def main() -> None:
    args = arguments()
    started = time.time()
    models = table.read(args.models) if args.models else []
    rows = table.read(args.table)
    evidence = table.evidence(rows, args.value)
    if args.strategy:
        evidence = [row if row.strategy else replace(row, strategy=args.strategy) for row in evidence]
        evidence = [row for row in evidence if row.strategy == args.strategy]
    traits = table.traits(models or rows_of_models(rows))
    board = Board.build(evidence)
    board, masked = board.mask_leaks(table.bases(models))
    board = replace(board, contexts=tuple(facts.complete(context) for context in board.contexts))
    scores = load_scores(args.scores) if args.scores else {}
    cases = list(make_cases(board, args, scores))
    results = {name: [] for name in ("zoohub", "static", "static of its kind", "parameters", "random")}
    if scores:
        results["zoohub+scores"] = []
    if args.cold_models:
        results["zoohub with records"] = []
    calibration: list[tuple[float, ...]] = []
    for case in cases:
        one = evaluate(case, traits, args, scores, calibration)
        for name, values in results.items():
            values.append(one.get(name))
    print(
        json.dumps(
            {
                "table": args.table.name,
                "models": len(board.models),
                "contexts": len(cases),
                "datasets": len({group(c.target.dataset, args.split) for c in cases}),
                "masked_leaks": masked,
                "cold_models": args.cold_models,
                "n": args.n,
                "strategy": args.strategy,
                **summary(results, cases, args.split),
                **calibrated(calibration, args),
                "seconds": round(time.time() - started, 1),
            }
        )
    )


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("table", type=Path)
    parser.add_argument("--models", type=Path, help="metadata, one row a model")
    parser.add_argument("--scores", type=Path, help="transferability scores: model, dataset, metric, score")
    parser.add_argument("--strategy", help="only results of this strategy (or: all results are of it)")
    parser.add_argument("--value", help="the column of results, where it is not found by itself")
    parser.add_argument(
        "--cold-models",
        action="store_true",
        help="hide all results of a model's architecture group when that model is ranked",
    )
    parser.add_argument("--group", help="the column of --models that holds the group (default: found)")
    parser.add_argument(
        "--n",
        type=float,
        help="judge only comparisons at this training size; evidence is weighted by its nearness",
    )
    parser.add_argument(
        "--within",
        type=float,
        metavar="FACTOR",
        help="use only evidence whose size is so near to the judged one",
    )
    parser.add_argument(
        "--thin",
        action="store_true",
        help="each data set keeps the results of half of the models only: mostly of strong, of weak or of any ones",
    )
    parser.add_argument("--split", default="", help="names that agree up to this separator are one data set")
    return parser.parse_args()


def rows_of_models(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    """The first row of each model, for tables that carry metadata themselves (parameters, family)."""
    model = table.first(list(rows[0]), table.MODELS) or ""
    kept = [
        c
        for c in rows[0]
        if c == model or c.lower() in (*table.PARAMETERS, "family", "arch", "pretrained", "org")
    ]
    first: dict[str, dict[str, str]] = {}
    for row in rows:
        first.setdefault(row[model], {c: row[c] for c in kept})
    return list(first.values())


def group(name: str, split: str) -> str:
    return name.split(split)[0] if split else name


def make_cases(board: Board, args: argparse.Namespace, scores: dict) -> list[Case]:
    names = np.array([group(context.dataset, args.split) for context in board.contexts])
    cases = []
    for index, context in enumerate(board.contexts):
        if args.n is not None and context.n_train != args.n:
            continue
        if scores and context.dataset not in scores:
            continue
        known = np.flatnonzero(~np.isnan(board.values[:, index]))
        seen = board.only(np.flatnonzero((names != names[index]) & like_sized(board, context, args.within)))
        if args.thin:
            seen = thinned(seen, np.random.default_rng(index))
        models = [board.models[i] for i in known]
        cases.append(Case(index, context, seen, models, board.values[known, index], known))
    return cases


def thinned(board: Board, random: np.random.Generator) -> Board:
    """The board where each data set compares other models, as in evidence from many sources."""
    values, quality = board.values.copy(), np.nan_to_num(board.ranks, nan=0.5).mean(axis=1)
    for column in range(values.shape[1]):
        keep = quality * random.choice([-1, 0, 1]) + 0.3 * random.standard_normal(len(quality))
        values[keep > np.median(keep), column] = np.nan
    return Board.of(board.models, board.contexts, values)


def like_sized(board: Board, target: Context, factor: float | None) -> np.ndarray:
    """Contexts whose training size is within a factor of the target's; all, where neither is asked or known."""
    if factor is None or target.n_train is None:
        return np.ones(len(board.contexts), dtype=bool)
    sizes = np.array([max(c.n_train or target.n_train, 1.0) for c in board.contexts])
    return np.abs(np.log(sizes / max(target.n_train, 1.0))) <= np.log(factor)


def evaluate(
    case: Case, traits: dict[str, Traits], args: argparse.Namespace, scores: dict, calibration: list
) -> dict:
    random = np.random.default_rng(case.index)
    orders = [metrics(random.random(len(case.truth)), case.truth) for _ in range(RANDOM_ORDERS)]
    if orders[0] is None:
        return {}
    ranking = rank(case.seen, traits, case.target, case.models)
    static = static_prior(case)
    size = np.array([traits.get(m, NO_TRAITS).parameters or 0.0 for m in case.models])
    found = {
        "zoohub": metrics(ranking.standing(), case.truth),
        "static": metrics(static, case.truth),
        "static of its kind": metrics(static_of_kind(case, static), case.truth),
        "parameters": metrics(size, case.truth) if np.ptp(size) > 0 else None,
        "random": {name: float(np.mean([o[name] for o in orders])) for name in NAMES},
    }
    if args.cold_models:
        found["zoohub with records"] = found["zoohub"]
        found["zoohub"] = metrics(cold(case, traits, args.group), case.truth)
    if scores:
        found["zoohub+scores"] = metrics(stacked(case, ranking, scores), case.truth)
    calibration.append(calibrate(case, ranking))
    return found


def static_prior(case: Case) -> np.ndarray:
    """Mean percentile rank on the other data sets; the middle for a model without any."""
    ranks = case.seen.ranks[case.rows]
    count = (~np.isnan(ranks)).sum(axis=1)
    return np.where(count > 0, np.nansum(ranks, axis=1) / np.maximum(count, 1), 0.5)


def static_of_kind(case: Case, static: np.ndarray) -> np.ndarray:
    """The same on data sets of the target's kind (the first part of the domain: retrieval, clustering ...) alone."""
    kinds = [(context.domain or "").partition("/")[0] for context in case.seen.contexts]
    kin = np.array([bool(kind) and kind == (case.target.domain or "").partition("/")[0] for kind in kinds])
    if not kin.any():
        return static
    ranks = case.seen.ranks[np.ix_(case.rows, kin)]
    count = (~np.isnan(ranks)).sum(axis=1)
    return np.where(count > 0, np.nansum(ranks, axis=1) / np.maximum(count, 1), static - 1.0)


def cold(case: Case, traits: dict[str, Traits], column: str | None) -> np.ndarray:
    """Each model as if no model of its architecture group had any record."""
    groups = [architecture(m, traits, column) for m in case.models]
    every = np.array([architecture(m, traits, column) for m in case.seen.models])
    scores = np.zeros(len(case.models))
    for name in dict.fromkeys(groups):
        hidden = rank(case.seen.without_models(every == name), traits, case.target, case.models)
        mine = np.array([g == name for g in groups])
        scores[mine] = hidden.mean[mine]
    return scores


def architecture(model: str, traits: dict[str, Traits], column: str | None) -> str:
    kinds = traits.get(model, NO_TRAITS).kinds
    for key in (column,) if column else ("architectures", "model_type", "arch", "family", "base_model"):
        if key in kinds:
            return kinds[key]
    return model


def stacked(case: Case, ranking, scores: dict) -> np.ndarray:
    """The ranking with the scores of this data set; their weight is learned on the other data sets."""
    past = []
    for index, context in enumerate(case.seen.contexts):
        if context.dataset in scores:
            values = case.seen.values[:, index]
            known = np.flatnonzero(~np.isnan(values))
            names = [case.seen.models[i] for i in known]
            others = case.seen.only([i for i in range(len(case.seen.contexts)) if i != index])
            prior = static_prior(Case(index, context, others, names, values[known], known))
            past.append(
                (prior, columns(scores[context.dataset], names), utility(case.seen.ranks[known, index]))
            )
    given = columns(scores[case.target.dataset], case.models)
    return transfer.stack(ranking.mean, given, transfer.learned_weight(past, case.target))


def columns(by_metric: dict[str, dict[str, float]], names: list[str]) -> np.ndarray:
    return np.array([[by_metric[k].get(n, np.nan) for k in sorted(by_metric)] for n in names])


def load_scores(path: Path) -> dict[str, dict[str, dict[str, float]]]:
    """dataset -> metric -> model -> score."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    for row in table.read(path):
        score = table.number(row["score"])
        if score is not None:
            found.setdefault(row["dataset"], {}).setdefault(row.get("metric") or "score", {})[
                row["model"]
            ] = score
    return found


def calibrate(case: Case, ranking) -> tuple[float, ...]:
    """Does the tie-set hold the best, how large is it, how many results lie in their intervals; how likely is the
    first as good as the best but for noise, and is it."""
    made = forecast(ranking, case.seen, case.target.n_train)
    best = case.truth.max()
    held = float(case.truth[list(made.tie_set)].max() >= best)
    truth = case.truth[list(made.order)]
    covered = float(np.mean((truth >= made.low) & (truth <= made.high)))
    near = float(best - truth[0] <= made.margin)
    return held, float(len(made.tie_set)), covered, float(len(case.models)), float(made.near[0]), near


def calibrated(rows: list, args: argparse.Namespace) -> dict:
    if not rows or args.cold_models:
        return {}
    held, size, covered, models, expected, near = np.array(rows).mean(axis=0)
    return {
        "tie_set": {"holds_best": round(held, 3), "mean_size": round(size, 1), "of_models": round(models, 1)},
        "interval_80": round(covered, 3),
        "near_best": {"expected": round(expected, 3), "was": round(near, 3)},
    }


def summary(results: dict[str, list], cases: list[Case], split: str) -> dict:
    """Means per data set (its comparisons averaged first), and paired differences to the static prior."""
    names = [group(case.target.dataset, split) for case in cases]
    per = {name: per_dataset(values, names) for name, values in results.items()}
    out: dict = {}
    for name, values in per.items():
        if values is not None:
            out[name] = {k: round(float(values[k].mean()), 4) for k in NAMES} | {
                f"{k} 95%": interval(values[k]) for k in NAMES
            }
    for name in [n for n in per if n.startswith("zoohub") and per[n] is not None]:
        gap = {k: per[name][k] - per["static"][k] for k in NAMES}
        out[f"{name} - static"] = {k: [round(float(gap[k].mean()), 4), *interval(gap[k])] for k in NAMES}
    gap = {k: per["zoohub"][k] - per["static of its kind"][k] for k in NAMES}
    out["zoohub - static of its kind"] = {
        k: [round(float(gap[k].mean()), 4), *interval(gap[k])] for k in NAMES
    }
    if per.get("zoohub+scores") is not None:
        gap = {k: per["zoohub+scores"][k] - per["zoohub"][k] for k in NAMES}
        out["scores - without"] = {k: [round(float(gap[k].mean()), 4), *interval(gap[k])] for k in NAMES}
    out["per_dataset"] = {
        k: [round(float(x), 5) for x in per["zoohub"][k] - per["static"][k]] for k in ("wtau", "nreg@1")
    }
    return out


def per_dataset(values: list, names: list[str]) -> dict[str, np.ndarray] | None:
    kept = [(n, v) for n, v in zip(names, values, strict=True) if v]
    if not kept:
        return None
    order = list(dict.fromkeys(n for n, _ in kept))
    return {k: np.array([np.mean([v[k] for n, v in kept if n == name]) for name in order]) for k in NAMES}


if __name__ == "__main__":
    main()
