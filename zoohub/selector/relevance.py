"""Which published comparisons say most about the one that is asked for.

Rankings in two contexts are taken to agree as BASE x exp(-sum of rate x difference) over the
differences between their conditions. The rates come from measured agreement (see each) and are fixed:
learned anew from a few dozen data sets, they fit noise. The weights are kriging weights of that model: near
contexts count more, and near-copies of one another (one data set at six sizes) count less each.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from zoohub.selector.board import Context

Array = NDArray[np.float64]

BASE = 0.6  # typical correlation of model ranks on two data sets of one task (measured: 0.3-0.9)
RATES = {
    "task": 0.7,
    "domain": 0.5,  # half of it where only the finer part differs
    "language": 0.3,
    "strategy": 0.3,  # rankings under LoRA, probe and full training agree at tau 0.44-0.76
    "size": 0.35,  # per factor 10 of training samples: 200 against 1.6M agree at tau 0.1-0.2
    "classes": 0.25,  # per factor 10 of classes
    "name": 0.3,  # names without a word in common: STS12 is nearer to STS13 than to MSMARCO
}
UNKNOWN = 0.5  # a difference of which one side is not known
UNTRAINED = -3.0  # decades at which "no training at all" stands: far from a single sample

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


def weights(contexts: Sequence[Context], target: Context) -> Array:
    """Kriging weights of `contexts` for predicting model ranks under `target`; none negative."""
    agreed = among([*contexts, target])
    to = agreed[-1, :-1]
    model = BASE * agreed[:-1, :-1]
    np.fill_diagonal(model, 1.0)
    found: Array = np.maximum(np.linalg.solve(model, BASE * to), 0.0)
    return found


def agreement(contexts: Sequence[Context], target: Context) -> Array:
    """How far rankings in each of `contexts` agree with those under `target`, 1 where nothing differs."""
    return among([*contexts, target])[-1, :-1]


def alike(contexts: Sequence[Context], target: Context) -> Array:
    """How far rankings agree as to task, training size and strategy alone, 1 where these do not differ."""
    return alike_among([*contexts, target])[-1, :-1]


def alike_among(contexts: Sequence[Context]) -> Array:
    """The same between each pair of contexts."""
    rates = np.array([rate if name in ("task", "strategy", "size") else 0.0 for name, rate in RATES.items()])
    found: Array = np.exp(-np.tensordot(rates, differences(contexts), axes=1))
    return found


def among(contexts: Sequence[Context]) -> Array:
    """How far rankings agree between each pair of contexts."""
    rates = np.array(list(RATES.values()))
    result: Array = np.exp(-np.tensordot(rates, differences(contexts), axes=1))
    return result


def differences(contexts: Sequence[Context]) -> Array:
    """How the conditions of each pair differ: one (contexts x contexts) layer per name in RATES."""
    domains = [c.domain for c in contexts]
    layers: Array = np.stack(
        [
            _unlike([c.task for c in contexts]),
            0.5 * _unlike([d and d.partition("/")[0] for d in domains]) + 0.5 * _unlike(domains),
            _unlike([c.language for c in contexts]),
            _unlike([c.strategy for c in contexts]),
            _decades([c.n_train for c in contexts]),
            _decades([c.n_classes for c in contexts]),
            _words_unlike([c.dataset for c in contexts]),
        ]
    )
    return layers


def _unlike(labels: Sequence[str | None]) -> Array:
    codes = {label: code for code, label in enumerate(dict.fromkeys(labels))}
    index = np.array([codes[label] for label in labels])
    apart: Array = (index[:, None] != index[None, :]).astype(float)
    if None in codes:
        unknown = index == codes[None]
        apart[unknown[:, None] != unknown[None, :]] = UNKNOWN
    return apart


def _decades(values: Sequence[float | None]) -> Array:
    logs = np.array([np.nan if v is None else math.log10(v) if v >= 1 else UNTRAINED for v in values])
    gap = np.abs(logs[:, None] - logs[None, :])
    unknown = np.isnan(logs)
    gap[unknown[:, None] & unknown[None, :]] = 0.0
    result: Array = np.where(np.isnan(gap), UNKNOWN, gap)
    return result


def _words_unlike(names: Sequence[str]) -> Array:
    """One minus the share of common words (rare ones weigh more) in the words of both names."""
    bags = [{word.lower() for word in _WORD.findall(name) if len(word) > 1} for name in names]
    spread = Counter(word for bag in bags for word in bag)
    column = {word: i for i, word in enumerate(spread)}
    matrix = np.zeros((len(names), len(column)))
    for row, bag in enumerate(bags):
        for word in bag:
            matrix[row, column[word]] = math.log(1 + len(names) / spread[word])
    common = np.sqrt(matrix) @ np.sqrt(matrix).T  # a word weighs the same in every name that has it
    own = matrix.sum(axis=1)
    union = own[:, None] + own[None, :] - common
    with np.errstate(invalid="ignore", divide="ignore"):
        apart: Array = np.where(union > 0, 1.0 - common / union, 1.0)
    apart[_unlike(names) == 0.0] = 0.0
    return apart
