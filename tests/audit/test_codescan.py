"""The scan of code against a labelled tree, and against trees that are broken."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from zoohub.audit.codescan import CodeScan
from zoohub.audit.codescan.scan import scan

CODE = Path(__file__).parent / "code"
LABEL = re.compile(r"#\s*->\s*(.+)$")
Place = tuple[str, int | None, int, str]


def labels() -> set[Place]:
    """(file, cell, line, model or '?'): from comments `# -> model, model`, and from labels.tsv for files
    without."""
    found: set[Place] = set()
    for path in sorted(CODE.rglob("*")):
        if path.suffix in (".py", ".yaml", ".toml", ".sh", ".txt"):
            name = path.relative_to(CODE).as_posix()
            for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
                if label := LABEL.search(line):
                    found |= {(name, None, number, model.strip()) for model in label[1].split(",")}
    for line in (CODE / "labels.tsv").read_text(encoding="utf-8").splitlines():
        name, cell, number, model = line.split("\t")
        found.add((name, int(cell) if cell else None, int(number), model))
    return found


def places(result: CodeScan) -> set[Place]:
    return {(use.path, use.cell, use.line, use.model or "?") for use in result.uses}


def test_recall_and_precision_on_the_labelled_tree(capsys: pytest.CaptureFixture[str]) -> None:
    wanted, got = labels(), places(scan(CODE))
    hits = wanted & got
    recall, precision = len(hits) / len(wanted), len(hits) / len(got)
    with capsys.disabled():
        print(f"\ncode scan: {len(wanted)} labelled uses, recall {recall:.1%}, precision {precision:.1%}")
        for name, places_ in (("missed", wanted - got), ("false", got - wanted)):
            for place in sorted(places_, key=str):
                print(f"  {name}: {place}")
    assert len(wanted) >= 60
    assert recall >= 0.97
    assert precision >= 0.97


def test_no_false_alarm_where_nothing_is_loaded() -> None:
    assert [use for use in scan(CODE).uses if use.path == "app/nothing.py"] == []
