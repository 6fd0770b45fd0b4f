"""Users and items by what the files of their data set call them; items by their titles too.

"Matrix, The (1999)" is also known without its year, as The Matrix and as Matrix, where no other item is.

What is not known is refused with what comes closest: titles that hold the words, names that differ by a few letters.
"""

import difflib
import re
from collections.abc import Sequence
from functools import cached_property

import numpy as np
from jaxtyping import Shaped

from ncfjax.recommend.request import Refused

MOST_COMPARED = 100_000  # names: difflib takes a second for so many
_YEAR = re.compile(r"\s*\(\d{4}[^()]*\)\s*$")
_ARTICLE = re.compile(r"(.*), (the|a|an)")  # at the end, as MovieLens has it


class UnknownName(Refused):
    """There is no such user or item; `near` are the names that come closest."""

    def __init__(self, kind: str, name: object, near: Sequence[str], size: int):
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        shown = name if str(name).isdigit() else repr(name)
        super().__init__(f"{kind} {shown}: no such {kind} among {size:,}{hint}")
        self.kind, self.name, self.near = kind, name, tuple(near)


class Names:
    """What the users, or the items, of a data set are called."""

    def __init__(self, kind: str, ids: Shaped[np.ndarray, " n"], titles: Sequence[str] | None = None):
        """`kind` is what messages call them: "user", "item"."""
        self.kind, self.ids, self.titles = kind, ids, titles

    def __len__(self) -> int:
        return len(self.ids)

    def find(self, name: str | int) -> int:
        """The place of an id, else of a title that one item alone has; capitals do not count.

        Raises:
            UnknownName: there is none.
        """
        text = str(name).strip()
        if text in self._places:
            return self._places[text]
        places = self._titled.get(text.casefold(), ())
        if len(places) == 1:
            return places[0]
        near = [self.label(place) for place in places[:3]] or self.near(text)
        raise UnknownName(self.kind, name, near, len(self))

    def label(self, place: int) -> str:
        """The id, and the title where there is one."""
        title = self.titles[place] if self.titles else ""
        return f"{self.ids[place]} ({title})" if title else str(self.ids[place])

    def near(self, name: str, count: int = 3) -> list[str]:
        """The labels that come closest to a name, at most so many."""
        text = name.casefold()
        holding = [] if text.isdigit() else [places for title, places in self._titled.items() if text in title]
        places = [place for group in holding for place in group]
        if not places:
            known = [*self._places, *self._titled][:MOST_COMPARED]
            for close in difflib.get_close_matches(text, known, n=count):
                places += [self._places[close]] if close in self._places else self._titled[close]
        return [self.label(place) for place in dict.fromkeys(places)][:count]

    @cached_property
    def _places(self) -> dict[str, int]:
        return {str(name): place for place, name in enumerate(self.ids.tolist())}

    @cached_property
    def _titled(self) -> dict[str, list[int]]:
        """Form of a title -> the places that have it."""
        places: dict[str, list[int]] = {}
        for place, title in enumerate(self.titles or ()):
            for form in _forms(title.casefold()):
                places.setdefault(form, []).append(place)
        return places


def _forms(title: str) -> set[str]:
    """What a title may be called, in lower case."""
    plain = _YEAR.sub("", title)
    article = _ARTICLE.fullmatch(plain)
    others = {article[1], f"{article[2]} {article[1]}"} if article else set()
    return {title, plain, *others} - {""}
