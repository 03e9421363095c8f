"""BYTES ON DISK: a model's files are fetched, verified, judged, converted and kept here."""

from zoohub.weights.check import CheckReport, Level, Verdict, check
from zoohub.weights.pull import Plan, is_trusted, local, plan, pull
from zoohub.weights.store import Manifest, Store, store

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
    "store",
]
