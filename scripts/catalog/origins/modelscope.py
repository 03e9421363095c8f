"""modelscope: the models that its own pipelines name, by task."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from scripts.catalog.model import Record, author, record
from scripts.catalog.packages import Package
from scripts.catalog.reading import Reader
from zoohub.registry.sources.modelscope_tasks import TASKS

PACKAGES = ("modelscope",)

_ID = re.compile(
    r"['\"]((?:damo|iic|speech_tts|ZhipuAI|Fengshenbang|PAI|langboat|AI-ModelScope)/[A-Za-z0-9_.\-]+)['\"]"
)


def records(package: Package) -> Iterator[Record]:
    """Default models first (the table states their task), then those that a pipeline's own text names."""
    names = _task_names(package)
    table = package.tree("modelscope/metainfo.py")
    for node in table.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "DEFAULT_MODEL_FOR_PIPELINE":
            assert isinstance(node.value, ast.Dict)
            for key, value in zip(node.value.keys, node.value.values, strict=True):
                if (
                    isinstance(key, ast.Attribute)
                    and isinstance(value, ast.Tuple)
                    and isinstance(value.elts[1], ast.Constant)
                ):
                    yield _record(str(value.elts[1].value), names.get(key.attr, ""))
    for path in package.find(r"modelscope/pipelines/\w+/\w+\.py"):
        for node in package.tree(path).body:
            if isinstance(node, ast.ClassDef):
                text = ast.get_docstring(node) or ""
                text += "".join(
                    ast.get_docstring(item) or "" for item in node.body if isinstance(item, ast.FunctionDef)
                )
                tasks = [names[attr] for d in node.decorator_list for attr in re.findall(r"Tasks\.(\w+)", ast.unparse(d))
                         if attr in names]  # fmt: skip
                for id in dict.fromkeys(_ID.findall(text)):
                    yield _record(id, tasks[0] if len(tasks) == 1 else "")


def _task_names(package: Package) -> dict[str, str]:
    """Attribute of `Tasks` -> the task's name."""
    names: dict[str, str] = {}
    for node in package.tree("modelscope/utils/constant.py").body:
        if isinstance(node, ast.ClassDef) and node.name.endswith("Tasks"):
            body = ast.Module(body=node.body, type_ignores=[])
            names |= {key: value for key, value in Reader(body).names.items() if isinstance(value, str)}
    return names


def _record(id: str, task: str) -> Record:
    words = re.split(r"[_\-/]", id.lower())
    language = (
        "zh" if {"chinese", "zh"} & set(words) or "zh-cn" in id else "en" if "english" in words else None
    )
    return record(
        f"modelscope:{id}",
        author=author(id),
        task=TASKS.get(task),
        tags=[task] if task else [],
        library="modelscope",
        languages=[language] if language else [],
    )
