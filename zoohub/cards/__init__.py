"""What is said of a model: cards and licenses. Pure: no database, no torch, no network."""
