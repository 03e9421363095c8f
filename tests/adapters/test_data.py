"""Labeled data as inputs and targets: what is read, what is refused and how, and how it is split."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from zoohub.adapters.data import Examples, read
from zoohub.errors import DataError


def test_texts_that_are_all_different_are_split_by_count() -> None:
    pairs = Examples("translation", [f"text {i}" for i in range(50)], [f"Text {i}" for i in range(50)])
    train, held = pairs.split(0.2)
    assert (len(train), len(held)) == (40, 10)
    assert {*train.inputs, *held.inputs} == set(pairs.inputs)
    assert all(text.title() == target for text, target in train)


@pytest.mark.parametrize("share", [0.1, 0.2, 0.5])
def test_labels_keep_their_share_in_both_parts(share: float) -> None:
    sizes = {"a": 100, "b": 30, "c": 2, "d": 3, "e": 2, "f": 1}
    targets = [label for label, size in sizes.items() for _ in range(size)]
    train, held = Examples("text-classification", list(map(str, range(len(targets)))), targets).split(share)
    assert abs(len(held) - share * len(targets)) <= 1
    assert train.labels == tuple(sizes)
    counts = Counter(held.targets)
    assert all(abs(counts[label] - share * size) <= 1 for label, size in sizes.items())
    assert counts["f"] == 0


def test_one_seed_one_split() -> None:
    rows = Examples("text-classification", list(map(str, range(40))), ["x", "y"] * 20)
    assert rows.split(0.25, 3)[1].inputs == rows.split(0.25, 3)[1].inputs != rows.split(0.25, 4)[1].inputs


ROWS = "review{0}stars\ngood{0}1\nbad{0}0\n"


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_spreadsheets_part_columns_in_their_own_way(delimiter: str, tmp_path: Path) -> None:
    (tmp_path / "reviews.csv").write_text(ROWS.format(delimiter), encoding="utf-8-sig")
    found = read(tmp_path / "reviews.csv", "text-classification", columns={"label": "stars"})
    assert (found.inputs, found.targets) == (["good", "bad"], ["1", "0"])


def test_a_header_of_one_column_may_be_followed_by_anything_quoted(tmp_path: Path) -> None:
    (tmp_path / "texts.csv").write_text('text\n"a; b, c"\n', encoding="utf-8")
    assert read(tmp_path / "texts.csv", "fill-mask").inputs == ["a; b, c"]


@pytest.mark.parametrize(
    ("name", "content", "columns", "message", "remedy"),
    [
        ("r.csv", ROWS.format(","), {}, r"needs the column label .* Found: review, stars", "--column label="),
        ("r.csv", ROWS.format(","), {"text": "reviw"}, r"no column 'reviw'\. Did you mean review", "review, stars"),
        ("r.csv", ROWS.format(","), {"txt": "review"}, "no role 'txt'", "text, text_pair, label"),
        ("r.csv", "", {}, "r.csv holds no rows", "path"),
        ("r.csv", "text,label\n", {}, "r.csv holds no rows", "path"),
        ("r.csv", "text,label\n很好,1\n".encode("gb18030"), {}, "not in UTF-8", "iconv -f GB18030"),
        ("r.csv", "text,label\ngood,\n,1\nbad,0\n", {}, "r: 2 of 3 .* row 1 has no label, row 2 has no text", "skip"),
        ("r.xlsx", "", {}, "is no table", "csv"),
        ("r.json", "{", {}, "cannot be read", ""),
        ("r.jsonl", "[1]\n", {}, "line 1: a JSON object is needed", ""),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_file_is_said_with_the_way_to_mend_it(
    name: str, content: str | bytes, columns: dict[str, str], message: str, remedy: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DataError, match=message) as caught:
        read(tmp_path / name, "text-classification", columns=columns)
    assert remedy in caught.value.remedy


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: None, "no such file or folder"),
        (lambda folder: folder.mkdir(), "holds no images"),
        (lambda folder: [folder.mkdir(), (folder / "cat.jpg").touch()], "images without a label"),
        (
            lambda folder: [(folder / "a").mkdir(parents=True), (folder / "a" / "x.pdf").touch()],
            "holds no images",
        ),
    ],
)
def test_folders_without_pictures_are_refused(make: Any, message: str, tmp_path: Path) -> None:
    make(tmp_path / "photos")
    with pytest.raises(DataError, match=message):
        read(tmp_path / "photos", "image-classification")


REVIEWS = [{"text": f"very {word} number {i}", "label": word} for i in range(3) for word in ("good", "bad")]


def test_every_kind_of_table_reads_alike(tmp_path: Path) -> None:
    datasets, pandas = pytest.importorskip("datasets"), pytest.importorskip("pandas")

    rows = REVIEWS
    frame = pandas.DataFrame(rows)
    frame.to_csv(tmp_path / "a.csv", index=False)
    frame.to_json(tmp_path / "a.jsonl", orient="records", lines=True)
    frame.to_parquet(tmp_path / "a.parquet")
    wanted = [(row["text"], row["label"]) for row in rows]
    for data in (tmp_path / "a.csv", tmp_path / "a.jsonl", tmp_path / "a.parquet", frame, rows):
        assert list(read(data, "text-classification")) == wanted
    numbered = datasets.Dataset.from_list([{"text": t, "label": int(label == "good")} for t, label in wanted])
    numbered = numbered.cast_column("label", datasets.ClassLabel(names=["bad", "good"]))
    assert list(read(numbered, "text-classification")) == wanted


def test_rows_without_a_label_are_refused_or_left_out() -> None:
    rows = [*REVIEWS[:4], {"text": "no opinion", "label": None}]
    with pytest.raises(DataError, match="1 of 5 cannot be used: row 5 has no label"):
        read(rows, "text-classification")
    kept = read(rows, "text-classification", bad="skip")
    assert len(kept) == 4
    assert kept.problems == ("row 5 has no label",)


def test_columns_of_a_tsv_are_parted_by_tabs_whatever_the_header_says(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("text, in, words\tlabel\ngood; so good\tx\n")
    columns = {"text": "text, in, words"}
    assert list(read(tmp_path / "a.tsv", "text-classification", columns=columns)) == [("good; so good", "x")]
