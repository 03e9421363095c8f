"""NeMo, Coqui TTS, ESPnet, SpeechBrain, torchaudio, WhisperX, FunASR, faster-whisper: models of speech and sound."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from typing import Any

from scripts.catalog.model import Record, author, license_facts, mirror, record
from scripts.catalog.packages import Package
from scripts.catalog.reading import Reader, calls

PACKAGES = ("nemo_toolkit", "coqui-tts", "espnet_model_zoo", "speechbrain", "torchaudio", "whisperx", "funasr",
            "faster-whisper")  # fmt: skip

ASR, TTS, SOUND = "automatic-speech-recognition", "text-to-speech", "audio-classification"


_NEMO = {"stt": ASR, "asr": ASR, "parakeet": ASR, "canary": ASR, "tts": TTS, "vad": "voice-activity-detection",
         "commandrecognition": SOUND, "langid": SOUND, "titanet": "speaker-verification",
         "ecapa": "speaker-verification", "speakerverification": "speaker-verification",
         "diar": "voice-activity-detection"}  # fmt: skip


def _nemo(package: Package) -> Iterator[Record]:
    for path in package.find(r"nemo/collections/\w+/.+\.py"):
        if b"PretrainedModelInfo(" not in package.bytes(path):
            package.read.discard(path)
            continue
        tree = package.tree(path)
        reader = Reader(tree)
        for call in calls(tree, "PretrainedModelInfo"):
            _, facts = reader.arguments(call)
            name, place = facts.get("pretrained_model_name"), str(facts.get("location", ""))
            if isinstance(name, str) and place:
                yield _nemo_record(name, place, str(facts.get("description") or ""))


def _nemo_record(name: str, place: str, description: str) -> Record:
    hub = re.match(r"https://huggingface\.co/([\w.\-]+/[\w.\-]+)", place)
    kind, _, rest = name.rpartition("/")[2].partition("_")
    language = rest.split("_")[0]
    url = {} if hub else {"urls": {place.rsplit("/", 1)[-1]: place}}
    return record(
        hub[1] if hub else f"web:nemo/{name}",
        author="nvidia",
        task=_NEMO.get(kind.split("-")[0]),
        library="nemo",
        languages=[language] if len(language) == 2 and kind in {"stt", "tts"} else [],
        description=" ".join(description.split()),
        config={"layout": "nemo", **url},
    )


def _coqui(package: Package) -> Iterator[Record]:
    path = "TTS/.models.json"
    for kind, by_language in json.loads(package.text(path)).items():
        for language, by_data in by_language.items():
            for data, models in by_data.items():
                for name, facts in models.items():
                    if not any(facts.get(key) for key in ("github_rls_url", "hf_url", "repo_id")):
                        continue  # it is put together from parts of other models
                    yield _coqui_record(kind, language, data, name, facts, path)


def _coqui_record(kind: str, language: str, data: str, name: str, facts: dict[str, Any], path: str) -> Record:
    url = facts.get("github_rls_url") or facts.get("hf_url")
    place = url[0] if isinstance(url, list) else url
    hub = facts.get("repo_id")
    stated = facts.get("license")
    return record(
        hub or f"web:coqui/{kind}--{language}--{data}--{name}".replace("--", "."),
        author=author(hub) if hub else "coqui",
        task={"tts_models": TTS, "voice_conversion_models": "audio-to-audio"}.get(kind),
        library="coqui-tts",
        languages=[{"zh-CN": "zh"}.get(language, language)] if len(language) in (2, 3, 5) else [],
        datasets=[data] if data not in {"multi-dataset"} else [],
        description=facts.get("description"),
        tags=[kind.removesuffix("_models")],
        config={"layout": "coqui"} | ({"urls": {place.rsplit("/", 1)[-1]: place}} if place else {}),
        **license_facts(stated if stated and stated.strip(" -") else None, path),
    )


_ESPNET = {"asr": ASR, "tts": TTS, "enh": "audio-to-audio"}
_LANGUAGES = {"jp": "ja", "zh": "zh", "en": "en", "es": "es", "multilingual": ""}


def _espnet(package: Package) -> Iterator[Record]:
    for row in csv.DictReader(io.StringIO(package.text("espnet_model_zoo/table.csv"))):
        if row["valid"] == "true" and row["task"] in _ESPNET:
            name, url = row["name"], row["url"]
            language = _LANGUAGES.get(row["lang"], row["lang"])
            yield record(
                "web:espnet/" + re.sub(r"-{2,}", "-", re.sub(r"[^\w.+\-]+", "_", name)),
                author=name.split("/")[0],
                task=_ESPNET[row["task"]],
                library="espnet",
                languages=[language] if len(language) in (2, 3) else [],
                datasets=[row["corpus"]] if row["corpus"] else [],
                config={
                    "layout": "espnet",
                    "name": name,
                    "sample_rates": [int(row["fs"])] if row["fs"].isdigit() else [],
                    "urls": {url.split("?")[0].rsplit("/", 1)[-1]: url},
                },
            )


_BRAIN = {"EncoderDecoderASR": ASR, "EncoderASR": ASR, "WhisperASR": ASR, "StreamingASR": ASR, "Tacotron2": TTS,
          "FastSpeech2": TTS, "MSTacotron2": TTS, "SpeakerRecognition": "speaker-verification", "VAD": "voice-activity-detection",
          "SepformerSeparation": "audio-to-audio", "SpectralMaskEnhancement": "audio-to-audio",
          "WaveformEnhancement": "audio-to-audio", "AudioClassifier": SOUND, "EncoderDecoderS2UT": "audio-to-audio"}  # fmt: skip


def _speechbrain(package: Package) -> Iterator[Record]:
    pattern = re.compile(r"(\w+)\.from_hparams\(.*?source=\"(speechbrain/[\w.\-]+)\"", re.DOTALL)
    prefixes = {"asr-": ASR, "tts-": TTS, "spkrec-": "speaker-verification", "lang-id-": SOUND, "emotion-recognition-": SOUND,
                "vad-": "voice-activity-detection", "sepformer-": "audio-to-audio"}  # fmt: skip
    for path in package.find(r"speechbrain/inference/\w+\.py"):
        for kind, name in pattern.findall(package.text(path)):
            by_name = next(
                (task for start, task in prefixes.items() if name.split("/")[1].startswith(start)), None
            )
            task = _BRAIN.get(kind) or by_name
            yield record(name, author="speechbrain", task=task, library="speechbrain")


def _torchaudio(package: Package) -> Iterator[Record]:
    for path in package.find(r"torchaudio/pipelines/_\w+/impl\.py"):
        text = package.text(path)
        tree = package.tree(path)
        docs = dict(re.findall(r"^(\w+)\.__doc__ = r?\"\"\"(.*?)\"\"\"", text, re.DOTALL | re.MULTILINE))
        for call in calls(tree, "Wav2Vec2Bundle", "Wav2Vec2ASRBundle"):
            _, facts = Reader(tree).arguments(call)
            file = facts.get("_path") or (call.args and Reader(tree).value(call.args[0]))
            name = next(
                (line.split("=")[0].strip() for line in text.splitlines()[call.lineno - 1 : call.lineno]), ""
            )
            doc = docs.get(name, "")
            stated = re.search(r"under ((?:MIT|Apache|CC|BSD)[\w .\-]*?License)", doc)
            url = f"https://download.pytorch.org/torchaudio/models/{file}"
            if isinstance(file, str) and name.isupper():
                yield record(
                    f"web:torchaudio/{name}",
                    author="torchaudio",
                    task=ASR if "ASR" in name else None,
                    library="torchaudio",
                    formats=["pytorch"],
                    description=" ".join(doc.split("\n\n")[0].split()) or None,
                    config={"layout": "torchaudio", "architecture": name, "urls": {file: url}},
                    **license_facts(stated[1] if stated else None, path),
                )


def _whisperx(package: Package) -> Iterator[Record]:
    names = Reader(package.tree("whisperx/alignment.py")).names
    for language, name in names["DEFAULT_ALIGN_MODELS_HF"].items():
        yield record(name, author=author(name), task=ASR, languages=[language], library="transformers")


_FUNASR = {"paraformer": ASR, "whisper": ASR, "sensevoice": ASR, "qwen-audio": "audio-text-to-text", "fsmn-vad":
           "voice-activity-detection", "ct-punc": "token-classification", "cam": "speaker-verification",
           "emotion": SOUND}  # fmt: skip


def _funasr(package: Package) -> Iterator[Record]:
    names = Reader(package.tree("funasr/download/name_maps_from_hub.py")).names
    hub = names["name_maps_hf"]
    for alias, scope in names["name_maps_ms"].items():
        twin = hub.get(alias)
        same = (
            twin if twin and twin != scope else None
        )  # FunASR falls back to the ModelScope id where the Hub has none
        task = next((task for start, task in _FUNASR.items() if alias.lower().startswith(start)), None)
        id = same or f"modelscope:{scope}"
        yield record(id, author=author(id), task=task, library="funasr", mirrors=mirror(scope) if same else [],
                     languages=["zh"] if "zh" in re.split(r"[-_]", alias) else [])  # fmt: skip


def _faster(package: Package) -> Iterator[Record]:
    for size, name in Reader(package.tree("faster_whisper/utils.py")).names["_MODELS"].items():
        base = (
            f"openai/whisper-{size}"
            if not size.startswith("distil") and size not in {"turbo", "large"}
            else None
        )
        yield record(name, author=author(name), task=ASR, library="ctranslate2", formats=["ctranslate2"],
                     languages=["en"] if size.endswith(".en") else [],
                     base_models=[{"id": base, "relation": "quantized"}] if base else [])  # fmt: skip


READERS = (_nemo, _coqui, _espnet, _speechbrain, _torchaudio, _whisperx, _funasr, _faster)
