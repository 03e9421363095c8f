"""Makers of hostile and of good files, each a few bytes long."""

from __future__ import annotations

import json
import struct
from typing import Any

import pytest


def make(header: Any, data: bytes = b"\0" * 16, length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def entry(begin: int, end: int, shape: list[int] | None = None, dtype: str = "F32") -> dict[str, Any]:
    return {
        "dtype": dtype,
        "shape": [(end - begin) // 4] if shape is None else shape,
        "data_offsets": [begin, end],
    }


GOOD = make(
    {"__metadata__": {"format": "pt"}, "a": entry(0, 8), "b": entry(8, 16), "empty": entry(16, 16, [0])}
)


class Evil:
    def __reduce__(self) -> Any:
        return __import__("os").system, ("exit 3",)


def onnx_model(location: str | None = None, domain: str = "", nested: bool = False, **entries: str) -> bytes:
    """A model made by the onnx library, whose weight lies in `location` if that is given."""
    library = pytest.importorskip("onnx")
    from onnx import TensorProto, helper

    weight = helper.make_tensor("w", TensorProto.FLOAT, [2], [1.0, 2.0])
    if location is not None:
        weight.ClearField("float_data")
        weight.data_location = TensorProto.EXTERNAL
        for key, value in {"location": location, **entries}.items():
            weight.external_data.add(key=key, value=value)
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, [2])
    if nested:  # the weight sits in a branch of an If node
        inner = helper.make_graph(
            [helper.make_node("Identity", ["w"], ["z"])],
            "inner",
            [],
            [helper.make_tensor_value_info("z", TensorProto.FLOAT, [2])],
            [weight],
        )
        node = helper.make_node("If", ["c"], ["y"], then_branch=inner, else_branch=inner)
        inputs = [helper.make_tensor_value_info("c", TensorProto.BOOL, [])]
        graph = helper.make_graph([node], "g", inputs, [output])
    else:
        graph = helper.make_graph([helper.make_node("Identity", ["w"], ["y"])], "g", [], [output], [weight])
    opsets = [helper.make_opsetid("", 17)] + ([helper.make_opsetid(domain, 1)] if domain else [])
    assert library
    return bytes(helper.make_model(graph, opset_imports=opsets).SerializeToString())
