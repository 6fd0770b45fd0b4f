"""Saved models that answer requests: the one function that a command line and a page call.

For each user: what every model scores, one score of it all (blend.py), the k best of the candidates. Candidates are the
items that meet the conditions, are allowed, not denied, not seen, and known to every model.

Somebody of whom nothing is known gets what is popular (popular.py), and is told so.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int

from ncfjax.recommend import conditions
from ncfjax.recommend.answer import Answer, Item, Prediction, Reason, Recommendation, UserAnswer
from ncfjax.recommend.blend import blended, preferred, shares_below
from ncfjax.recommend.explain import contributions, largest
from ncfjax.recommend.fold_in import fold_in, vectors_of
from ncfjax.recommend.names import Names
from ncfjax.recommend.popular import popular
from ncfjax.recommend.request import MOST, Name, Refused, Request
from ncfjax.retrieval.top_k import best
from ncfjax.saved import SavedModel

USERS_AT_ONCE = 256
LENGTHS = (16, 128, MOST)  # of a list: one program is compiled for each, a tenth of a second, and not for each k
_best = partial(jax.jit, static_argnames="k")(best)


class _User(NamedTuple):
    """Somebody, as the models know them: the vectors and scores of each model."""

    name: Name | None
    seen: Int[np.ndarray, " n"]
    scores: list[Float[np.ndarray, " items"]]
    place: int | None = None  # among the users
    vectors: list[Any] | None = None  # of a history, each model's
    ratings: Float[np.ndarray, " n"] | None = None
    note: str = ""


class _Model:
    """A saved model by the users and items of the first one."""

    def __init__(self, saved: SavedModel, users: Names, items: Names):
        self.saved = saved
        self.users, self.items = _places_in(saved.data.user_ids, users), _places_in(saved.data.item_ids, items)
        self.known = self.items >= 0

    def widened(self, scores: Float[np.ndarray, "*n items"]) -> Float[np.ndarray, "*n first_items"]:
        return np.where(self.known, scores[..., np.maximum(self.items, 0)], np.nan)


def _places_in(ids: np.ndarray, names: Names) -> Int[np.ndarray, " names"]:
    """Where each of the names is among some ids; -1: nowhere."""
    if np.array_equal(ids, names.ids):
        return np.arange(len(names))
    places = {str(name): place for place, name in enumerate(ids.tolist())}
    return np.array([places.get(str(name), -1) for name in names.ids.tolist()])


def check_ids(models: Sequence[SavedModel], kind: str) -> None:
    """Models meet by the ids of their items and users; `kind` is "item" or "user".

    Raises:
        ValueError: ids are numbers from 0, which data without names have, and a model of other data has them too.
    """
    for other in models[1:]:
        data = models[0].data, other.data
        ids = [getattr(of_model, f"{kind}_ids") for of_model in data]
        is_numbered = any(np.array_equal(named, np.arange(len(named))) for named in ids)
        if is_numbered and not (data[0].name == data[1].name and np.array_equal(*ids)):
            names = f"{_of_data(models[0])} and {_of_data(other)}"
            raise ValueError(f"models: expected models of the same {kind}s, got {names}, whose {kind}s are numbered")


def _of_data(saved: SavedModel) -> str:
    return f"{saved.method} of {saved.data.name}"


class Recommenders:
    """Saved models of one data set, ready to answer.

    Raises:
        ValueError: no model, or models whose items are not the same: they share none, or `check_ids`.
    """

    def __init__(self, models: Sequence[SavedModel]):
        if not models:
            raise ValueError("models: expected one at least, got none")
        check_ids(models, "item")
        self.data = data = models[0].data
        self.users = Names("user", data.user_ids)
        self.items = Names("item", data.item_ids, None if data.movies is None else data.movies.titles)
        self.models = [_Model(saved, self.users, self.items) for saved in models]
        self.known = np.all([model.known for model in self.models], axis=0)
        if not self.known.any():
            raise ValueError(f"models: expected models of the same items, got {', '.join(map(_of_data, models))}")

    def recommend(self, request: Request) -> Answer:
        """The answer to a request: recommendations, or predictions where it names items.

        Raises:
            UnknownName: a user or an item that there is not, with the names that come closest.
            Refused: conditions that the data set's files tell nothing of, weights that are not one for each model.
            ValueError: users are asked about, and those of the models are not the same (`check_ids`).
        """
        if request.users:
            check_ids([model.saved for model in self.models], "user")
        weights = request.weights or (1.0,) * len(self.models)
        if len(weights) != len(self.models):
            raise Refused(f"weights: expected {len(self.models)}, one for each model, got {len(weights)}")
        self._check_lists(request)
        several = request.users == "all" or len(request.users) > 1
        explain = request.explain if request.explain is not None else 0 if several else 2
        request = replace(request, weights=weights, explain=explain)
        allowed, labels = self._allowed(request), self._labels(request)
        answers = [self._of_user(request, user, allowed, labels) for user in self._users_of(request)]
        return Answer(tuple(describe(model.saved) for model in self.models), tuple(answers))

    def _check_lists(self, request: Request) -> None:
        """Raises UnknownName for a list of somebody who is no user."""
        for lists in (request.allow, request.deny):
            for user in lists if isinstance(lists, Mapping) else ():
                self.users.find(user)

    # ---- who

    def _users_of(self, request: Request) -> Iterator[_User]:
        if request.history:
            yield self._of_history(request)
        elif request.users:
            names = self.users.ids.tolist() if request.users == "all" else request.users
            places = np.array([self.users.find(name) for name in names])
            for start in range(0, len(places), USERS_AT_ONCE):
                yield from self._of_block(places[start : start + USERS_AT_ONCE])
        else:
            yield self._nobody(None, "no user and no history are given")

    def _of_history(self, request: Request) -> _User:
        items = np.array([self.items.find(name) for name in request.history])
        if len(set(items.tolist())) < len(items):
            raise Refused("history: expected each item once, got one by two of its names")
        ratings = None if request.ratings is None else np.array(request.ratings)
        self._check_ratings(ratings)
        folded, notes = [], []
        for model in self.models:
            there = model.items[items] >= 0
            if not there.any():
                raise Refused(f"history: expected an item that {model.saved.method} knows, got none")
            known_ratings = None if ratings is None else ratings[there]
            folded.append(fold_in(model.saved, model.items[items][there], known_ratings))
            notes.append(_how(model.saved, folded[-1].how, ratings is not None))
        scores = [model.widened(fold.scores) for model, fold in zip(self.models, folded, strict=True)]
        vectors = [fold.vector for fold in folded]
        return _User(None, items, scores, vectors=vectors, ratings=ratings, note="; ".join(dict.fromkeys(notes)))

    def _check_ratings(self, ratings: Float[np.ndarray, " n"] | None) -> None:
        scales = [model.saved.data.scale for model in self.models if model.saved.kind == "rating"]
        for scale in scales if ratings is not None else ():
            if scale is not None and not scale.contains(ratings).all():
                wrong = ratings[~scale.contains(ratings)][0]
                raise Refused(f"ratings: expected {scale}, got {wrong:g}")

    def _of_block(self, places: Int[np.ndarray, " block"]) -> Iterator[_User]:
        """Users of the first model, all of whom are scored at once."""
        scores = []
        for model in self.models:
            users = model.users[places]
            if (users < 0).any():
                name = self.users.ids[places[users < 0][0]]
                raise Refused(f"user {name}: expected one that all models know, got none of {model.saved.method}")
            scores.append(model.widened(model.saved.score_all(users)))
        for row, place in enumerate(places):
            name, seen = _plain(self.users.ids[place]), self._seen(int(place))
            if len(seen):
                yield _User(name, seen, [of_model[row] for of_model in scores], place=int(place))
            else:
                yield self._nobody(name, "no history in training")

    def _seen(self, place: int) -> Int[np.ndarray, " n"]:
        """What a user had in the training of any model."""
        is_seen = np.zeros(len(self.items), bool)
        for model in self.models:
            had = np.zeros(model.saved.data.num_items, bool)
            had[model.saved.data.history(int(model.users[place]))] = True
            is_seen |= model.known & had[np.maximum(model.items, 0)]
        return np.flatnonzero(is_seen)

    def _nobody(self, name: Name | None, why: str) -> _User:
        scores = [model.widened(popular(model.saved)) for model in self.models]
        is_rated = any(model.saved.kind == "rating" for model in self.models)
        what = "items of the highest average rating" if is_rated else "popular items"
        return _User(name, np.zeros(0, np.int64), scores, note=f"{why}: {what} instead")

    # ---- which items

    def _allowed(self, request: Request) -> Bool[np.ndarray, " items"]:
        """What the conditions leave, for whomever it is."""
        allowed, data = self.known.copy(), self.data
        if request.genre:
            allowed &= conditions.has_genre(data, request.genre)
        if request.not_genre:
            allowed &= ~conditions.has_genre(data, request.not_genre)
        if request.years != (None, None):
            allowed &= conditions.of_years(data, *request.years)
        if request.title:
            allowed &= conditions.has_words(data, request.title)
        return allowed & conditions.has_ratings(data, *request.num_ratings)

    def _labels(self, request: Request) -> dict[str, Bool[np.ndarray, " items"]]:
        return {label: conditions.has_label(self.data, label) for label in request.prefer or {}}

    def _mask(self, names: Sequence[Name]) -> Bool[np.ndarray, " items"]:
        mask = np.zeros(len(self.items), bool)
        mask[[self.items.find(name) for name in names]] = True
        return mask

    def _candidates(self, request: Request, user: _User, allowed: Bool[np.ndarray, " items"]):
        candidates = allowed.copy()
        if (only := request.of_user("allow", user.name)) is not None:
            candidates &= self._mask(only)
        candidates &= ~self._mask(request.of_user("deny", user.name) or ())
        if not request.include_seen:
            candidates[user.seen] = False
        return candidates

    # ---- the answer

    def _of_user(self, request: Request, user: _User, allowed, labels) -> UserAnswer:
        candidates = self._candidates(request, user, allowed)
        answer = UserAnswer(user.name, len(user.seen), int(candidates.sum()), note=user.note)
        if request.items:
            predictions = [
                p for name in request.items for p in self._predictions(user, self.items.find(name), candidates)
            ]
            return replace(answer, predictions=tuple(predictions))
        scores = preferred(blended(user.scores, request.weights, candidates), candidates, request.prefer or {}, labels)
        length = next(length for length in LENGTHS if length >= request.k)
        found = _best(jnp.asarray(scores[None], jnp.float32), jnp.asarray(~candidates[None]), k=length)
        items = np.asarray(found.items)[0, : request.k]  # by NumPy: JAX compiles a slice of every length
        items = items[items >= 0]
        reasons = self._reasons(user, items, request.explain)
        rows = []
        for rank, (item, because) in enumerate(zip(items.tolist(), reasons, strict=True), start=1):
            shown, score = vars(self._shown(item)), _number(scores[item])
            rows.append(Recommendation(**shown, rank=rank, score=score, because=tuple(because)))
        return replace(answer, recommendations=tuple(rows))

    def _reasons(self, user: _User, items: Int[np.ndarray, " n"], count: int) -> list[list[Reason]]:
        """By the first model that can tell."""
        for number, model in enumerate(self.models if count and len(user.seen) else ()):
            there = model.items[user.seen] >= 0
            history, ratings = user.seen[there], None if user.ratings is None else user.ratings[there]
            vector = user.vectors[number] if user.vectors else _vector(model.saved, int(model.users[user.place]))
            where = model.items[history], model.items[items]
            parts = contributions(model.saved, vector, *where, ratings, is_folded=user.vectors is not None)
            if parts is not None:
                return [
                    [Reason(*self._called(int(history[row])), round(share, 4)) for row, share in rows]
                    for rows in largest(parts, count)
                ]
        return [[] for _ in items]

    def _predictions(self, user: _User, item: int, candidates: Bool[np.ndarray, " items"]) -> Iterator[Prediction]:
        if not self.known[item]:
            raise Refused(f"item {self.items.label(item)}: expected one that all models know, got none of some")
        others = candidates.copy()
        others[item] = True
        for number, (model, scores) in enumerate(zip(self.models, user.scores, strict=True), start=1):
            saved = model.saved
            percentile = 100.0 * shares_below(scores[others])[np.flatnonzero(others) == item][0]
            is_rating = saved.kind == "rating"
            stars = scores if saved.data.scale is None else saved.data.scale.clip(scores)
            yield Prediction(
                **vars(self._shown(item)),
                model=number,
                score=_number(scores[item]),
                stars=_number(stars[item]) if is_rating else None,
                rmse=saved.run.get("rmse") if is_rating else None,
                percentile=float(percentile),
                is_seen=bool(item in user.seen),
            )

    def _called(self, item: int) -> tuple[Name, str]:
        return _plain(self.items.ids[item]), self.items.titles[item] if self.items.titles else ""

    def _shown(self, item: int) -> Item:
        data, year = self.data, np.nan if self.data.movies is None else self.data.movies.years[item]
        averages = self._averages
        return Item(
            *self._called(item),
            None if np.isnan(year) else int(year),
            conditions.genres_of(data, item),
            int(data.counts[item]),
            None if averages is None else _number(averages[item]),
        )

    @cached_property
    def _averages(self) -> Float[np.ndarray, " items"] | None:
        """Of the first model that knows ratings."""
        for model in self.models:
            if model.saved.data.average_ratings is not None:
                return model.widened(model.saved.data.average_ratings)
        return None


def describe(saved: SavedModel) -> str:
    """A model in a few words: "ials, embedding_dim=64, of ml-1m"."""
    dim = saved.run.get("embedding_dim")
    size = f", embedding_dim={dim}" if dim is not None else ""
    return f"{saved.method}{size}, of {saved.data.name}"


def _vector(saved: SavedModel, user: int):
    recommender = vectors_of(saved)
    return None if recommender is None else np.asarray(recommender.user[user])


def _how(saved: SavedModel, how: str, is_rated: bool) -> str:
    if saved.kind == "rating":
        liked = "" if is_rated else ", every item of it rated as high as can be"
    else:
        liked = ", whose ratings this model does not use" if is_rated else ""
    return f"{saved.method}: the history is folded in by {how}{liked}"


def _number(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None


def _plain(name: Any) -> Name:
    """An id as JSON has it."""
    return name.item() if isinstance(name, np.generic) else name
