"""One saved model that answers requests for itself, and what is known of it and of what its answers cost."""

import time
from collections.abc import Sequence
from dataclasses import asdict
from functools import cached_property
from typing import Any

import numpy as np

from ncfjax.recommend.cost import multiplications
from ncfjax.recommend.recommenders import LENGTHS, Recommenders, check_ids, describe
from ncfjax.recommend.request import Request
from ncfjax.saved import SavedModel

MOST_NAMES = 20  # that are suggested at once
_NOT_COUNTED = "the items' weights are added up, nothing is multiplied"


class Served:
    """Raises ValueError as `Recommenders` does."""

    def __init__(self, saved: SavedModel):
        self.saved, self.recommenders = saved, Recommenders([saved])
        self.multiplications = multiplications(saved)

    def warm_up(self) -> None:
        """Compiles what answers take: a user's and a history's, and lists of every length."""
        data = self.saved.data
        user = int(np.argmax(data.history_sizes > 0))  # one without a history gets what is popular
        for length in LENGTHS:
            self.recommenders.recommend(Request(users=_plain(data.user_ids[user : user + 1]), k=length))
        self.recommenders.recommend(Request(history=_plain(data.item_ids[:1])))
        self.names("")
        self.recommenders.items.near("")  # all forms of all titles are known then

    def answer(self, request: Request) -> dict[str, Any]:
        """The answer, with the milliseconds that this model took for it.

        Raises:
            Refused: as `Recommenders.recommend`.
        """
        start = time.perf_counter()
        answer = self.recommenders.recommend(request)
        milliseconds = 1e3 * (time.perf_counter() - start)
        return self.cost | {"milliseconds": round(milliseconds, 3), "answer": asdict(answer)}

    @cached_property
    def cost(self) -> dict[str, Any]:
        """The model, the multiplications of one answer, and why they are not known where they are not."""
        why = _NOT_COUNTED if self.multiplications is None else ""
        return {"model": describe(self.saved), "multiplications": self.multiplications, "not_counted": why}

    @cached_property
    def description(self) -> dict[str, Any]:
        """What a form has to know before it asks."""
        data, scale = self.saved.data, self.saved.data.scale
        return self.cost | {
            "kind": self.saved.kind,
            "method": self.saved.method,
            "num_users": data.num_users,
            "num_items": data.num_items,
            "first_user": _plain(data.user_ids[:1])[0],
            "genres": [] if data.movies is None else list(data.movies.genres),
            "years": _years(data.movies),
            "scale": None if scale is None or self.saved.kind != "rating" else [scale.minimum, scale.maximum],
        }

    def names(self, text: str) -> list[str]:
        """Titles that hold a text, or ids where there are no titles; what starts with it comes first."""
        text = text.casefold().strip()
        holding = [(name.find(text), place) for place, name in enumerate(self._folded) if text in name]
        return [self._names[place] for start, place in sorted(holding, key=lambda found: found[0] > 0)[:MOST_NAMES]]

    @cached_property
    def _names(self) -> list[str]:
        items = self.recommenders.items
        return list(items.titles) if items.titles else [str(name) for name in items.ids.tolist()]

    @cached_property
    def _folded(self) -> list[str]:
        return [name.casefold() for name in self._names]


def side_by_side(models: Sequence[SavedModel]) -> list[Served]:
    """One form asks all of them, and their lists are compared.

    Raises:
        ValueError: models of other items, or of other users (`check_ids`).
    """
    for kind in ("item", "user"):
        check_ids(models, kind)
    return [Served(saved) for saved in models]


def _plain(ids: np.ndarray) -> tuple[Any, ...]:
    return tuple(ids.tolist())


def _years(movies) -> list[int] | None:
    """The first and the last that is known."""
    if movies is None or np.isnan(movies.years).all():
        return None
    return [int(np.nanmin(movies.years)), int(np.nanmax(movies.years))]
