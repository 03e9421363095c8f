"""Pickles are opened in a child process only, which may do little, and what it writes is checked."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from zoohub.errors import UnsafeFile, WeightsError
from zoohub.weights import children
from zoohub.weights.convert import Converted, convert

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.models


def made(tmp_path: Path, state: Any, **options: Any) -> tuple[Converted, dict[str, Any]]:
    from safetensors.torch import load_file

    torch.save(state, tmp_path / "x.bin", **options)
    done = convert(tmp_path / "x.bin", tmp_path / "x.safetensors")
    return done, load_file(tmp_path / "x.safetensors")


def test_tensors_of_every_kind_come_out_equal(tmp_path: Path) -> None:
    base = torch.arange(12.0).reshape(3, 4)
    shared = torch.rand(5, 3)
    state = {
        "plain": torch.rand(4, 2), "half": torch.rand(3).half(), "brain": torch.rand(3).bfloat16(),
        "whole": torch.tensor([1, 2**40]), "truth": torch.tensor([True, False]), "scalar": torch.tensor(3.5),
        "empty": torch.zeros(0, 3), "turned": base.T, "part": base[1:, :2],
        "tied.a": shared, "tied.b": shared,
        "parameter": torch.nn.Parameter(torch.rand(2)),
    }  # fmt: skip
    done, tensors = made(tmp_path, state)
    assert done.names == tuple(state)
    assert set(tensors) == set(state)
    for name, tensor in state.items():
        assert tensors[name].dtype == tensor.dtype
        assert torch.equal(tensors[name], tensor.detach()), name


@pytest.mark.parametrize("key", ["state_dict", "model"])
def test_a_wrapped_state_dict_is_unwrapped_and_the_rest_named(tmp_path: Path, key: str) -> None:
    done, tensors = made(tmp_path, {key: {"w": torch.ones(2)}, "epoch": 3, "loss": 0.5})
    assert list(tensors) == ["w"]
    assert set(done.left_out) == {"epoch", "loss"}


def test_the_old_format_of_torch_is_read(tmp_path: Path) -> None:
    _, tensors = made(tmp_path, {"w": torch.ones(3)}, _use_new_zipfile_serialization=False)
    assert torch.equal(tensors["w"], torch.ones(3))


class Evil:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> Any:
        return os.system, (f"echo pwned > {self.target}",)


@pytest.mark.parametrize("wrap", [lambda evil: evil, lambda evil: {"w": torch.ones(1), "x": evil}])
def test_code_in_a_pickle_is_not_run_and_nothing_is_kept(tmp_path: Path, wrap: Any) -> None:
    torch.save(wrap(Evil(tmp_path / "pwned")), tmp_path / "x.bin")
    with pytest.raises(UnsafeFile, match=r"x\.bin cannot be converted: UnpicklingError"):
        convert(tmp_path / "x.bin", tmp_path / "x.safetensors")
    assert not (tmp_path / "pwned").exists()
    assert not (tmp_path / "x.safetensors").exists()


def test_what_holds_no_tensors_or_is_broken_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.bin").write_bytes(b"not a pickle")
    with pytest.raises(UnsafeFile, match="cannot be converted"):
        convert(tmp_path / "x.bin", tmp_path / "x.safetensors")
    torch.save({"a": 1}, tmp_path / "x.bin")
    with pytest.raises(UnsafeFile, match="no named tensors"):
        convert(tmp_path / "x.bin", tmp_path / "x.safetensors")


def test_a_result_that_differs_from_what_was_read_is_dropped(tmp_path: Path) -> None:
    from zoohub.weights.convert import _verify

    torch.save({"w": torch.ones(4)}, tmp_path / "x.bin")
    done = convert(tmp_path / "x.bin", tmp_path / "x.safetensors")
    with pytest.raises(WeightsError, match="differs"):
        _verify(done.path, {"w": ((4,), "0" * 64)}, "x.bin")
    assert not done.path.exists()


# --- what the child may not do ------------------------------------------------------------------

PROBE = """
import os, socket, subprocess, sys, json
sys.path.insert(0, {root!r})
from zoohub.weights.children.guards import give_up_rights, limit_memory
try:
    import _socket
    guards = give_up_rights(60, 1 << 20) + limit_memory(64 << 20)
    def other_convention():
        import ctypes
        libc = ctypes.CDLL(None, use_errno=True)
        return libc.syscall(0x40000000 | 41, 2, 1, 0), ctypes.get_errno()
    def attempt(action):
        try:
            return repr(action())
        except BaseException as error:
            return type(error).__name__
    print(json.dumps({{
        "guards": guards,
        "python socket": attempt(lambda: socket.socket()),
        "c socket": attempt(lambda: _socket.socket()),
        "connect": attempt(lambda: socket.create_connection(("127.0.0.1", {port}), 1)),
        "program": attempt(lambda: subprocess.run(["true"])),
        "socket by the other convention": attempt(other_convention),
        "shell": attempt(lambda: os.system("exit 0")),
        "large file": attempt(lambda: open("big", "wb").write(b"x" * (2 << 20))),
        "memory": attempt(lambda: bytearray(1 << 30)),
    }}))
except BaseException as error:
    print(json.dumps({{"failed": repr(error)}}))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the guards in the kernel are those of Linux")
def test_a_child_has_no_network_no_programs_and_limits(tmp_path: Path) -> None:
    import socket

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        code = PROBE.format(root=str(Path(__file__).parents[2]), port=listener.getsockname()[1])
        done = subprocess.run(
            [sys.executable, "-I", "-c", code], cwd=tmp_path, capture_output=True, check=True
        )
    found = json.loads(done.stdout)
    assert {"cpu", "file-size", "memory", "no-sockets"} <= set(found["guards"])
    assert found["python socket"] == found["connect"] == "PermissionError"
    assert found["large file"] == "OSError"
    assert found["memory"] == "MemoryError"
    if "seccomp" in found["guards"]:  # where the machine is one that the filter is written for
        assert found["c socket"] == "PermissionError"
        assert found["program"] == "PermissionError"
        assert found["shell"] != "0"
        if platform.machine() == "x86_64":
            assert found["socket by the other convention"] == "(-1, 1)", (
                "EPERM, not merely unknown to the kernel"
            )


def test_the_child_sees_no_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setenv("HTTPS_PROXY", "http://user:password@proxy")
    given = children.environment(str(tmp_path))
    assert "hf_secret" not in str(given)
    assert "password" not in str(given)
    assert given["HOME"] == str(tmp_path)


def test_the_memory_limit_ends_a_conversion_with_a_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = sys.modules["zoohub.weights.convert"]
    monkeypatch.setattr(module, "_SPARE_MEMORY", -(4 * 40_000_000) + 1_000_000)
    torch.save({"w": torch.ones(10_000_000)}, tmp_path / "x.bin")
    with pytest.raises(UnsafeFile, match=r"memory|allocate"):
        convert(tmp_path / "x.bin", tmp_path / "x.safetensors")
