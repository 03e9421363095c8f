from __future__ import annotations

import io
import json
import os
import pickle
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tests.weights.hostile import GOOD, Evil, make, onnx_model
from zoohub.cli.main import zoo
from zoohub.errors import NeedsCode, UnsafeFile
from zoohub.weights import Level, check


def verdict(folder: Path, path: str) -> Any:
    [found] = [verdict for verdict in check(folder).verdicts if verdict.path == path]
    return found


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"model_type": "bert"}))
    (folder / "model.safetensors").write_bytes(GOOD)
    (folder / "README.md").write_text("# A model\n")
    return folder


def test_a_plain_model_is_safe(model: Path) -> None:
    report = check(model)
    assert report.safe
    assert {verdict.level for verdict in report.verdicts} == {Level.OK}
    report.require()


def tar() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        info = tarfile.TarInfo("../../escape")
        info.size = 3
        archive.addfile(info, io.BytesIO(b"abc"))
    return buffer.getvalue()


def zipped(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


EVIL = pickle.dumps(Evil(), 2)
FILES: dict[str, tuple[str, bytes, Level, str]] = {
    "pickle that calls": ("pytorch_model.bin", EVIL, Level.DANGER, "posix.system"),
    "pickle named json": ("config2.json", EVIL, Level.DANGER, "posix.system"),
    "pickle named txt": ("notes.txt", EVIL, Level.DANGER, "posix.system"),
    "pickle in a zip named md": ("x.md", zipped(**{"a/data.pkl": EVIL}), Level.DANGER, "posix.system"),
    "pickle of numbers": ("w.pkl", pickle.dumps({"a": [1.0]}, 4), Level.REFUSED, "a pickle"),
    "pickle of protocol 0": ("w.pt", pickle.dumps(Evil(), 0), Level.DANGER, "posix.system"),
    "broken pickle": ("w.pth", b"\x80\x04\x95\xff", Level.DANGER, "no whole pickle"),
    "safetensors that lies": ("b.safetensors", make({}, b"x"), Level.DANGER, "the file holds"),
    "safetensors that is a pickle": ("c.safetensors", EVIL, Level.DANGER, "header"),
    "program": ("lib/libx.so.txt", b"\x7fELF\x02\x01", Level.DANGER, "a program"),
    "windows program": ("setup.exe", b"MZ\x90", Level.DANGER, "a program"),
    "bytecode": ("m.pyc", b"\0\0", Level.DANGER, "a program"),
    "script": ("install", b"#!/bin/sh\nrm -rf ~\n", Level.DANGER, "a script"),
    "python": ("modeling_x.py", b"import os\n", Level.NOTE, "code"),
    "tar": ("data.tar", tar(), Level.NOTE, "never unpacked"),
    "zip": ("data.zip", zipped(**{"../x": b"1"}), Level.NOTE, "never unpacked"),
    "other format": ("model.h5", b"\x89HDF", Level.NOTE, "allowlist"),
    "yaml that constructs": ("x.yaml", b"!!python/object/apply:os.system ['id']", Level.DANGER, "YAML"),
    "broken json": ("x.json", b"{", Level.DANGER, "no JSON"),
    "device name": ("aux.json", b"{}", Level.DANGER, "device"),
    "direction-turning name": ("model\u202egnp.txt", b"", Level.DANGER, "invisible"),
    "index that leaves": ("model.safetensors.index.json", json.dumps({"weight_map": {"a": "../x"}}).encode(),
                          Level.DANGER, "leaves"),
    "code in a config": ("tokenizer_config.json", json.dumps({"auto_map": {"AutoTokenizer": "t.T"}}).encode(),
                         Level.REFUSED, "auto_map"),
}  # fmt: skip


@pytest.mark.parametrize(("path", "data", "level", "reason"), FILES.values(), ids=list(FILES))
def test_one_bad_file(model: Path, path: str, data: bytes, level: Level, reason: str) -> None:
    (model / path).parent.mkdir(exist_ok=True)
    (model / path).write_bytes(data)
    found = verdict(model, path)
    assert found.level is level, found
    assert reason in " ".join(found.reasons)
    assert check(model).safe == (level is Level.NOTE)


@pytest.mark.models
def test_onnx_data_stay_in_the_model(model: Path) -> None:
    (model / "secret").write_bytes(b"x" * 100)
    inside = model / "onnx"
    inside.mkdir()
    (inside / "w.bin").write_bytes(b"\xff" * 8)
    cases = {
        "w.bin": Level.OK,
        "../secret": Level.DANGER,
        "/etc/passwd": Level.DANGER,
        "gone.bin": Level.DANGER,
    }
    for location, level in cases.items():
        (inside / "m.onnx").write_bytes(onnx_model(location))
        assert verdict(model, "onnx/m.onnx").level is level, location
    (inside / "m.onnx").write_bytes(onnx_model("w.bin", offset="4", length="8"))
    assert "beyond the end" in verdict(model, "onnx/m.onnx").reasons[0]


def test_links_that_leave_the_folder_are_dangerous(model: Path, tmp_path: Path) -> None:
    (tmp_path / "outside.json").write_text("{}")
    (model / "inside.json").symlink_to("config.json")
    (model / "leaves.json").symlink_to("../outside.json")
    (model / "nowhere.json").symlink_to("nothing")
    (model / "folder").symlink_to(tmp_path)
    assert verdict(model, "inside.json").level is Level.OK
    assert "leaves the folder" in verdict(model, "leaves.json").reasons[0]
    assert "nowhere" in verdict(model, "nowhere.json").reasons[0]
    assert "leaves the folder" in verdict(model, "folder").reasons[0]


def test_a_pipe_is_no_file(model: Path) -> None:
    os.mkfifo(model / "pipe.json")
    assert "no ordinary file" in verdict(model, "pipe.json").reasons[0]


def test_code_is_allowed_only_by_trust_and_a_pickle_not_even_then(model: Path) -> None:
    (model / "config.json").write_text(json.dumps({"auto_map": {"AutoModel": "m.M"}}))
    with pytest.raises(NeedsCode, match=r"--trust me/model@abc"):
        check(model).require(model="me/model", revision="abc")
    check(model).require(trusted=True)
    (model / "pytorch_model.bin").write_bytes(EVIL)
    with pytest.raises(UnsafeFile, match=r"posix\.system"):
        check(model).require(trusted=True)


def test_the_command_says_it_with_its_exit_code(model: Path) -> None:
    run = CliRunner().invoke
    fine = run(zoo, ["check", str(model)])
    assert fine.exit_code == 0
    assert fine.stdout == ""
    assert "3 ok" in fine.stderr
    assert "model.safetensors" in run(zoo, ["check", str(model), "--all"]).stdout
    (model / "x.pkl").write_bytes(EVIL)
    bad = run(zoo, ["check", str(model), "--format", "jsonl"])
    assert bad.exit_code == 1
    first = json.loads(bad.stdout.splitlines()[0])
    assert (first["level"], first["path"]) == ("danger", "x.pkl")
    alone = run(zoo, ["check", str(model / "x.pkl")])
    assert alone.exit_code == 1
