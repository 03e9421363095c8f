"""Hostile and broken files of each format; the real libraries are asked too, where they are installed."""

from __future__ import annotations

import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.weights.hostile import GOOD, Evil, entry, make, onnx_model
from zoohub.weights.formats import configs, onnx, pickles, safetensors

# --- safetensors --------------------------------------------------------------------------------


BROKEN = {
    "too short": (b"\1\2", "too short"),
    "header beyond the file": (make({}, b"", length=10**6), "claims"),
    "header of 2^63": (make({}, b"", length=2**63), "claims"),
    "no json": (make(b"{'a'", b""), "no JSON"),
    "no object": (make(b"[]", b""), "'{'"),
    "no utf-8": (make(b'{"\xff": 1}', b""), "UTF-8"),
    "deep": (make(b'{"a":' * 60_000 + b"1" + b"}" * 60_000, b""), "deep"),
    "a key twice": (make(b'{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]},'
                         b'"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}'), "twice"),
    "an inner key twice": (make(b'{"a":{"dtype":"F32","dtype":"F32","data_offsets":[0,16]}}'), "twice"),
    "overlap": (make({"a": entry(0, 12), "b": entry(8, 16)}), "overlaps"),
    "hole": (make({"a": entry(0, 4), "b": entry(8, 16)}), "unused"),
    "bytes left over": (make({"a": entry(0, 8)}), "the file holds"),
    "beyond the end": (make({"a": entry(0, 20)}), "the file holds"),
    "size lies": (make({"a": entry(0, 16, [3])}), "its shape needs"),
    "shape overflows": (make({"a": entry(0, 16, [2**62, 2**62])}), "its shape needs"),
    "negative shape": (make({"a": entry(0, 16, [-4])}), "shape"),
    "float shape": (make({"a": entry(0, 16, [4.0])}), "shape"),  # type: ignore[list-item]
    "bool shape": (make({"a": entry(0, 16, [True])}), "shape"),
    "unknown dtype": (make({"a": entry(0, 16, [4], "F33")}), "dtype"),
    "negative offset": (make({"a": {"dtype": "F32", "shape": [4], "data_offsets": [-16, 0]}}), "offsets"),
    "missing key": (make({"a": {"dtype": "F32", "shape": [4]}}), "exactly"),
    "extra key": (make({"a": {**entry(0, 16), "code": "x"}}), "exactly"),
    "metadata of numbers": (make({"__metadata__": {"a": 1}, "a": entry(0, 16)}), "metadata"),
    "NaN": (make(b'{"a": NaN}'), "NaN"),
}  # fmt: skip


def test_a_good_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(GOOD)
    header = safetensors.read(path)
    assert [(tensor.name, tensor.shape) for tensor in header.tensors] == [
        ("a", (2,)),
        ("b", (2,)),
        ("empty", (0,)),
    ]
    assert header.parameters == 4
    assert header.metadata == {"format": "pt"}


@pytest.mark.parametrize(("data", "reason"), BROKEN.values(), ids=list(BROKEN))
def test_a_broken_file_is_refused_with_the_reason(tmp_path: Path, data: bytes, reason: str) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(data)
    with pytest.raises(safetensors.Malformed, match=reason):
        safetensors.read(path)


@pytest.mark.models
def test_what_the_library_writes_is_accepted_and_renamed(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from safetensors.torch import load_file, save_file

    tensors = {
        "a": torch.arange(6.0).reshape(2, 3),
        "b": torch.ones(3, dtype=torch.bfloat16),
        "c": torch.tensor(7),
    }
    save_file(tensors, tmp_path / "x.safetensors", metadata={"format": "pt"})
    header = safetensors.read(tmp_path / "x.safetensors")
    assert {tensor.name: tensor.shape for tensor in header.tensors} == {"a": (2, 3), "b": (3,), "c": ()}

    safetensors.rename(tmp_path / "x.safetensors", tmp_path / "y.safetensors", {"a": "x.a", "c": "x.c"})
    again = load_file(tmp_path / "y.safetensors")
    assert set(again) == {"x.a", "x.c"}
    assert torch.equal(again["x.a"], tensors["a"])
    assert torch.equal(again["x.c"], tensors["c"])


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200), st.integers(0, len(GOOD) - 1))
def test_any_bytes_are_read_or_refused_never_a_crash(tmp_path_factory: Any, junk: bytes, at: int) -> None:
    path = tmp_path_factory.mktemp("fuzz") / "x.safetensors"
    for data in (junk, GOOD[:at], GOOD[:at] + junk + GOOD[at:]):
        path.write_bytes(data)
        try:
            safetensors.read(path)
        except safetensors.Malformed:
            pass


# --- pickles ------------------------------------------------------------------------------------


def scan(tmp_path: Path, data: bytes, name: str = "x.bin") -> pickles.Scan:
    (tmp_path / name).write_bytes(data)
    return pickles.scan(tmp_path / name)


