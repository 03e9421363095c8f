"""What labels, spans, numbers, vectors and stretches of sound are measured by; a row a task in the table at the end."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zoohub.adapters.metrics import Metric, Sums, f1_of, mean_of, ratio_of
from zoohub.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Measured = Mapping[str, Metric]


def labels(targets: Sequence[Any], results: Sequence[Any], names: Sequence[str]) -> Measured:
    """Accuracy and macro F1; where an input may have several labels, macro and micro F1 and exact match."""
    if any(isinstance(target, list) for target in targets):
        return _several_labels(targets, results, names)
    given = [result.label for result in results]
    classes = list(dict.fromkeys([*names, *targets, *given]))
    true, said = _one_hot([[t] for t in targets], classes), _one_hot([[g] for g in given], classes)
    right = [float(t == g) for t, g in zip(targets, given, strict=True)]
    return {"accuracy": mean_of(right), "F1": f1_of(true * said, said, true, macro=True)}


def _several_labels(targets: Sequence[Any], results: Sequence[Any], names: Sequence[str]) -> Measured:
    given = [[label.label for label in result.labels] for result in results]
    lists = [target if isinstance(target, list) else [target] for target in targets]
    classes = list(dict.fromkeys([*names, *(x for row in lists for x in row)]))
    true, said = _one_hot(lists, classes), _one_hot(given, classes)
    exact = [float(set(t) == set(g)) for t, g in zip(lists, given, strict=True)]
    return {
        "F1": f1_of(true * said, said, true, macro=True),
        "micro-F1": f1_of(true * said, said, true, macro=False),
        "exact match": mean_of(exact),
    }


def _one_hot(rows: Sequence[Sequence[str]], classes: Sequence[str]) -> NDArray[np.float64]:
    import numpy as np

    place = {name: i for i, name in enumerate(classes)}
    table = np.zeros((len(rows), len(classes)))
    for i, row in enumerate(rows):
        table[i, [place[name] for name in row if name in place]] = 1
    return table


def spans(targets: Sequence[Any], results: Sequence[Any], _: Sequence[str]) -> Measured:
    """Entity F1: a span counts where its place and its label are right."""
    import numpy as np

    rows = []
    for target, result in zip(targets, results, strict=True):
        true = {(start, end, label) for start, end, label in target}
        given = {(span.start, span.end, span.label) for span in result}
        rows.append((len(true & given), len(given), len(true)))
    right, said, there = np.asarray(rows, float).reshape(-1, 3).T
    return {
        "F1": f1_of(right[:, None], said[:, None], there[:, None], macro=False),
        "precision": ratio_of(right, said),
        "recall": ratio_of(right, there),
    }


# --- numbers --------------------------------------------------------------------------------------


def perplexity(_: Sequence[Any], results: Sequence[Any], __: Sequence[str]) -> Measured:
    """exp of the mean loss; a result is (summed negative log likelihood, tokens)."""
    import numpy as np

    loss = ratio_of([r[0] for r in results], [r[1] for r in results])
    return {"perplexity": Sums(loss.rows, lambda sums: np.exp(loss.value(sums)))}


def similarities(targets: Sequence[Any], results: Sequence[Any], _: Sequence[str]) -> Measured:
    """Spearman (Pearson of the ranks, so that it is a function of sums) and Pearson."""
    import numpy as np
    from scipy.stats import rankdata

    true = np.asarray([float(t) for t in targets])
    given = np.asarray([float(getattr(r, "score", r)) for r in results])
    return {"Spearman": _correlation(rankdata(true), rankdata(given)), "Pearson": _correlation(true, given)}


def _correlation(x: NDArray[Any], y: NDArray[Any]) -> Sums:
    import numpy as np

    x, y = x - x.mean(), y - y.mean()

    def value(s: NDArray[np.float64]) -> NDArray[np.float64]:
        n = np.maximum(s[..., 5], 1)
        top = s[..., 2] - s[..., 0] * s[..., 1] / n
        spread = (s[..., 3] - s[..., 0] ** 2 / n) * (s[..., 4] - s[..., 1] ** 2 / n)
        return np.where(spread > 1e-12, top / np.sqrt(np.maximum(spread, 1e-12)), 0.0)

    return Sums(np.stack([x, y, x * y, x * x, y * y, np.ones_like(x)], 1), value)


def rankings(targets: Sequence[Any], results: Sequence[Any], _: Sequence[str]) -> Measured:
    """nDCG of the first ten and mean reciprocal rank; a target holds the relevance of each text as given."""
    import numpy as np

    gains, first = [], []
    for target, result in zip(targets, results, strict=True):
        relevance = np.asarray([float(target[ranked.index]) for ranked in result])
        ideal = np.sort(np.asarray(target, float))[::-1]
        gains.append(_dcg(relevance[:10]) / (_dcg(ideal[:10]) or 1.0))
        hits = np.flatnonzero(relevance > 0)
        first.append(1 / (hits[0] + 1) if len(hits) else 0.0)
    return {"nDCG@10": mean_of(gains), "MRR": mean_of(first)}


def _dcg(relevance: NDArray[Any]) -> float:
    import numpy as np

    return float((relevance / np.log2(np.arange(2, len(relevance) + 2))).sum())


# --- vectors and stretches of sound -------------------------------------------------------------------


def retrieval(targets: Sequence[Any], results: Sequence[Any], _: Sequence[str]) -> Measured:
    """Recall@1 and @5: whether one of the most similar other inputs has an input's label (cosine)."""
    import numpy as np

    likeness = _likeness(results)
    np.fill_diagonal(likeness, -np.inf)
    names = np.asarray([str(target) for target in targets])
    order = np.argsort(-likeness, axis=1, kind="stable")[:, :5]
    right = names[order[:, : max(1, min(5, len(names) - 1))]] == names[:, None]
    return {"recall@1": mean_of(right[:, 0]), "recall@5": mean_of(right.any(1))}


