"""PUT IT TO WORK: load a model, predict, embed, evaluate, fine-tune, save.

This door exports what the floors above may use; what is behind it is imported when it is asked for, since who only
reads the table of adapters needs no model.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoohub.doors import door

if TYPE_CHECKING:
    from zoohub.adapters.base import Model as Model
    from zoohub.adapters.loading import load as load
    from zoohub.adapters.table import Adapter as Adapter
    from zoohub.adapters.table import adapters as adapters

_DOORS = {"Adapter": "table", "Model": "base", "adapters": "table", "load": "loading"}
__all__ = ["Adapter", "Model", "adapters", "load"]


__getattr__ = door(__name__, _DOORS)
