"""What is said of a model: cards and licenses. Pure: no database, no torch, no network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoohub.doors import door

if TYPE_CHECKING:
    from zoohub.cards.card import Card as Card
    from zoohub.cards.card import CardFinding as CardFinding
    from zoohub.cards.checks import check as check
    from zoohub.cards.checks import fix as fix
    from zoohub.cards.writer import license_fields as license_fields
    from zoohub.cards.writer import new_card as new_card

_HOME = {
    "Card": "card",
    "CardFinding": "card",
    "check": "checks",
    "fix": "checks",
    "license_fields": "writer",
    "new_card": "writer",
}

__all__ = ["Card", "CardFinding", "check", "fix", "license_fields", "new_card"]


__getattr__ = door(__name__, _HOME)
