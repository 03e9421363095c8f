"""License strings as people write them, and the hand-made key to those that were found on hubs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoohub.cards.licenses import all_licenses, get, in_group, normalize

KEY = json.loads(Path(__file__).with_name("license_strings.json").read_text(encoding="utf-8"))


def _found(raw: str) -> str:
    match = normalize(raw)
    return (
        match.expression
        if match.id == "unknown" and match.expression and " " in match.expression
        else match.id
    )


def test_the_key_of_found_strings(capsys: pytest.CaptureFixture[str]) -> None:
    wrong = {raw: _found(raw) for raw, expected in KEY.items() if _found(raw) != expected}
    permissive = [
        raw for raw in wrong if normalize(raw).id != "unknown" and in_group(normalize(raw).id, "commercial")
    ]
    right = 1 - len(wrong) / len(KEY)
    with capsys.disabled():
        print(f"\nlicense strings: {len(KEY)}, right {right:.1%}, wrong and permissive {len(permissive)}")
    assert len(KEY) == 232  # the 233rd is "no license at all", tested below
    assert right >= 0.98, wrong
    assert not permissive


@pytest.mark.parametrize("raw", [None, "", "  ", "other", "Other", "unknown", "none", "N/A", [], [None]])
def test_nothing_said_is_unknown(raw) -> None:
    match = normalize(raw)
    assert (match.id, match.expression, match.ids) == ("unknown", None, ())


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("Apache License, Version 2.0", "apache-2.0"),
        ("apache 2", "apache-2.0"),
        ("Apache_2.0", "apache-2.0"),
        ("The MIT License", "mit"),
        ("MIT License (MIT)", "mit"),
        ("MIT Licence", "mit"),
        ("GPLv3", "gpl-3.0"),
        ("GPL-3.0-or-later", "gpl-3.0"),
        ("GNU General Public License v3.0", "gpl-3.0"),
        ("BSD 3-Clause", "bsd-3-clause"),
        ("CC BY 4.0", "cc-by-4.0"),
        ("CC-BY-NC-SA-4.0", "cc-by-nc-sa-4.0"),
        ("Creative Commons Attribution 4.0 International", "cc-by-4.0"),
        ("Creative Commons Attribution-NonCommercial 4.0", "cc-by-nc-4.0"),
        ("CC0", "cc0-1.0"),
        ("Llama 3.2 Community License Agreement", "llama3.2"),
        ("llama-3.2", "llama3.2"),
        ("LLAMA3.1", "llama3.1"),
        ("Gemma Terms of Use", "gemma"),
        ("ＡＰＡＣＨＥ－２.０", "apache-2.0"),
        ("mit and MIT", "mit"),
    ],
)  # fmt: skip
def test_spellings(raw: str, expected: str) -> None:
    assert normalize(raw).id == expected


@pytest.mark.parametrize(
    "raw",
    [
        "apache-2.0-with-naming-clause",
        "mit-no-military",
        "modified MIT",
        "cc-by",
        "cc-by-5.0",
        "llama",
        "llama5",
        "apache-3.0",
        "mit (non-commercial)",
        "not mit",
        "research only",
        "based on apache-2.0",
        "gemma-ish",
        "https://example.org/license",
        "a" * 100_000,
        "apache-2.0\0",
        "bsd-5-clause",
    ],
)
def test_what_is_left_over_is_never_the_nearest(raw: str) -> None:
    assert normalize(raw).id == "unknown"


def test_a_list_is_unclear_and_never_the_first() -> None:
    match = normalize(["mit", "cc-by-nc-4.0"])
    assert (match.id, match.expression, match.ids) == ("unknown", None, ("mit", "cc-by-nc-4.0"))
    assert "unclear" in match.how
    assert normalize(["apache-2.0", "strange"]).ids == ("apache-2.0", "unknown")
    assert normalize(["mit"]).id == "mit"
    assert normalize(["mit", "MIT License"]).id == "mit"
    for raw in ("mit, apache-2.0", "mit/apache-2.0", "mit; gpl-3.0", "mit|isc"):
        assert normalize(raw).id == "unknown"
        assert len(normalize(raw).ids) == 2


def test_expressions() -> None:
    assert normalize("MIT OR Apache-2.0").expression == "mit OR apache-2.0"
    assert normalize("(MIT OR GPL-3.0-only) AND gemma").expression == "(mit OR gpl-3.0) AND gemma"
    assert normalize("mit and apache-2.0").expression == "mit AND apache-2.0"
    assert normalize("MIT OR Apache-2.0").id == "unknown"
    known_to_spdx = normalize("NPL-1.1")
    assert (known_to_spdx.id, known_to_spdx.expression) == ("unknown", "NPL-1.1")
    for raw in ("MIT OR", "AND", "MIT WITH MIT", "foo OR bar"):
        assert normalize(raw).id == "unknown"
        assert not normalize(raw).expression


def test_other_with_name_and_link() -> None:
    assert normalize("other", name="llama3.1").id == "llama3.1"
    assert normalize(None, name="Stability AI Community License").id == "stability-community"
    assert normalize("other", link="https://ai.google.dev/gemma/terms").id == "gemma"
    assert normalize("other", link="LICENSE").id == "unknown"
    assert (
        normalize("other", name="my-own", link="https://www.apache.org/licenses/LICENSE-2.0").id == "unknown"
    )
    clash = normalize("other", name="mit", link="https://ai.google.dev/gemma/terms")
    assert clash.id == "unknown"
    assert clash.ids == ("mit", "gemma")
    assert (
        normalize("other", name="gemma-2024-04", link="https://ai.google.dev/gemma/terms").id
        == "gemma-2024-04"
    )
    assert (
        normalize("mit", name="llama3").id == "mit"
    )  # a plain tag counts; the Hub shows the name only with `other`


def test_every_id_alias_and_spdx_id_finds_its_own_license() -> None:
    for entry in all_licenses():
        for word in (entry.id, entry.spdx, *entry.aliases):
            if word and entry.id != "unknown":
                assert normalize(word).id == entry.id, (word, normalize(word))


@given(
    st.one_of(st.text(), st.lists(st.text(max_size=20), max_size=4), st.integers(), st.booleans(), st.none())
)
def test_never_raises_and_never_invents(raw) -> None:
    match = normalize(raw)
    assert match.id == "unknown" or get(match.id)
    assert 0 <= match.confidence <= 1
    assert match.how


@given(st.sampled_from(sorted(KEY)), st.text(alphabet="abcxyz -.", min_size=1, max_size=8))
def test_an_unknown_word_behind_a_license_makes_it_unknown(raw: str, extra: str) -> None:
    word = "qzx" + extra.strip()
    assert normalize(f"{raw} {word}").id == "unknown"
