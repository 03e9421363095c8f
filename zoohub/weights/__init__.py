"""BYTES ON DISK: a model's files are fetched, verified, judged, converted and kept here.

Names load when they are used, so that a child process that needs one module loads one module.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoohub.doors import door

if TYPE_CHECKING:
    from zoohub.weights.checker import CheckReport as CheckReport
    from zoohub.weights.checker import Level as Level
    from zoohub.weights.checker import Verdict as Verdict
    from zoohub.weights.checker import check as check
    from zoohub.weights.puller import Plan as Plan
    from zoohub.weights.puller import is_trusted as is_trusted
    from zoohub.weights.puller import local as local
    from zoohub.weights.puller import plan as plan
    from zoohub.weights.puller import pull as pull
    from zoohub.weights.storage import Manifest as Manifest
    from zoohub.weights.storage import Store as Store
    from zoohub.weights.storage import store as store
    from zoohub.weights.templates import render_chat_template as render_chat_template

_HOME = {
    "CheckReport": "checker",
    "Level": "checker",
    "Manifest": "storage",
    "Plan": "puller",
    "Store": "storage",
    "Verdict": "checker",
    "check": "checker",
    "is_trusted": "puller",
    "local": "puller",
    "plan": "puller",
    "pull": "puller",
    "render_chat_template": "templates",
    "store": "storage",
}

__all__ = [
    "CheckReport",
    "Level",
    "Manifest",
    "Plan",
    "Store",
    "Verdict",
    "check",
    "is_trusted",
    "local",
    "plan",
    "pull",
    "render_chat_template",
    "store",
]


__getattr__ = door(__name__, _HOME)
