"""From the words in code to a repository: what a library's short names stand for, and what is no model at
all.

Every namer takes the text of an argument and answers a `Named`: a model, nothing (a local path, a task), or
a model that cannot be told, with the reason.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from zoohub import tasks
from zoohub.audit.words import words


@dataclass(frozen=True, slots=True)
class Named:
    """What a text names: `model` is an id, or None with a `reason` why it cannot be told."""

    model: str | None
    reason: str = ""
    revision: str | None = None


# A text that names no model: a local path, a file, a task, empty.
NOTHING = Named(None)

HUB_URL = re.compile(
    r"https?://(?:www\.|api-inference\.)?(?:huggingface\.co|hf\.co|hf-mirror\.com)/(?:models/|api/models/)?"
    r"(?P<id>[A-Za-z0-9][\w.\-]*/[A-Za-z0-9][\w.\-]*)(?P<rest>/(?:resolve|raw|blob|tree)/(?P<revision>[\w.\-]+))?"
)
_PART = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._\-]*[A-Za-z0-9_\-])?")
_FILE = re.compile(
    r"\.(?:pth?|bin|ckpt|onnx|gguf|ggml|h5|keras|pkl|joblib|json[l5]?|ya?ml|toml|txt|md|csv|tsv|zip|tar|gz|py|ipynb|"
    r"tflite|engine|npz?|model|wav|mp3|flac|png|jpe?g|mp4|html|xml|cfg|ini|sh|safetensors|parquet|vocab|tmp)$",
    re.IGNORECASE,
)
# First parts of a path that people give to folders of their own; none of them is an organization that
# publishes models.
_FOLDERS = words(
    "model models output outputs out checkpoint checkpoints ckpt ckpts data dataset datasets runs run "
    "results result "
    "weights tmp temp artifacts artifact cache logs log exp experiments experiment pretrained "
    "pretrained_models "
    "saved saved_models saved_model local path dist build assets src lib bin work workspace home mnt root "
    "opt var "
    "usr dbfs content kaggle drive save saves trained trained_models finetuned resources files test tests"
)
_NOT_HUB = words("datasets spaces docs blog papers collections api join login tasks organizations")
# Names of services behind an API, as routers write them: nothing is loaded, no weights come.
_SERVICES = re.compile(
    r"(?:openai/(?:gpt-[345]|o[134]|chatgpt|text-|dall-e|tts)|anthropic/|azure/|bedrock/|vertex_ai/|gemini/|"
    r"google/gemini|groq/|openrouter/|cohere/command|x-ai/|perplexity/)"
)


@cache
def tables() -> dict[str, dict[str, str]]:
    """The tables of short names: library -> short name -> repository (for timm: architecture -> tag)."""
    data: dict[str, dict[str, str]] = json.loads(
        Path(__file__).with_name("names.json").read_text(encoding="utf-8")
    )
    data["keras_hub"] = {name: f"keras/{name}" for name in data["keras_hub"]}
    return data


@cache
def _tasks() -> frozenset[str]:
    words = {task.id for task in tasks.TASKS} | {alias for task in tasks.TASKS for alias in task.aliases}
    return frozenset(
        words | {"sentiment-analysis", "ner", "text2text-generation", "conversational", "zero-shot"}
    )


def is_repository(text: str) -> bool:
    """Whether `text` is spelled as `organization/name` and is no path, file, media type or service."""
    organization, slash, name = text.partition("/")
    return (
        bool(slash)
        and len(text) <= 140
        and bool(_PART.fullmatch(organization) and _PART.fullmatch(name))
        and organization.lower() not in _FOLDERS
        and organization not in _NOT_HUB
        and not _FILE.search(name)
        and not name.lower().startswith(("checkpoint-", "epoch"))
        and ".." not in text
        and not _SERVICES.match(text)
    )


def is_local(text: str) -> bool:
    """Whether `text` can only be a path on this machine."""
    return (
        text.startswith((".", "/", "~", "$", "file:", "s3:", "gs:"))
        or "\\" in text
        or bool(_FILE.search(text))
        or text.count("/") > 1
    )


def hub(text: str) -> Named:
    """A repository of the hub: `organization/name[@revision]`, an address, or an old name without
    organization."""
    text = text.strip()
    if found := HUB_URL.match(text):
        organization = found["id"].partition("/")[0]
        return NOTHING if organization in _NOT_HUB else Named(found["id"], "address", found["revision"])
    for prefix in ("hf-hub:", "hf_hub:", "hf://"):
        if text.startswith(prefix):
            text = text.removeprefix(prefix)
    bare, at, revision = text.partition("@")
    if at and is_repository(bare):
        return Named(bare, revision=revision)
    if is_repository(text):
        return Named(text)
    if text in tables()["hub"]:
        return Named(tables()["hub"][text], "an old name without organization")
    return NOTHING


def modelscope(text: str) -> Named:
    """A repository of ModelScope."""
    return Named(f"modelscope:{text}") if is_repository(text) else NOTHING


def sentence(text: str) -> Named:
    """sentence-transformers: a bare name lies in the organization of that name."""
    named = hub(text)
    if named.model or "/" in text or is_local(text) or not _PART.fullmatch(text) or "-" not in text:
        return named
    return Named(f"sentence-transformers/{text}", "a bare name of sentence-transformers")


def timm(text: str) -> Named:
    """timm: `architecture[.tag]`; without a tag, the one that timm takes."""
    if text.startswith(("hf-hub:", "hf_hub:", "hf-hub/", "timm/")):
        return hub(text.replace("hf-hub/", ""))
    if is_local(text) and not _PART.fullmatch(text):
        return NOTHING
    arch, dot, tag = text.partition(".")
    tags = tables()["timm"]
    if not dot and arch in tags:
        tag = tags[arch]
    full = f"{arch}.{tag}" if tag else arch
    if arch not in tags and not dot:
        return Named(None, f"timm has no weights of the name {text!r}")
    how = "timm" if dot else "the weights that timm takes for this architecture"
    return Named(tables()["timm_elsewhere"].get(full, f"timm/{full}"), how)


def spacy(text: str) -> Named:
    """spaCy: `xx_pipeline_genre_size`."""
    known = re.fullmatch(r"[a-z]{2,3}_[a-z0-9]+(?:_[a-z0-9]+)*_(?:sm|md|lg|trf)", text)
    return Named(f"spacy/{text}", "a pipeline of spaCy") if known else hub(text)


def ollama(text: str) -> Named:
    """Ollama's library, or `hf.co/organization/name[:quantization]`."""
    for host in ("hf.co/", "huggingface.co/"):
        if text.startswith(host):
            return hub(text.removeprefix(host).partition(":")[0])
    name, _, tag = text.partition(":")
    size = tag.partition("-")[0]
    table = tables()["ollama"]
    plain = name if tag in ("", "latest") else f"{name}:{size}"
    if plain in table:
        return Named(table[plain], f"{text} in Ollama's library")
    if not _PART.fullmatch(name.replace("/", "_")) or is_local(name):
        return NOTHING
    return Named(None, f"{text!r} is a name of Ollama's library that no table here resolves")


