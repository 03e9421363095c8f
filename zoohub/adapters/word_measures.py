"""What answers, captions, translations and transcripts are measured by; one row a task in the table at the end.

A target is one text, or a list of them where several people answered or described: an example then counts by the
best of them, unless its metric says otherwise. Words are lower-cased; each Chinese character is one.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from zoohub.adapters.metrics import Metric, Sums, mean_of, ratio_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Measured = Mapping[str, Metric]

_PUNCTUATION = set(string.punctuation) | set("，。！？；：、“”‘’（）《》【】…—·")
_CHINESE = re.compile(r"([\u3400-\u9fff])")
_WORDS = re.compile(r"[\u3400-\u9fff]|[^\W_\u3400-\u9fff]+")


def texts_of(target: Any) -> list[str]:
    """The accepted texts, out of SQuAD's two layouts, VQA's list of dicts, a list of texts, or one text; none: there
    is no answer."""
    if isinstance(target, Mapping):
        target = target.get("text", [])
    if isinstance(target, str):
        return [target] if target else []
    if not isinstance(target, Iterable):
        return [str(target)]
    return [
        str(item.get("text", item.get("answer"))) if isinstance(item, Mapping) else str(item)
        for item in target
    ]


def _pairs(targets: Sequence[Any], results: Sequence[Any]) -> list[tuple[str, list[str]]]:
    """What was said, and what might have been said: at least one text each."""
    given = (str(getattr(result, "text", result)) for result in results)
    return [(said, texts_of(target) or [""]) for said, target in zip(given, targets, strict=True)]


def _best(pairs: Sequence[tuple[str, list[str]]], score: Callable[[str, str], float]) -> Sums:
    """The mean of each example's score against the best of its texts."""
    return mean_of([max(score(said, text) for text in wanted) for said, wanted in pairs])


# --- answers --------------------------------------------------------------------------------------


def answers(targets: Sequence[Any], results: Sequence[Any], _: Sequence[str]) -> Measured:
    """SQuAD's F1 and exact match; Chinese is compared by character."""
    pairs = _pairs(targets, results)
    return {"F1": _best(pairs, _overlap), "exact match": _best(pairs, _same)}


_ARTICLES = re.compile(r"\b(a|an|the)\b")


def _plain_words(text: str) -> list[str]:
    lowered = "".join(char for char in text.lower() if char not in _PUNCTUATION)
    return _CHINESE.sub(r" \1 ", _ARTICLES.sub(" ", lowered)).split()


def _same(said: str, text: str) -> float:
    return float(_plain_words(said) == _plain_words(text))


def _overlap(said: str, text: str) -> float:
    given, wanted = _plain_words(said), _plain_words(text)
    if not given or not wanted:
        return float(given == wanted)
    shared = sum((Counter(given) & Counter(wanted)).values())
    return 2 * shared / (len(given) + len(wanted))


def picture_answers(targets: Sequence[Any], results: Sequence[Any], names: Sequence[str]) -> Measured:
    """VQA accuracy, with F1 and exact match.

    An answer that three of the people gave is right, one that fewer gave is so in part: min(people / 3, 1), the mean
    over leaving out one of them in turn. With fewer than four people it is right where one of them gave it.
    """
    scores = [
        _agreement(_bare(said), [_bare(text) for text in wanted]) for said, wanted in _pairs(targets, results)
    ]
    return {"VQA accuracy": mean_of(scores), **answers(targets, results, names)}


PEOPLE = 4  # from which on their answers are votes
_BREAKS = set(';/[]"{}()=+\\_-><@`,?!，。！？；、')
_NUMBERS = {"none": "0", "zero": "0", "one": "1", "two": "2", "three": "3", "four": "4", "five": "5", "six": "6",
            "seven": "7", "eight": "8", "nine": "9", "ten": "10"}  # fmt: skip


def _agreement(said: str, people: Sequence[str]) -> float:
    alike = sum(said == each for each in people)
    if len(people) < PEOPLE:
        return float(alike > 0)
    without = [min(1.0, (alike - (said == each)) / 3) for each in people]
    return sum(without) / len(people)


def _bare(text: str) -> str:
    """Without case, punctuation and articles, numbers in digits, as VQA's own evaluation compares. It restores the
    apostrophes of contractions by a list; here both sides lose them."""
    kept = re.sub(r"(?<=\d),(?=\d)|['’]|(?<!\d)\.|\.(?!\d)", "", text.lower())
    words = "".join(" " if char in _BREAKS else char for char in kept).split()
    return " ".join(_NUMBERS.get(word, word) for word in words if word not in {"a", "an", "the"})


