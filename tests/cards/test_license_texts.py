"""License texts: recognized when they say the same, never when one clause was changed."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from license_edits import HARMLESS, changed

from zoohub.cards.licenses import recognition, recognize, recognize_file
from zoohub.errors import CardError

HERE = Path(__file__).parent
OWN = {path.stem: path.read_text(encoding="utf-8") for path in sorted((HERE / "license_texts").glob("*.txt"))}
OWN["apache-2.0"] = (HERE.parents[1] / "LICENSE").read_text(encoding="utf-8")


def _body(text: str) -> str:
    """Without the front matter that a license database writes before the text."""
    return re.sub(r"\A---\n.*?\n---\n", "", text, flags=re.DOTALL)


def _shared() -> dict[str, str]:
    folder = Path(os.environ.get("ZOO_BENCH_DATA", "")) / "licenses" / "texts"
    if not os.environ.get("ZOO_BENCH_DATA") or not folder.is_dir():
        pytest.skip("the folder of license texts is not here (ZOO_BENCH_DATA)")
    return {
        path.name: _body(path.read_text(encoding="utf-8", errors="replace"))
        for path in sorted(folder.iterdir())
    }


@pytest.mark.parametrize("id", sorted(OWN))
@pytest.mark.parametrize("edit", sorted(HARMLESS))
def test_harmless_edits_are_recognized(id: str, edit: str) -> None:
    match = recognize(HARMLESS[edit](OWN[id]))
    assert (match.how, match.id) == ("exact", id)


@pytest.mark.parametrize("id", sorted(OWN))
def test_a_changed_clause_is_never_taken_for_the_original(id: str) -> None:
    count = 0
    for what, text in changed(OWN[id]):
        match = recognize(text)
        assert match.id != id, what
        if match.id == "bsd-2-clause" and id == "bsd-3-clause":
            continue  # the third clause was cut: that is the other license
        assert match.id == "unknown", what
        assert match.how != "exact", what
        assert match.similar is not None, what  # a sibling may be nearer (isc, 0bsd)
        assert match.passages, what
        count += 1
    assert count > 20


def test_all_known_texts(capsys: pytest.CaptureFixture[str]) -> None:
    """The figures of docs/benchmarks.md; needs ZOO_BENCH_DATA."""
    texts = _shared()
    unedited = harmless = edits = taken = variants = named = 0
    started = time.perf_counter()
    for name, text in texts.items():
        whole = recognize(text)
        unedited += whole.how == "exact"
        for edit in HARMLESS.values():
            edits += 1
            harmless += recognize(edit(text)).id == whole.id
        for _, other in changed(text, limit=2):
            match = recognize(other)
            variants += 1
            taken += match.id == whole.id
            named += match.similar is not None and (match.passages != ())
        assert whole.how == "exact", name
    seconds = time.perf_counter() - started
    with capsys.disabled():
        print(
            f"\n{len(texts)} texts: unedited {unedited / len(texts):.1%}; "
            f"harmless edits recognized {harmless}/{edits} "
            f"({harmless / edits:.1%}); changed clauses {variants}, taken for the original {taken}, "
            f"difference shown {named / variants:.1%}; {seconds * 1000 / (edits + variants):.1f} ms a text"
        )
    assert unedited == len(texts)
    assert taken == 0
    assert harmless / edits >= 0.97


def test_the_difference_is_shown() -> None:
    match = recognize(OWN["mit"].replace("without restriction", "with restriction"))
    assert (match.id, match.how, match.similar) == ("unknown", "near", "mit")
    added, missing = match.passages
    assert (added.kind, added.text, added.line) == ("added", "to deal in the Software with restriction,", 7)
    assert (missing.kind, missing.text) == ("missing", "to deal in the Software without restriction,")
    assert str(match).startswith("similar to mit (9")


def test_a_license_with_more_around_it_is_not_that_license() -> None:
    match = recognize(OWN["mit"] + "\nThe Software may not be used by competitors of the authors.\n")
    assert (match.id, match.how, match.similar) == ("unknown", "contains", "mit")
    assert [passage.kind for passage in match.passages] == ["added"]
    both = recognize(OWN["mit"] + "\n\n" + OWN["apache-2.0"])
    assert both.id == "unknown"
    assert both.how == "contains"


@pytest.mark.parametrize(
    "line",
    [
        "Copyright (c) 2024 Example Labs, Inc.",
        "Copyright 2019-2024 The Example Team. All rights reserved.",
        "Copyright (c) 2023 karpathy",
        "(c) 2024 Jane Doe <jane@example.org>",
        "© 2021 École Polytechnique de Lausanne",
        "Copyright (c) 2024 株式会社例",
        "COPYRIGHT (C) 2020 EXAMPLE LABS",
        "Copyright (c) [year] [fullname]",
        "Copyright (c) 2020 Example GmbH and its affiliates (https://example.org)",
        "Copyright (c) Microsoft Corporation.",
    ],
)
def test_a_holder_line_changes_nothing(line: str) -> None:
    assert recognize(f"{line}\n{line}\n\n{OWN['mit']}").id == "mit"


@pytest.mark.parametrize(
    "line",
    [
        "Copyright (c) 2024 Acme, no weapons",
        "Copyright (c) 2024 Acme. Internal evaluation.",
        "Copyright (c) 2024 Acme. No sale.",
        "Copyright (c) 2024 Acme - personal projects",
        "COPYRIGHT (C) 2024 ACME RESEARCH ONLY",
        "© 2024 Acme, for schools alone",
        "Copyright (c) 2024 Acme; subject to Annex A",
        "Copyright (c) 2024 Acme and whoever pays us a fee",
    ],
)
def test_a_clause_in_a_holder_line_counts(line: str) -> None:
    assert recognize(f"{line}\n\n{OWN['mit']}").id == "unknown"


def test_the_holder_of_a_bsd_text() -> None:
    text = OWN["bsd-3-clause"]
    assert "the ORGANIZATION" in text
    assert recognize(text.replace("the ORGANIZATION", "Example Labs, Inc.")).id == "bsd-3-clause"
    assert recognize(text.replace("the ORGANIZATION", "Acme who forbids military use")).id == "unknown"


def test_no_license_at_all() -> None:
    for text in ("", "hello", "MIT", "All rights reserved.", "# A model\n\nIt is good.", "许可证"):
        assert recognize(text).id == "unknown"
        assert recognize(text).how == "none"


def test_known_texts_have_distinct_digests_and_known_ids() -> None:
    from zoohub.cards.licenses import get

    known = recognition._known()
    assert len({item.digest for item in known}) == len(known) > 120
    for item in known:
        assert get(item.id)
        assert item.part in ("license", "use policy")
        assert item.words > 10


def test_text_of_reserved_licenses_is_not_shipped() -> None:
    for item in recognition._known():
        if item.id in ("llama3.1", "gemma-2024-04", "busl-1.1", "elastic-2.0"):
            assert not any(segment.text for segment in item.segments)


def test_files(tmp_path: Path) -> None:
    inner = tmp_path / "model"
    inner.mkdir()
    (inner / "LICENSE").write_text(OWN["mit"], encoding="utf-8")
    assert recognize_file(inner / "LICENSE", inside=inner).id == "mit"
    (tmp_path / "outside").write_text(OWN["mit"], encoding="utf-8")
    (inner / "LICENSE.link").symlink_to(tmp_path / "outside")
    with pytest.raises(CardError, match="leads out"):
        recognize_file(inner / "LICENSE.link", inside=inner)
    (inner / "LICENSE.utf16").write_bytes(OWN["mit"].encode("utf-16"))
    assert recognize_file(inner / "LICENSE.utf16").id == "mit"
    (inner / "LICENSE.bin").write_bytes(b"\x7fELF\0\0")
    with pytest.raises(CardError, match="no text"):
        recognize_file(inner / "LICENSE.bin")
    with (inner / "LICENSE.big").open("wb") as stream:
        stream.truncate(100_000_000)
    with pytest.raises(CardError, match="larger"):
        recognize_file(inner / "LICENSE.big")
    with pytest.raises(CardError, match="No file"):
        recognize_file(inner / "nope")
    (inner / "LICENSE.latin").write_bytes(("Copyright (c) 2020 José\n" + OWN["mit"]).encode("cp1252"))
    assert recognize_file(inner / "LICENSE.latin").id == "mit"


@given(st.text(max_size=400))
def test_never_raises(text: str) -> None:
    assert recognize(text).id == "unknown"


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 160), st.sampled_from(["not", "no", "never", "except", "research", "0", "€"]))
def test_one_word_put_in_anywhere_breaks_the_match(position: int, word: str) -> None:
    words = OWN["mit"].split("Permission", 1)[1].split(" ")
    words.insert(min(position, len(words)), word)
    assert recognize("Permission" + " ".join(words)).id == "unknown"


@pytest.mark.parametrize(
    ("package", "file", "expected"),
    [
        ("click", "LICENSE.txt", "bsd-3-clause"),
        ("Jinja2", "LICENSE.txt", "bsd-3-clause"),
        ("alembic", "LICENSE", "mit"),
        ("PyYAML", "LICENSE", "mit"),
        ("huggingface_hub", "LICENSE", "apache-2.0"),
        ("SQLAlchemy", "LICENSE", "mit"),
    ],
)
def test_license_files_of_packages_that_are_here(package: str, file: str, expected: str) -> None:
    from importlib import metadata

    paths = [Path(str(found.locate())) for found in metadata.files(package) or () if found.name == file]
    if not paths:
        pytest.skip(f"{package} ships no {file} here")
    assert {recognize_file(path).id for path in paths} == {expected}


def test_common_forms_of_one_license() -> None:
    apache = OWN["apache-2.0"]
    terms = apache[: apache.index("END OF TERMS AND CONDITIONS")]
    assert recognize(terms).id == recognize(terms + "END OF TERMS AND CONDITIONS\n").id == "apache-2.0"
    assert recognize(apache.replace("http://", "https://")).id == "apache-2.0"
    bsd = OWN["bsd-3-clause"]
    starts = re.compile(
        r"^(?=Redistributions of source|Redistributions in binary|Neither the name)", re.MULTILINE
    )
    numbers = iter("123")
    assert recognize(starts.sub(lambda _: f"{next(numbers)}. ", bsd)).id == "bsd-3-clause"
    assert recognize(starts.sub("* ", bsd)).id == "bsd-3-clause"
    assert recognize(OWN["isc"].replace("and/or distribute", "and distribute")).id == "isc"
