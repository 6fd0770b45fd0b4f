"""Requests answered by saved models."""

import dataclasses
import json

import jax.numpy as jnp
import numpy as np
import pytest

from ncfjax.data.summary import summarize
from ncfjax.recommend.fold_in import fold_in
from ncfjax.recommend.names import UnknownName
from ncfjax.recommend.popular import DAMPING, damped_averages
from ncfjax.recommend.recommenders import Recommenders
from ncfjax.recommend.request import Refused, Request
from ncfjax.saved import SavedModel
from tests.recommend.models import ITEMS, NUM_ITEMS, NUM_USERS, TRAIN, USERS, VALUES, saved

COLD, SOMEONE = 100, 104


def answered(request: Request, *names: str):
    return Recommenders([saved(name) for name in names or ("ials",)]).recommend(request)


def only(request: Request, *names: str):
    """The answer for the one user of a request."""
    (user,) = answered(request, *names).users
    return user


def items(request: Request, *names: str) -> list[int]:
    return [row.item for row in only(request, *names).recommendations]


def had(user: int) -> set[int]:
    return set((500 + ITEMS[USERS == user - 100]).tolist())


def in_order(user: int, name: str = "ials") -> list[int]:
    """The oracle: all items by a stable sort of a model's scores."""
    return (500 + np.argsort(-saved(name).score_all([user - 100])[0], kind="stable")).tolist()


def test_a_user_gets_the_highest_of_what_was_not_seen():
    expected = [item for item in in_order(SOMEONE) if item not in had(SOMEONE)]
    assert items(Request(users=(SOMEONE,), k=5)) == expected[:5]
    assert items(Request(users=(str(SOMEONE),), k=5, include_seen=True)) == in_order(SOMEONE)[:5]


@pytest.mark.parametrize("k", [1, 7, 30, 1000])
@pytest.mark.parametrize("include_seen", [False, True])
def test_there_are_as_many_rows_as_asked_for_or_as_are_left(k, include_seen):
    user = only(Request(users=(SOMEONE,), k=k, include_seen=include_seen))
    left = NUM_ITEMS - (0 if include_seen else len(had(SOMEONE)))
    assert user.num_candidates == left and len(user.recommendations) == min(k, left)
    assert [row.rank for row in user.recommendations] == list(range(1, min(k, left) + 1))
    assert len({row.item for row in user.recommendations}) == min(k, left)


def test_allowed_and_denied_items_are_those_of_all_or_of_each_user():
    users = tuple(range(101, 107))
    everybody = answered(Request(users=users, k=30, allow=(500, 501, 502, 503), deny=(502,)))
    each = answered(Request(users=users, k=30, allow={101: (500, 501)}, deny={102: tuple(range(500, 529))}))
    for user, one, other in zip(users, everybody.users, each.users, strict=True):
        assert {row.item for row in one.recommendations} == {500, 501, 503} - had(user)
        allowed = {101: {500, 501}, 102: {529}}.get(user, set(range(500, 530)))
        assert {row.item for row in other.recommendations} == allowed - had(user)


def test_an_empty_list_of_what_is_allowed_leaves_nothing():
    assert items(Request(users=(SOMEONE,), allow=())) == []


