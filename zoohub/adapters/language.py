"""Text tasks that read: spans, answers, gaps, zero-shot, ranking."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from zoohub.adapters import hf
from zoohub.adapters.base import refuse
from zoohub.adapters.data import Examples
from zoohub.adapters.heads import classification
from zoohub.adapters.inference import Plan
from zoohub.adapters.results import Answer, Classification, Label, Ranked, Span
from zoohub.adapters.text import Texts
from zoohub.errors import CapabilityError, InputError

if TYPE_CHECKING:
    import torch

PASSES = 7  # in which a text's tokens are hidden, one in so many at a time: the 15 % of training


class TokenClassifier(Texts):
    """Named entities and other spans. A target is a list of (start, end, label), or BIO tags."""

    tasks = ("token-classification",)
    strategies = ("lora", "full")
    auto = "AutoModelForTokenClassification"

    def _open(self, labels: Sequence[str] | None) -> None:
        super()._open(labels)
        self.labels = hf.labels(self.module.config)

    def prepare(self, item: Any) -> Any:
        """Tokens of a text (or of a list of words) with the stretch of characters that each covers."""
        text, _ = _joined(item)
        found = self.tokenizer(
            text,
            truncation=True,
            max_length=self.limit,
            return_offsets_mapping=True,
            return_special_tokens_mask=True,
        )
        sample = dict(found)
        return {"text": text, "offsets": sample.pop("offset_mapping"),
                "special": sample.pop("special_tokens_mask"), "tokens": sample}  # fmt: skip

    def weigh(self, sample: Any) -> int:
        """The number of tokens."""
        return len(sample["tokens"]["input_ids"])

    def answer(self, samples: Sequence[Any], **_: Any) -> Sequence[Any]:
        """The `Span`s of each text, in the order in which they stand."""
        logits = self.module(**self.tensors([s["tokens"] for s in samples])).logits.float().softmax(-1)
        scores, places = logits.max(-1)
        rows = zip(samples, scores.tolist(), places.tolist(), strict=True)
        return [self._spans(sample, score, place) for sample, score, place in rows]

    def _spans(self, sample: Any, scores: list[float], places: list[int]) -> list[Span]:
        pieces = [
            (start, end, self.labels[place], score)
            for (start, end), special, place, score in zip(
                sample["offsets"], sample["special"], places, scores, strict=False
            )
            if not special and end > start
        ]
        return list(_merged(sample["text"], pieces))

    def target_labels(self, examples: Examples) -> tuple[str, ...]:
        """`O` and the begin and inside of each kind of span, or the model's own if those serve."""
        kinds = sorted({label for item, target in examples for _, _, label in spans_of(item, target)})
        needed = ("O", *(f"{prefix}-{kind}" for kind in kinds for prefix in "BI"))
        return self.labels if set(needed) <= set(self.labels) else needed

    def judge(self, examples: Examples, **settings: Any) -> Sequence[Any]:
        """The spans of each text."""
        found: Sequence[Any] = self.predict([_joined(item)[0] for item in examples.inputs], **settings)
        return found

    def targets(self, examples: Examples) -> Sequence[Any]:
        """Spans in characters, whatever way the data marks them."""
        return [spans_of(item, target) for item, target in examples]

    def learn(self, item: Any, target: Any) -> list[dict[str, Any]]:
        """Tokens with the number of their tag; the second and later tokens of a word are not counted."""
        sample = self.prepare(item)
        tags = []
        wanted = spans_of(item, target)
        for (start, end), special in zip(sample["offsets"], sample["special"], strict=True):
            tags.append(-100 if special or end <= start else self._tag(start, end, wanted))
        return [{**sample["tokens"], "labels": tags}]

    def _tag(self, start: int, end: int, wanted: Sequence[tuple[int, int, str]]) -> int:
        for first, last, label in wanted:
            if start < last and end > first:
                name = f"{'B' if start <= first else 'I'}-{label}"
                return self.labels.index(name if name in self.labels else label)
        return self.labels.index("O")

    def collate(self, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Padded tokens and tags."""
        return hf.pad(rows, self.tokenizer)


def _joined(item: Any) -> tuple[str, list[tuple[int, int]]]:
    """A text, and where each word stands if it came as words; Chinese words are joined without spaces."""
    if isinstance(item, str):
        return item, []
    if isinstance(item, Mapping):
        return _joined(item.get("tokens", item.get("text")))
    if not isinstance(item, list | tuple) or not all(isinstance(word, str) for word in item):
        raise refuse(item, "a text or a list of words")
    text, places = "", []
    for word in item:
        if text and (text[-1].isascii() or word[:1].isascii()):
            text += " "
        places.append((len(text), len(text) + len(word)))
        text += word
    return text, places


def spans_of(item: Any, target: Any) -> list[tuple[int, int, str]]:
    """A target as (start, end, label): from spans as they are, or from a BIO tag for each word."""
    if not target:
        return []
    if isinstance(target[0], Mapping):
        return [(span["start"], span["end"], span["label"]) for span in target]
    if not isinstance(target[0], str):
        return [(int(start), int(end), str(label)) for start, end, label in target]
    text, places = _joined(item)
    if len(places) != len(target):
        raise InputError(f"{len(target)} tags for {len(places)} words: {text[:60]!r}.")
    pieces = [(start, end, tag, 1.0) for (start, end), tag in zip(places, target, strict=True)]
    return [(span.start, span.end, span.label) for span in _merged(text, pieces)]


def _merged(text: str, pieces: Sequence[tuple[int, int, str, float]]) -> Iterator[Span]:
    """Neighbors of one kind become one span, unless the later begins anew (B- after the other)."""
    current: list[tuple[int, int, str, float]] = []

    def made() -> Span:
        start, end = current[0][0], current[-1][1]
        score = sum(piece[3] for piece in current) / len(current)
        return Span(_kind(current[0][2]), score, text[start:end], start, end)

    for piece in pieces:
        same = bool(current) and _kind(piece[2]) == _kind(current[0][2])
        inside_word = bool(current) and piece[0] == current[-1][1] and text[piece[0] : piece[0] + 1].isascii()
        if current and not (same and (not piece[2].startswith("B-") or inside_word)):
            yield made()
            current = []
        if piece[2] != "O":
            current.append(piece)
    if current:
        yield made()


def _kind(tag: str) -> str:
    return tag[2:] if tag[:2] in ("B-", "I-", "E-", "S-") else tag


class Reader(Texts):
    """Extractive question answering; a context longer than the model is read in overlapping windows."""

    tasks = ("question-answering",)
    strategies = ("lora", "full")
    auto = "AutoModelForQuestionAnswering"
    options: ClassVar[Mapping[str, Any]] = {"max_answer": 30, "no_answer": False}
    plan = Plan(items=16, budget=8192, window=256)

    def prepare(self, item: Any) -> Any:
        """The windows of `{"question", "context"}`."""
        if not isinstance(item, Mapping) or not all(
            isinstance(item.get(k), str) for k in ("question", "context")
        ):
            raise refuse(item, "{'question': ..., 'context': ...}")
        return {"context": item["context"], "windows": self._windows(item["question"], item["context"])}

    def _windows(self, question: str, context: str) -> list[dict[str, Any]]:
        asked = self.tokenizer(
            question, truncation=True, max_length=self.limit // 2, return_offsets_mapping=True
        )
        question = question[: max(end for _, end in asked["offset_mapping"])]
        room = self.limit - len(asked["input_ids"]) - 3
        cut = self.tokenizer(
            question, context, truncation="only_second", max_length=self.limit,
            stride=max(1, min(128, room // 3)), return_overflowing_tokens=True, return_offsets_mapping=True,
        )  # fmt: skip
        windows = []
        for i in range(len(cut["input_ids"])):
            window = {k: cut[k][i] for k in ("input_ids", "attention_mask", "token_type_ids") if k in cut}
            inside = [part == 1 for part in cut.sequence_ids(i)]
            windows.append({"tokens": window, "offsets": cut["offset_mapping"][i], "inside": inside})
        return windows

    def weigh(self, sample: Any) -> int:
        """The tokens of all windows."""
        return sum(len(window["offsets"]) for window in sample["windows"])

    def answer(
        self, samples: Sequence[Any], *, max_answer: int = 30, no_answer: bool = False, **_: Any
    ) -> Sequence[Any]:
        """The best `Answer` over all windows; with `no_answer`, an empty one where that is likelier."""
        owners = [(sample, window) for sample in samples for window in sample["windows"]]
        found: dict[int, list[tuple[float, int, int, float]]] = {id(sample): [] for sample in samples}
        for begin in range(0, len(owners), self.plan.items):
            part = owners[begin : begin + self.plan.items]
            out = self.module(**self.tensors([window["tokens"] for _, window in part]))
            starts, ends = out.start_logits.float(), out.end_logits.float()
            for (sample, window), start, end in zip(part, starts, ends, strict=True):
                found[id(sample)].append(_best_span(window, start, end, max_answer))
        return [_best_answer(sample["context"], found[id(sample)], no_answer) for sample in samples]

    def learn(self, item: Any, target: Any) -> list[dict[str, Any]]:
        """A row a window: where the answer begins and ends, or the first token where it is not inside."""
        sample = self.prepare(item)
        start, end = _answer_place(item["context"], target)
        rows = []
        for window in sample["windows"]:
            first = _token_at(window, start)
            last = _token_at(window, end - 1) if end else None
            inside = first is not None and last is not None
            rows.append({**window["tokens"], "start": first if inside else 0, "end": last if inside else 0})
        return rows

    def collate(self, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Padded windows with `start_positions` and `end_positions`."""
        import torch

        batch = hf.pad(
            [{k: v for k, v in row.items() if k not in ("start", "end")} for row in rows], self.tokenizer
        )
        places = {f"{name}_positions": torch.tensor([row[name] for row in rows]) for name in ("start", "end")}
        return {**batch, **places}


def _best_span(
    window: Mapping[str, Any], start: torch.Tensor, end: torch.Tensor, longest: int
) -> tuple[float, int, int, float]:
    """(score, first character, last character, score of no answer) of the best stretch in a window."""
    import torch

    size = len(window["offsets"])
    outside = ~torch.tensor(window["inside"], device=start.device)
    begins = start[:size].masked_fill(outside, -1e4)
    ends = end[:size].masked_fill(outside, -1e4)
    table = begins[:, None] + ends[None, :]
    ordered = torch.ones_like(table, dtype=torch.bool).triu().tril(longest - 1)
    table = table.masked_fill(~ordered, -1e5)
    place = int(table.argmax())
    first, last = divmod(place, size)
    norm = float(start[:size].logsumexp(0) + end[:size].logsumexp(0))
    nothing = float(start[0] + end[0]) - norm
    return float(table.max()) - norm, window["offsets"][first][0], window["offsets"][last][1], nothing


def _best_answer(context: str, spans: Sequence[tuple[float, int, int, float]], no_answer: bool) -> Answer:
    import math

    score, start, end, _ = max(spans)
    nothing = min(span[3] for span in spans)
    if no_answer and nothing > score:
        return Answer("", math.exp(nothing))
    return Answer(context[start:end], math.exp(score), start, end)


def _answer_place(context: str, target: Any) -> tuple[int, int]:
    from zoohub.adapters.word_measures import texts_of

    texts = texts_of(target)
    if not texts:
        return 0, 0
    first = target[0] if isinstance(target, list) else target
    start = first.get("answer_start") if isinstance(first, Mapping) else None
    start = start[0] if isinstance(start, list) else start
    start = context.find(texts[0]) if start is None else start
    return (start, start + len(texts[0])) if start >= 0 else (0, 0)


def _token_at(window: Mapping[str, Any], character: int) -> int | None:
    for place, ((start, end), inside) in enumerate(zip(window["offsets"], window["inside"], strict=True)):
        if inside and start <= character < end:
            return place
    return None


class GapFiller(Texts):
    """Masked language models: the likeliest words for the gap."""

    tasks = ("fill-mask",)
    auto = "AutoModelForMaskedLM"
    options: ClassVar[Mapping[str, Any]] = {"top_k": 5}

    def prepare(self, item: Any) -> Any:
        """Tokens of a text with one gap, written as the model's own mask or as `[MASK]`."""
        if not isinstance(item, str):
            raise refuse(item, "a text with one gap")
        sample = super().prepare(item.replace("[MASK]", self.tokenizer.mask_token))
        if sample["input_ids"].count(self.tokenizer.mask_token_id) != 1:
            raise InputError(f"{item[:60]!r} must have one gap, written {self.tokenizer.mask_token}.")
        return sample

    def answer(self, samples: Sequence[Any], *, top_k: int = 5, **_: Any) -> Sequence[Any]:
        """The likeliest words, as a `Classification`."""
        import torch

        batch = self.tensors(samples)
        gaps = (batch["input_ids"] == self.tokenizer.mask_token_id).int().argmax(1)
        logits = self.module(**batch).logits[torch.arange(len(samples)), gaps].float()
        scores, places = logits.softmax(-1).topk(top_k)
        results = []
        for row, at in zip(scores.tolist(), places.tolist(), strict=True):
            words = tuple(Label(self.tokenizer.decode([i]).strip(), s) for i, s in zip(at, row, strict=True))
            results.append(Classification(words[0].label, words[0].score, words))
        return results

    def judge(self, examples: Examples, **_: Any) -> Sequence[Any]:
        """(summed negative log likelihood, tokens) of each text.

        Each token is hidden once, every seventh of a text in one pass: as many at a time as in training.
        """
        rows = [Texts.prepare(self, text) for text in examples.inputs]
        work = self.without_gradient(self._hidden_losses)
        return [pair for row in rows for pair in work([row])]

    def _hidden_losses(self, rows: Sequence[Any]) -> list[tuple[float, int]]:
        import torch

        tokens = torch.tensor(rows[0]["input_ids"])
        special = torch.isin(tokens, torch.tensor(self.tokenizer.all_special_ids))
        order = (~special).cumsum(0) % PASSES
        hidden = torch.stack([(order == turn) & ~special for turn in range(PASSES)])
        batch = {name: torch.tensor(values).expand(PASSES, -1) for name, values in rows[0].items()}
        batch["input_ids"] = torch.where(hidden, self.tokenizer.mask_token_id, batch["input_ids"])
        logits = (
            self.module(**{name: values.to(self.device) for name, values in batch.items()})
            .logits.float()
            .cpu()
        )
        losses = torch.nn.functional.cross_entropy(
            logits[hidden], tokens.expand(PASSES, -1)[hidden], reduction="sum"
        )
        return [(float(losses), int(hidden.sum()))]


class ZeroShot(Texts):
    """Labels that were never trained, judged by a model of entailment: `labels=[...]`."""

    tasks = ("zero-shot-classification",)
    auto = "AutoModelForSequenceClassification"
    options: ClassVar[Mapping[str, Any]] = {"labels": (), "template": "This example is {}."}

    def prepare(self, item: Any) -> Any:
        """The text; its pairs with the labels are made when the labels are known."""
        if not isinstance(item, str):
            raise refuse(item, "a text")
        return item

    def weigh(self, sample: Any) -> int:
        """The number of characters."""
        return len(sample)

    def answer(
        self, samples: Sequence[Any], *, labels: Sequence[str] = (), template: str = "{}", **_: Any
    ) -> Sequence[Any]:
        """How well each label is entailed."""
        import torch

        if not labels:
            raise InputError(
                "Zero-shot classification needs labels.", "Give them: labels=['sports', 'politics']."
            )
        place = self._entailment()
        rows = []
        for text in samples:
            pairs = [dict(self.tokenizer(text, template.format(label), truncation="only_first",
                                         max_length=self.limit)) for label in labels]  # fmt: skip
            rows.append(self.module(**self.tensors(pairs)).logits[:, place])
        return classification(torch.stack(rows), list(labels), len(labels))

    def judge(self, examples: Examples, **settings: Any) -> Sequence[Any]:
        """Answers among the labels of the data, where no others are named."""
        return super().judge(examples, **{"labels": examples.labels, **settings})

    def _entailment(self) -> int:
        names = [name.lower() for name in hf.labels(self.module.config)]
        found = next((i for i, name in enumerate(names) if name.startswith("entail")), None)
        if found is None:
            raise CapabilityError(
                f"{self.id} is no model of entailment (its labels: {', '.join(names[:5])}).",
                "Search for one: zoo search --task zero-shot-classification",
            )
        return found


class Ranker(Texts):
    """Cross-encoders: `{"query", "texts"}` -> the texts, the best fitting first."""

    tasks = ("text-ranking",)
    auto = "AutoModelForSequenceClassification"

    def prepare(self, item: Any) -> Any:
        """Each pair of query and text, as tokens."""
        ok = isinstance(item, Mapping) and isinstance(item.get("query"), str)
        texts = list(item.get("texts") or ()) if ok else []
        if not texts or not all(isinstance(text, str) for text in texts):
            raise refuse(item, "{'query': ..., 'texts': [...]}")
        pairs = [
            dict(self.tokenizer(item["query"], text, truncation=True, max_length=self.limit))
            for text in texts
        ]
        return {"texts": texts, "pairs": pairs}

    def weigh(self, sample: Any) -> int:
        """The tokens of all pairs."""
        return sum(len(pair["input_ids"]) for pair in sample["pairs"])

    def answer(self, samples: Sequence[Any], **_: Any) -> Sequence[Any]:
        """The texts of each query as `Ranked`, best first."""
        results = []
        for sample in samples:
            scores: list[float] = []
            for i in range(0, len(sample["pairs"]), 32):
                logits = self.module(**self.tensors(sample["pairs"][i : i + 32])).logits.float()
                scores += logits[:, -1].tolist()
            order = sorted(range(len(scores)), key=lambda i: -scores[i])
            results.append([Ranked(sample["texts"][i], scores[i], i) for i in order])
        return results
