"""Tiny ONNX models whose answers are known by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

COLORS = ("red", "green", "blue")


def write(folder: Path, nodes: list[Any], inputs: Any, outputs: Any, constants: Any, config: Any) -> Path:
    """A graph as `model.onnx`, with its config."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    def values(table: dict[str, Any]) -> list[Any]:
        return [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in table.items()
        ]

    weights = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "tiny", values(inputs), values(outputs), weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(model, folder / "model.onnx")
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def grid_detector(folder: Path, grid: Any) -> Path:
    """A detector that sees the same grid in every picture."""
    from onnx import helper

    nodes = [
        helper.make_node("ReduceMean", ["image"], ["mean"], keepdims=1),
        helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
        helper.make_node("Add", ["grid", "nothing"], ["out"]),
    ]
    constants = {"grid": grid[None].astype(np.float32), "zero": np.zeros(1, np.float32)}
    config = {"layout": "onnx", "architecture": "fastestdet", "label_names": ["cat", "dog"]}
    return write(folder, nodes, {"image": [1, 3, 32, 32]}, {"out": [1, *grid.shape]}, constants, config)


def one_dog(folder: Path) -> Path:
    """A detector that sees a dog in every picture."""
    grid = np.zeros((7, 4, 4))
    grid[:, 1, 2] = [1.0, 0.0, 0.0, 0.0, 0.0, 0.1, 0.9]  # objectness, x, y, w, h, cat, dog
    return grid_detector(folder, grid)


def classifier(folder: Path) -> Path:
    """Scores are the mean of each color."""
    from onnx import helper

    nodes = [helper.make_node("ReduceMean", ["image"], ["out"], axes=[2, 3], keepdims=0)]
    config = {"input_size": [3, 8, 8], "mean": [0, 0, 0], "std": [1, 1, 1], "crop_pct": 1.0,
              "label_names": list(COLORS)}  # fmt: skip
    return write(folder, nodes, {"image": ["n", 3, 8, 8]}, {"out": ["n", 3]}, {}, config)
