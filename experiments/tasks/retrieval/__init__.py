"""What it takes to find the items that a trained model scores highest: python -m experiments.retrieval."""