def page_answers(targets: Sequence[Any], results: Sequence[Any], names: Sequence[str]) -> Measured:
    """ANLS of the best accepted answer, with F1 and exact match.

    ANLS is one less the edit distance as a share of the longer text, and 0 where that share is a half or more: small
    errors of reading cost a little, another answer all.
    """
    return {"ANLS": _best(_pairs(targets, results), _closeness), **answers(targets, results, names)}


def _closeness(said: str, text: str) -> float:
    from rapidfuzz.distance import Levenshtein

    far = Levenshtein.normalized_distance(*(" ".join(each.lower().split()) for each in (said, text)))
    return 1 - far if far < 0.5 else 0.0


# --- captions -------------------------------------------------------------------------------------


def captions(targets: Sequence[Any], results: Sequence[Any], _: Sequence[str]) -> Measured:
    """CIDEr-D (of all captions together 0..10), BLEU (0..100) and ROUGE-L; where each picture has one text only, the
    character error rate too, since it may be a text that was read."""
    pairs = _pairs(targets, results)
    found: dict[str, Metric] = {
        "CIDEr": mean_of(_cider(pairs)), "BLEU": _bleu(pairs), "ROUGE-L": _rouge(pairs)["ROUGE-L"]
    }  # fmt: skip
    if all(len(wanted) == 1 for _, wanted in pairs):
        found["CER"] = _errors([(list(said), list(wanted[0])) for said, wanted in pairs])
    return found


def _cider(pairs: Sequence[tuple[str, list[str]]], order: int = 4, width: float = 6.0) -> list[float]:
    """The likeness of each caption to those of its picture: the cosine of their n-grams, n = 1..4, rare ones weighing
    more (by how many pictures' captions have them), no n-gram counting more often than in the reference, and lengths
    that differ by a Gaussian of that `width`.

    Rarity is a property of the whole data, so it stays as it is when the interval's resamples are drawn.
    """
    import math

    said = [_counted(text, order) for text, _ in pairs]
    wanted = [[_counted(text, order) for text in texts] for _, texts in pairs]
    pictures = Counter(gram for refs in wanted for gram in {gram for counts, _ in refs for gram in counts})
    log_all = math.log(max(len(pairs), 1))

    def weighed(counts: Mapping[tuple[str, ...], int], n: int) -> dict[tuple[str, ...], float]:
        return {
            gram: count * (log_all - math.log(max(pictures[gram], 1)))
            for gram, count in counts.items() if len(gram) == n
        }  # fmt: skip

    def alike(
        one: tuple[Counter[tuple[str, ...]], int], other: tuple[Counter[tuple[str, ...]], int]
    ) -> float:
        total = 0.0
        for n in range(1, order + 1):
            a, b = weighed(one[0], n), weighed(other[0], n)
            top = sum(min(value, b[gram]) * b[gram] for gram, value in a.items() if gram in b)
            below = math.hypot(*a.values()) * math.hypot(*b.values())
            total += top / below if below else 0.0
        return total / order * math.exp(-((one[1] - other[1]) ** 2) / (2 * width**2))

    return [
        10 * sum(alike(one, ref) for ref in refs) / len(refs) for one, refs in zip(said, wanted, strict=True)
    ]


def _counted(text: str, order: int) -> tuple[Counter[tuple[str, ...]], int]:
    """How often each run of up to `order` words occurs, and how many words there are."""
    words = _WORDS.findall(text.lower())
    runs = (tuple(words[i : i + n]) for n in range(1, order + 1) for i in range(len(words) - n + 1))
    return Counter(runs), len(words)


# --- written text ---------------------------------------------------------------------------------


def translations(targets: Sequence[Any], results: Sequence[Any], _: Sequence[str]) -> Measured:
    """BLEU (sacrebleu's, Chinese by character) and chrF, both 0..100."""
    pairs = _pairs(targets, results)
    return {"BLEU": _bleu(pairs), "chrF": _chrf(pairs)}


