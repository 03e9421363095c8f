"""One file per origin: PACKAGES, and `records(packages)` that yields sparse records."""
