"""What the jobs of a study share and would else make again, such as a fitted model: the last few of it."""

from collections.abc import Callable, Hashable
from typing import Any


class Kept:
    """At most so many things, by what makes them what they are; the oldest one goes first."""

    def __init__(self, most: int):
        self.most, self.values = most, {}

    def get(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """What is kept, or is made now."""
        if key not in self.values:
            if len(self.values) == self.most:
                del self.values[next(iter(self.values))]
            self.values[key] = make()
        return self.values[key]