@pytest.mark.parametrize("protocol", range(6))
def test_a_call_in_a_pickle_is_found_in_every_protocol(tmp_path: Path, protocol: int) -> None:
    found = scan(tmp_path, pickle.dumps({"w": Evil()}, protocol))
    assert found.dangerous == ("posix.system",)
    assert not found.only_tensors


def test_computed_and_registered_imports_are_dangerous(tmp_path: Path) -> None:
    # STACK_GLOBAL on what the pickle itself concatenated: the name cannot be known without running it
    assert scan(tmp_path, b"\x80\x04]]\x93.").dangerous == ("?",)
    assert scan(tmp_path, b"\x80\x02\x82\x01.").dangerous == ("?",)


def test_a_name_kept_in_the_memo_is_found(tmp_path: Path) -> None:
    data = b"\x80\x04\x8c\x02os\x94\x8c\x06system\x940h\x00h\x01\x93."
    assert scan(tmp_path, data).dangerous == ("os.system",)


def test_a_cut_off_pickle_tells_what_it_had_imported(tmp_path: Path) -> None:
    found = scan(tmp_path, pickle.dumps(Evil(), 2)[:-8])
    assert found.dangerous == ("posix.system",)
    assert "no whole pickle" in (found.problem or "")


def test_a_second_pickle_behind_the_first_is_read(tmp_path: Path) -> None:
    assert scan(tmp_path, pickle.dumps({"a": 1}, 2) + pickle.dumps(Evil(), 2)).dangerous == ("posix.system",)


def test_unknown_classes_are_not_harmless(tmp_path: Path) -> None:
    found = scan(tmp_path, b"\x80\x02cmymodel.net\nNet\n.")
    assert found.unknown == ("mymodel.net.Net",)


@pytest.mark.models
@pytest.mark.parametrize("old", [False, True], ids=["zip", "old format"])
def test_what_torch_writes_of_tensors_is_harmless(tmp_path: Path, old: bool) -> None:
    torch = pytest.importorskip("torch")
    state = {
        "a": torch.ones(640),
        "b": torch.nn.Parameter(torch.zeros(2, dtype=torch.bfloat16)),
        "n": torch.Size([2]),
    }
    torch.save(state, tmp_path / "x.bin", _use_new_zipfile_serialization=not old)
    found = pickles.scan(tmp_path / "x.bin")
    assert found.only_tensors, found
    assert "torch._utils._rebuild_tensor_v2" in found.harmless


