"""Explicit ratings: python -m experiments.ratings."""
