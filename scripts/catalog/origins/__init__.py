"""One file per origin: PACKAGES, and `records(*packages)`, or READERS, one for each package."""
