"""New cards: front matter from the facts of a model, Markdown from a template."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from zoohub.cards.card import Card
from zoohub.cards.licenses import UNKNOWN, Derived, derive, get

TEMPLATE = Path(__file__).parent / "templates" / "model_card.md.j2"

# How each task reads in zoohub's own code, and the class that transformers has for it.
_INPUTS = {
    "image-classification": ('model.predict("photo.jpg")', "AutoModelForImageClassification"),
    "object-detection": ('model.predict("photo.jpg")', "AutoModelForObjectDetection"),
    "image-segmentation": ('model.predict("photo.jpg")', "AutoModelForSemanticSegmentation"),
    "image-feature-extraction": ('model.embed("photo.jpg")', "AutoModel"),
    "automatic-speech-recognition": ('model.predict("speech.flac")', "AutoModelForSpeechSeq2Seq"),
    "audio-classification": ('model.predict("sound.wav")', "AutoModelForAudioClassification"),
    "text-classification": ('model.predict("What a fine day")', "AutoModelForSequenceClassification"),
    "token-classification": (
        'model.predict("Ada Lovelace lived in London")',
        "AutoModelForTokenClassification",
    ),
    "question-answering": (
        'model.predict({"question": "Who?", "context": "It was Ada."})',
        "AutoModelForQuestionAnswering",
    ),
    "translation": ('model.predict("Guten Tag")', "AutoModelForSeq2SeqLM"),
    "summarization": ('model.predict("A long text ...")', "AutoModelForSeq2SeqLM"),
    "text-generation": ('model.predict("Once upon a time")', "AutoModelForCausalLM"),
    "fill-mask": ('model.predict("Paris is the [MASK] of France.")', "AutoModelForMaskedLM"),
    "feature-extraction": ('model.embed(["one text", "another"])', "AutoModel"),
    "sentence-similarity": ('model.embed(["one text", "another"])', "AutoModel"),
}
_PROCESSOR = {"image": "AutoImageProcessor", "automatic": "AutoProcessor", "audio": "AutoFeatureExtractor",
              "object": "AutoImageProcessor"}  # fmt: skip


class Base(Protocol):
    """A base model: its id and how this one was made from it."""

    @property
    def id(self) -> str: ...  # noqa: D102
    @property
    def relation(self) -> str | None: ...  # noqa: D102


class Result(Protocol):
    """A published result."""

    @property
    def metric(self) -> str: ...  # noqa: D102
    @property
    def value(self) -> float: ...  # noqa: D102
    @property
    def task(self) -> str | None: ...  # noqa: D102
    @property
    def dataset(self) -> str | None: ...  # noqa: D102


class Facts(Protocol):
    """What a card needs of a model; `ModelRecord` has all of it."""

    @property
    def id(self) -> str: ...  # noqa: D102
    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def task(self) -> str | None: ...  # noqa: D102
    @property
    def library(self) -> str | None: ...  # noqa: D102
    @property
    def license(self) -> str: ...  # noqa: D102
    @property
    def license_name(self) -> str | None: ...  # noqa: D102
    @property
    def license_link(self) -> str | None: ...  # noqa: D102
    @property
    def languages(self) -> Sequence[str]: ...  # noqa: D102
    @property
    def datasets(self) -> Sequence[str]: ...  # noqa: D102
    @property
    def base_models(self) -> Sequence[Base]: ...  # noqa: D102
    @property
    def parameters(self) -> int | None: ...  # noqa: D102
    @property
    def metrics(self) -> Sequence[Result]: ...  # noqa: D102
    @property
    def tags(self) -> Sequence[str]: ...  # noqa: D102
    @property
    def description(self) -> str | None: ...  # noqa: D102


def new_card(
    record: Facts,
    *,
    base_licenses: Iterable[str] | None = None,
    training: Mapping[str, Any] | None = None,
    training_text: str = "",
    data_text: str = "",
    environment_text: str = "",
    limits_text: str = "",
    load_as: str | None = None,
) -> Card:
    """A card for a model, complete enough to publish; what is not known is said to be not known.

    `base_licenses`: the normalized licenses of the models it was made from, for a model that was made here:
    they decide its license and obligations. Without them the license that the record declares counts.
    `training`: settings, in the order to show. `load_as`: what to write in `zoohub.load(...)`, by default
    the model's id.
    """
    derived = _derived(record, base_licenses)
    license_id = derived.license if derived else record.license
    return Card(
        data=_header(record, license_id),
        body="\n" + _body(record, license_id, derived, load_as or _loadable(record.id), {
            "training": list((training or {}).items()),
            "training_text": training_text or _training_text(record),
            "data_text": data_text or _data_text(record),
            "environment_text": environment_text or "Energy use and emissions were not measured.",
            "limits_text": limits_text or _limits_text(record),
        }),
    )  # fmt: skip


def _derived(record: Facts, base_licenses: Iterable[str] | None) -> Derived | None:
    if base_licenses is None:
        return None
    relations = [base.relation for base in record.base_models if base.relation]
    return derive(base_licenses, relations[0] if relations else "finetune")


def _header(record: Facts, license_id: str) -> dict[str, Any]:
    relation = next((base.relation for base in record.base_models if base.relation), None)
    bases = [base.id for base in record.base_models]
    fields: dict[str, Any] = {
        "language": list(record.languages),
        **license_fields(license_id, record.license_name, record.license_link),
        "library_name": record.library,
        "pipeline_tag": record.task,
        "base_model": bases[0] if len(bases) == 1 else bases,
        # the Hub knows these four; a distilled model is a finetune there
        "base_model_relation": {"distilled": "finetune"}.get(relation or "", relation) if bases else None,
        "datasets": [name for name in record.datasets if _is_hub_name(name)],
        "metrics": list(dict.fromkeys(_metric_id(result.metric) for result in record.metrics)),
        "tags": list(dict.fromkeys([*record.tags, "zoohub"])),
        "model-index": model_index(record),
    }
    return {key: value for key, value in fields.items() if value not in (None, [], "")}


def license_fields(license_id: str, name: str | None = None, link: str | None = None) -> dict[str, str]:
    """The front matter for a license: the Hub's own tag, else `other` with its name and link."""
    if license_id == UNKNOWN:
        return (
            {"license": "other", "license_name": name, **({"license_link": link} if link else {})}
            if name
            else {}
        )
    if " " in license_id:
        return {"license": "other", "license_name": license_id.lower().replace(" ", "-").strip("()")}
    if license_id in HUB_TAGS:
        return {"license": HUB_TAGS[license_id]}
    address = link or get(license_id).url
    return {"license": "other", "license_name": license_id, **({"license_link": address} if address else {})}