def _likeness(results: Sequence[Any]) -> NDArray[Any]:
    import numpy as np

    rows = np.stack([np.asarray(getattr(result, "vector", result), float) for result in results])
    rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    table: NDArray[Any] = rows @ rows.T
    return table


@dataclass(frozen=True, slots=True)
class EqualErrors:
    """Equal error rate over all pairs: pairs `(i, j)` by rising score, and whether they are of one speaker."""

    left: NDArray[Any]
    right: NDArray[Any]
    alike: NDArray[Any]
    n: int

    def __len__(self) -> int:
        return self.n

    def of(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Where the share of pairs of one speaker below a threshold meets that of two speakers above it."""
        import numpy as np

        found = []
        for row in weights:
            counts = row[self.left] * row[self.right]
            one, two = counts * self.alike, counts * ~self.alike
            missed = np.concatenate([[0], np.cumsum(one)]) / max(one.sum(), 1)
            taken = 1 - np.concatenate([[0], np.cumsum(two)]) / max(two.sum(), 1)
            at = np.abs(missed - taken).argmin()
            found.append((missed[at] + taken[at]) / 2)
        return np.asarray(found)


def speakers(targets: Sequence[Any], results: Sequence[Any], _: Sequence[str]) -> Measured:
    """Equal error rate of all pairs of recordings, by cosine.

    Raises:
        DataError: there are not both pairs of one speaker and pairs of two.
    """
    import numpy as np

    left, right = np.triu_indices(len(targets), 1)
    scores = _likeness(results)[left, right]
    names = np.asarray([str(target) for target in targets])
    order = np.argsort(scores, kind="stable")
    left, right = left[order], right[order]
    alike = names[left] == names[right]
    if not alike.any() or alike.all():
        raise DataError("Verification needs several speakers, and several recordings of one.")
    return {"EER": EqualErrors(left, right, alike, len(targets))}


def speech_spans(targets: Sequence[Any], results: Sequence[Any], _: Sequence[str]) -> Measured:
    """F1, precision and recall of the seconds of speech; a target is spans as (start, end) or dicts with both."""
    import numpy as np

    rows = []
    for target, result in zip(targets, results, strict=True):
        true = [_ends(span) for span in target]
        given = [(segment.start, segment.end) for segment in result]
        shared = sum(max(0.0, min(b, d) - max(a, c)) for a, b in true for c, d in given)
        rows.append((shared, sum(d - c for c, d in given), sum(b - a for a, b in true)))
    right, said, there = np.asarray(rows, float).reshape(-1, 3).T
    return {
        "F1": f1_of(right[:, None], said[:, None], there[:, None], macro=False),
        "precision": ratio_of(right, said),
        "recall": ratio_of(right, there),
    }


def _ends(span: Any) -> tuple[float, float]:
    start, end = (span["start"], span["end"]) if isinstance(span, Mapping) else span
    return float(start), float(end)


MEASURES: Mapping[str, Callable[[Sequence[Any], Sequence[Any], Sequence[str]], Measured]] = {
    "image-classification": labels,
    "zero-shot-image-classification": labels,
    "audio-classification": labels,
    "text-classification": labels,
    "zero-shot-classification": labels,
    "token-classification": spans,
    "text-generation": perplexity,
    "fill-mask": perplexity,
    "feature-extraction": similarities,
    "sentence-similarity": similarities,
    "text-ranking": rankings,
    "image-feature-extraction": retrieval,
    "speaker-verification": speakers,
    "voice-activity-detection": speech_spans,
}
