"""Explicit ratings: `fit_*(train: Ratings, ...)` -> a RatingModel, whose `predict(users, items)` gives ratings."""
