"""One name and one unit for each metric, so that results of several sources can be compared.

Cards write `acc@1 81.6`, `Top 1 Accuracy 81.6` and `accuracy 0.816`; here all three are `accuracy` 0.816. Shares lie in
0..1; error rates of speech and losses keep their own unit, for 1.25 may be a share or a percentage.
"""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from zoohub.registry import Evidence
from zoohub.registry.evidence import is_loss
from zoohub.selector.board import seed_noise

_SPELLED = {
    "acc": "accuracy",
    "acc1": "accuracy",
    "top1": "accuracy",
    "top1acc": "accuracy",
    "top1accuracy": "accuracy",
    "acc5": "top-5 accuracy",
    "top5": "top-5 accuracy",
    "top5acc": "top-5 accuracy",
    "top5accuracy": "top-5 accuracy",
    "boxap": "box AP",
    "boxmap": "box AP",
    "bboxmap": "box AP",
    "maskap": "mask AP",
    "maskmap": "mask AP",
    "segmmap": "mask AP",
    "miou": "mIoU",
    "pixelacc": "pixel accuracy",
    "wordacc": "word accuracy",
}
_SHARE = re.compile(
    r"acc|\bf1\b|\bap\b|\bmap\b|\bm?iou\b|precision|recall|dice|exact.match|hmean", re.IGNORECASE
)
SPARED = 0.02  # of a score in 0..1 that a lighter model may cost at most, however large the noise of seeds
RATES = ("wer", "cer", "eer", "error")  # losses that are shares or percentages
_SAME_DATA = {"COCO-val2017": "COCO"}


def canonical(row: Evidence) -> Evidence:
    """The result under the usual names of its metric and data set, shares in 0..1."""
    metric = _SPELLED.get(re.sub(r"[^a-z0-9]", "", row.metric.lower()), row.metric)
    percent = 1.5 < row.value <= 100.0 and _SHARE.search(metric) is not None
    value = row.value / 100.0 if percent else row.value
    dataset = _SAME_DATA.get(row.dataset, row.dataset)
    if (metric, value, dataset) == (row.metric, row.value, row.dataset):
        return row
    return replace(row, metric=metric, value=value, dataset=dataset)


def margin(metric: str | None, scores: NDArray[np.float64], n_train: float | None) -> float:
    """How far seeds alone move a score after training on `n_train` samples, at most SPARED of the metric's scale."""
    return scale(metric, scores) * min(seed_noise(n_train), SPARED)


def scale(metric: str | None, scores: NDArray[np.float64]) -> float:
    """What one is on the metric's scale: 1 for shares, 100 for percentages, else what scores usually are."""
    if np.abs(scores).max() <= 1.5:
        return 1.0
    bounded = metric is None or not is_loss(metric) or any(rate in metric.lower() for rate in RATES)
    return 100.0 if bounded else float(np.median(np.abs(scores)))
