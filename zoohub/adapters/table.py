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


def _own(name: str, tasks: str, place: str) -> Adapter:
    """A built-in row; its library is the first word of its name."""
    return Adapter(name, name.split("-")[0], tuple(tasks.split()), f"zoohub.adapters.{place}")


BUILT_IN: tuple[Adapter, ...] = (
    _own("transformers-images", "image-classification image-feature-extraction", "vision:TransformersImages"),
    _own("transformers-boxes", "object-detection", "sights:Detector"),
    _own("transformers-masks", "image-segmentation", "sights:Segmenter"),
    _own("transformers-depth", "depth-estimation", "sights:DepthSeer"),
    _own("transformers-named-images", "zero-shot-image-classification", "sights:ZeroShotImages"),
    _own("timm-images", "image-classification image-feature-extraction", "vision:TimmImages"),
    _own("torchvision-images", "image-classification image-feature-extraction", "vision:TorchvisionImages"),
    _own("transformers-texts", "text-classification", "text:TextClassifier"),
    _own("transformers-embeddings", "feature-extraction sentence-similarity", "text:TextEmbedder"),
    _own("transformers-spans", "token-classification", "language:TokenClassifier"),
    _own("transformers-answers", "question-answering", "language:Reader"),
    _own("transformers-rewriting", "translation summarization", "generation:Rewriter"),
    _own("transformers-writing", "text-generation", "generation:Writer"),
    _own("transformers-gaps", "fill-mask", "language:GapFiller"),
    _own("transformers-zero-shot", "zero-shot-classification", "language:ZeroShot"),
    _own("transformers-ranking", "text-ranking", "language:Ranker"),
    _own("transformers-recognition", "automatic-speech-recognition", "speech:Recognizer"),
    _own("transformers-sounds", "audio-classification", "voices:SoundClassifier"),
    _own("transformers-speakers", "speaker-verification", "speakers:XVectors"),
    _own("pytorch-resemblyzer", "speaker-verification", "speakers:VoiceEncoder"),
    _own("transformers-speech", "text-to-speech text-to-audio", "voices:Speech"),
    _own("transformers-captions", "image-to-text", "multimodal:Captioner"),
    _own("transformers-picture-chat", "image-text-to-text", "multimodal:Chat"),
    _own("transformers-picture-questions", "visual-question-answering", "multimodal:VisualQuestions"),
    _own("transformers-page-questions", "document-question-answering", "multimodal:DocumentQuestions"),
    _own("transformers-named-things", "zero-shot-object-detection", "multimodal:NamedThings"),
    _own("onnx-images", "image-classification", "onnx:OnnxImages"),
    _own("onnx-fastestdet", "object-detection", "onnx:GridDetector"),
    _own("onnx-silero-vad", "voice-activity-detection", "onnx:SileroVad"),
    _own("onnx-lac", "token-classification", "lac:ChineseWords"),
    _own("onnx-hibari", "text-to-speech", "onnx:HibariSpeech"),
)


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
