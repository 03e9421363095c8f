"""WHICH ONE: candidates, evidence, ranking, footprint, recommendation."""