@pytest.mark.parametrize(
    ("condition", "is_met"),
    [
        ({"genre": ("comedy",)}, lambda i: i % 3 == 0),
        ({"genre": ("scifi", "Comedy")}, lambda i: i % 3 == 0 or i % 5 == 0),
        ({"genre": ("childrens",), "not_genre": ("Comedy",)}, lambda i: i % 2 == 0 and i % 3),
        ({"years": (1985, 1990)}, lambda i: 5 <= i <= 10 and i != 7),
        ({"years": (None, 1983)}, lambda i: i <= 3),
        ({"title": ("NUMBER", "12")}, lambda i: i == 12),
        ({"title": ("umber",)}, lambda i: False),
        ({"num_ratings": (14, None)}, lambda i: np.sum(ITEMS == i) >= 14),
        ({"num_ratings": (None, 10)}, lambda i: np.sum(ITEMS == i) <= 10),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",  # a function has another name in each process
)
def test_what_does_not_meet_a_condition_is_left_out(condition, is_met):
    expected = {500 + i for i in range(NUM_ITEMS) if is_met(i)} - had(SOMEONE)
    assert set(items(Request(users=(SOMEONE,), k=30, **condition))) == expected


def test_a_preference_moves_items_and_forbids_none():
    plain, liked = (items(Request(users=(SOMEONE,), k=30, prefer=p)) for p in (None, {"Comedy": 100.0}))
    is_comedy = [(item - 500) % 3 == 0 for item in liked]
    assert sorted(plain) == sorted(liked) and is_comedy == sorted(is_comedy, reverse=True)
    assert [i for i in liked if (i - 500) % 3 == 0] == [i for i in plain if (i - 500) % 3 == 0]
    assert items(Request(users=(SOMEONE,), k=30, prefer={"1990s": -100.0}))[-1] in range(510, 520)


def counting(counts) -> Recommenders:
    """Of a model that scores all users alike."""
    model = saved("popularity").model._replace(counts=jnp.asarray(counts, jnp.float32))
    return Recommenders([dataclasses.replace(saved("popularity"), model=model)])


def test_equal_scores_are_in_the_order_of_the_items():
    (user,) = counting(np.ones(30)).recommend(Request(users=(SOMEONE,), k=30, include_seen=True)).users
    assert [row.item for row in user.recommendations] == list(range(500, 530))


def test_a_model_that_diverged_still_fills_a_list_without_a_number():
    (user,) = counting(np.full(30, np.nan)).recommend(Request(users=(SOMEONE,), k=30)).users
    assert len(user.recommendations) == user.num_candidates
    assert {row.score for row in user.recommendations} == {None}


# ---- who


def test_everybody_gets_what_each_gets_alone():
    everybody = answered(Request(users="all", k=4, explain=2), "dot")
    assert [user.user for user in everybody.users] == list(range(100, 100 + NUM_USERS))
    for user in everybody.users[::7]:
        alone = only(Request(users=(user.user,), k=4), "dot")
        assert [row.item for row in user.recommendations] == [row.item for row in alone.recommendations]
        assert [row.because for row in user.recommendations] == [row.because for row in alone.recommendations]
    assert not any(row.because for user in answered(Request(users="all", k=4)).users for row in user.recommendations)


def test_a_history_is_folded_in_and_left_out():
    request = Request(history=(502, "Film number 5", 511), k=30)
    user, folded = only(request), fold_in(saved("ials"), np.array([2, 5, 11]))
    expected = [500 + i for i in np.argsort(-folded.scores, kind="stable") if i not in (2, 5, 11)]
    assert [row.item for row in user.recommendations] == expected
    assert user.user is None and user.num_seen == 3 and "ridge" in user.note
    assert {reason.item for row in user.recommendations for reason in row.because} <= {502, 505, 511}


def test_ratings_count_where_ratings_were_learned_and_are_said_not_to_elsewhere():
    low, high = (only(Request(history=(502, 505), ratings=(y, 5), k=30), "alternating") for y in (1, 5))
    assert low.recommendations != high.recommendations
    assert "rated as high as can be" in only(Request(history=(502,)), "alternating").note
    assert "does not use" in only(Request(history=(502,), ratings=(1,))).note
    with pytest.raises(ValueError, match=r"ratings: expected 1 to 5 in steps of 1, got 9"):
        answered(Request(history=(502,), ratings=(9,)), "alternating")


def test_a_cold_user_gets_what_is_popular_and_is_told_so():
    counts = np.bincount(ITEMS, minlength=NUM_ITEMS)
    for request in (Request(users=(COLD,), k=5), Request(k=5)):
        user = only(request)
        assert [row.item for row in user.recommendations] == (500 + np.argsort(-counts, kind="stable")[:5]).tolist()
        assert "popular items instead" in user.note
    assert only(Request(users=(COLD,))).user == COLD and "no history in training" in only(Request(users=(COLD,))).note


def test_a_cold_user_of_ratings_gets_damped_item_means():
    counts, sums = np.bincount(ITEMS, minlength=NUM_ITEMS), np.bincount(ITEMS, VALUES, NUM_ITEMS)
    expected = (sums + DAMPING * VALUES.mean()) / (counts + DAMPING)
    np.testing.assert_allclose(damped_averages(saved("alternating").data), expected, rtol=1e-5)
    user = only(Request(users=(COLD,), k=3), "alternating")
    assert [row.item for row in user.recommendations] == (500 + np.argsort(-expected)[:3]).tolist()
    assert "average rating" in user.note


@pytest.mark.parametrize(
    "request_",
    [
        {"users": (99,)},
        {"users": (101,), "items": (1,)},
        {"history": ("Film nmber 3",)},
        {"deny": (1,)},
        {"users": "all", "allow": {"99": (500,)}},
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_what_is_not_known_is_refused_with_what_comes_closest(request_):
    with pytest.raises(UnknownName, match="no such (user|item) among (40|30)"):
        answered(Request(**request_))


@pytest.mark.parametrize(
    ("condition", "refusal"),
    [
        ({"genre": ("Comdy",)}, "did you mean Comedy?"),
        ({"prefer": {"Horor": 1.0}}, "valid: Children's, Comedy, Sci-Fi"),
        ({"weights": (1, 1)}, "weights: expected 1, one for each model, got 2"),
        ({"users": (), "history": (503, "Film number 3")}, "history: expected each item once"),
    ],
)
def test_a_condition_that_names_nothing_is_refused(condition, refusal):
    with pytest.raises(Refused) as error:
        answered(Request(**{"users": (SOMEONE,)} | condition))
    assert refusal in str(error.value)


def test_data_without_titles_answer_and_refuse_what_they_cannot_tell():
    bare = Recommenders([dataclasses.replace(saved("ials"), data=summarize("bare", TRAIN))])
    (user,) = bare.recommend(Request(users=(SOMEONE,), k=3)).users
    assert [(row.title, row.year, row.genres) for row in user.recommendations] == [("", None, ())] * 3
    with pytest.raises(ValueError, match="expected a data set whose files tell the genres of its items, got bare"):
        bare.recommend(Request(users=(SOMEONE,), genre=("Comedy",)))


# ---- several models


def test_a_blend_of_one_weight_is_that_models_order():
    for name, weights in (("ials", (1, 0)), ("alternating", (0, 1))):
        expected = [item for item in in_order(SOMEONE, name) if item not in had(SOMEONE)]
        assert items(Request(users=(SOMEONE,), k=30, weights=weights), "ials", "alternating") == expected


def test_models_meet_by_ids_whatever_their_order_and_items_that_one_does_not_know_are_left_out():
    other = saved("popularity")
    order = np.arange(NUM_ITEMS)[::-1][:-1]  # without item 500
    data = dataclasses.replace(
        other.data, item_ids=other.data.item_ids[order], history_sizes=np.zeros(NUM_USERS, np.int32),
        history_items=np.zeros(0, np.int32), movies=None,
    )  # fmt: skip
    model = other.model._replace(counts=other.model.counts[order])
    models = Recommenders([saved("ials"), dataclasses.replace(other, data=data, model=model)])
    (user,) = models.recommend(Request(users=(SOMEONE,), k=30, weights=(0, 1), include_seen=True)).users
    counts = np.bincount(ITEMS, minlength=NUM_ITEMS)
    assert [row.item for row in user.recommendations] == [500 + i for i in np.argsort(-counts, kind="stable") if i]
    strangers = dataclasses.replace(data, item_ids=data.item_ids + 1000)
    with pytest.raises(ValueError, match="models: expected models of the same items"):
        Recommenders([saved("ials"), dataclasses.replace(other, data=strangers, model=model)])


# ---- predictions


def test_a_rating_model_predicts_stars_on_the_scale_with_its_error():
    (row,) = only(Request(users=(SOMEONE,), items=(503,)), "alternating").predictions
    score = saved("alternating").score(np.array([4]), np.array([3]))[0]
    assert row.score == pytest.approx(score, abs=1e-5) and row.stars == pytest.approx(np.clip(score, 1, 5), abs=1e-5)
    assert row.rmse == 0.9 and row.is_seen == (503 in had(SOMEONE))
    assert row.average_rating == pytest.approx(VALUES[ITEMS == 3].mean()) and row.num_ratings == np.sum(ITEMS == 3)


def test_another_model_predicts_a_score_and_its_place_among_the_candidates():
    candidates = [item for item in in_order(SOMEONE) if item not in had(SOMEONE)]
    rows = only(Request(users=(SOMEONE,), items=tuple(candidates))).predictions
    np.testing.assert_allclose([row.percentile for row in rows], 100 * np.linspace(1, 0, len(candidates)))
    assert {row.stars for row in rows} == {row.rmse for row in rows} == {None}


def test_every_model_says_its_own_of_an_item():
    rows = only(Request(users=(SOMEONE,), items=(503, 504)), "ials", "alternating").predictions
    assert [(row.item, row.model) for row in rows] == [(503, 1), (503, 2), (504, 1), (504, 2)]
    assert [row.stars is None for row in rows] == [True, False, True, False]


def named(method: str, **values) -> SavedModel:
    """A model of data that have another name or other ids."""
    return dataclasses.replace(saved(method), data=dataclasses.replace(saved(method).data, **values))


NUMBERED, FROM_1 = {"item_ids": np.arange(NUM_ITEMS)}, {"item_ids": np.arange(1, NUM_ITEMS + 1)}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (NUMBERED, FROM_1),
        (FROM_1, NUMBERED),
        (NUMBERED, NUMBERED | {"name": "other"}),
        (NUMBERED, {"item_ids": np.array([*range(NUM_ITEMS - 1), 99])}),
    ],
    ids=["own ids beside numbers", "numbers beside own ids", "another data set", "one other id"],
)
def test_numbered_items_of_other_data_are_no_ids_to_meet_by(first, second):
    expected = "models: expected models of the same items, got ials of tiny and ease of (tiny|other), whose items are"
    with pytest.raises(ValueError, match=f"{expected} numbered"):
        Recommenders([named("ials", **first), named("ease", **second)])


def test_numbered_users_of_other_data_are_not_asked_about():
    numbers = {"user_ids": np.arange(NUM_USERS)}
    models = Recommenders([named("ials", **numbers), named("ease", user_ids=np.arange(1, NUM_USERS + 1))])
    assert models.recommend(Request(history=(503,))).users[0].recommendations
    with pytest.raises(ValueError, match="expected models of the same users, got ials of tiny and ease of tiny, whose"):
        models.recommend(Request(users=(4,)))


def test_models_of_one_numbered_data_set_blend():
    numbers = {"user_ids": np.arange(NUM_USERS)} | NUMBERED
    (user,) = Recommenders([named("ials", **numbers), named("ease", **numbers)]).recommend(Request(users=(4,))).users
    expected = [item - 500 for item in items(Request(users=(SOMEONE,)), "ials", "ease")]
    assert [row.item for row in user.recommendations] == expected


@pytest.mark.parametrize(
    "name",
    ["ials", "ease", "sparse slim", "user_knn", "popularity", "dot", "mlp", "alternating", "biases", "gradient mlp"],
)
def test_every_kind_of_model_answers_with_plain_data(name):
    for request in (Request(users=(SOMEONE, COLD)), Request(history=(501, 509)), Request(users=(COLD,), items=(501,))):
        answer = dataclasses.asdict(answered(request, name))
        assert json.loads(json.dumps(answer, allow_nan=False)) == json.loads(json.dumps(answer))
