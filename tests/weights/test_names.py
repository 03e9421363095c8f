from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoohub.errors import UnsafeFile
from zoohub.weights import names

GOOD = [
    "config.json",
    "1_Pooling/config.json",
    "模型/权重.safetensors",
    "a.b.c-d_e+f (1)/x",
    "COM10.txt",
    "nulls",
    ".gitattributes",
]
BAD = {
    "": "empty",
    "../x": "leaves",
    "a/../../x": "leaves",
    "a/./b": "empty or '.'",
    "a//b": "empty or '.'",
    "a/": "empty or '.'",
    "/etc/passwd": "absolute",
    "C:/x": "absolute",
    "c:x": "absolute",
    "a\\b": "backslash",
    "a\0b": "control",
    "a\nb": "control",
    "a\x1b[2Jb": "control",
    "model\u202egnp.safetensors": "invisible",
    "mod\u200bel.bin": "invisible",
    "a\u2028b": "separator",
    "CON": "device",
    "x/nul.json": "device",
    "lpt1": "device",
    "aux.safetensors": "device",
    "a./b": "ends with a dot",
    "a ": "ends with a dot",
    " a": "begins with a space",
    "x" * 256: "255",
    "/".join("a" * 33): "deeper",
    "/".join(["x" * 200] * 6): "1024",
    "ab:b": "Windows",
    "a?b": "Windows",
    ".git/hooks/post-checkout": ".git",
    "a/.GIT/config": ".git",
}


@pytest.mark.parametrize("name", GOOD)
def test_good_names(name: str) -> None:
    assert names.problem(name) is None


@pytest.mark.parametrize(("name", "reason"), BAD.items(), ids=[repr(name[:20]) for name in BAD])
def test_bad_names(name: str, reason: str) -> None:
    assert reason in (names.problem(name) or "")


def test_two_names_that_are_one_file_elsewhere() -> None:
    names.require_safe(["model.safetensors", "Models.safetensors"])
    with pytest.raises(UnsafeFile, match="one file"):
        names.require_safe(["model.safetensors", "Model.safetensors"])
    with pytest.raises(UnsafeFile, match="one file"):
        names.require_safe(["caf\u00e9", "cafe\u0301"])


@given(st.text(max_size=40))
def test_an_accepted_name_stays_in_its_folder(name: str) -> None:
    if names.problem(name) is None:
        import os.path

        inside = os.path.normpath(os.path.join("/root/folder", name))
        assert inside.startswith("/root/folder/")
        assert not any(unicodedata.category(char) in ("Cc", "Cf", "Zl", "Zp") for char in name)
