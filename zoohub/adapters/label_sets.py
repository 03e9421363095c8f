"""Label names that many models share, so that a config may name the set: `{"label_names": "coco-80"}`."""

from __future__ import annotations

from collections.abc import Sequence

from zoohub.errors import UnsupportedModel

# Source: the 80 categories of COCO 2017 (Lin et al., 2014), in the order of their category ids.
COCO_80 = (
    "person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat", "traffic light",
    "fire hydrant", "stop sign", "parking meter", "bench", "bird", "cat", "dog", "horse", "sheep", "cow",
    "elephant", "bear", "zebra", "giraffe", "backpack", "umbrella", "handbag", "tie", "suitcase", "frisbee",
    "skis", "snowboard", "sports ball", "kite", "baseball bat", "baseball glove", "skateboard", "surfboard",
    "tennis racket", "bottle", "wine glass", "cup", "fork", "knife", "spoon", "bowl", "banana", "apple",
    "sandwich", "orange", "broccoli", "carrot", "hot dog", "pizza", "donut", "cake", "chair", "couch",
    "potted plant", "bed", "dining table", "toilet", "tv", "laptop", "mouse", "remote", "keyboard", "cell phone",
    "microwave", "oven", "toaster", "sink", "refrigerator", "book", "clock", "vase", "scissors", "teddy bear",
    "hair drier", "toothbrush",
)  # fmt: skip

SETS = {"coco-80": COCO_80}


def names(stated: str | Sequence[str] | None) -> tuple[str, ...]:
    """The label names that a config states: themselves, or those of a set by its name; empty where none are.

    Raises:
        UnsupportedModel: there is no set of that name.
    """
    if not isinstance(stated, str):
        return tuple(stated or ())
    if stated not in SETS:
        raise UnsupportedModel(f"No set of labels is called {stated!r}.", f"There is: {', '.join(SETS)}.")
    return SETS[stated]
