"""Rows with named columns out of a folder, a file or an object in memory."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from zoohub.adapters.images import SUFFIXES as IMAGES
from zoohub.errors import DataError
from zoohub.tasks import modality

SOUNDS = frozenset({".wav", ".flac", ".ogg", ".mp3", ".opus", ".m4a", ".aiff"})
_TRAIN, _HELD_OUT = ("train", "training"), ("test", "validation", "valid", "val", "eval", "dev")
_FILES = (
    "mask",
    "annotation",
    "segmentation",
    "depth",
    "depth_map",
)  # columns that name files beside the pictures
_METADATA = ("metadata.csv", "metadata.jsonl", "metadata.parquet", "_annotations.coco.json")
_IGNORED = {"thumbs.db", "desktop.ini"}


@dataclass(frozen=True, slots=True)
class Table:
    """Rows by column name. `label_names` maps a column of numbers to the names that they stand for."""

    name: str
    columns: Sequence[str]
    rows: Sequence[Mapping[str, Any]]
    label_names: Mapping[str, Sequence[str]] = field(default_factory=dict)
    problems: Sequence[str] = ()
    held_out: Any = None


def read(data: Any, task: str) -> Table:
    """Rows out of anything that holds some.

    Raises:
        DataError: it is not there, not readable, or of a kind that holds no rows.
    """
    if isinstance(data, Table):
        return data
    if isinstance(data, str | Path):
        path = Path(data).expanduser()
        if path.is_dir():
            return _folder(path, task)
        if path.is_file():
            return _file(path)
        raise DataError(f"{path}: no such file or folder.")
    if isinstance(data, Mapping) and hasattr(data, "column_names"):
        return _splits(data)
    if hasattr(data, "column_names"):
        return _dataset(data)
    if hasattr(data, "to_dict") and hasattr(data, "columns"):
        return _from_rows(data.to_dict("records"), "table")
    if isinstance(data, Mapping):
        columns = list(data)
        rows = [dict(zip(columns, row, strict=True)) for row in zip(*data.values(), strict=True)]
        return Table("data", columns, rows)
    if isinstance(data, Iterable):
        rows = list(data)
        if all(isinstance(row, Mapping) for row in rows):
            return _from_rows(rows, "data")
    raise DataError(
        f"A {type(data).__name__} is no labeled data.",
        "Give a folder, a csv, json, jsonl or parquet file, a `datasets` object, or a list of dicts.",
    )


def _from_rows(rows: Sequence[Mapping[str, Any]], name: str) -> Table:
    return Table(name, list(dict.fromkeys(key for row in rows for key in row)), rows)


# --- folders --------------------------------------------------------------------------------------


def _folder(path: Path, task: str) -> Table:
    for split in _TRAIN:
        if (path / split).is_dir():
            held = next((path / name for name in _HELD_OUT if (path / name).is_dir()), None)
            table = _folder(path / split, task)
            return Table(path.name, table.columns, table.rows, table.label_names, table.problems, held)
    for name in _METADATA:
        if (path / name).is_file():
            return _beside_files(path, _file(path / name))
    if task == "image-segmentation" and (masks := _mask_folder(path)):
        return _masked(path, masks)
    return _split_files(path) or _class_folders(path, task)


def _mask_folder(path: Path) -> Path | None:
    """The folder of masks beside `images`."""
    if not (path / "images").is_dir():
        return None
    return next((path / n for n in ("masks", "labels", "annotations") if (path / n).is_dir()), None)


def _masked(path: Path, masks: Path) -> Table:
    """Pictures with the masks of the same name."""
    there = {file.stem: file for file in sorted(masks.iterdir()) if file.suffix.lower() in {*IMAGES, ".npy"}}
    pictures = [f for f in sorted((path / "images").iterdir()) if f.suffix.lower() in IMAGES]
    rows = [{"image": str(f), "mask": str(there[f.stem])} for f in pictures if f.stem in there]
    lacking = [f"{f.name} has no mask" for f in pictures if f.stem not in there]
    return Table(path.name, ["image", "mask"], rows, problems=lacking)


def _split_files(path: Path) -> Table | None:
    """train.csv (or another table of that name) with test.csv beside it; None where there is none."""
    tables = {file.stem.lower(): file for file in sorted(path.iterdir()) if file.suffix.lower() in _READERS}
    train = next((tables[name] for name in _TRAIN if name in tables), None)
    if train is None:
        return None
    table = _file(train)
    return replace(table, name=path.name, held_out=next((tables[n] for n in _HELD_OUT if n in tables), None))


def _class_folders(path: Path, task: str) -> Table:
    kind, role, suffixes = (
        ("sound", "audio", SOUNDS) if modality(task) == "speech" else ("image", "image", IMAGES)
    )
    rows: list[dict[str, Any]] = []
    problems: list[str] = []
    for folder in sorted(p for p in path.iterdir() if p.is_dir() and not p.name.startswith(".")):
        for file in sorted(folder.rglob("*")):
            if not file.is_file() or file.name.startswith(".") or file.name.lower() in _IGNORED:
                continue
            if file.suffix.lower() in suffixes:
                rows.append({role: str(file), "label": folder.name})
            else:
                problems.append(f"{file.relative_to(path)} is no {kind}")
    if not rows:
        loose = any(file.suffix.lower() in suffixes for file in path.iterdir())
        found = f"{kind}s without a label" if loose else f"no {kind}s"
        raise DataError(
            f"{path} holds {found}.",
            f"It needs one subfolder a class ({path.name}/cat/1.jpg), or a metadata.csv with labels.",
        )
    return Table(path.name, [role, "label"], rows, problems=problems)


def _beside_files(folder: Path, table: Table) -> Table:
    """A metadata table names its files relative to its folder."""
    key = next(
        (name for name in ("file_name", "image", "audio", "file", "path") if name in table.columns), None
    )
    if key is None:
        return table
    files = [name for name in _FILES if name in table.columns]
    rows = [
        {**row, **{name: str(folder / row[name]) for name in [key, *files] if _names_file(row.get(name))}}
        for row in table.rows
    ]
    missing = [f"{row[key]} is not there" for row in rows if row.get(key) and not Path(row[key]).is_file()]
    kept = [row for row in rows if not row.get(key) or Path(row[key]).is_file()]
    return Table(folder.name, table.columns, kept, problems=missing)


def _names_file(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


# --- files ----------------------------------------------------------------------------------------


def _file(path: Path) -> Table:
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise DataError(f"{path} is no table.", f"Readable are: {', '.join(_READERS)}.")
    try:
        rows = reader(path)
    except DataError:
        raise
    except KeyError as error:
        raise DataError(f"{path} cannot be read: it lacks {error}.") from error
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path} cannot be read: it is not in UTF-8.",
            f"Save it as UTF-8, for Chinese e.g. by: iconv -f GB18030 -t UTF-8 {path.name} > utf8-{path.name}",
        ) from error
    except (ValueError, OSError, csv.Error) as error:
        raise DataError(f"{path} cannot be read: {str(error)[:200]}.") from error
    if not rows:
        raise DataError(f"{path} holds no rows.", "Check the path.")
    return _from_rows(rows, path.stem)


def _csv(path: Path) -> list[dict[str, Any]]:
    """Columns are parted by tabs in a tsv, else by commas, or what the header has more of: some spreadsheets write
    semicolons or tabs."""
    csv.field_size_limit(2**31 - 1)
    with path.open(encoding="utf-8-sig", newline="") as file:
        header = file.readline()
        file.seek(0)
        usual = "\t" if path.suffix.lower() == ".tsv" else max(",;\t", key=header.count)
        rows = list(csv.DictReader(file, delimiter=usual))
    return [{key: value for key, value in row.items() if key is not None} for row in rows]


def _jsonl(path: Path) -> list[dict[str, Any]]:
    rows = []
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                row = json.loads(line)
                if not isinstance(row, dict):
                    raise DataError(f"{path}, line {number}: a JSON object is needed.")
                rows.append(row)
    return rows


def _json(path: Path) -> list[dict[str, Any]]:
    value = json.loads(path.read_text(encoding="utf-8"))
    if isinstance(value, dict) and {"images", "annotations"} <= set(value):
        return list(_coco(value, path) if "categories" in value else _captions(value, path))
    if isinstance(value, dict) and isinstance(value.get("data"), list):
        value = value["data"]
        if value and "paragraphs" in value[0]:
            return list(_squad(value))
    if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
        raise DataError(f"{path}: a list of JSON objects, or SQuAD's layout, is needed.")
    return value


def _squad(articles: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """One row a question; no answer is an empty list."""
    for article in articles:
        for paragraph in article["paragraphs"]:
            for question in paragraph["qas"]:
                answers = [] if question.get("is_impossible") else question.get("answers", [])
                yield {
                    "id": question.get("id"),
                    "question": question["question"],
                    "context": paragraph["context"],
                    "answers": answers,
                }


def _coco(value: Mapping[str, Any], path: Path) -> Iterator[dict[str, Any]]:
    """One row a picture of COCO's layout; crowds, which are no single things, are left out.

    Pictures lie beside the file, in `images` beside it, or as COCO itself has them: those of
    `annotations/instances_val2017.json` in `val2017`.
    """
    names = {kind["id"]: kind["name"] for kind in value["categories"]}
    things: dict[Any, list[dict[str, Any]]] = {}
    for thing in value["annotations"]:
        if not thing.get("iscrowd"):
            said = {key: thing[key] for key in ("bbox", "segmentation") if thing.get(key)}
            said["category"] = names[thing["category_id"]]
            things.setdefault(thing["image_id"], []).append(said)
    for picture in value["images"]:
        yield {"image": _picture(picture, path), "objects": things.get(picture["id"], [])}


def _captions(value: Mapping[str, Any], path: Path) -> Iterator[dict[str, Any]]:
    """One row a picture of COCO's layout of captions, with all of its captions."""
    said: dict[Any, list[str]] = {}
    for each in value["annotations"]:
        said.setdefault(each["image_id"], []).append(each["caption"])
    for picture in value["images"]:
        yield {"image": _picture(picture, path), "captions": said.get(picture["id"], [])}


