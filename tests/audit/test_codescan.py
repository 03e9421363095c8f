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


def test_what_does_not_parse_is_told_and_the_scan_goes_on() -> None:
    result = scan(CODE)
    told = {(unread.path, unread.line) for unread in result.unread}
    assert told == {("app/broken.py", 4), ("configs/broken.json", 4)}
    assert len(result.models) > 60


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("deep.py", b"x = from_pretrained(" + b"(" * 5000 + b")" * 5001),
        ("nul.py", b"AutoModel.from_pretrained('a\0b')"),
        ("utf16.py", "AutoModel.from_pretrained('org/name')".encode("utf-16")),
        ("latin.py", b"# caf\xe9\nAutoModel.from_pretrained('org/name')"),
        ("bomb.yaml", b"a: &a [x/y, x/y]\nb: &b [*a, *a]\n" + b"c: &c [*b, *b]\nmodel: &m [*m]\n"),
        ("tabs.yaml", b"model:\n\t- org/name\n"),
        ("deep.json", b'{"model": ' * 100_000),
        ("no.ipynb", b'{"model": "from_pretrained"}'),
        ("broken.toml", b"model = \n"),
        ("quotes.sh", b"echo 'one\nollama pull \"\n--model\n"),
    ],
)
def test_hostile_files_stop_nothing(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    (tmp_path / "good.py").write_text(
        "from transformers import AutoModel\nAutoModel.from_pretrained('org/name')\n"
    )
    result = scan(tmp_path)
    assert ("good.py", 2) in {(use.path, use.line) for use in result.uses}


def test_names_that_refer_to_each_other_end(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(
        "from b import NAME\nfrom transformers import AutoModel\n"
        "AutoModel.from_pretrained(NAME)\nx = y\ny = x\nAutoModel.from_pretrained(x)\n"
    )
    (tmp_path / "b.py").write_text("from a import NAME\n")
    assert {use.model for use in scan(tmp_path).uses} == {None}


def test_many_alternatives_stay_bounded(tmp_path: Path) -> None:
    lines = [
        "from transformers import AutoModel",
        "def f(a):",
        "    return AutoModel.from_pretrained(f'{a}{a}{a}/{a}')",
    ]
    lines += [f"f('v{n}')" for n in range(2000)]
    (tmp_path / "many.py").write_text("\n".join(lines))
    assert len(scan(tmp_path).uses) <= 64


def test_two_processes_find_what_one_finds(tmp_path: Path) -> None:
    for number in range(450):
        text = (
            f"from transformers import AutoModel\nimport names\nAutoModel.from_pretrained(names.N{number})\n"
        )
        (tmp_path / f"m{number}.py").write_text(text)
    (tmp_path / "names.py").write_text(
        "\n".join(f"N{number} = 'org/model-{number}'" for number in range(450))
    )
    one, two = scan(tmp_path, processes=1), scan(tmp_path, processes=2)
    assert one == two
    assert len(one.models) == 450


def test_a_folder_that_lies_here_is_no_repository(tmp_path: Path) -> None:
    (tmp_path / "org" / "name").mkdir(parents=True)
    (tmp_path / "a.py").write_text(
        "from transformers import AutoModel\nAutoModel.from_pretrained('org/name')\n"
    )
    assert scan(tmp_path).uses == ()


def test_no_such_path() -> None:
    with pytest.raises(FileNotFoundError):
        scan("no/such/path")
