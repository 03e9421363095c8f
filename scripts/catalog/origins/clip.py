"""OpenCLIP and FastEmbed: image-text and text encoders with the data they were trained on, sizes and licenses."""

from __future__ import annotations

from collections.abc import Iterator

from scripts.catalog.model import Record, author, license_facts, record
from scripts.catalog.packages import Package
from scripts.catalog.reading import Reader, calls

PACKAGES = ("open_clip_torch", "fastembed")


def _openclip(clip: Package) -> Iterator[Record]:
    reader = Reader(clip.tree("open_clip/pretrained.py"))
    for call in calls(clip.tree("open_clip/pretrained.py"), "dict"):
        for keyword in call.keywords:
            facts = reader.value(keyword.value)
            hub = facts.get("hf_hub") if isinstance(facts, dict) else None
            if isinstance(hub, str) and hub.count("/") >= 2:
                name = "/".join(hub.split("/")[:2])  # what follows is a file of that repository
                yield record(
                    name,
                    author=author(name),
                    task="zero-shot-image-classification",
                    tasks=["zero-shot-image-classification", "image-feature-extraction"],
                    library="open_clip",
                    datasets=[str(keyword.arg)],
                    config={
                        key: facts[key]
                        for key in ("mean", "std", "interpolation", "resize_mode")
                        if key in facts
                    },
                )


def _fastembed(package: Package) -> Iterator[Record]:
    kinds = {"DenseModelDescription": "feature-extraction", "SparseModelDescription": "feature-extraction",
             "BaseModelDescription": "text-ranking"}  # fmt: skip
    for path in package.find(r"fastembed/(text|sparse|image|rerank|late_interaction\w*)/.+\.py"):
        tree = package.tree(path)
        reader = Reader(tree)
        for call in calls(tree, *kinds):
            _, facts = reader.arguments(call)
            name = facts.get("model")
            if not isinstance(name, str) or "/" not in name:
                continue
            image = "/image/" in path
            yield record(
                name,
                author=author(name),
                task="image-feature-extraction"
                if image
                else "text-ranking"
                if "/rerank/" in path
                else "feature-extraction",
                description=facts.get("description"),
                config={"embed_dim": facts["dim"]} if isinstance(facts.get("dim"), int) else {},
                **license_facts(facts.get("license"), path),
            )


READERS = (_openclip, _fastembed)
