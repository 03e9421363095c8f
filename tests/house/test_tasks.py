"""The task vocabulary."""

from __future__ import annotations

import pytest

from zoohub import tasks
from zoohub.errors import UnknownTask


@pytest.mark.parametrize(
    ("word", "id"),
    [
        ("image-classification", "image-classification"),
        ("图像分类", "image-classification"),
        ("Image Classification", "image-classification"),
        ("情感分析", "text-classification"),
        ("ASR", "automatic-speech-recognition"),
        ("人脸识别", "image-feature-extraction"),
        ("推荐", "text-ranking"),
    ],
)
def test_names_and_aliases_in_two_languages(word: str, id: str) -> None:
    assert tasks.resolve(word).id == id


def test_unknown_task_names_the_near_ones() -> None:
    with pytest.raises(UnknownTask, match="image-classification") as caught:
        tasks.resolve("image-clasification")
    assert "zoo tasks" in str(caught.value)


def test_ids_and_spellings_are_unique() -> None:
    assert len({task.id for task in tasks.TASKS}) == len(tasks.TASKS)
    seen: dict[str, str] = {}
    for task in tasks.TASKS:
        for word in (task.id, task.name, task.name_zh, *task.aliases):
            folded = " ".join(word.casefold().replace("-", " ").split())
            assert seen.setdefault(folded, task.id) == task.id, f"{word!r} names two tasks"


def test_every_modality_is_declared() -> None:
    assert {task.modality for task in tasks.TASKS} == set(tasks.MODALITIES)