# Our ids that hubs have a tag for.
_TAGS = """
afl-3.0 agpl-3.0 apache-2.0 apple-amlr apple-ascl artistic-2.0 bigcode-openrail-m
bigscience-bloom-rail-1.0 bigscience-openrail-m bsd bsd-2-clause bsd-3-clause bsd-3-clause-clear bsl-1.0
c-uda cc cc-by-2.0 cc-by-2.5 cc-by-3.0 cc-by-4.0 cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0 cc-by-nc-nd-3.0
cc-by-nc-nd-4.0 cc-by-nc-sa-2.0 cc-by-nc-sa-3.0 cc-by-nc-sa-4.0 cc-by-nd-4.0 cc-by-sa-3.0 cc-by-sa-4.0
cc0-1.0 cdla-permissive-1.0 cdla-permissive-2.0 cdla-sharing-1.0 creativeml-openrail-m ecl-2.0 epl-1.0
epl-2.0 etalab-2.0 eupl-1.1 eupl-1.2 gemma gfdl gpl gpl-2.0 gpl-3.0 grok2-community h-research
intel-research isc lgpl lgpl-2.1 lgpl-3.0 lgpl-lr llama2 llama3 llama3.1 llama3.2 llama3.3 llama4
lppl-1.3c mit mpl-2.0 ms-pl ncsa odbl odc-by ofl-1.1 openmdw-1.0 openmdw-1.1 openrail openrail++ osl-3.0
pddl postgresql unlicense wtfpl zlib
""".split()
HUB_TAGS = {**{tag: tag for tag in _TAGS}, "deepfloyd-if": "deepfloyd-if-license",
            "fair-noncommercial-research": "fair-noncommercial-research-license",
            "gemma-2024-04": "gemma", "gemma-2025-03": "gemma"}  # fmt: skip


def model_index(record: Facts) -> list[dict[str, Any]]:
    """The metrics in the form that hubs read: a list with one entry, or an empty list."""
    results = [
        {
            "task": {"type": result.task or record.task or "other"},
            "dataset": {
                "name": result.dataset or "not stated",
                "type": _slug(result.dataset or "not-stated"),
            },
            "metrics": [{"type": _metric_id(result.metric), "value": result.value, "name": result.metric}],
        }
        for result in record.metrics
    ]
    return [{"name": record.name, "results": results}] if results else []


