"""Models: a similarity (p, q) -> score, and the recommender that owns the tables it scores."""