def open_clip(text: str) -> Named:
    """open_clip: `architecture pretrained-tag`, or a hub name as architecture."""
    arch, _, tag = text.partition(" ")
    if arch.startswith(("hf-hub:", "hf_hub:")):
        return hub(arch)
    if not tag or is_local(tag):
        return NOTHING
    repository = tables()["open_clip"].get(f"{arch.replace('/', '-')} {tag}")
    return (
        Named(repository, "open_clip")
        if repository
        else Named(None, f"open_clip has no weights {tag!r} of {arch}")
    )


def keras_hub(text: str) -> Named:
    """keras_hub presets: a name, `hf://organization/name` or `kaggle://...`."""
    if text.startswith(("kaggle://", "modelscope://")):
        return Named(None, f"{text} is no repository of the hub")
    known = tables()["keras_hub"].get(text)
    return Named(known, "a preset of keras_hub") if known else hub(text)


def github(text: str) -> Named:
    """torch.hub: a repository on GitHub, `owner/name[:branch] [entry point]`, whose code and weights are
    run."""
    repository, _, entry = text.partition(" ")
    name, _, branch = repository.partition(":")
    if not is_repository(name):
        return NOTHING
    return Named(
        f"github:{name}",
        f"torch.hub runs code from GitHub ({entry or 'entry point unknown'})",
        branch or None,
    )


def whisper(text: str) -> Named:
    """openai-whisper's sizes."""
    return _size("whisper", text)


def faster_whisper(text: str) -> Named:
    """faster-whisper's sizes, which are conversions of their own."""
    return _size("faster_whisper", text)


def clip(text: str) -> Named:
    """OpenAI's clip package."""
    return _size("clip", text)


def _size(library: str, text: str) -> Named:
    known = tables()[library].get(text)
    return Named(known, f"{library.replace('_', '-')} {text}") if known else hub(text)


def ultralytics(text: str) -> Named:
    """Ultralytics: the name of a weights file that the library fetches itself."""
    found = re.fullmatch(r"(yolov?(\d+)[a-z]?)(?:-[a-z]+)?\.pt", text)
    if not found:
        return hub(text)
    version = found[2]
    series = f"YOLOv{version}" if int(version) <= 10 else f"YOLO{version}"
    return Named(f"Ultralytics/{series}", f"{text}, which Ultralytics fetches itself")


def task_default(text: str) -> Named:
    """`pipeline("task")` without a model: the library's choice, which changes from version to version."""
    return Named(
        None, f"no model is named: the library picks its default for {text!r}, which changes with versions"
    )


def is_task(text: str) -> bool:
    """Whether `text` is the name of a task."""
    return text in _tasks()


def bucket(text: str) -> Named:
    """A file that torch.hub or a download function fetches by its address."""
    named = hub(text)
    if named.model or not text.startswith(("http://", "https://")):
        return named
    return Named(None, f"weights fetched from an address: {text}")
