"""What each task's answers are measured by: one function a task, one row of the table at the end."""

from __future__ import annotations

import re
import string
from collections import Counter
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


# --- spans and answers ----------------------------------------------------------------------------


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


def answers(targets: Sequence[Any], results: Sequence[Any], _: Sequence[str]) -> Measured:
    """SQuAD's F1 and exact match; Chinese is compared by character."""
    exact, overlap = [], []
    for target, result in zip(targets, results, strict=True):
        wanted = answer_texts(target) or [""]
        exact.append(max(float(_plain_words(result.text) == _plain_words(w)) for w in wanted))
        overlap.append(max(_overlap(_plain_words(result.text), _plain_words(w)) for w in wanted))
    return {"F1": mean_of(overlap), "exact match": mean_of(exact)}


def answer_texts(target: Any) -> list[str]:
    """The accepted answers, out of SQuAD's two layouts, a list of texts, or one text; none: no answer."""
    if isinstance(target, Mapping):
        target = target.get("text", [])
    if isinstance(target, str):
        return [target] if target else []
    return [item["text"] if isinstance(item, Mapping) else str(item) for item in target]


_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = set(string.punctuation) | set("，。！？；：、“”‘’（）《》【】…—·")
_CHINESE = re.compile(r"([\u3400-\u9fff])")


def _plain_words(text: str) -> list[str]:
    lowered = "".join(char for char in text.lower() if char not in _PUNCTUATION)
    return _CHINESE.sub(r" \1 ", _ARTICLES.sub(" ", lowered)).split()


def _overlap(given: Sequence[str], wanted: Sequence[str]) -> float:
    if not given or not wanted:
        return float(list(given) == list(wanted))
    shared = sum((Counter(given) & Counter(wanted)).values())
    return 2 * shared / (len(given) + len(wanted))


# --- written and spoken text ----------------------------------------------------------------------


def _text(result: Any) -> str:
    return str(getattr(result, "text", result))


def _references(targets: Sequence[Any]) -> list[str]:
    return [answer_texts(t)[0] if isinstance(t, list) and t else str(t) for t in targets]


def translations(targets: Sequence[Any], results: Sequence[Any], _: Sequence[str]) -> Measured:
    """BLEU (sacrebleu's, Chinese by character) and chrF, both 0..100."""
    references, given = _references(targets), [_text(result) for result in results]
    return {"BLEU": _bleu(given, references), "chrF": _chrf(given, references)}


def _bleu(given: Sequence[str], references: Sequence[str]) -> Sums:
    import numpy as np
    from sacrebleu.metrics import BLEU

    scorer = BLEU(tokenize="zh" if any(_CHINESE.search(text) for text in references) else "13a")
    rows = []
    for text, reference in zip(given, references, strict=True):
        score = scorer.corpus_score([text], [[reference]])
        rows.append([*score.counts, *score.totals, score.sys_len, score.ref_len])

    def value(sums: NDArray[np.float64]) -> NDArray[np.float64]:
        flat = sums.reshape(-1, 10)
        found = [scorer.compute_bleu(list(s[:4]), list(s[4:8]), int(s[8]), int(s[9])).score for s in flat]
        return np.asarray(found).reshape(sums.shape[:-1])

    return Sums(np.asarray(rows, float), value)


def _chrf(given: Sequence[str], references: Sequence[str], order: int = 6) -> Sums:
    """chrF2 from character n-gram counts."""
    import numpy as np

    rows = []
    for text, reference in zip(given, references, strict=True):
        row: list[int] = []
        for n in range(1, order + 1):
            a, b = _grams("".join(text.split()), n), _grams("".join(reference.split()), n)
            row += [sum((a & b).values()), sum(a.values()), sum(b.values())]
        rows.append(row)

    def value(sums: NDArray[np.float64]) -> NDArray[np.float64]:
        counts = sums.reshape(*sums.shape[:-1], order, 3)
        usable = (counts[..., 1] > 0) & (counts[..., 2] > 0)
        below = np.maximum(counts[..., 1:], 1)
        precision = np.where(usable, counts[..., 0] / below[..., 0], 0).sum(-1) / np.maximum(
            usable.sum(-1), 1
        )
        recall = np.where(usable, counts[..., 0] / below[..., 1], 0).sum(-1) / np.maximum(usable.sum(-1), 1)
        bottom = 4 * precision + recall
        return np.where(bottom > 0, 100 * 5 * precision * recall / np.where(bottom > 0, bottom, 1), 0.0)

    return Sums(np.asarray(rows, float), value)


def _grams(text: str, n: int) -> Counter[str]:
    return Counter(text[i : i + n] for i in range(len(text) - n + 1))


def summaries(targets: Sequence[Any], results: Sequence[Any], _: Sequence[str]) -> Measured:
    """ROUGE-L, -1 and -2 (F1); Chinese by character."""
    from rouge_score.rouge_scorer import RougeScorer

    kinds = {"ROUGE-L": "rougeL", "ROUGE-1": "rouge1", "ROUGE-2": "rouge2"}
    scorer = RougeScorer(list(kinds.values()), tokenizer=_Words())
    pairs = zip(_references(targets), results, strict=True)
    scores = [scorer.score(reference, _text(result)) for reference, result in pairs]
    return {name: mean_of([score[kind].fmeasure for score in scores]) for name, kind in kinds.items()}


class _Words:
    """Words, lowercase; each Chinese character is one (rouge_score's own tokenizer drops them)."""

    def tokenize(self, text: str) -> list[str]:
        return re.findall(r"[\u3400-\u9fff]|[^\W_\u3400-\u9fff]+", text.lower())


def transcripts(targets: Sequence[Any], results: Sequence[Any], _: Sequence[str]) -> Measured:
    """Word and character error rate of texts without case and punctuation; CER comes first for Chinese."""
    references = [" ".join(_spoken(reference)) for reference in _references(targets)]
    given = [" ".join(_spoken(_text(result))) for result in results]
    word = _errors(given, references, str.split)
    char = _errors(given, references, lambda text: list(text.replace(" ", "")))
    chinese = sum(bool(_CHINESE.search(text)) for text in references) * 2 > len(references)
    return {"CER": char, "WER": word} if chinese else {"WER": word, "CER": char}


def _spoken(text: str) -> list[str]:
    kept = "".join(char if char not in _PUNCTUATION or char == "'" else " " for char in text.lower())
    return kept.split()


def _errors(given: Sequence[str], wanted: Sequence[str], cut: Callable[[str], list[str]]) -> Sums:
    from rapidfuzz.distance import Levenshtein

    pairs = [(cut(g), cut(w)) for g, w in zip(given, wanted, strict=True)]
    return ratio_of([Levenshtein.distance(g, w) for g, w in pairs], [len(w) for _, w in pairs])


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
    "question-answering": answers,
    "visual-question-answering": answers,
    "document-question-answering": answers,
    "image-text-to-text": answers,
    "translation": translations,
    "summarization": summaries,
    "image-to-text": summaries,
    "automatic-speech-recognition": transcripts,
    "text-generation": perplexity,
    "fill-mask": perplexity,
    "feature-extraction": similarities,
    "sentence-similarity": similarities,
    "text-ranking": rankings,
    "image-feature-extraction": retrieval,
    "speaker-verification": speakers,
    "voice-activity-detection": speech_spans,
}
