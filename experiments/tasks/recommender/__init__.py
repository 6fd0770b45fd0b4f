"""Recommenders trained on a data set: python -m experiments.sweep."""
