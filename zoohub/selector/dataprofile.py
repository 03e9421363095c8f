"""profile: what a data set holds, before a model is chosen for it - counts, balance, sizes, and what is
wrong with it."""

from __future__ import annotations

import csv
import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from statistics import median

from zoohub.adapters.data import CONVENTIONS
from zoohub.errors import DataError

IMAGES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".gif", ".tif", ".tiff"}
SOUNDS = {".wav", ".flac", ".mp3", ".ogg", ".m4a"}
SPLITS = {
    "train": "train",
    "training": "train",
    "test": "eval",
    "eval": "eval",
    "valid": "eval",
    "val": "eval",
    "validation": "eval",
    "dev": "eval",
}
IDENTIFIED = 200  # texts whose language is identified
NOISY = 0.1  # estimated share of wrong labels from which it is warned
OPENED = 500  # images and sounds that are opened to learn their sizes
JUDGED = 1000  # images and sounds whose labels are judged
DISTINCT, FEW_CLASSES = (
    0.5,
    20,
)  # share of samples with a label of their own, and labels, from which these are no classes
SURE = 5.0  # nats by which the language of all texts together leads the next
NO_LABELS = {"", "nan", "none", "null", "n/a", "na", "inf", "-inf"}  # spellings of a value that is not there


@dataclass(frozen=True, slots=True)
class Profile:
    """Facts of a data set; lengths are characters of texts, pixels of the shorter side, seconds of sounds."""

    path: str
    kind: str
    samples: int
    eval_samples: int
    classes: dict[str, int]
    smallest_class: int | None
    imbalance: float | None
    duplicates: int
    conflicting: int
    leaked: int
    broken: tuple[str, ...]
    length: tuple[float, float, float] | None
    channels: dict[str, int]
    language: str | None
    noise: float | None
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Item:
    """One sample: a digest of its content, its label, its split, its text or file."""

    digest: str
    label: str | None
    split: str
    text: str | None = None
    file: Path | None = None


def profile(path: str | Path, columns: Mapping[str, str] | None = None) -> Profile:
    """Look at a folder of images or sounds (one subfolder a class), or a csv, jsonl or text file.

    `columns` says which column of a table holds `text` and `label`; else they are found by their usual names.

    Raises:
        DataError: nothing there can be read as data.
    """
    place = Path(path).expanduser()
    if not place.exists():
        raise DataError(f"{path} does not exist.")
    named = columns or {}
    kind, items = _folder(place, named) if place.is_dir() else ("text", list(_table(place, named)))
    if not items:
        raise DataError(
            f"{path} holds no data.",
            "Needed: images or sounds in one subfolder per class, or a csv or jsonl file.",
        )
    broken, lengths, channels = _measure(kind, items)
    bad = set(broken)
    items = [item for item in items if str(item.file) not in bad]
    if not items:
        raise DataError(f"None of the {len(broken)} files in {path} can be read, the first: {broken[0]}")
    train = [item for item in items if item.split == "train"]
    held = [item for item in items if item.split == "eval"]
    classes = Counter(item.label for item in train if item.label is not None)
    if distinct := len(classes) > max(DISTINCT * len(train), FEW_CLASSES):
        classes = Counter()
    counts = sorted(classes.values())
    labels_of: dict[str, set[str | None]] = {}
    for item in train:
        labels_of.setdefault(item.digest, set()).add(item.label)
    leaked = len({item.digest for item in held} & labels_of.keys())
    texts = [item.text for item in items if item.text]
    found = Profile(
        str(place),
        kind,
        len(train),
        len(held),
        dict(classes.most_common()),
        counts[0] if counts else None,
        counts[-1] / counts[0] if counts else None,
        len(train) - len(labels_of),
        sum(len(labels) > 1 for labels in labels_of.values()),
        leaked,
        tuple(broken),
        (min(lengths), median(lengths), max(lengths)) if lengths else None,
        dict(channels),
        language(texts) if texts else None,
        None if distinct else _noise(kind, train),
        ("nearly every label is another: they are no classes",) if distinct else (),
    )
    return _with_warnings(found)


