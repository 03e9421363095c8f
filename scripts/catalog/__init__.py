"""Builds the bundled catalog from facts that published packages state; nothing of them is executed."""
