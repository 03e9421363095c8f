"""What is found wrong in cards, and what a machine mends."""

from __future__ import annotations

from pathlib import Path

import pytest

from zoohub import Card
from zoohub.cards import check, fix

ROOT = Path(__file__).parents[2]
GOOD = ("---\nlicense: apache-2.0\npipeline_tag: text-classification\nlanguage: [en, zh, no, zh-Hant]\n"
        "base_model: google-bert/bert-base-uncased\nbase_model_relation: finetune\ndatasets: [imdb]\n"
        "tags: [a]\n---\n# Fine\n\nIt says what it is.\n")  # fmt: skip


def found(text: str) -> dict[str, object]:
    return {finding.rule: finding for finding in check(Card.read(text))}


def test_a_good_card_has_nothing_to_mend() -> None:
    assert not found(GOOD)
    assert fix(Card.read(GOOD))[1] == ()


@pytest.mark.parametrize(
    ("old", "new", "rule", "severity", "line"),
    [
        ("license: apache-2.0\n", "", "no-license", "error", None),
        ("license: apache-2.0", "license: [mit, apache-2.0]", "license-list", "error", 2),
        ("license: apache-2.0", "license: other", "license-other", "error", 2),
        ("license: apache-2.0", "license: my-own", "license-unknown", "warning", 2),
        ("license: apache-2.0", "license: Apache 2.0", "license-spelling", "warning", 2),
        ("license: apache-2.0", "license: qwen-research", "license-spelling", "warning", 2),
        ("license: apache-2.0", "license: true", "license-value", "error", 2),
        ("license: apache-2.0", "license: llama3.1", "badge", "note", 2),
        ("text-classification", "sentiment", "task-spelling", "warning", 3),
        ("text-classification", "guessing", "task-unknown", "warning", 3),
        ("pipeline_tag: text-classification\n", "", "no-task", "note", None),
        ("[en, zh, no, zh-Hant]", "[English]", "language-code", "warning", 4),
        ("google-bert/bert-base-uncased", "my base", "base-model-id", "warning", 5),
        ("finetune", "fine-tuned", "relation", "warning", 6),
        ("[imdb]", "{a: 1}", "list-value", "warning", 7),
        ("tags: [a]", "tags: a, b", "comma-list", "warning", 8),
        ("tags: [a]", "model-index: nope", "model-index", "error", 8),
        ("tags: [a]", "model-index: [{name: x}]", "model-index", "error", 8),
        ("tags: [a]", "model-index: [{name: x, results: [{task: {}}]}]", "model-index", "error", 8),
        ("tags: [a]", "licenze_name: x", "unknown-key", "note", 8),
        ("# Fine\n\nIt says what it is.\n", "", "no-text", "warning", None),
    ],
)  # fmt: skip
def test_findings(old: str, new: str, rule: str, severity: str, line: int | None) -> None:
    assert old in GOOD
    finding = found(GOOD.replace(old, new))[rule]
    assert (finding.severity, finding.line) == (severity, line)
    assert finding.message


def test_name_prefix_of_a_llama_child() -> None:
    text = GOOD.replace("apache-2.0", "llama3.1").replace("tags: [a]", "model_name: My Model")
    assert "name-prefix" in found(text)
    assert "name-prefix" not in found(text.replace("My Model", "Llama-3.1-My"))
    assert "badge" not in found(text.replace("It says", "Built with Llama. It says"))


def test_gravest_first() -> None:
    order = [finding.severity for finding in check(Card.read("---\nlang: x y\n---\n"))]
    assert order == sorted(order, key=("error", "warning", "note").index)
    assert "error" in order


def test_a_card_without_front_matter() -> None:
    assert "no-front-matter" in found("# Model\n\nGood.\n")


def test_fix() -> None:
    text = (
        "---\nlicence: MIT License  # ours\npipeline-tag: Image Classification\ntags: a, b\n"
        "datasets: imdb\nlicense_x: 1\n"
        "own: {z: 1}\n---\nHi\n"
    )
    mended, done = fix(Card.read(text))
    assert mended.text == (
        "---\nlicense: mit\npipeline_tag: image-classification\ntags:\n- a\n- b\n"
        "datasets:\n- imdb\nlicense_x: 1\n"
        "own: {z: 1}\n---\nHi\n"
    )
    assert len(done) == 6
    assert fix(Card.read(mended.text))[1] == ()


def test_fix_writes_what_hubs_know() -> None:
    mended, _ = fix(Card.read("---\ntags: [x]\nlicense: qwen-research\nlast: 1\n---\nx\n"))
    assert list(mended.data) == ["tags", "license", "license_name", "license_link", "last"]
    assert (mended.data["license"], mended.data["license_name"]) == ("other", "qwen-research")


def test_fix_leaves_judgment_to_people() -> None:
    for text in (
        "---\nlicense: [mit, gpl-3.0]\n---\nx\n",
        "---\nlicense: my-own\n---\nx\n",
        "---\nlicense: apache-2.0-with-naming-clause\n---\nx\n",
        "---\npipeline_tag: guessing\n---\nx\n",
    ):
        mended, done = fix(Card.read(text))
        assert not done
        assert mended.text == text


def test_license_files_beside_the_card(tmp_path: Path) -> None:
    def found_with(**files: str) -> list[tuple[str, str]]:
        for path in tmp_path.iterdir():
            path.unlink()
        (tmp_path / "README.md").write_text(GOOD, encoding="utf-8")
        for name, text in files.items():
            (tmp_path / name).write_text(text, encoding="utf-8")
        return [(finding.severity, finding.message) for finding in check(Card.read(tmp_path))]

    apache = (ROOT / "LICENSE").read_text(encoding="utf-8")
    mit = (ROOT / "tests/cards/license_texts/mit.txt").read_text(encoding="utf-8")
    assert found_with(LICENSE=apache) == []
    assert found_with(LICENSE=mit) == [("error", "The file LICENSE is mit, the card says apache-2.0.")]
    ((severity, message),) = found_with(LICENSE=apache + "\nNo use in weapons.\n")
    assert severity == "warning"
    assert "contains the whole of apache-2.0" in message
    (tmp_path / "README.md").write_text(GOOD.replace("apache-2.0", "my-own"), encoding="utf-8")
    (tmp_path / "LICENSE").write_text(mit, encoding="utf-8")
    assert "which the card does not name" in str([finding.message for finding in check(Card.read(tmp_path))])
    (tmp_path / "README.md").write_text(GOOD, encoding="utf-8")
    (tmp_path / "LICENSE").unlink()
    (tmp_path / "LICENSE").symlink_to(ROOT / "LICENSE")
    ((severity, message),) = [(f.severity, f.message) for f in check(Card.read(tmp_path))]
    assert severity == "warning"
    assert "leads out" in message


def test_every_tag_that_hubs_know_is_a_known_license() -> None:
    from zoohub.cards.licenses import normalize
    from zoohub.cards.writer import HUB_TAGS

    assert len(HUB_TAGS) > 75
    for tag in HUB_TAGS.values():
        assert normalize(tag).id != "unknown", tag
