"""The catalog builder reads packages and never runs them."""

from __future__ import annotations

import ast
import gzip
import json
import zipfile
from pathlib import Path

import pytest

from scripts.catalog.__main__ import _compressed, merged
from scripts.catalog.origins import swift
from scripts.catalog.origins import timm as timm_origin
from scripts.catalog.packages import Package, pins
from scripts.catalog.reading import UNREAD, Reader


def value(expression: str, source: str = "") -> object:
    return Reader(ast.parse(source)).value(ast.parse(expression, mode="eval").body)


@pytest.mark.parametrize(
    ("expression", "result"),
    [
        ("{'a': 1, 'b': [1, 2.5, None, True]}", {"a": 1, "b": [1, 2.5, None, True]}),
        ("1_000 * 2 + 7", 2007),
        ("-3", -3),
        ("BASE + 'x'", "http://x"),
        ("f'{BASE}y'", "http://y"),
        ("dict(a=1, **{'b': 2})", {"a": 1, "b": 2}),
        ("cfg('u', size=3)", {"url": "u", "kind": "k", "size": 3}),
        ("cfg(kind='other')", {"url": "", "kind": "other"}),
        ("[f'y{k}{s}' for k in 'ab' for s in ('', '-c')]", ["ya", "ya-c", "yb", "yb-c"]),
        ("(1, *[2, 3])", (1, 2, 3)),
        ("open('/etc/passwd').read()", UNREAD),
        ("__import__('os').system('true')", UNREAD),
        ("unknown", UNREAD),
        ("1 / 0", UNREAD),
        ("{'a': unknown, 'b': 1}", {"b": 1}),
    ],
)
def test_expressions(expression: str, result: object) -> None:
    source = "BASE = 'http://'\ndef cfg(url='', **kw):\n    return {'url': url, 'kind': 'k', **kw}\n"
    found = value(expression, source)
    assert found is UNREAD if result is UNREAD else found == result


def wheel(folder: Path, name: str, files: dict[str, str]) -> Package:
    path = folder / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{name}-1.0.dist-info/METADATA", f"Name: {name}\nVersion: 1.0\nLicense: MIT\n")
        for place, text in files.items():
            archive.writestr(place, text)
    return Package(path)


def test_a_package_is_not_executed(tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    model = f"""
import pathlib
pathlib.Path({str(trap)!r}).touch()
def _cfg(url='', **kwargs):
    return {{'url': url, 'num_classes': 1000, 'license': 'apache-2.0', **kwargs}}
default_cfgs = generate_default_cfgs({{
    'net_a.in1k': _cfg(hf_hub_id='timm/'),
    'net_b.fb_in1k': _cfg(hf_hub_id='timm/', license='cc-by-nc-4.0'),
    'net_c.untrained': _cfg(),
}})
"""
    package = wheel(tmp_path, "timm", {"timm/models/net.py": model, "timm/data/constants.py": ""})
    found = {row["id"]: row for row in timm_origin.records(package)}
    assert set(found) == {"timm/net_a.in1k", "timm/net_b.fb_in1k"}
    assert found["timm/net_a.in1k"]["license_evidence"][0]["where"].endswith("(default of the family)")
    assert found["timm/net_b.fb_in1k"]["license_raw"] == "cc-by-nc-4.0"
    assert not trap.exists()


def test_ms_swift_ids_of_both_hubs(tmp_path: Path) -> None:
    source = """
register_model(ModelMeta(LLMModelType.qwen, [ModelGroup([Model('Qwen/A-ms', 'Qwen/A'), Model('iic/B')])],
               architectures=['QwenForCausalLM']))
register_model(ModelMeta(MLLMModelType.x_asr, [ModelGroup([Model('Qwen/C', 'Qwen/C')], tags=['audio'])]))
"""
    found = {
        row["id"]: row
        for row in swift.records(wheel(tmp_path, "ms_swift", {"swift/model/models/q.py": source}))
    }
    assert found["Qwen/A"]["mirrors"] == ["modelscope:Qwen/A-ms"]
    assert found["Qwen/A"]["task"] == "text-generation"
    assert found["modelscope:iic/B"]["source"] == "modelscope"
    assert found["Qwen/C"]["task"] == "automatic-speech-recognition"


def test_the_same_facts_give_the_same_bytes() -> None:
    rows = [{"id": "b/b", "task": "fill-mask"}, {"id": "a/a"}, {"id": "b/b", "library": "x"}, {"id": "no id"}]
    kept, refused = merged(rows)
    assert kept == [{"id": "a/a"}, {"id": "b/b", "library": "x", "task": "fill-mask"}]
    assert refused == ["no id"]
    packed = _compressed(kept)
    assert packed == _compressed(merged(list(reversed(rows)))[0])
    assert [json.loads(line)["id"] for line in gzip.decompress(packed).splitlines()] == ["a/a", "b/b"]


def test_provenance_says_what_was_read(tmp_path: Path) -> None:
    package = wheel(tmp_path, "thing", {"thing/a.json": "{}", "thing/b.json": "{}"})
    package.text("thing/a.json")
    note = package.provenance()
    assert (note["package"], note["version"], note["license of the package"]) == ("thing", "1.0", "MIT")
    assert note["files read"] == ["thing/a.json"]
    assert len(str(note["sha256"])) == 64


def test_every_package_of_an_origin_is_pinned() -> None:
    from importlib import import_module

    from scripts.catalog.__main__ import ORIGINS

    for origin in ORIGINS:
        for name in import_module(f"scripts.catalog.origins.{origin}").PACKAGES:
            assert "==" in name or name in pins(), f"{origin}: {name} has no pin"
