"""PUT IT TO WORK: load a model, predict, embed, evaluate, fine-tune, save.

This door exports what the floors above may use.
"""

from zoohub.adapters.base import Model
from zoohub.adapters.loading import load
from zoohub.adapters.table import Adapter, adapters

__all__ = ["Adapter", "Model", "adapters", "load"]