def language(texts: Sequence[str]) -> str | None:
    """The language of most texts: by py3langid where it is installed (extra `models`), else by the script alone."""
    return by_words(texts) or by_script(texts)


def by_words(texts: Sequence[str]) -> str | None:
    """The language that py3langid gives to most of a sample; None without it, or where no language leads."""
    if find_spec("py3langid") is None:
        return None
    import py3langid

    chosen = [text for text in texts[:: max(len(texts) // IDENTIFIED, 1)] if any(map(str.isalpha, text))]
    if not chosen:
        return None
    found = Counter(str(py3langid.classify(text[:500])[0]) for text in chosen)
    # short texts alone are often mistaken; together they are not, where one language leads by far
    (best, first), (_, second), *_ = py3langid.rank(" ".join(text[:200] for text in chosen[:50]))
    return str(best) if first - second >= SURE and found[str(best)] > 0 else None


def by_script(texts: Sequence[str]) -> str | None:
    """The language that the script tells (zh, ja, ko, ru, ar, el, he, th, hi); None where several share the
    script."""
    ranges = (
        ("zh", 0x4E00, 0x9FFF),
        ("ja", 0x3040, 0x30FF),
        ("ko", 0xAC00, 0xD7AF),
        ("ru", 0x0400, 0x04FF),
        ("ar", 0x0600, 0x06FF),
        ("el", 0x0370, 0x03FF),
        ("he", 0x0590, 0x05FF),
        ("th", 0x0E00, 0x0E7F),
        ("hi", 0x0900, 0x097F),
    )
    letters = [ord(char) for text in texts[:500] for char in text[:500] if char.isalpha()]
    if not letters:
        return None
    share = {name: sum(low <= char <= high for char in letters) / len(letters) for name, low, high in ranges}
    if share["ja"] > 0.1:
        return "ja"
    best = max(share, key=lambda name: share[name])
    return best if share[best] > 0.4 else None


def _folder(place: Path, named: Mapping[str, str]) -> tuple[str, list[Item]]:
    files = sorted(file for file in place.rglob("*") if file.is_file() and not file.name.startswith("."))
    images = [file for file in files if file.suffix.lower() in IMAGES]
    sounds = [file for file in files if file.suffix.lower() in SOUNDS]
    kind, chosen = ("image", images) if len(images) >= len(sounds) else ("audio", sounds)
    if chosen:
        return kind, [_of_file(file, place) for file in chosen]
    tables = [file for file in files if file.suffix.lower() in (".csv", ".jsonl", ".tsv")]
    return "text", [item for file in tables for item in _table(file, named)]


def _of_file(file: Path, root: Path) -> Item:
    parts = file.relative_to(root).parts[:-1]
    split = SPLITS.get(parts[0].lower(), "train") if parts else "train"
    if parts and parts[0].lower() in SPLITS:
        parts = parts[1:]
    return Item(hashlib.sha256(file.read_bytes()).hexdigest(), parts[0] if parts else None, split, file=file)


def _table(file: Path, named: Mapping[str, str]) -> Iterator[Item]:
    split = next((side for word, side in SPLITS.items() if word in file.stem.lower()), "train")
    usual = {column.role: column.names for column in CONVENTIONS["text-classification"]}
    texts, labels = ((named[role],) if role in named else usual[role] for role in ("text", "label"))
    for row in _rows(file):
        text = next((str(row[name]) for name in texts if row.get(name)), None)
        if text is None:
            text = next((str(v) for k, v in row.items() if isinstance(v, str) and k not in labels), None)
        if text is None:
            continue
        label = next((str(row[name]) for name in labels if row.get(name) not in (None, "")), None)
        yield Item(hashlib.sha256(text.strip().lower().encode()).hexdigest(), label, split, text=text)


def _rows(file: Path) -> Iterator[Mapping[str, object]]:
    suffix, place = file.suffix.lower(), str(file)
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            if suffix in (".jsonl", ".ndjson"):
                for number, line in enumerate(lines, start=1):
                    place = f"{file}, line {number}"
                    if line.strip() and isinstance(row := json.loads(line), dict):
                        yield row
            elif suffix in (".csv", ".tsv"):
                yield from csv.DictReader(lines, delimiter="\t" if suffix == ".tsv" else ",")
            else:
                yield from ({"text": line.strip()} for line in lines if line.strip())
    except (UnicodeDecodeError, json.JSONDecodeError, csv.Error) as error:
        raise DataError(
            f"{place} cannot be read: {error}.", "Save it as UTF-8, one sample a line."
        ) from error


def _measure(kind: str, items: Sequence[Item]) -> tuple[list[str], list[float], Counter[str]]:
    """Files that cannot be read, the lengths, and the color modes or sample rates."""
    broken: list[str] = []
    channels: Counter[str] = Counter()
    if kind == "text":
        return broken, [float(len(item.text or "")) for item in items], channels
    lengths: list[float] = []
    for item in items[:: max(len(items) // OPENED, 1)]:
        assert item.file is not None
        try:
            length, mode = _image(item.file) if kind == "image" else _sound(item.file)
        except (OSError, ValueError, RuntimeError, SyntaxError):
            broken.append(str(item.file))
            continue
        lengths.append(length)
        channels[mode] += 1
    return broken, lengths, channels


def _image(file: Path) -> tuple[float, str]:
    from PIL import Image

    with Image.open(file) as image:
        image.load()
        return float(min(image.size)), image.mode


def _sound(file: Path) -> tuple[float, str]:
    import soundfile

    info = soundfile.info(str(file))
    return info.frames / info.samplerate, f"{info.samplerate} Hz"


def _noise(kind: str, train: Sequence[Item]) -> float | None:
    """The estimated share of wrong labels."""
    from zoohub.selector import plainfeatures
    from zoohub.selector.noise import suspects

    labels = [item.label for item in train if item.label is not None]
    if kind == "text":
        known = [(item.text, item.label) for item in train if item.text and item.label is not None]
        return suspects([text for text, _ in known], [label for _, label in known], plainfeatures.of_text)
    features = plainfeatures.of_image if kind == "image" else plainfeatures.of_sound
    files = [item.file for item in train if item.file is not None and item.label is not None]
    return suspects(files, labels, features, JUDGED)


def _with_warnings(found: Profile) -> Profile:
    from dataclasses import replace

    said = [*found.warnings]
    if len(found.classes) == 1:
        said.append("only one class: nothing can be told apart")
    if found.smallest_class is not None and found.smallest_class < 8:
        many = "sample" if found.smallest_class == 1 else "samples"
        said.append(f"the smallest class has {found.smallest_class} {many}")
    if odd := [label for label in found.classes if label.strip().lower() in NO_LABELS]:
        count = sum(found.classes[label] for label in odd)
        said.append(f"{count} labels are {' or '.join(map(repr, odd))}: are they missing?")
    if found.imbalance is not None and found.imbalance > 10:
        said.append(f"the largest class is {found.imbalance:.0f} times the smallest: judge by macro F1")
    if found.duplicates:
        said.append(f"{found.duplicates} duplicates in the training data")
    if found.conflicting:
        said.append(f"{found.conflicting} samples carry two labels: label noise")
    if found.noise is not None and found.noise > NOISY:
        said.append(f"about {found.noise:.0%} of the labels look wrong to a plain classifier, at most")
    if found.leaked:
        said.append(f"{found.leaked} samples are both in training and evaluation data")
    if found.broken:
        said.append(f"{len(found.broken)} files cannot be read, the first: {found.broken[0]}")
    return replace(found, warnings=tuple(said))
