"""zoohub: find, vet and put to work open models, offline first.

The public face. Every name is loaded on first use, so that `import zoohub` costs nothing and
searching never loads torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zoohub import errors as errors
    from zoohub import tasks as tasks
    from zoohub.adapters import Model as Model
    from zoohub.adapters import load as load
    from zoohub.audit import audit as audit
    from zoohub.cards import Card as Card
    from zoohub.registry import ModelRecord as ModelRecord
    from zoohub.registry import Registry as Registry
    from zoohub.registry import get as get
    from zoohub.registry import open_registry as open_registry
    from zoohub.registry import search as search
    from zoohub.registry.sync import sync as sync
    from zoohub.selector import profile as profile
    from zoohub.selector import recommend as recommend
    from zoohub.weights import pull as pull

__version__ = "0.1.0"

_HOME = {
    "Card": "zoohub.cards",
    "Model": "zoohub.adapters",
    "ModelRecord": "zoohub.registry",
    "Registry": "zoohub.registry",
    "audit": "zoohub",
    "get": "zoohub.registry",
    "load": "zoohub.adapters",
    "open_registry": "zoohub.registry",
    "profile": "zoohub.selector",
    "pull": "zoohub.weights",
    "recommend": "zoohub.selector",
    "search": "zoohub.registry",
    "sync": "zoohub.registry.sync",
    "errors": "zoohub",
    "tasks": "zoohub",
}

__all__ = [
    "Card",
    "Model",
    "ModelRecord",
    "Registry",
    "audit",
    "errors",
    "get",
    "load",
    "open_registry",
    "profile",
    "pull",
    "recommend",
    "search",
    "sync",
    "tasks",
]


def __getattr__(name: str) -> Any:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module 'zoohub' has no attribute {name!r}")
    value = import_module(f"zoohub.{name}") if home == "zoohub" else getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
