"""PaddleSpeech and PaddleNLP: speech, sound and text models of PaddlePaddle, at the addresses the packages state."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from scripts.catalog.model import Record, record
from scripts.catalog.packages import Package
from scripts.catalog.reading import Reader

PACKAGES = ("paddlespeech", "paddlenlp")

_SPEECH = {
    "asr": "automatic-speech-recognition", "whisper": "automatic-speech-recognition", "cls": "audio-classification",
    "tts": "text-to-speech", "vector": "speaker-verification", "kws": "audio-classification",
    "text": "token-classification", "st": "translation",
}  # fmt: skip
_RESOURCES = "paddlespeech/resource/pretrained_models.py"

# What the folder of an architecture holds; those of several kinds, and parts of models, stay without a task.
_TEXT = {
    **dict.fromkeys(["albert", "bert", "bigbird", "convbert", "deberta", "deberta_v2", "distilbert", "electra", "ernie", "ernie_ctm", "ernie_m", "fnet", "mobilebert", "mpnet", "nezha", "nystromformer", "ppminilm", "rembert", "roberta", "roformer", "roformerv2", "squeezebert", "tinybert", "xlm", "chinesebert", "megatronbert", "luke", "ernie_gram"], "fill-mask"),
    **dict.fromkeys(["gpt", "gptj", "llama", "opt", "bloom", "ctrl", "codegen", "chatglm", "chatglm_v2", "qwen", "glm", "mixtral", "unified_transformer", "blenderbot", "blenderbot_small"], "text-generation"),
    **dict.fromkeys(("clip", "chineseclip", "ernie_vil"), "zero-shot-image-classification"),
    **dict.fromkeys(("blip", "blip_2"), "image-to-text"),
    "mbart": "translation", "dpt": "depth-estimation", "clap": "audio-classification",
}  # fmt: skip


# A published name that says what the checkpoint was tuned for outweighs its architecture.
_BY_NAME = (
    (r"cross-encoder|ranking", "text-ranking"), (r"rocketqa|query-encoder|para-encoder|simbert|simcse", "feature-extraction"),
    (r"\buie\b|^uie", "token-classification"), (r"^utc", "text-classification"), (r"squad|dureader", "question-answering"),
)  # fmt: skip


def _speech(package: Package) -> Iterator[Record]:
    """One record for each published model, in each form (dynamic, static, onnx) as the package lists them."""
    for table, models in Reader(package.tree(_RESOURCES)).names.items():
        match = re.fullmatch(r"([a-z]+)_(dynamic|static|onnx)_pretrained_models", table)
        if match is None or not isinstance(models, dict):
            continue
        for name, versions in models.items():
            newest = list(versions.values())[-1] if isinstance(versions, dict) and versions else {}
            if isinstance(newest, dict) and str(newest.get("url", "")).startswith("http"):
                yield _speech_record(name, newest["url"], match[1], match[2])


def _speech_record(name: str, url: str, kind: str, form: str) -> Record:
    words = re.split(r"[-_]", name)
    suffix = "" if form == "dynamic" else f"-{form}"
    rates = [1000 * int(word[:-1]) for word in words if re.fullmatch(r"\d+k", word)]
    return record(
        f"web:paddlespeech/{re.sub('-{2,}', '-', name)}{suffix}",
        author="PaddlePaddle",
        task=_SPEECH.get(kind),
        library="paddlespeech",
        languages=[word for word in ("zh", "en", "ja") if word in words],
        formats=["onnx"] if form == "onnx" else ["paddle"],
        tags=[kind],
        config={"layout": "paddlespeech", "sample_rates": rates, "urls": {url.rsplit("/", 1)[-1]: url}},
    )


def _text(package: Package) -> Iterator[Record]:
    """One record for each named checkpoint of each architecture."""
    for path in package.find(r"paddlenlp/transformers/\w+/configuration\.py"):
        kind = path.split("/")[2]
        for constant, value in Reader(package.tree(path)).names.items():
            states: Any = value.get("model_state") if constant.endswith("_RESOURCE_FILES_MAP") else None
            for name, url in states.items() if isinstance(states, dict) else ():
                if isinstance(url, str) and url.startswith("http"):
                    yield _text_record(str(name), url, kind)


def _text_record(name: str, url: str, kind: str) -> Record:
    words = set(re.split(r"[-_/.]", name.lower()))
    language = "zh" if words & {"zh", "chinese", "cn"} else "en" if words & {"en", "english"} else None
    return record(
        "web:paddlenlp/" + re.sub(r"-{2,}", "-", name.replace("/", ".")),
        author="PaddlePaddle",
        task=next((task for pattern, task in _BY_NAME if re.search(pattern, name.lower())), _TEXT.get(kind)),
        library="paddlenlp",
        languages=[language] if language else [],
        formats=["paddle"],
        tags=[kind],
        config={
            "layout": "paddlenlp",
            "model_type": kind,
            "name": name,
            "urls": {url.rsplit("/", 1)[-1]: url},
        },
    )


READERS = (_speech, _text)
