"""Labeled data, whatever holds it, as inputs and targets: what `finetune` and `evaluate` take.

Accepted are a folder of pictures or sounds (one subfolder a class, or a metadata table beside the files), a
csv, tsv, json (also SQuAD's), jsonl or parquet file, a `datasets` object, a pandas table, and a list of
dicts. The columns of a task are found by the usual names (`CONVENTIONS`) or named: `columns={"text":
"review"}`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NamedTuple

from zoohub.adapters import tables
from zoohub.errors import DataError, did_you_mean, suggest

Bad = Literal["raise", "skip"]


class Column(NamedTuple):
    """One column that a task reads: its role, the names it usually has, and whether the task needs it."""

    role: str
    names: tuple[str, ...]
    needed: bool = True
    is_target: bool = False


_IMAGE = Column("image", ("image", "img", "picture", "photo", "file_name", "file", "path", "filename"))
_AUDIO = Column("audio", ("audio", "sound", "wav", "speech", "file_name", "file", "path", "filename"))
_TEXT = Column("text", ("text", "sentence", "sentence1", "premise", "content", "review", "comment",
                        "question1", "document", "body", "文本", "内容", "评论"))  # fmt: skip
_PAIR = Column("text_pair", ("text_pair", "sentence2", "hypothesis", "question2", "text2"))
_LABEL = Column(
    "label",
    ("label", "labels", "class", "category", "target", "sentiment", "y", "标签", "类别"),
    is_target=True,
)
_OBJECTS = Column("objects", ("objects", "annotations", "boxes"), is_target=True)

CONVENTIONS: Mapping[str, tuple[Column, ...]] = {
    "image-classification": (_IMAGE, _LABEL),
    "zero-shot-image-classification": (_IMAGE, _LABEL),
    "image-feature-extraction": (_IMAGE, _LABEL),
    "object-detection": (_IMAGE, _OBJECTS),
    "zero-shot-object-detection": (_IMAGE, _OBJECTS),
    "image-segmentation": (
        _IMAGE,
        Column("mask", ("mask", "annotation", "segmentation", "label", "objects", "annotations"), is_target=True),
    ),
    "depth-estimation": (_IMAGE, Column("depth", ("depth", "depth_map", "label"), is_target=True)),
    "image-to-text": (_IMAGE, Column("text", ("text", "caption", "captions", "sentence", "sentences"), is_target=True)),
    "image-text-to-text": (
        _IMAGE,
        Column("text", ("text", "question", "prompt")),
        Column("answer", ("answer", "answers", "response"), is_target=True),
    ),
    "visual-question-answering": (
        _IMAGE,
        Column("question", ("question", "text")),
        Column("answer", ("answer", "answers", "label"), is_target=True),
    ),
    "document-question-answering": (
        _IMAGE,
        Column("question", ("question", "query", "text")),
        Column("answer", ("answers", "answer", "label"), is_target=True),
    ),
    "audio-classification": (_AUDIO, _LABEL),
    "speaker-verification": (
        _AUDIO,
        Column("label", ("label", "speaker", "speaker_id", "class"), is_target=True),
    ),
    "voice-activity-detection": (_AUDIO, Column("segments", ("segments", "speech"), is_target=True)),
    "automatic-speech-recognition": (
        _AUDIO,
        Column("text", ("text", "sentence", "transcription", "transcript"), is_target=True),
    ),
    "text-classification": (_TEXT, _PAIR._replace(needed=False), _LABEL),
    "zero-shot-classification": (_TEXT, _LABEL),
    "token-classification": (
        Column("tokens", ("tokens", "words", "text")),
        Column("tags", ("ner_tags", "tags", "pos_tags", "labels", "spans"), is_target=True),
    ),
    "question-answering": (
        Column("question", ("question", "query")),
        Column("context", ("context", "passage", "paragraph")),
        Column("answers", ("answers", "answer"), is_target=True),
    ),
    "translation": (
        Column("source", ("source", "src", "input", "text")),
        Column("target", ("target", "tgt", "output", "translation"), is_target=True),
    ),
    "summarization": (
        Column("text", ("text", "document", "article", "dialogue", "source", "content")),
        Column("summary", ("summary", "highlights", "target", "abstract", "title"), is_target=True),
    ),
    "text-generation": (
        Column("text", ("messages", "prompt", "text", "instruction", "question")),
        Column("completion", ("completion", "response", "output", "answer"), needed=False, is_target=True),
    ),
    "fill-mask": (_TEXT,),
    "text-to-speech": (_TEXT,),
    "feature-extraction": (
        _TEXT._replace(names=(*_TEXT.names, "anchor", "query", "question")),
        _PAIR._replace(names=(*_PAIR.names, "positive", "answer", "passage")),
        Column("negative", ("negative", "hard_negative"), needed=False),
        Column("score", ("score", "similarity", "label", "labels"), needed=False, is_target=True),
    ),
    "text-ranking": (
        Column("query", ("query", "question")),
        Column("texts", ("texts", "documents", "candidates")),
        Column("relevance", ("relevance", "labels", "label", "scores"), is_target=True),
    ),
}  # fmt: skip
_SAME = {"sentence-similarity": "feature-extraction"}


@dataclass(frozen=True, slots=True)
class Examples:
    """Inputs and their targets, in order. `name` is what a card calls the data; `problems` what was left out.

    A label is a string; other targets are as the task's metric takes them. `held_out` is the part that the
    data itself sets aside for evaluation (a `test` folder or split), if it has one.
    """

    task: str
    inputs: Sequence[Any]
    targets: Sequence[Any]
    name: str = "data"
    problems: tuple[str, ...] = ()
    held_out: Examples | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return len(self.inputs)

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        return iter(zip(self.inputs, self.targets, strict=True))

    @property
    def labels(self) -> tuple[str, ...]:
        """The distinct labels; numbers in their order, then words in theirs."""
        found = {
            label for target in self.targets for label in (target if isinstance(target, list) else [target])
        }
        return tuple(
            sorted((str(x) for x in found), key=lambda x: (not x.isdigit(), int(x) if x.isdigit() else 0, x))
        )

    def counts(self) -> Counter[str]:
        """How many examples each label has."""
        return Counter(str(x) for t in self.targets for x in (t if isinstance(t, list) else [t]))

    def pick(self, places: Iterable[int]) -> Examples:
        """The examples at those places."""
        at = list(places)
        chosen = [self.inputs[i] for i in at], [self.targets[i] for i in at]
        return replace(self, inputs=chosen[0], targets=chosen[1], held_out=None)

    def split(self, share: float, seed: int = 0) -> tuple[Examples, Examples]:
        """Two parts, the second with `share` of the examples.

        Where the task has labels each keeps its share of both parts, and the first part has all of them.
        """
        import random

        labeled = any(column.role == "label" for column in CONVENTIONS.get(self.task, ()))
        groups: dict[Any, list[int]] = {}
        for place, target in enumerate(self.targets):
            groups.setdefault(target if labeled and isinstance(target, str) else None, []).append(place)
        shuffler = random.Random(seed)
        apart: set[int] = set()
        due = 0.0  # what rounding left over goes on to the next label, so that rare ones are held out, too
        for places in groups.values():
            shuffler.shuffle(places)
            due += len(places) * share
            count = min(round(due), len(places) - 1)
            due -= count
            apart |= set(places[:count])
        if not apart and len(self) > 1:
            apart = {max(groups.values(), key=len)[0]}
        return self.pick(i for i in range(len(self)) if i not in apart), self.pick(sorted(apart))


def read(data: Any, task: str, *, columns: Mapping[str, str] | None = None, bad: Bad = "raise") -> Examples:
    """Read labeled data for a task.

    `columns` says which column holds which role; the others are found by their usual names. Rows without a
    label and files that are no picture or sound are refused with `bad="raise"` and left out, named and
    counted, with "skip".

    Raises:
        DataError: nothing there, a needed column is missing (found and needed are named), rows are unusable.
    """
    if isinstance(data, Examples):
        return data
    table = tables.read(data, task)
    wanted = _conventions(task)
    chosen = _match(table.columns, wanted, columns or {}, task)
    rows, problems = _rows(table, chosen, wanted)
    problems = [*table.problems, *problems]
    if problems and bad == "raise":
        raise unusable(table.name, problems, len(rows) + len(problems))
    if not rows:
        raise DataError(
            f"{table.name} holds no usable example for {task}.", "Check the path and the columns."
        )
    held = read(table.held_out, task, columns=columns, bad=bad) if table.held_out is not None else None
    inputs, targets = [row[0] for row in rows], [row[1] for row in rows]
    return Examples(task, inputs, targets, table.name, tuple(problems), held)


def has_pairs(table: tables.Table, columns: Mapping[str, str] | None) -> bool:
    """Whether a table holds pairs of texts, so that an encoder learns which are alike."""
    lowered = {name.lower() for name in table.columns}
    pair = next(column for column in CONVENTIONS["feature-extraction"] if column.role == "text_pair")
    return "text_pair" in (columns or {}) or not lowered.isdisjoint(pair.names)


def unusable(name: str, problems: Sequence[str], total: int) -> DataError:
    """The error for data of which a part, each with its reason, cannot be used."""
    reasons = some([problem.rstrip(".") for problem in problems])
    return DataError(
        f"{name}: {len(problems)} of {total} cannot be used: {reasons}.",
        "Mend or remove them, or leave them out with bad='skip' (on the command line: --bad skip).",
    )


def some(items: Sequence[str], limit: int = 5) -> str:
    """The first few of many, and how many more there are."""
    more = f" and {len(items) - limit} more" if len(items) > limit else ""
    return ", ".join(items[:limit]) + more


def _conventions(task: str) -> tuple[Column, ...]:
    found = CONVENTIONS.get(_SAME.get(task, task))
    if found is None:
        raise DataError(f"No labeled data can be read for {task}.", f"It can for: {', '.join(CONVENTIONS)}.")
    return found


def _match(
    there: Sequence[str], wanted: Sequence[Column], named: Mapping[str, str], task: str
) -> dict[str, str]:
    """Role -> column. A named column wins; each column serves one role."""
    roles = [column.role for column in wanted]
    if unknown := sorted(set(named) - set(roles)):
        raise DataError(f"{task} has no role {unknown[0]!r}.", f"Its roles: {', '.join(roles)}.")
    if absent := [name for name in named.values() if name not in there]:
        near = did_you_mean(suggest(absent[0], there))
        raise DataError(f"There is no column {absent[0]!r}.{near}", f"Found: {', '.join(there) or 'none'}.")
    chosen = dict(named)
    lowered = {name.lower(): name for name in reversed(there)}
    for column in wanted:
        if column.role not in chosen:
            usable = (lowered[name] for name in column.names if name in lowered)
            if found := next((name for name in usable if name not in chosen.values()), None):
                chosen[column.role] = found
    missing = [column for column in wanted if column.needed and column.role not in chosen]
    if missing:
        needed = "; ".join(f"{c.role} (one of {', '.join(c.names[:5])} ...)" for c in missing)
        raise DataError(
            f"{task} needs the column {needed}. Found: {', '.join(there) or 'none'}.",
            f"Name it: columns={{{missing[0].role!r}: '...'}} (or --column {missing[0].role}=...).",
        )
    return chosen


def _rows(
    table: tables.Table, chosen: Mapping[str, str], wanted: Sequence[Column]
) -> tuple[list[tuple[Any, Any]], list[str]]:
    """(input, target) of each row, and the rows that lack something."""
    given = [c for c in wanted if c.role in chosen and not c.is_target]
    target = next((c for c in wanted if c.role in chosen and c.is_target), None)
    names = table.label_names.get(chosen.get("label", ""), ())
    rows: list[tuple[Any, Any]] = []
    problems: list[str] = []
    for number, row in enumerate(table.rows, 1):
        values = {c.role: row.get(chosen[c.role]) for c in given}
        if lacking := [role for role, value in values.items() if _is_empty(value)]:
            problems.append(f"row {number} has no {lacking[0]}")
            continue
        value = row.get(chosen[target.role]) if target else None
        if target and _is_unlabeled(value, target):
            problems.append(f"row {number} has no {target.role}")
            continue
        if target and target.role == "label":
            value = _label(value, names)
        rows.append((values if len(values) > 1 else next(iter(values.values())), value))
    return rows, problems


def _is_empty(value: Any) -> bool:
    missing = value is None or (isinstance(value, float) and value != value)
    return missing or (isinstance(value, str) and not value.strip())


def _is_unlabeled(value: Any, target: Column) -> bool:
    """An empty list is an answer of some tasks (no box); no label is not."""
    return _is_empty(value) or (target.role == "label" and value == -1)


def _label(value: Any, names: Sequence[str]) -> Any:
    if isinstance(value, list | tuple):
        return [_label(item, names) for item in value]
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return names[value] if names and isinstance(value, int) and 0 <= value < len(names) else str(value)
