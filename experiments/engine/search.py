"""A search over ranges: which trials it makes, from its seed and from the scores of the trials before.

    drawn     points of a scrambled Sobol sequence in the unit cube of the ranges (scipy.stats.qmc)
    around    points near the best trials so far: each coordinate of one of them, moved by up to a share of its range
    by hand   the best trial so far with some values of one's own: a corner that no other fell into, or beyond an end

An interval is uniform in its value or, where tagged `log`, in its logarithm. One with a logarithm has no natural end:
a trial around one that lies near its end may lie beyond it, so that a range grows where its end was best. One without
holds its ends, but for trials around one that lies beyond them already, set by hand. A trial is the text of its values,
as an override takes them: what it is made of can be read from it, and its runs have the ids of the same runs asked for
by hand.

What is compiled into a program (choices, and intervals of other keys than `grid.*`) is drawn for two trials at a time:
they then share a program, which trains both side by side.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from experiments.engine.checks import expect
from experiments.engine.config import AXIS
from ncfjax.keys import Key

NEAR = 0.15  # of a range: how far a trial around a good one may be from it at first
EDGE = 0.1  # of what was tried: a winner within it is at an end
STEPS = 100  # of a range, at least, that its values can tell apart
_SHARED = 2  # trials that share a program


class Interval(NamedTuple):
    """tag(log, interval(LOW, HIGH)), or without its tag."""

    key: str
    low: float
    high: float
    is_log: bool
    is_valid: Callable[[float], bool] = lambda value: True  # whether its key takes a value beyond an end

    @property
    def is_compiled(self) -> bool:
        return not self.key.startswith(AXIS)

    def at(self, place: float) -> str:
        """The value at a place of the range, 0 its low end and 1 its high one, or beyond these; in a few digits."""
        low, high = self._scale(self.low), self._scale(self.high)
        value = low + place * (high - low)
        return f"{math.exp(value) if self.is_log else value:.{self._digits}g}"

    @property
    def _digits(self) -> int:
        """Three, that an override can be read, or what a narrow range needs."""
        if self.is_log:
            return 3
        places, step = math.ceil(math.log10(max(abs(self.low), abs(self.high)))), (self.high - self.low) / STEPS
        return max(3, math.ceil(places - math.log10(step) - 1e-9))

    def place(self, text: str) -> float:
        """Where a value lies."""
        low, high = self._scale(self.low), self._scale(self.high)
        return (self._scale(float(text)) - low) / (high - low)

    def near(self, text: str, step: float) -> str:
        """A value `step` of the range away; the same, where its key does not take that one.

        A range without a logarithm holds its ends, but for what lies beyond them already.
        """
        place = self.place(text)
        low, high = (self.place(self.at(end)) for end in (0.0, 1.0))  # as drawn: rounded
        bottom = -math.inf if self.is_log or place < min(low, 0.0) else 0.0
        top = math.inf if self.is_log or place > max(high, 1.0) else 1.0
        near = self.at(min(max(place + step, bottom), top))
        return near if self.is_valid(float(near)) else text

    def _scale(self, value: float) -> float:
        return math.log(value) if self.is_log else value


class Options(NamedTuple):
    """choice(A, B, ...)."""

    key: str
    values: tuple[str, ...]
    is_compiled = True

    def at(self, place: float) -> str:
        return self.values[min(int(place * len(self.values)), len(self.values) - 1)]

    def near(self, text: str, step: float) -> str:
        """The same: options have no order."""
        return text


Dimension = Interval | Options
Space = tuple[Dimension, ...]
Trial = tuple[str, ...]  # a value per dimension


def with_keys(space: Space, keys: Mapping[str, Key]) -> Space:
    """The space whose ranges know what their keys take.

    Raises:
        ConfigError: a key of integers, or of texts.
    """
    known = []
    for dimension in space:
        key = keys.get(dimension.key)
        if isinstance(dimension, Interval) and key is not None:
            expect(
                dimension.key, key.kind is float, "a list or choice(), as its values are no real numbers", "an interval"
            )
            dimension = dimension._replace(is_valid=key.is_valid)
        known.append(dimension)
    return tuple(known)


def check_space(space: Space) -> None:
    """Raises ConfigError for a range that is none."""
    for dimension in space:
        if isinstance(dimension, Interval):
            is_range = dimension.low < dimension.high and (dimension.low > 0 or not dimension.is_log)
            expected = "0 < LOW < HIGH, as it is tagged log" if dimension.is_log else "LOW < HIGH"
            got = f"({dimension.low:g}, {dimension.high:g})"
            expect(dimension.key, is_range, f"interval(LOW, HIGH) with {expected}", got)


def overrides_of(space: Space, trial: Trial) -> list[str]:
    return [f"{dimension.key}={text}" for dimension, text in zip(space, trial, strict=True)]


def drawn(space: Space, count: int, seed: int) -> list[Trial]:
    """`count` trials spread over the ranges."""
    places = _places(len(space), count, seed)
    compiled = _places(len(space), -(-count // _SHARED), seed + 1)
    return [
        tuple(
            dimension.at(compiled[i // _SHARED, k] if dimension.is_compiled else places[i, k])
            for k, dimension in enumerate(space)
        )
        for i in range(count)
    ]


def around(space: Space, best: Sequence[Trial], count: int, seed: int, reach: float = NEAR) -> list[Trial]:
    """`count` trials near some, as many near each or one less; at most `reach` of a range away."""
    steps = reach * (2 * _places(len(space), count, seed) - 1)
    parents = [best[i * len(best) // count] for i in range(count)]
    return [
        tuple(dimension.near(text, step) for dimension, text, step in zip(space, parent, of_trial, strict=True))
        for parent, of_trial in zip(parents, steps, strict=True)
    ]


def by_hand(space: Space, text: str, best: Trial) -> list[Trial]:
    """`best` with other values: KEY=VALUE apart by spaces, trials apart by semicolons.

    Raises:
        ConfigError: a key that is not searched over, or a value that is none of its choices.
    """
    return [_changed(space, best, line.split()) for line in text.split(";") if line.strip()]


def _changed(space: Space, trial: Trial, overrides: Sequence[str]) -> Trial:
    values = dict(zip((dimension.key for dimension in space), trial, strict=True))
    options = {dimension.key: dimension.values for dimension in space if isinstance(dimension, Options)}
    for override in overrides:
        key, _, value = override.partition("=")
        expect("trials.by_hand", bool(value), "KEY=VALUE, apart by spaces", override)
        expect("trials.by_hand", key in values, f"keys that are searched over: {', '.join(values)}", override)
        valid = options.get(key, (value,))
        expect("trials.by_hand", value in valid, f"{key}={' or '.join(valid)}", override)
        values[key] = value
    return tuple(values.values())


def at_an_end(space: Space, winner: Trial, trials: Sequence[Trial]) -> list[str]:
    """What to say of each interval of which the winner lies in the outer tenth of what was tried.

    Of those with a logarithm: the ends of the others mean something, as 0 and 1 of a share.
    """
    said = []
    for k, dimension in enumerate(space):
        if isinstance(dimension, Interval) and dimension.is_log:
            places = [0.0, 1.0, *(dimension.place(trial[k]) for trial in trials)]
            low, high = min(places), max(places)
            share = (dimension.place(winner[k]) - low) / (high - low)
            if not EDGE <= share <= 1 - EDGE:
                ends = f"{dimension.at(low)} to {dimension.at(high)}"
                said.append(f"{dimension.key}={winner[k]} is near an end of what was tried, {ends}")
    return said


def _places(dimensions: int, count: int, seed: int) -> Float[np.ndarray, "count dimensions"]:
    """The first points of the sequence, which is balanced over the powers of two: more of them begin with the same."""
    from scipy.stats import qmc  # most of a second, which commands that search nothing do without

    sequence = qmc.Sobol(dimensions, rng=np.random.default_rng(seed))
    return sequence.random_base2((count - 1).bit_length())[:count]
