"""Write zoohub/audit/codescan/names.json: what the short names of libraries stand for.

    python scripts/codescan_names.py --open-clip FOLDER --keras-hub FOLDER

timm is imported; open_clip and keras_hub are read from unpacked packages without running them. Kept by hand
in
the same file, and taken over as they are: the tables that no installable package states.
"""

from __future__ import annotations

import argparse
import ast
import json
from pathlib import Path

TARGET = Path(__file__).parents[1] / "zoohub" / "audit" / "codescan" / "names.json"


def timm_weights() -> tuple[dict[str, str], dict[str, str]]:
    """Architecture -> the tag that `pretrained=True` takes; weights that lie outside timm's own namespace ->
    repository."""
    from timm.models._registry import _model_default_cfgs

    tags, elsewhere = {}, {}
    for arch, configs in sorted(_model_default_cfgs.items()):
        if configs.default.has_weights:
            tags[arch] = next(iter(configs.tags), "")
        for tag, config in configs.cfgs.items():
            repo = config.hf_hub_id or ""
            if repo and not repo.startswith("timm/"):
                elsewhere[f"{arch}.{tag}" if tag else arch] = repo
    return tags, elsewhere


def open_clip_weights(folder: Path) -> dict[str, str]:
    """`architecture pretrained-tag` -> hub repository."""
    tree = ast.parse((folder / "pretrained.py").read_text(encoding="utf-8"))
    tables: dict[str, dict[str, str]] = {}
    for node in tree.body:
        if not isinstance(node, ast.Assign) or not isinstance(node.targets[0], ast.Name):
            continue
        name, value = node.targets[0].id, node.value
        if isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "dict":
            tables[name] = {k.arg: repo for k in value.keywords if k.arg and (repo := _repository(k.value))}
        elif name == "_PRETRAINED" and isinstance(value, ast.Dict):
            arches = zip(value.keys, value.values, strict=True)
            return {
                f"{arch.value} {tag}": repo
                for arch, table in arches
                if isinstance(arch, ast.Constant) and isinstance(table, ast.Name)
                for tag, repo in tables.get(table.id, {}).items()
            }
    return {}


def _repository(call: ast.expr) -> str:
    for keyword in getattr(call, "keywords", ()):
        if keyword.arg == "hf_hub" and isinstance(keyword.value, ast.Constant):
            return str(keyword.value.value).rstrip("/")
    return ""


def keras_presets(folder: Path) -> list[str]:
    """Names of presets; the organization `keras` mirrors each under its own name."""
    names = set()
    for path in folder.rglob("*_presets.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Dict) and "kaggle_handle" in {
                getattr(k, "value", None) for k in node.keys
            }:
                handle = next(v for k, v in zip(node.keys, node.values, strict=True)
                              if getattr(k, "value", None) == "kaggle_handle")  # fmt: skip
                if isinstance(handle, ast.Constant):
                    names.add(str(handle.value).split("/")[-2])
    return sorted(names)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--open-clip", type=Path, required=True)
    parser.add_argument("--keras-hub", type=Path, required=True)
    args = parser.parse_args()
    names = json.loads(TARGET.read_text(encoding="utf-8")) if TARGET.is_file() else {}
    names["timm"], names["timm_elsewhere"] = timm_weights()
    names["open_clip"] = open_clip_weights(args.open_clip)
    names["keras_hub"] = keras_presets(args.keras_hub)
    TARGET.write_text(
        json.dumps(names, indent=0, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8"
    )
    print({key: len(value) for key, value in names.items()})


if __name__ == "__main__":
    main()
