"""Evaluation: ranks of held-out items and the metrics of those ranks. Knows nothing of training."""
