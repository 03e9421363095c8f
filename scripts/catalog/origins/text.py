"""Small packages that name models for one task each: tweets, Spanish, questions, entities, Chinese, translation."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from scripts.catalog.model import Record, author, record
from scripts.catalog.packages import Package
from scripts.catalog.reading import Reader

PACKAGES = ("tweetnlp", "pysentimiento", "allennlp-models", "hanlp", "dl-translate", "fairseq", "ckip-transformers",
            "lmqg", "span-marker", "cnocr", "flair", "stanza")  # fmt: skip

_ID = r"[A-Za-z0-9_\-]+/[A-Za-z0-9_.\-]+"


def _named(name: str, task: str, **facts: object) -> Record:
    return record(name, author=author(name), task=task, **facts)


def _tweetnlp(package: Package) -> Iterator[Record]:
    tasks = {"text_classification": "text-classification", "mlm": "fill-mask", "ner": "token-classification",
             "question_answering": "question-answering", "sentence_embedding": "feature-extraction"}  # fmt: skip
    for path in package.find(r"tweetnlp/\w+/model\.py"):
        task = tasks.get(path.split("/")[1])
        for name in re.findall(r"[\"']((?:cardiffnlp|tner|lmqg)/[\w.\-]+)[\"']", package.text(path)):
            if task:
                yield _named(name, task, library="transformers", tags=["twitter"],
                             languages=[] if "xlm" in name else ["en"])  # fmt: skip


def _pysentimiento(package: Package) -> Iterator[Record]:
    tasks = {"sentiment": "text-classification", "emotion": "text-classification", "hate_speech": "text-classification",
             "context_hate_speech": "text-classification", "irony": "text-classification",
             "targeted_sentiment": "text-classification", "ner": "token-classification", "pos": "token-classification"}  # fmt: skip
    for language, table in Reader(package.tree("pysentimiento/analyzer.py")).names["models"].items():
        for kind, facts in table.items():
            name = facts.get("model_name") if isinstance(facts, dict) else None
            if isinstance(name, str) and kind in tasks:
                yield _named(name, tasks[kind], library="transformers", languages=[language], tags=[kind])


def _allennlp(package: Package) -> Iterator[Record]:
    tasks = {"rc": "question-answering", "tagging": "token-classification", "mc": "question-answering",
             "textual_entailment": "text-classification", "sentiment-analysis": "text-classification",
             "ner": "token-classification", "masked-language-modeling": "fill-mask", "vqa": "visual-question-answering",
             "language-modeling": "text-generation", "srl": "token-classification"}  # fmt: skip
    for path in package.find(r"allennlp_models/modelcards/.+\.json"):
        card = json.loads(package.text(path))
        url = ((card.get("model_usage") or {}).get("archive_file")) or ""
        if not url:
            continue
        place = url if "://" in url else f"https://storage.googleapis.com/allennlp-public-models/{url}"
        details = card.get("model_details") or {}
        yield record(
            f"web:allennlp/{card['id']}",
            author="allennlp",
            task=tasks.get(card.get("task_id", "")),
            library="allennlp",
            languages=["en"],
            description=details.get("short_description"),
            tags=[card["task_id"]] if card.get("task_id") else [],
            config={"layout": "allennlp", "urls": {place.rsplit("/", 1)[-1]: place}},
        )


def _hanlp(package: Package) -> Iterator[Record]:
    tasks = {"ner": "token-classification", "pos": "token-classification", "tok": "token-classification",
             "mtl": "token-classification", "srl": "token-classification", "sts": "sentence-similarity",
             "classifiers": "text-classification"}  # fmt: skip
    base = "https://file.hankcs.com/hanlp/"
    entry = re.compile(r"^([A-Z][A-Z0-9_]+) = HANLP_URL \+ '([^']+)'\n(?:'([^'\n].*)')?", re.MULTILINE)
    for path in package.find(r"hanlp/pretrained/\w+\.py"):
        kind = path.split("/")[-1].removesuffix(".py")
        for name, place, doc in entry.findall(package.text(path)):
            language = name.rsplit("_", 1)[-1].lower()
            yield record(
                f"web:hanlp/{name}",
                author="hankcs",
                task=tasks.get(kind),
                library="hanlp",
                languages=[language] if language in {"zh", "en", "ja"} else [],
                description=doc or None,
                tags=[kind],
                config={"layout": "hanlp", "urls": {place.rsplit("/", 1)[-1]: base + place}},
            )


def _dl_translate(package: Package) -> Iterator[Record]:
    for path in package.find(r"dl_translate/\w+\.py"):
        for name in re.findall(r"[\"'](facebook/[\w.\-]+)[\"']", package.text(path)):
            yield _named(name, "translation", library="transformers")


def _fairseq(package: Package) -> Iterator[Record]:
    text = package.text("fairseq/models/transformer/transformer_legacy.py")
    for name, place in re.findall(r"'(transformer\.[\w.\-]+)': (?:\w+\()?'(https://[^']+)'", text):
        pair = re.search(r"\b([a-z]{2})-([a-z]{2})\b", name)
        yield record(
            f"web:fairseq/{name}",
            author="fairseq",
            task="translation" if pair else "text-generation",
            library="fairseq",
            languages=list(pair.groups()) if pair else [],
            config={"layout": "fairseq", "urls": {place.rsplit("/", 1)[-1]: place}},
        )


def _ckip(package: Package) -> Iterator[Record]:
    for path in package.find(r"ckip_transformers/nlp/driver\.py"):
        for name in sorted(set(re.findall(r"[\"'](ckiplab/[\w.\-]+)[\"']", package.text(path)))):
            yield _named(
                name,
                "token-classification",
                library="transformers",
                languages=["zh"],
                tags=["traditional-chinese"],
            )


def _lmqg(package: Package) -> Iterator[Record]:
    for path in package.find(r"lmqg/language_model\.py"):
        for name in sorted(set(re.findall(r"[\"'](lmqg/[\w.\-]+)[\"']", package.text(path)))):
            yield _named(name, "text-generation", library="transformers", tags=["question-generation"])


def _span_marker(package: Package) -> Iterator[Record]:
    for path in package.find(r"span_marker/.+\.py"):
        for name in re.findall(r"[\"'](tomaarsen/span-marker-[\w.\-]+)[\"']", package.text(path)):
            yield _named(name, "token-classification", library="span-marker")


def _cnocr(package: Package) -> Iterator[Record]:
    for path in package.find(r"cnocr/.+\.py"):
        for name in re.findall(r"[\"'](breezedeus/[\w.\-]+)[\"']", package.text(path)):
            yield _named(name, "image-to-text", library="cnocr", tags=["ocr"], formats=["onnx"])


def _flair(package: Package) -> Iterator[Record]:
    for path in package.find(
        r"flair/models/(sequence_tagger|relation_extractor|text_classification)_model\.py"
    ):
        for name in sorted(set(re.findall(r"[\"'](flair/[\w.\-]+)[\"']", package.text(path)))):
            language = name.split("-")[-1]
            yield _named(name, "token-classification", library="flair",
                         languages=[{"english": "en", "german": "de", "dutch": "nl", "french": "fr", "spanish": "es"}[language]]
                         if language in {"english", "german", "dutch", "french", "spanish"} else [])  # fmt: skip


def _stanza(package: Package) -> Iterator[Record]:
    """One repository for each language; its name follows the address in the package's own notes."""
    address = "https://huggingface.co/stanfordnlp/stanza-{lang}/"
    assert address in package.text("stanza/resources/common.py")
    names = Reader(package.tree("stanza/resources/default_packages.py")).names
    for language, treebank in names["default_treebanks"].items():
        if language == "ang":
            continue  # the package notes that it is not released
        code = language.split("-")[0]
        yield _named(f"stanfordnlp/stanza-{language}", "token-classification", library="stanza", languages=[code],
                     datasets=[f"universal_dependencies/{treebank}"], tags=["pos", "lemma", "depparse"])  # fmt: skip


READERS = (_tweetnlp, _pysentimiento, _allennlp, _hanlp, _dl_translate, _fairseq, _ckip, _lmqg, _span_marker, _cnocr,
            _flair, _stanza)  # fmt: skip
