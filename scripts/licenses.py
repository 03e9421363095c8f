"""Rebuild the compiled forms of the license knowledge base from its entries."""

from __future__ import annotations

from zoohub.cards.licenses import build

if __name__ == "__main__":
    print(build.write().name)
