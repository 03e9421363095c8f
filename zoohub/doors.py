"""How a package exports names without importing what is behind them: each loads its module when it is asked for."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def door(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """The `__getattr__` of a package.

    Args:
        package: its `__name__`.
        homes: exported name -> the module of the package that has it, as `module`, or `module:name` where it is called
            otherwise there.
    """

    def load(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module, _, called = homes[name].partition(":")
        value = getattr(import_module(f"{package}.{module}"), called or name)
        setattr(sys.modules[package], name, value)
        return value

    return load
