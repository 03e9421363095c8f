"""Which class puts which kind of model to work: one table, and the entry points of other packages."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from zoohub.errors import DuplicateName, UnsupportedModel

if TYPE_CHECKING:
    from zoohub.adapters.base import Model

ENTRY_POINTS = "zoohub.adapters"


class Adapter(NamedTuple):
    """One row: models of `library` are served for `tasks` by the `Model` class at `target`.

    `target` is `module:Class`, imported when a model is loaded. A record whose `config["adapter"]` holds
    `name` is served by this row whatever its library; otherwise library and task decide.
    """

    name: str
    library: str
    tasks: tuple[str, ...]
    target: str

    def load(self) -> type[Model]:
        """Import the class."""
        from importlib import import_module

        module, _, name = self.target.partition(":")
        found: type[Model] = getattr(import_module(module), name)
        return found


_HERE = "zoohub.adapters"

BUILT_IN: tuple[Adapter, ...] = (
    Adapter("transformers-images", "transformers", ("image-classification",), f"{_HERE}.vision:TransformersImages"),
    Adapter("timm-images", "timm", ("image-classification", "image-feature-extraction"), f"{_HERE}.vision:TimmImages"),
    Adapter("torchvision-images", "torchvision", ("image-classification", "image-feature-extraction"), f"{_HERE}.vision:TorchvisionImages"),
    Adapter("transformers-recognition", "transformers", ("automatic-speech-recognition",), f"{_HERE}.speech:Recognizer"),
    Adapter("transformers-sounds", "transformers", ("audio-classification",), f"{_HERE}.voices:SoundClassifier"),
    Adapter("transformers-speakers", "transformers", ("speaker-verification",), f"{_HERE}.speakers:XVectors"),
    Adapter("pytorch-resemblyzer", "pytorch", ("speaker-verification",), f"{_HERE}.speakers:VoiceEncoder"),
    Adapter("transformers-speech", "transformers", ("text-to-speech", "text-to-audio"), f"{_HERE}.voices:Speech"),
    Adapter("transformers-captions", "transformers", ("image-to-text",), f"{_HERE}.multimodal:Captioner"),
    Adapter("transformers-picture-chat", "transformers", ("image-text-to-text",), f"{_HERE}.multimodal:Chat"),
    Adapter("transformers-picture-questions", "transformers", ("visual-question-answering",), f"{_HERE}.multimodal:VisualQuestions"),
    Adapter("transformers-page-questions", "transformers", ("document-question-answering",), f"{_HERE}.multimodal:DocumentQuestions"),
    Adapter("transformers-named-things", "transformers", ("zero-shot-object-detection",), f"{_HERE}.multimodal:NamedThings"),
    Adapter("onnx-images", "onnx", ("image-classification",), f"{_HERE}.onnx:OnnxImages"),
    Adapter("onnx-fastestdet", "onnx", ("object-detection",), f"{_HERE}.onnx:GridDetector"),
    Adapter("onnx-silero-vad", "onnx", ("voice-activity-detection",), f"{_HERE}.onnx:SileroVad"),
    Adapter("onnx-lac", "onnx", ("token-classification",), f"{_HERE}.lac:ChineseWords"),
    Adapter("onnx-hibari", "onnx", ("text-to-speech",), f"{_HERE}.onnx:HibariSpeech"),
)  # fmt: skip


@cache
def adapters() -> dict[str, Adapter]:
    """All adapters by name: the built-in ones, then those of installed packages.

    An entry point of the group `zoohub.adapters` names an `Adapter` or a sequence of them.

    Raises:
        DuplicateName: two adapters have one name.
    """
    return _by_name([*BUILT_IN, *_installed()])


def _by_name(rows: Iterable[Adapter]) -> dict[str, Adapter]:
    table: dict[str, Adapter] = {}
    for row in rows:
        if row.name in table:
            raise DuplicateName(
                f"Two adapters are called {row.name!r}: {table[row.name].target} and {row.target}.",
                "Uninstall one of the two packages or rename its adapter.",
            )
        table[row.name] = row
    return table


def _installed() -> list[Adapter]:
    from importlib.metadata import entry_points

    rows: list[Adapter] = []
    for point in entry_points(group=ENTRY_POINTS):
        value = point.load()
        rows += [value] if isinstance(value, Adapter) else list(value)
    return rows


def choose(library: str, task: str, named: str | None = None) -> Adapter:
    """The adapter for a model of `library` on `task`; `named` is what the record itself asks for.

    Raises:
        UnsupportedModel: there is none; the message says which tasks that library is served for.
    """
    table = adapters()
    if named:
        if named not in table:
            raise UnsupportedModel(f"The record asks for the adapter {named!r}, which is not installed.")
        return table[named]
    for row in table.values():
        if row.library == library and task in row.tasks:
            return row
    served = served_tasks(library)
    remedy = f"Served for {library}: {', '.join(served)}." if served else f"{library!r} has no adapter."
    raise UnsupportedModel(f"No adapter serves {library} models for {task}.", remedy)


def served_tasks(library: str) -> list[str]:
    """The tasks that models of `library` can be put to, in the order of the table."""
    return list(dict.fromkeys(t for row in adapters().values() if row.library == library for t in row.tasks))