def _body(
    record: Facts, license_id: str, derived: Derived | None, load_as: str, texts: Mapping[str, Any]
) -> str:
    from jinja2 import Environment, StrictUndefined

    call, _ = _INPUTS.get(record.task or "", ("model.predict(...)", "AutoModel"))
    template = Environment(undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False)  # noqa: S701 - Markdown
    text = template.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        title=record.name,
        description=_plain(
            record.description or f"A model for {record.task or 'a task that is not stated'}."
        ),
        base_models=[{"link": _link(base.id), "relation": base.relation} for base in record.base_models],
        facts=_facts(record, license_id),
        id=load_as,
        zoohub_call=call,
        library=record.library,
        library_code=_library_code(record, load_as),
        license_text=_license_text(license_id, derived),
        obligations=list(
            dict.fromkeys(
                f"{duty.text} (`{duty.license}`, {duty.condition.clause})" for duty in derived.obligations
            )
        )
        if derived
        else _duties(license_id),
        conflicts=derived.conflicts if derived else (),
        metrics=[
            {
                "task": result.task,
                "dataset": result.dataset,
                "metric": result.metric,
                "shown": f"{result.value:.4g}",
            }
            for result in record.metrics
        ],
        **texts,
    )
    return re.sub(r"\n{3,}", "\n\n", text)


def _facts(record: Facts, license_id: str) -> list[tuple[str, str]]:
    rows = [("task", record.task), ("library", record.library), ("license", license_id),
            ("parameters", f"{record.parameters:,}" if record.parameters else None),
            ("languages", ", ".join(record.languages))]  # fmt: skip
    return [(name, value) for name, value in rows if value]


def _license_text(license_id: str, derived: Derived | None) -> str:
    if license_id == UNKNOWN:
        source = "The license of its base is not known, so" if derived else "No license is stated, so"
        return f"{source} nothing is granted here: ask the authors before you use, change or pass it on."
    names = " and ".join(f"`{id}`" for id in license_id.split(" AND "))
    if derived is None:
        return f"It is offered under {names}."
    if derived.free:
        return (
            f"It follows its base and is offered under {names}; other terms may be chosen where the duties "
            "below are kept."
        )
    return f"It was made from models under {names}, whose terms hold for it too."


def _duties(license_id: str) -> list[str]:
    if license_id == UNKNOWN or " " in license_id:
        return []
    return [f"{duty.text} ({duty.condition.clause})" for duty in derive([license_id]).obligations]


def _library_code(record: Facts, load_as: str) -> str:
    if record.library == "timm":
        return f'import timm\n\nmodel = timm.create_model("hf-hub:{load_as}", pretrained=True).eval()'
    if record.library == "sentence-transformers":
        return (
            "from sentence_transformers import SentenceTransformer\n\n"
            f'model = SentenceTransformer("{load_as}")'
        )
    if record.library != "transformers":
        return ""
    _, model = _INPUTS.get(record.task or "", ("", "AutoModel"))
    processor = _PROCESSOR.get((record.task or "").split("-")[0], "AutoTokenizer")
    return (f"from transformers import {model}, {processor}\n\n"
            f'model = {model}.from_pretrained("{load_as}")\n{processor.lower()[4:]} = '
            f'{processor}.from_pretrained("{load_as}")')  # fmt: skip


def _training_text(record: Facts) -> str:
    return "Fine-tuned with zoohub." if record.base_models else "How it was trained is not stated."


def _data_text(record: Facts) -> str:
    if not record.datasets:
        return "The training data is not stated."
    return "Trained on " + ", ".join(f"`{name}`" for name in record.datasets) + "."


def _limits_text(record: Facts) -> str:
    base = " It keeps the limits and biases of the model it was made from." if record.base_models else ""
    return f"It was measured on the data named above only; test it on your own before you rely on it.{base}"


def _link(id: str) -> str:
    return f"`{id}`" if ":" in id or "/" not in id else f"[{id}](https://huggingface.co/{id})"


def _loadable(id: str) -> str:
    return id.removeprefix("folder:")


def _plain(text: str) -> str:
    return text.replace("\r", "").strip()


def _is_hub_name(name: str) -> bool:
    return bool(name) and not name.startswith((".", "/", "~")) and " " not in name


def _metric_id(metric: str) -> str:
    return _slug(metric)


def _slug(text: str) -> str:
    return "-".join(
        "".join(char if char.isalnum() or char in "@._" else " " for char in text.lower()).split()
    )