def _bleu(pairs: Sequence[tuple[str, list[str]]]) -> Sums:
    import numpy as np
    from sacrebleu.metrics import BLEU

    chinese = any(_CHINESE.search(text) for _, wanted in pairs for text in wanted)
    scorer = BLEU(tokenize="zh" if chinese else "13a")
    rows = []
    for said, wanted in pairs:
        score = scorer.corpus_score([said], [[text] for text in wanted])
        rows.append([*score.counts, *score.totals, score.sys_len, score.ref_len])

    def value(sums: NDArray[np.float64]) -> NDArray[np.float64]:
        flat = sums.reshape(-1, 10)
        found = [scorer.compute_bleu(list(s[:4]), list(s[4:8]), int(s[8]), int(s[9])).score for s in flat]
        return np.asarray(found).reshape(sums.shape[:-1])

    return Sums(np.asarray(rows, float), value)


def _chrf(pairs: Sequence[tuple[str, list[str]]], order: int = 6) -> Sums:
    """chrF2 from character n-gram counts."""
    import numpy as np

    def value(sums: NDArray[np.float64]) -> NDArray[np.float64]:
        counts = sums.reshape(*sums.shape[:-1], order, 3)
        usable = (counts[..., 1] > 0) & (counts[..., 2] > 0)
        below = np.maximum(counts[..., 1:], 1)
        precision, recall = (
            np.where(usable, counts[..., 0] / below[..., i], 0).sum(-1) / np.maximum(usable.sum(-1), 1)
            for i in (0, 1)
        )
        bottom = 4 * precision + recall
        return np.where(bottom > 0, 100 * 5 * precision * recall / np.where(bottom > 0, bottom, 1), 0.0)

    def row(said: str, text: str) -> list[int]:
        found: list[int] = []
        for n in range(1, order + 1):
            a, b = _grams("".join(said.split()), n), _grams("".join(text.split()), n)
            found += [sum((a & b).values()), sum(a.values()), sum(b.values())]
        return found

    best = []
    for said, wanted in pairs:
        rows = np.asarray([row(said, text) for text in wanted], float)
        best.append(rows[value(rows).argmax()])
    return Sums(np.stack(best), value)


def _grams(text: str, n: int) -> Counter[str]:
    return Counter(text[i : i + n] for i in range(len(text) - n + 1))


def summaries(targets: Sequence[Any], results: Sequence[Any], _: Sequence[str]) -> Measured:
    """ROUGE-L, -1 and -2 (F1); Chinese by character."""
    return _rouge(_pairs(targets, results))


def _rouge(pairs: Sequence[tuple[str, list[str]]]) -> Measured:
    from rouge_score.rouge_scorer import RougeScorer

    kinds = {"ROUGE-L": "rougeL", "ROUGE-1": "rouge1", "ROUGE-2": "rouge2"}
    scorer = RougeScorer(list(kinds.values()), tokenizer=_Words())
    scores = [scorer.score_multi(wanted, said) for said, wanted in pairs]
    return {name: mean_of([score[kind].fmeasure for score in scores]) for name, kind in kinds.items()}


class _Words:
    """rouge_score's own tokenizer drops Chinese."""

    def tokenize(self, text: str) -> list[str]:
        return _WORDS.findall(text.lower())


# --- spoken text ----------------------------------------------------------------------------------


def transcripts(targets: Sequence[Any], results: Sequence[Any], _: Sequence[str]) -> Measured:
    """Word and character error rate of texts without case and punctuation; CER comes first for Chinese."""
    pairs = [(_spoken(said), _spoken(wanted[0])) for said, wanted in _pairs(targets, results)]
    words = _errors([(said.split(), text.split()) for said, text in pairs])
    chars = _errors([(list(said.replace(" ", "")), list(text.replace(" ", ""))) for said, text in pairs])
    chinese = sum(bool(_CHINESE.search(text)) for _, text in pairs) * 2 > len(pairs)
    return {"CER": chars, "WER": words} if chinese else {"WER": words, "CER": chars}


def _spoken(text: str) -> str:
    kept = "".join(char if char not in _PUNCTUATION or char == "'" else " " for char in text.lower())
    return " ".join(kept.split())


def _errors(pairs: Sequence[tuple[list[str], list[str]]]) -> Sums:
    from rapidfuzz.distance import Levenshtein

    return ratio_of(
        [Levenshtein.distance(said, text) for said, text in pairs], [len(text) for _, text in pairs]
    )


MEASURES: Mapping[str, Callable[[Sequence[Any], Sequence[Any], Sequence[str]], Measured]] = {
    "question-answering": answers,
    "visual-question-answering": picture_answers,
    "document-question-answering": page_answers,
    "image-text-to-text": answers,
    "image-to-text": captions,
    "translation": translations,
    "summarization": summaries,
    "automatic-speech-recognition": transcripts,
    "text-to-speech": transcripts,
}
