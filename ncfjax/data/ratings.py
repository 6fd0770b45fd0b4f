"""Explicit ratings as plain arrays: who gave which item how much, on which scale, and when.

    Scale      which values a rating may take, and what they are called
    Ratings    the rated pairs (u, i) with their values y(u, i)

Everything is checked here, as in interactions.py: JAX would clamp or drop a wrong index without a word.
"""

import copy
import re
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int, Num, Shaped

from ncfjax.data.interactions import Interactions, as_ids, as_times, check_below, check_count, pair_keys, repeated_pair

_NUMBER = r"([-+]?\d+(?:\.\d+)?)"
_RANGE = re.compile(rf"{_NUMBER} to {_NUMBER}(?: by {_NUMBER})?")


@dataclass(frozen=True)
class Scale:
    """minimum, minimum + step, ..., maximum; every number between them where `step` is 0.

    Ordinal words stand for their places: `Scale.of_words("disagree", "neutral", "agree")` is 1, 2, 3. `binary` is 0 and
    1, `unary` 1 alone: what was not rated is then unknown, not disliked. Raises ValueError for ends and steps that do
    not fit together, and for words that are not one for each value, all different.
    """

    minimum: float
    maximum: float
    step: float = 1.0
    words: tuple[str, ...] = ()  # of its values, from the lowest to the highest; none: numbers are their own names

    def __post_init__(self):
        if not (np.isfinite([self.minimum, self.maximum, self.step]).all() and self.minimum <= self.maximum):
            raise ValueError(
                f"scale: expected finite numbers, minimum <= maximum, got {self.minimum:g}, {self.maximum:g}"
            )
        if self.step < 0 or (self.step > 0 and not self.contains(np.array([self.maximum])).all()):
            span = self.maximum - self.minimum
            raise ValueError(f"scale: expected a step that divides {span:g}, or 0, got {self.step:g}")
        different = {word.lower() for word in self.words if word}  # as they are read
        if self.words and not len(self.words) == len(different) == self.num_values:
            got = ", ".join(self.words)
            raise ValueError(f"scale: expected {self.num_values} different words, one for each value, got {got}")

    @classmethod
    def of_words(cls, *words: str) -> "Scale":
        """An ordinal scale, from the lowest to the highest."""
        return cls(1.0, float(len(words)), words=words)

    @classmethod
    def of_values(cls, values: Num[np.ndarray, " n"]) -> "Scale":
        """From the lowest to the highest of some numbers, in the largest step that fits: 1, 1/2, or 0 (any number)."""
        ends = float(np.min(values)), float(np.max(values))
        scales = (cls(*ends, step) for step in (1.0, 0.5) if (ends[1] - ends[0]) % step == 0)
        return next((scale for scale in scales if scale.contains(values).all()), cls(*ends, 0.0))

    @classmethod
    def of_text(cls, text: str) -> "Scale":
        """What a person writes: "1 to 5", "0.5 to 5 by 0.5", "disagree < neutral < agree", "binary" or "unary".

        Steps are 1 where none are given; "by 0" is any number in between. Raises ValueError for anything else.
        """
        named = {"binary": BINARY, "unary": UNARY}
        if text.strip().lower() in named:
            return named[text.strip().lower()]
        if "<" in text:
            return cls.of_words(*(word.strip() for word in text.split("<")))
        numbers = _RANGE.fullmatch(text.strip())
        if numbers is None:
            raise ValueError(f"scale: expected 'binary', 'unary', '1 to 5 by 1' or 'bad < fair < good', got {text!r}")
        return cls(*(float(number) for number in numbers.groups(default="1")))

    @property
    def num_values(self) -> int:
        """0 where every number is a value."""
        return round((self.maximum - self.minimum) / self.step) + 1 if self.step else 0

    def contains(self, values: Num[np.ndarray, " n"]) -> Bool[np.ndarray, " n"]:
        """Which of some numbers are values of the scale."""
        inside = (values >= self.minimum) & (values <= self.maximum)
        if not self.step:
            return inside
        nearest = self.minimum + self.step * np.round((values - self.minimum) / self.step)
        # float32 is off by 6e-8 of a value: hundredths on a scale of 0 to 100 are values, too
        return inside & (np.abs(values - nearest) <= 1e-6 * max(abs(self.minimum), abs(self.maximum)))

    def clip(self, predictions: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
        """Predictions moved to the nearest end where they are off the scale."""
        return np.clip(predictions, self.minimum, self.maximum)

    def rounded(self, predictions: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
        """Predictions moved to the nearest value, halves upwards."""
        if not self.step:
            return self.clip(predictions)
        return self.clip(self.minimum + self.step * np.floor((predictions - self.minimum) / self.step + 0.5))

    def __str__(self) -> str:
        if self.words:
            return ", ".join(self.words)
        if self.minimum == self.maximum:
            return f"{self.minimum:g} alone"
        return f"{self.minimum:g} to {self.maximum:g}" + (f" in steps of {self.step:g}" if self.step else "")


STARS = Scale(1.0, 5.0)
HALF_STARS = Scale(0.5, 5.0, 0.5)
BINARY = Scale(0.0, 1.0)
UNARY = Scale(1.0, 1.0)


@dataclass(frozen=True, eq=False)
class Ratings:
    """Distinct rated pairs, in the order of their source.

    `user_ids` and `item_ids` are what users and items are called in their files, for messages and tables; None: they
    are called by their numbers. Raises ValueError for ids out of range, arrays of unequal length, a pair that occurs
    twice, and a value that is not on the scale.
    """

    users: np.ndarray  # int32[n]; checked below and not by type, because anything may come in here
    items: np.ndarray  # int32[n]
    values: np.ndarray  # float32[n]
    num_users: int
    num_items: int
    scale: Scale
    timestamps: np.ndarray | None = None  # numbers[n] of any unit, larger is later; None where the source has none
    user_ids: np.ndarray | None = None  # [num_users]
    item_ids: np.ndarray | None = None  # [num_items]
    allows_repeats: bool = False  # a pair may occur more than once: only for data that are wrong on purpose
    note: str = ""  # whatever else a result's row must say

    def __post_init__(self):
        for name, size in (("users", self.num_users), ("items", self.num_items)):
            ids = as_ids(name, getattr(self, name))
            check_below(name, ids, size)
            object.__setattr__(self, name, ids)
        object.__setattr__(self, "values", _as_values(self.values, len(self.users)))
        if self.users.shape != self.items.shape:
            raise ValueError(f"items: expected {len(self.users)} ids, one per user, got {len(self.items)}")
        if self.timestamps is not None:
            object.__setattr__(self, "timestamps", as_times(self.timestamps, len(self.users)))
        check_count("user_ids", self.user_ids, self.num_users)
        check_count("item_ids", self.item_ids, self.num_items)
        wrong = ~self.scale.contains(self.values)
        if wrong.any():
            row = int(wrong.argmax())
            raise ValueError(f"values: expected {self.scale}, got {self.values[row]:g} of {self.pair(row)}")
        repeated = repeated_pair(self.users, self.items, self.num_items)
        if repeated is not None and not self.allows_repeats:
            raise ValueError(f"ratings: expected distinct pairs, got {self.pair(repeated)} twice")

    def __len__(self) -> int:
        return len(self.users)

    def pair(self, row: int) -> str:
        """The pair of a row in the ids of its file, for messages."""
        return f"user {self.user_id(int(self.users[row]))}, item {self.item_id(int(self.items[row]))}"

    def user_id(self, user: int) -> Any:
        return user if self.user_ids is None else self.user_ids[user]

    def item_id(self, item: int) -> Any:
        return item if self.item_ids is None else self.item_ids[item]

    def where(self, rows: Shaped[np.ndarray, " n"]) -> "Ratings":
        """Some of the ratings, by a mask or by their rows, of the same users and items."""
        arrays = {name: getattr(self, name) for name in ("users", "items", "values", "timestamps")}
        parts = {name: None if values is None else values[rows] for name, values in arrays.items()}
        if rows.dtype != bool:
            return replace(self, **parts)
        part = copy.copy(
            self
        )  # what a mask leaves of checked ratings needs no check: at 100 M ratings it takes seconds
        for name, values in parts.items():
            if values is not None:
                values.flags.writeable = False
            object.__setattr__(part, name, values)
        return part

    def with_values(self, values: Float[np.ndarray, " n"], scale: Scale) -> "Ratings":
        """The same pairs with other values."""
        return replace(self, values=values, scale=scale)

    def repeatable(self) -> "Ratings":
        """The same ratings, of which some may now be taken more than once."""
        return replace(self, allows_repeats=True)

    def followed_by(self, other: "Ratings") -> "Ratings":
        """Both, one after the other, without their times; of the same users and items."""
        arrays = {
            name: np.concatenate([getattr(self, name), getattr(other, name)]) for name in ("users", "items", "values")
        }
        return replace(self, **arrays, timestamps=None)

    def at_least(self, minimum: float | None = None) -> Interactions:
        """The implicit form: the pairs that were rated at least so much (None: at all), in the same order.

        Raises ValueError if no rating is as high.
        """
        names = {"user_ids": self.user_ids, "item_ids": self.item_ids}
        pairs = Interactions(self.users, self.items, self.num_users, self.num_items, self.timestamps, **names)
        if minimum is None:
            return pairs
        mask = self.values >= minimum
        if not mask.any():
            raise ValueError(f"min_rating: expected at most {self.values.max():g}, the highest rating, got {minimum:g}")
        return pairs.where(mask)

    @property
    def keys(self) -> Int[np.ndarray, " n"]:
        """One number per pair, see `pair_keys`."""
        return pair_keys(self.users, self.items, self.num_items)


def _as_values(values: np.ndarray, size: int) -> np.ndarray:
    values = np.array(values, np.float32)
    if values.shape != (size,):
        raise ValueError(f"values: expected {size} numbers, one per pair, got shape {values.shape}")
    if not np.isfinite(values).all():
        raise ValueError(f"values: expected finite numbers, got {values[~np.isfinite(values)][0]:g}")
    values.flags.writeable = False
    return values
