"""What is answered, as plain data: JSON has it by `dataclasses.asdict`. What is not known is None, or an empty text."""

from dataclasses import dataclass

from ncfjax.recommend.request import Name


@dataclass(frozen=True)
class Item:
    """What is shown of an item."""

    item: Name
    title: str
    year: int | None
    genres: tuple[str, ...]
    num_ratings: int  # or users, in training
    average_rating: float | None


@dataclass(frozen=True)
class Reason:
    """An item of the history, and its share in a score (explain.py)."""

    item: Name
    title: str
    share: float


@dataclass(frozen=True)
class Recommendation(Item):
    rank: int
    score: float | None  # what the list is in the order of; None where a model's is no number
    because: tuple[Reason, ...]


@dataclass(frozen=True)
class Prediction(Item):
    """What one model says of an item."""

    model: int  # its number among the answer's, from 1
    score: float | None
    stars: float | None  # of a model of ratings: its score, moved onto the scale
    rmse: float | None  # of such a model on held-out ratings
    percentile: float  # share of the user's other candidates that score lower, in percent; equal ones counted half
    is_seen: bool


@dataclass(frozen=True)
class UserAnswer:
    user: Name | None  # None: of a history, or of nobody
    num_seen: int  # items of the history
    num_candidates: int
    recommendations: tuple[Recommendation, ...] = ()
    predictions: tuple[Prediction, ...] = ()
    note: str = ""  # what was done in the place of what was asked


@dataclass(frozen=True)
class Answer:
    models: tuple[str, ...]
    users: tuple[UserAnswer, ...]