def _picture(picture: Mapping[str, Any], path: Path) -> str:
    """Where a picture of COCO's layout lies."""
    folders = (path.parent, path.parent / "images", path.parent.parent / path.stem.partition("_")[2])
    places = [folder / picture["file_name"] for folder in folders]
    return str(next((place for place in places if place.is_file()), places[0]))


def _parquet(path: Path) -> list[dict[str, Any]]:
    import pyarrow.parquet

    rows: list[dict[str, Any]] = pyarrow.parquet.read_table(path).to_pylist()
    return rows


_READERS: Mapping[str, Callable[[Path], list[dict[str, Any]]]] = {
    ".csv": _csv,
    ".tsv": _csv,
    ".json": _json,
    ".jsonl": _jsonl,
    ".parquet": _parquet,
}


# --- objects of `datasets` ------------------------------------------------------------------------


def _splits(data: Mapping[str, Any]) -> Table:
    train = next((data[name] for name in _TRAIN if name in data), None)
    if train is None:
        raise DataError(f"The data has no train split. Found: {', '.join(data)}.")
    held = next((data[name] for name in _HELD_OUT if name in data), None)
    table = _dataset(train)
    return Table(table.name, table.columns, table.rows, table.label_names, held_out=held)


def _dataset(data: Any) -> Table:
    """Pictures and sounds stay undecoded until they are needed."""
    names: dict[str, Sequence[str]] = {}
    for column, feature in data.features.items():
        kind = type(feature).__name__
        if kind in {"Image", "Audio"}:
            data = data.cast_column(column, type(feature)(decode=False))
        inner = getattr(feature, "feature", feature)
        if type(inner).__name__ == "ClassLabel":
            names[column] = inner.names
    return Table(data.info.dataset_name or "data", list(data.column_names), list(data), names)