@pytest.mark.models
def test_a_whole_module_is_found_out(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    torch.save(torch.nn.Linear(2, 2), tmp_path / "x.pt")
    assert "torch.nn.modules.linear.Linear" in pickles.scan(tmp_path / "x.pt").unknown


def test_a_pickle_hidden_in_a_zip_under_another_name_is_found(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/version", "3")
        archive.writestr("archive/extra.dat", pickle.dumps(Evil(), 4))
    assert scan(tmp_path, buffer.getvalue()).dangerous == ("posix.system",)


def test_torchscript_is_code(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("m/data.pkl", pickle.dumps({}, 2))
        archive.writestr("m/code/__torch__.py", "class M: pass")
    assert "TorchScript" in (scan(tmp_path, buffer.getvalue()).problem or "")


def test_numpy_arrays_of_numbers_and_of_objects(tmp_path: Path) -> None:
    numpy = pytest.importorskip("numpy")
    numpy.save(tmp_path / "n.npy", numpy.ones(3))
    numpy.save(tmp_path / "o.npy", numpy.array([Evil()], dtype=object), allow_pickle=True)
    numpy.savez(tmp_path / "z.npz", a=numpy.ones(3))
    assert pickles.scan(tmp_path / "n.npy").only_tensors
    assert pickles.scan(tmp_path / "z.npz").only_tensors
    assert pickles.scan(tmp_path / "o.npy").dangerous == ("posix.system",)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_scanned_without_a_crash(tmp_path_factory: Any, data: bytes) -> None:
    path = tmp_path_factory.mktemp("fuzz") / "x.bin"
    for junk in (data, b"\x80\x04" + data):
        path.write_bytes(junk)
        pickles.scan(path)


# --- ONNX ---------------------------------------------------------------------------------------


def read_onnx(tmp_path: Path, data: bytes) -> onnx.Graph:
    (tmp_path / "m.onnx").write_bytes(data)
    return onnx.read(tmp_path / "m.onnx")


@pytest.mark.models
def test_external_data_are_found_at_any_depth(tmp_path: Path) -> None:
    assert read_onnx(tmp_path, onnx_model()).external == ()
    found = read_onnx(tmp_path, onnx_model("weights.bin", offset="8", length="8"))
    assert found.external == (onnx.External("weights.bin", 8, 8),)
    nested = read_onnx(tmp_path, onnx_model("../../secret", nested=True))
    assert {external.location for external in nested.external} == {"../../secret"}
    assert read_onnx(tmp_path, onnx_model(domain="my.ops")).custom_domains == ("my.ops",)


@pytest.mark.models
def test_broken_onnx_is_refused(tmp_path: Path) -> None:
    whole = onnx_model()
    for data in (b"", b"hello world, no protobuf", whole[:-5], b"\x3a" + b"\xff" * 20):
        with pytest.raises(onnx.Malformed):
            read_onnx(tmp_path, data)
    with pytest.raises(onnx.Malformed, match="no number"):
        read_onnx(tmp_path, onnx_model("w.bin", offset="x"))
    with pytest.raises(onnx.Malformed, match="negative"):
        read_onnx(tmp_path, onnx_model("w.bin", offset="-8"))
    with pytest.raises(onnx.Malformed, match="no file is named"):
        read_onnx(tmp_path, onnx_model(""))


def test_a_graph_nested_in_itself_a_thousand_times_is_refused(tmp_path: Path) -> None:
    def field(number: int, payload: bytes) -> bytes:
        size, out = len(payload), bytearray([number << 3 | 2])
        while size > 127:
            out.append(size & 127 | 128)
            size >>= 7
        return bytes([*out, size]) + payload

    graph = b""
    for _ in range(1000):
        graph = field(1, field(5, field(6, graph)))  # graph -> node -> attribute -> graph
    with pytest.raises(onnx.Malformed, match="deep"):
        read_onnx(tmp_path, field(7, graph))


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_walked_without_a_crash(tmp_path_factory: Any, data: bytes) -> None:
    path = tmp_path_factory.mktemp("fuzz") / "m.onnx"
    path.write_bytes(data)
    try:
        onnx.read(path)
    except onnx.Malformed:
        pass


# --- configurations -----------------------------------------------------------------------------

NEEDS_CODE = {
    "auto_map": ("config.json", {"auto_map": {"AutoModel": "modeling_x.X"}}),
    "auto_map in a part": ("config.json", {"text_config": {"auto_map": {"AutoConfig": "other/repo--c.C"}}}),
    "tokenizer auto_map": ("tokenizer_config.json", {"auto_map": {"AutoTokenizer": ["t.T", None]}}),
    "custom pipeline": ("config.json", {"custom_pipelines": {"x": {"impl": "p.P"}}}),
    "kernel from a repository": ("config.json", {"_attn_implementation": "kernels-community/flash-attn"}),
    "kernel in a part": ("config.json", {"vision": {"attn_implementation": {"": "someone/kernel:fn"}}}),
    "custom generate": ("generation_config.json", {"custom_generate": "someone/generate"}),
    "trust_remote_code": ("config.json", {"trust_remote_code": True}),
    "sentence-transformers module": ("modules.json", [{"idx": 0, "path": "", "type": "own.Transformer"}]),
    "diffusers component": ("model_index.json", {"_class_name": "P", "unet": ["my_unet", "UNet"]}),
    "peft base class": ("adapter_config.json", {"auto_mapping": {"parent_library": "evil.m"}}),
}  # fmt: skip
FINE = {
    "plain": ("config.json", {"model_type": "bert", "auto_map": None, "_attn_implementation": "sdpa"}),
    "modules": ("modules.json", [{"idx": 0, "path": "", "type": "sentence_transformers.models.Transformer"}]),
    "diffusers": ("model_index.json", {"unet": ["diffusers", "UNet2D"], "safety": [None, None]}),
    "peft": ("adapter_config.json", {"auto_mapping": {"base_model_class": "BertModel",
                                                      "parent_library": "transformers.models.bert"}}),
}  # fmt: skip


@pytest.mark.parametrize(("path", "data"), NEEDS_CODE.values(), ids=list(NEEDS_CODE))
def test_a_configuration_that_asks_for_code(path: str, data: Any) -> None:
    assert configs.code_reasons(path, data)


@pytest.mark.parametrize(("path", "data"), FINE.values(), ids=list(FINE))
def test_a_configuration_that_does_not(path: str, data: Any) -> None:
    assert configs.code_reasons(path, data) == []


def test_file_names_in_a_configuration_stay_in_the_folder() -> None:
    assert configs.file_reasons({"weight_map": {"a": "model-1.safetensors", "b": "../../x.safetensors"}})
    assert configs.file_reasons({"transformers_weights": "/etc/passwd"})
    assert not configs.file_reasons({"weight_map": {"a": "model-1.safetensors"}})


def test_json_and_yaml_have_limits(tmp_path: Path) -> None:
    deep = tmp_path / "deep.json"
    deep.write_text("[" * 100_000 + "]" * 100_000)
    with pytest.raises(configs.Malformed, match="deep"):
        configs.read_json(deep)
    bomb = "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n"
    with pytest.raises(configs.Malformed, match="aliases"):
        configs.read_yaml(bomb)
    with pytest.raises(configs.Malformed, match="deep"):
        configs.read_yaml("[" * 200 + "]" * 200)
    with pytest.raises(configs.Malformed, match="plain YAML"):
        configs.read_yaml("!!python/object/apply:os.system ['id']")
    with pytest.raises(configs.Malformed, match="larger"):
        configs.read_yaml("x" * (configs.MAX_YAML + 1))
    assert configs.read_yaml("a: [1, 2]\nb: 权重") == {"a": [1, 2], "b": "权重"}
