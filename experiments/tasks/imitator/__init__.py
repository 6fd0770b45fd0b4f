"""Networks trained to imitate a dot product, or a recommender: python -m experiments.imitate."""
