"""Cards as people write them: read with patience, written with care."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from zoohub import Card
from zoohub.cards import check, fix, plainyaml
from zoohub.errors import CardError

PLAIN = "---\nlicense: mit\nlanguage:\n- en\n---\n# Title\n\nText.\n"


def rules(card: Card) -> list[str]:
    return [finding.rule for finding in card.findings]


def test_plain() -> None:
    card = Card.read(PLAIN)
    assert card.data == {"license": "mit", "language": ["en"]}
    assert card.body == "# Title\n\nText.\n"
    assert not card.findings
    assert card.text == PLAIN


def test_bare_no_is_norwegian_and_versions_stay_words() -> None:
    card = Card.read("---\nlanguage: no\ntags: [on, yes, no]\nx: 1.0\ndate: 2024-01-02\n---\n")
    assert card.data == {"language": "no", "tags": ["on", "yes", "no"], "x": 1.0, "date": "2024-01-02"}
    card.data["language"] = ["no", "da"]
    again = yaml.safe_load(card.text.split("---")[1])  # a reader of YAML 1.1, as the Hub's is
    assert again["language"] == ["no", "da"]


@pytest.mark.parametrize(
    ("written", "right"),
    [
        ("licence", "license"),
        ("liscence", "license"),
        ("lang", "language"),
        ("pipeline-tag", "pipeline_tag"),
        ("model_index", "model-index"),
        ("base-model", "base_model"),
        ("License", "license"),
        ("dataset", "datasets"),
    ],
)
def test_misspelt_keys_are_mended_with_a_finding(written: str, right: str) -> None:
    card = Card.read(f"---\nfirst: 1\n{written}: x  # why\nlast: 2\n---\nbody\n")
    assert list(card.data) == ["first", right, "last"]
    (finding,) = card.findings
    assert (finding.rule, finding.line, finding.mended) == ("misspelt-key", 3, True)
    assert card.text == f"---\nfirst: 1\n{right}: x  # why\nlast: 2\n---\nbody\n"


def test_a_right_key_beside_its_misspelling_counts() -> None:
    card = Card.read("---\nlicence: mit\nlicense: gpl-3.0\n---\nx\n")
    assert card.data["license"] == "gpl-3.0"
    assert card.data["licence"] == "mit"
    assert rules(card) == ["two-spellings"]


def test_line_ends_and_byte_order_mark(tmp_path: Path) -> None:
    raw = b"\xef\xbb\xbf---\r\nlicense: mit\r\nlanguage: no\r\n---\r\n# T\r\n"
    path = tmp_path / "README.md"
    path.write_bytes(raw)
    card = Card.read(path)
    assert rules(card) == ["bom"]
    assert card.data["language"] == "no"
    card.write()
    assert path.read_bytes() == raw[3:]
    card = Card.read(path)
    card.data["license"] = "apache-2.0"
    card.write()
    assert path.read_bytes() == b"---\r\nlicense: apache-2.0\r\nlanguage: no\r\n---\r\n# T\r\n"


def test_prose_before_the_front_matter() -> None:
    card = Card.read("# My model\n\nHello.\n\n---\nlicense: mit\n---\nMore.\n")
    assert card.data == {"license": "mit"}
    assert rules(card) == ["prose-first"]
    assert card.findings[0].line == 5
    mended, done = fix(card)
    assert mended.text == "---\nlicense: mit\n---\n\n# My model\n\nHello.\nMore.\n"
    assert len(done) == 1


def test_a_rule_in_the_text_is_no_front_matter() -> None:
    text = "# A\n\n---\n\nSome: text here\n\n---\nend\n"
    card = Card.read(text)
    assert not card.data
    assert card.text == text


def test_duplicate_keys() -> None:
    card = Card.read("---\nlicense: mit\ntags: [a]\nlicense: gpl-3.0\n---\nx\n")
    assert card.data["license"] == "gpl-3.0"  # the last one counts, as YAML readers have it
    assert rules(card) == ["duplicate-key"]
    assert card.findings[0].line == 4
    mended, _ = fix(card)
    assert mended.text == "---\ntags: [a]\nlicense: gpl-3.0\n---\nx\n"
    assert "duplicate-key" not in rules(Card.read(mended.text))


def test_broken_yaml_is_reported_with_its_line_and_the_rest_is_read() -> None:
    text = "---\nlicense: mit\ntags: [a, b\nlanguage: en\nnote: a: b\n---\nbody\n"
    card = Card.read(text)
    assert card.data == {"license": "mit", "language": "en"}
    assert [(finding.rule, finding.line) for finding in card.findings] == [
        ("broken-yaml", 3),
        ("broken-yaml", 5),
    ]
    assert card.text == text
    card.data["license"] = "apache-2.0"
    assert card.text == text.replace("mit", "apache-2.0")  # what could not be read stays as it was


def test_unclosed_front_matter() -> None:
    card = Card.read("---\nlicense: mit\n\n# Title\n")
    assert rules(card) == ["unclosed"]
    assert not card.data


def test_round_trip_keeps_order_unknown_keys_comments_and_text() -> None:
    header = ('zeta: 1\n# about the license\nlicense: mit   # ours\nmy_own: {a: 1, b: [x, y]}\n'
              'language:\n  - en\n  - "zh"\n\nempty:\ntext: |\n  two\n  lines\n')  # fmt: skip
    card = Card.read(f"---\n{header}---\nbody\n")
    assert card.text == f"---\n{header}---\nbody\n"
    card.data["license"] = "apache-2.0"
    card.data["new"] = ["no"]
    assert (
        card.text
        == f"---\n{header.replace('license: mit   # ours', 'license: apache-2.0')}new:\n- 'no'\n---\nbody\n"
    )
    del card.data["language"]
    assert "zh" not in card.text
    assert "two\n  lines" in card.text


def test_front_matter_in_flow_style_is_written_anew() -> None:
    card = Card.read("---\n{license: mit, tags: [a]}\n---\nx\n")
    assert card.data == {"license": "mit", "tags": ["a"]}
    assert card.text.startswith("---\n{license")
    card.data["license"] = "isc"
    assert Card.read(card.text).data == {"license": "isc", "tags": ["a"]}


def test_anchors_survive_a_change() -> None:
    card = Card.read("---\na: &x [1, 2]\nb: *x\nlicense: mit\n---\n")
    card.data["license"] = "isc"
    assert Card.read(card.text).data == {"a": [1, 2], "b": [1, 2], "license": "isc"}


@pytest.mark.parametrize(("raw", "rule"), [(b"", "empty"), (b" \n\n", "empty"), (b"\xef\xbb\xbf", "bom")])
def test_empty_cards(raw: bytes, rule: str) -> None:
    card = Card.read(raw)
    assert rule in rules(card)
    assert not card.data
    assert any(finding.rule in ("empty", "no-license") for finding in check(card))


@pytest.mark.parametrize("raw", [b"\x7fELF\x02\x01\0\0", b"\0" * 100, b"\xff\xfe\x00", bytes(range(256)) * 4])
def test_binary_is_refused(raw: bytes) -> None:
    with pytest.raises(CardError, match="is no text"):
        Card.read(raw)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf_16_is_read_and_written_back_as_utf_8(encoding: str) -> None:
    mark = {"utf-16": b"", "utf-16-le": b"\xff\xfe", "utf-16-be": b"\xfe\xff"}[encoding]
    card = Card.read(mark + PLAIN.encode(encoding))
    assert card.data["license"] == "mit"
    assert rules(card) == ["utf-16"]
    assert card.to_bytes() == PLAIN.encode()


def test_windows_1252() -> None:
    card = Card.read("---\nlicense: mit\nauthor: José\n---\nGrüße\n".encode("cp1252"))
    assert card.data["author"] == "José"
    assert rules(card) == ["encoding"]
    assert "Grüße" in card.to_bytes().decode("utf-8")


def test_gigantic_cards_are_refused_fast(tmp_path: Path) -> None:
    path = tmp_path / "README.md"
    with path.open("wb") as stream:
        stream.write(b"---\nlicense: mit\n---\n")
        stream.truncate(100_000_000)
    started = time.perf_counter()
    with pytest.raises(CardError, match="larger than"):
        Card.read(path)
    assert time.perf_counter() - started < 1
    with pytest.raises(CardError, match="larger than"):
        Card.read(b"a" * 9_000_000)


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ("a: &a [x, *a]", "contains itself"),
        ("a: &a {b: &b [*a]}", "contains itself"),
        ("a: " + "[" * 3000 + "]" * 3000, "nested deeper"),
        ("\n".join(f"{'  ' * n}k{n}:" for n in range(100)), "nested deeper"),
        ("a: &a 1\nx: [" + "*a," * 300 + "]", "more than 200 aliases"),
        ("l0: &l0 [x,x,x,x,x,x,x,x,x,x]\n" + "\n".join(
            f"l{n}: &l{n} [{','.join([f'*l{n - 1}'] * 10)}]" for n in range(1, 9)), "expands to more"),
        ("a: !!python/object/apply:os.system ['true']", "could not determine a constructor"),
        ("? [a, b]\n: 1", "as a key"),
        ("a: \x07", "special characters"),
    ],
)  # fmt: skip
def test_bombs_and_traps_are_refused(header: str, reason: str) -> None:
    started = time.perf_counter()
    with pytest.raises(plainyaml.YamlProblem, match=reason):
        plainyaml.load(header)
    card = Card.read(f"---\nlicense: mit\n{header}\n---\nbody\n")
    assert "broken-yaml" in rules(card)
    assert time.perf_counter() - started < 5


def test_a_million_small_values_are_refused() -> None:
    with pytest.raises(plainyaml.YamlProblem, match=r"longer than|more than"):
        plainyaml.load("[" + "1," * 1_500_000 + "]")


@pytest.mark.parametrize(
    "text",
    [
        "x\n" + "---\n" * 1_900_000,
        "---\n" + "".join(f"k{n}: a: b\n" for n in range(100_000)) + "---\n",
        "---\n" * 1_900_000,
    ],
)
def test_hostile_layouts_are_read_in_seconds(text: str) -> None:
    started = time.perf_counter()
    Card.read(text)
    assert time.perf_counter() - started < 10


def test_no_file_and_no_card(tmp_path: Path) -> None:
    with pytest.raises(CardError, match="No file"):
        Card.read(tmp_path / "nope.md")
    with pytest.raises(CardError, match="holds no README"):
        Card.read(tmp_path)
    with pytest.raises(CardError, match="no file yet"):
        Card({"license": "mit"}).write()


def test_a_folder_and_a_write_by_rename(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text(PLAIN, encoding="utf-8")
    card = Card.read(tmp_path)
    card.body += "more\n"
    assert card.write() == tmp_path / "README.md"
    assert (tmp_path / "README.md").read_text(encoding="utf-8") == PLAIN + "more\n"
    assert [path.name for path in tmp_path.iterdir()] == ["README.md"]
    assert card.write(tmp_path / "deep" / "er" / "README.md").is_file()


def test_words() -> None:
    card = Card.read("---\na: x\nb: [x, 1, '', null]\nc:\n---\n")
    assert card.words("a") == ["x"]
    assert card.words("b") == ["x", "1"]
    assert card.words("c") == card.words("d") == []
    assert card.word("a") == "x"
    assert card.word("b") is None


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**9), 10**9),
    st.text(max_size=30),
    st.sampled_from(["no", "on", "1.0", "~", "2024-01-01", "a: b", "# c", "- d", "null", "é", "中文", " x "]),
    st.floats(allow_nan=False, allow_infinity=False),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=8), inner, max_size=3
        )
    ),
    max_leaves=8,
)
KEYS = st.from_regex(r"[a-z][a-z0-9_]{0,10}", fullmatch=True).filter(
    lambda key: key not in ("lang", "tag", "metric")
)


@settings(max_examples=150, deadline=None)
@given(
    st.dictionaries(KEYS, VALUES, min_size=1, max_size=5),
    st.text(st.characters(codec="utf-8", exclude_characters="\r\0"), max_size=80),
)
def test_what_is_written_is_what_is_read(data: dict, body: str) -> None:
    from zoohub.cards.card import MISSPELT

    data = {key: value for key, value in data.items() if key not in MISSPELT}
    again = Card.read(Card(dict(data), body).to_bytes())
    assert again.data == data
    assert list(again.data) == list(data)
    assert again.body == body or not data


@settings(max_examples=300, deadline=None)
@given(
    st.one_of(
        st.text(max_size=300), st.from_regex(r"---\n([a-z_]+: [^\n]*\n){0,4}---\n[a-z# \n]*", fullmatch=True)
    )
)
def test_any_text_is_read_or_refused_and_comes_back_unchanged(text: str) -> None:
    try:
        card = Card.read(text.encode("utf-8", "surrogatepass"))
    except CardError:
        return
    if not any(finding.mended for finding in card.findings):
        assert card.to_bytes() == text.encode("utf-8", "surrogatepass")
    check(card)
    mended, _ = fix(card)
    assert not fix(Card.read(mended.to_bytes()))[1]  # what was mended needs no second mending


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes(raw: bytes) -> None:
    try:
        card = Card.read(raw)
    except CardError:
        return
    card.to_bytes()
