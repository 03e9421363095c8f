"""Image classification and image features: one family over transformers, timm and torchvision."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from zoohub.adapters import hf
from zoohub.adapters.base import Model
from zoohub.adapters.engine import compiled, has_convolutions, state
from zoohub.adapters.heads import (
    ONE,
    SEVERAL,
    capture_input,
    class_target,
    classification,
    last_linear,
    multi_label,
)
from zoohub.adapters.images import Transform, read_image
from zoohub.adapters.inference import Plan
from zoohub.errors import UnsupportedModel

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

MANY = 64  # pictures from which on the faster copy repays the seconds that it takes to make


class Images(Model):
    """What all image classifiers share. A library's subclass says how a module is built, saved and called."""

    tasks = ("image-classification", "image-feature-extraction")
    strategies = ("probe", "lora", "probe-then-full", "full")
    embeds = True
    lazy = True
    options: ClassVar[Mapping[str, Any]] = {"top_k": 5, "threshold": 0.5}
    transform: Transform | None = None
    several: bool = False  # whether a picture may have several labels at once
    _fast: dict[bool, Any] | None = None
    _fast_of: object = None

    @abstractmethod
    def logits(self, pixels: torch.Tensor) -> torch.Tensor:
        """Scores of the classes `(n, classes)` for normalized pixels `(n, 3, h, w)`."""

    def prepare(self, item: Any) -> Any:
        """The picture as uint8 `(height, width, 3)`, resized and cropped."""
        assert self.transform is not None
        return self.transform.read(item)

    def pixels(self, samples: Sequence[Any]) -> torch.Tensor:
        """A batch of prepared pictures as the module takes them."""
        assert self.transform is not None
        return self.transform.batch(samples, self.device, self.dtype)

    @property
    def dtype(self) -> torch.dtype:
        """The number type that the module computes in."""
        kind: torch.dtype = next(self.module.parameters()).dtype
        return kind

    def expect(self, count: int | None) -> None:
        """Many pictures on the CPU pay for a faster copy of the module; it is kept until the weights change."""
        if self._fast is not None and self._fast_of != state(self.module):
            self._fast = None
        many = count is None or count >= MANY
        if many and self.device == "cpu" and self.precision == "fp32" and has_convolutions(self.module):
            self._fast = self._fast or {}
            self._fast_of = state(self.module)

    def run(self, pixels: torch.Tensor, *, features: bool = False) -> torch.Tensor:
        """Scores of the classes (or what the head gets), by the faster copy where there is one."""
        forward = self._seen_by_head if features else self.logits
        if self._fast is None or self.module.training:
            return forward(pixels)
        if features not in self._fast:
            self._fast[features] = compiled(forward, self.module, pixels) or forward
        values: torch.Tensor = self._fast[features](pixels)
        return values

    def _seen_by_head(self, pixels: torch.Tensor) -> torch.Tensor:
        return capture_input(self.head(), lambda: self.logits(pixels))

    @property
    def plan(self) -> Plan:  # type: ignore[override]
        """A picture a core: what lies between the layers then stays in the caches, and the memory small."""
        import torch

        if self.device != "cpu":
            return Plan(items=32, window=128, workers=4)
        return Plan(
            items=min(8, max(2, torch.get_num_threads())),
            window=8,
            workers=1 if torch.get_num_threads() < 4 else 2,
        )

    def set_several(self, several: bool) -> None:
        """Whether a picture may have several labels at once; the config keeps it."""
        self.several = several

    def answer(
        self, samples: Sequence[Any], *, top_k: int = 5, threshold: float = 0.5, **_: Any
    ) -> Sequence[Any]:
        """A `Classification` for each picture, or its `Embedding` where the task is to extract features."""
        if self.task == "image-feature-extraction":
            from zoohub.adapters.results import Embedding

            return [Embedding(row) for row in self.features(samples)]
        logits = self.run(self.pixels(samples))
        if self.several:
            return multi_label(logits, self.labels, threshold)
        return classification(logits, self.labels, top_k)

    def features(self, samples: Sequence[Any]) -> NDArray[np.float32]:
        """What the classifier sees of each picture, `(n, d)`."""
        rows: NDArray[np.float32] = self.run(self.pixels(samples), features=True).float().cpu().numpy()
        return rows

    def head(self) -> Any:
        """The linear layer whose outputs are the classes."""
        return last_linear(self.module, len(self.labels))

    def learn(self, item: Any, target: Any) -> list[dict[str, Any]]:
        """One picture with the number of its class, or a 0 or 1 for each class."""
        return [{"pixels": self.prepare(item), "label": class_target(self.labels, target, self.several)}]

    def collate(self, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """`pixel_values` `(n, 3, h, w)` and `labels` `(n,)`, or `(n, classes)` of several."""
        import torch

        return {
            "pixel_values": self.pixels([row["pixels"] for row in rows]),
            "labels": torch.tensor([row["label"] for row in rows]),
        }


class TransformersImages(Images):
    """Image classifiers of transformers."""

    processor: Any = None

    def open(self) -> None:
        """Load module, processor and label names from the folder."""
        self._open(hf.load(self, "AutoModelForImageClassification"))

    def _open(self, module: Any) -> None:
        self.module = module
        self.labels = hf.labels(module.config)
        self.several = module.config.problem_type == SEVERAL
        self.processor = hf.image_processor(self.bundle.folder)
        self.transform = Transform.from_transformers(self.processor)

    def set_several(self, several: bool) -> None:
        """Whether a picture may have several labels at once; the config keeps it."""
        super().set_several(several)
        self.module.config.problem_type = SEVERAL if several else ONE

    def prepare(self, item: Any) -> Any:
        """As the model's own processor does it; by zoohub's faster way where that is the same."""
        if self.transform:
            return self.transform.read(item)
        return self.processor(images=read_image(item), return_tensors="pt")["pixel_values"][0]

    def pixels(self, samples: Sequence[Any]) -> torch.Tensor:
        """A batch of prepared pictures as the module takes them."""
        import torch

        if self.transform:
            return self.transform.batch(samples, self.device, self.dtype)
        return torch.stack(list(samples)).to(self.device, self.dtype)

    def logits(self, pixels: torch.Tensor) -> torch.Tensor:
        """Scores of the classes."""
        scores: torch.Tensor = self.module(pixel_values=pixels).logits
        return scores

    def relabel(self, labels: Sequence[str]) -> Self:
        """The same weights with a new last layer for `labels`."""
        fresh = type(self)(self.bundle, "image-classification", device=self.device)
        fresh._open(hf.load(fresh, "AutoModelForImageClassification", labels=labels))
        return fresh

    def write(self, folder: Path) -> None:
        """As `save_pretrained` does."""
        self.module.save_pretrained(folder)
        self.processor.save_pretrained(folder)


class ModuleImages(Images):
    """Classifiers that are plain torch modules described by timm's `pretrained_cfg` keys."""

    def logits(self, pixels: torch.Tensor) -> torch.Tensor:
        """Scores of the classes."""
        scores: torch.Tensor = self.module(pixels)
        return scores

    def trainer_module(self) -> Any:
        """The module with a cross-entropy loss."""
        from zoohub.adapters.heads import with_loss

        return with_loss(self.module)


class TimmImages(ModuleImages):
    """Image classifiers of timm."""

    def open(self) -> None:
        """Build the architecture and fill it from the folder's safetensors."""
        self._open(None)

    def _open(self, labels: Sequence[str] | None) -> None:
        import timm

        config = self.bundle.config
        own = config.get("pretrained_cfg", config)
        count = int(config.get("num_classes") or own.get("num_classes") or 1000)
        said = config.get("label_descriptions") or {}
        names = tuple(own.get("label_names") or config.get("label_names") or map(str, range(count)))
        names = tuple(said.get(name, name) for name in names)
        build = {"num_classes": count, **config.get("model_args", {})}
        self.module = timm.create_model(config["architecture"], pretrained=False, **build)
        hf.fill(self.module, self.bundle.folder)
        if labels is not None:
            self.module.reset_classifier(len(labels))
            names = tuple(labels)
        self.labels = names
        self.several = labels is None and config.get("problem_type") == SEVERAL
        self.settings = {**own, "num_classes": len(names), "label_names": list(names)}
        self.transform = Transform.from_timm(own)
        hf.place(self)

    def relabel(self, labels: Sequence[str]) -> Self:
        """The same weights with a new classifier for `labels`."""
        fresh = type(self)(self.bundle, "image-classification", device=self.device)
        fresh._open(labels)
        return fresh

    def write(self, folder: Path) -> None:
        """The two files that `timm.create_model("local-dir:...")` reads."""
        config = {
            "architecture": self.bundle.config["architecture"],
            "num_classes": len(self.labels),
            "num_features": getattr(self.module, "num_features", None),
            "label_names": list(self.labels),
            "problem_type": SEVERAL if self.several else None,
            "model_args": self.bundle.config.get("model_args"),
            "pretrained_cfg": {k: v for k, v in self.settings.items() if k not in {"hf_hub_id", "url"}},
        }
        hf.write_module(self.module, config, folder)


class TorchvisionImages(ModuleImages):
    """Image classifiers of torchvision; the config's `architecture` names the builder: `mobilenet_v2`."""

    def open(self) -> None:
        """Build the architecture and fill it from the folder's safetensors."""
        self._open(None)

    def _open(self, labels: Sequence[str] | None) -> None:
        import torchvision

        config = self.bundle.config
        name = config.get("architecture")
        if name not in torchvision.models.list_models():
            raise UnsupportedModel(f"{self.id}: torchvision has no architecture {name!r}.")
        count = int(config.get("num_classes") or 1000)
        self.module = torchvision.models.get_model(name, weights=None, num_classes=count)
        hf.fill(self.module, self.bundle.folder)
        self.labels = tuple(config.get("label_names") or map(str, range(count)))
        self.several = labels is None and config.get("problem_type") == SEVERAL
        if labels is not None:
            self._replace_head(labels)
        self.transform = Transform.from_torchvision(config)
        hf.place(self)

    def _replace_head(self, labels: Sequence[str]) -> None:
        import torch

        old = self.head()
        name = next(name for name, module in self.module.named_modules() if module is old)
        self.module.set_submodule(name, torch.nn.Linear(old.in_features, len(labels)))
        self.labels = tuple(labels)

    def relabel(self, labels: Sequence[str]) -> Self:
        """The same weights with a new last layer for `labels`."""
        fresh = type(self)(self.bundle, "image-classification", device=self.device)
        fresh._open(labels)
        return fresh

    def write(self, folder: Path) -> None:
        """`model.safetensors` and a config with the builder's name and the transform."""
        keys = ("architecture", "transforms", "input_size", "crop_pct", "interpolation", "mean", "std")
        config = {key: self.bundle.config[key] for key in keys if key in self.bundle.config}
        config |= {
            "library": "torchvision",
            "num_classes": len(self.labels),
            "label_names": list(self.labels),
            "problem_type": SEVERAL if self.several else None,
        }
        hf.write_module(self.module, config, folder)
