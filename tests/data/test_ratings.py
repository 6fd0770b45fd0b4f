import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ncfjax.data.ratings import BINARY, HALF_STARS, STARS, UNARY, Ratings, Scale

SCALES = [STARS, HALF_STARS, BINARY, UNARY, Scale.of_words("no", "so so", "yes"), Scale(-3.0, 3.0, 0.25)]


def ratings(**changed):
    arrays = {"users": [0, 1, 1], "items": [2, 0, 1], "values": [5, 3, 1]}
    return Ratings(**{"num_users": 2, "num_items": 3, "scale": STARS} | {
        name: np.array(value) if isinstance(value, list) else value for name, value in (arrays | changed).items()
    })  # fmt: skip


# scales


@pytest.mark.parametrize("scale", SCALES, ids=str)
def test_a_scale_contains_its_values_and_nothing_between_them(scale):
    values = np.arange(scale.num_values) * scale.step + scale.minimum
    assert values[-1] == scale.maximum
    assert scale.contains(values).all() and scale.contains(values.astype(np.float32)).all()
    wrong = np.concatenate(
        [values + 0.4 * scale.step, [scale.minimum - scale.step, scale.maximum + scale.step, np.nan]]
    )
    assert not scale.contains(wrong).any()


def test_hundredths_are_values_of_a_long_scale_in_single_precision():
    scale = Scale(0.0, 100.0, 0.01)
    assert scale.contains(np.linspace(0, 100, 10_001, dtype=np.float32)).all()
    assert not scale.contains(np.array([99.985], np.float32)).any()


def test_every_number_between_the_ends_is_on_a_scale_without_steps():
    scale = Scale(-10.0, 10.0, 0.0)
    assert scale.contains(np.array([-10.5, -10.0, np.pi, 10.0, 10.1])).tolist() == [False, True, True, True, False]
    assert scale.num_values == 0


@pytest.mark.parametrize(
    ("text", "scale"),
    [
        ("1 to 5", STARS),
        (" 0.5 to 5 by 0.5 ", HALF_STARS),
        ("-10 to +10 by 0", Scale(-10.0, 10.0, 0.0)),
        ("Binary", BINARY),
        ("unary", UNARY),
        ("strongly disagree < neutral<agree", Scale.of_words("strongly disagree", "neutral", "agree")),
    ],
)
def test_a_scale_is_read_as_a_person_writes_it(text, scale):
    assert Scale.of_text(text) == scale


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1-5", "scale: expected 'binary', 'unary', '1 to 5 by 1' or 'bad < fair < good', got '1-5'"),
        ("5 to 1", "scale: expected finite numbers, minimum <= maximum, got 5, 1"),
        ("1 to 5 by 3", "scale: expected a step that divides 4, or 0, got 3"),
        ("1.2.3 to 5", "scale: expected 'binary'"),
        ("bad < bad", "scale: expected 2 different words"),
        ("bad < ", "scale: expected 2 different words"),
    ],
)
def test_a_text_that_is_no_scale_is_refused(text, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        Scale.of_text(text)


@pytest.mark.parametrize("scale", SCALES, ids=str)
@given(st.lists(st.floats(-10, 10), min_size=1))
def test_rounding_ends_on_the_nearest_value_of_the_scale(scale, predictions):
    predictions = np.array(predictions)
    values = np.arange(scale.num_values) * scale.step + scale.minimum
    rounded = scale.rounded(predictions)
    assert scale.contains(rounded).all()
    nearest = np.abs(predictions[:, None] - values).min(axis=1)
    np.testing.assert_allclose(np.abs(predictions - rounded), nearest, atol=1e-9)


def test_halves_are_rounded_upwards_and_what_is_off_the_scale_to_its_ends():
    assert STARS.rounded(np.array([0.2, 1.49, 1.5, 2.5, 4.5, 7.0])).tolist() == [1, 1, 2, 3, 5, 5]
    assert HALF_STARS.rounded(np.array([0.0, 0.74, 0.75, 3.3])).tolist() == [0.5, 0.5, 1.0, 3.5]
    assert Scale(0.0, 1.0, 0.0).rounded(np.array([-0.3, 0.3, 1.3])).tolist() == [0.0, 0.3, 1.0]
    assert STARS.clip(np.array([[0.2, 6.0], [3.3, 5.0]])).tolist() == [[1.0, 5.0], [3.3, 5.0]]


def test_words_are_the_places_of_an_ordinal_scale():
    scale = Scale.of_words("disagree", "neutral", "agree")
    assert (scale.minimum, scale.maximum, scale.num_values) == (1, 3, 3)
    assert str(scale) == "disagree, neutral, agree"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([2, 5, 3], "2 to 5 in steps of 1"),
        ([0.5, 5.0, 3.0], "0.5 to 5 in steps of 0.5"),
        ([1.0, 2.5, 4.0], "1 to 4 in steps of 0.5"),
        ([0.1, 5.0], "0.1 to 5"),
        ([1.0, 2.2, 3.0], "1 to 3"),
        ([4.0, 4.0], "4 alone"),
        ([0, 1], "0 to 1 in steps of 1"),
    ],
)
def test_a_scale_of_values_has_the_largest_step_that_fits(values, expected):
    scale = Scale.of_values(np.array(values))
    assert str(scale) == expected and scale.contains(np.array(values)).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((5.0, 1.0), "scale: expected finite numbers, minimum <= maximum, got 5, 1"),
        ((1.0, np.inf), "scale: expected finite numbers"),
        ((np.nan, 1.0), "scale: expected finite numbers"),
        ((1.0, 5.0, 3.0), "scale: expected a step that divides 4, or 0, got 3"),
        ((1.0, 5.0, -1.0), "scale: expected a step that divides 4, or 0, got -1"),
        ((1.0, 3.0, 1.0, ("no", "yes")), "scale: expected 3 different words, one for each value, got no, yes"),
        ((1.0, 2.0, 1.0, ("yes", "yes")), "scale: expected 2 different words"),
        ((1.0, 2.0, 0.0, ("no", "yes")), "scale: expected 0 different words"),
    ],
)
def test_a_scale_whose_parts_do_not_fit_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Scale(*arguments)


# ratings


def test_ratings_are_checked_once_and_cannot_be_changed():
    values = np.array([5.0, 3.0, 1.0])
    result = ratings(values=values, timestamps=[3, 2, 1])
    values[0] = 99.0
    assert result.values.tolist() == [5, 3, 1] and len(result) == 3
    assert (result.users.dtype, result.items.dtype, result.values.dtype) == (np.int32, np.int32, np.float32)
    for array in (result.users, result.values, result.timestamps):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"users": [0, 1, 2]}, "users: expected ids below 2, got 2"),
        ({"items": [0, 1, -1]}, r"items: expected ids in 0\.\.2\*\*31-1"),
        ({"items": [0, 1]}, "items: expected 3 ids, one per user, got 2"),
        ({"values": [1, 2]}, r"values: expected 3 numbers, one per pair, got shape \(2,\)"),
        ({"values": [1.0, np.nan, np.inf]}, "values: expected finite numbers, got nan"),
        ({"timestamps": [1, 2]}, "timestamps: expected 3 numbers, one per pair"),
        ({"values": [5, 6, 1]}, "values: expected 1 to 5 in steps of 1, got 6 of user 1, item 0"),
        ({"values": [5, 3, 1.5]}, "values: expected 1 to 5 in steps of 1, got 1.5 of user 1, item 1"),
        ({"scale": BINARY}, "values: expected 0 to 1 in steps of 1, got 5 of user 0, item 2"),
        ({"items": [2, 1, 1]}, "ratings: expected distinct pairs, got user 1, item 1 twice"),
        ({"user_ids": ["ann"]}, "user_ids: expected 2 of them, got 1"),
        ({"item_ids": [1, 2, 3, 4]}, "item_ids: expected 3 of them, got 4"),
    ],
)
def test_ratings_refuse_what_cannot_be(change, message):
    with pytest.raises(ValueError, match=message):
        ratings(**change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"values": [5, 3, 9]}, "got 9 of user bob, item 31"),
        ({"items": [2, 0, 0]}, "got user bob, item 10 twice"),
    ],
)
def test_messages_name_pairs_in_the_ids_of_their_file(change, message):
    with pytest.raises(ValueError, match=message):
        ratings(user_ids=["ann", "bob"], item_ids=[10, 31, 20], **change)


def test_a_pair_may_be_repeated_in_data_that_are_wrong_on_purpose():
    four_times = ratings(allows_repeats=True).where(np.tile(np.arange(3), 4))
    assert len(four_times) == 12 and four_times.values[:6].tolist() == [5, 3, 1, 5, 3, 1]


@pytest.mark.parametrize("rows", [np.array([True, False, True]), np.array([0, 2])], ids=["mask", "rows"])
def test_some_of_the_ratings_keep_all_that_belongs_to_them(rows):
    part = ratings(timestamps=[30, 20, 10], user_ids=["ann", "bob"], note="mine").where(rows)
    assert (part.users.tolist(), part.items.tolist(), part.values.tolist()) == ([0, 1], [2, 1], [5, 1])
    assert part.timestamps.tolist() == [30, 10]
    assert (part.num_users, part.num_items, part.note, part.user_id(1)) == (2, 3, "mine", "bob")
    with pytest.raises(ValueError, match="read-only"):
        part.values[0] = 3


def test_rows_that_are_taken_twice_are_refused():
    with pytest.raises(ValueError, match="ratings: expected distinct pairs, got user 1, item 0 twice"):
        ratings().where(np.array([1, 0, 1]))


def test_other_values_are_checked_against_their_own_scale():
    assert ratings().with_values(np.array([1.0, 1.0, 0.0]), BINARY).scale == BINARY
    with pytest.raises(ValueError, match="values: expected 0 to 1"):
        ratings().with_values(np.array([2.0, 1.0, 0.0]), BINARY)


# from explicit to implicit


@given(st.lists(st.sampled_from([1.0, 2.0, 3.0, 4.0, 5.0]), min_size=1, max_size=12), st.sampled_from([1.0, 2.5, 4.0]))
def test_the_implicit_form_has_the_pairs_that_are_rated_so_high(values, minimum):
    users, items, times = np.arange(len(values)) % 3, np.arange(len(values)), np.arange(len(values))[::-1]
    rated = Ratings(users, items, np.array(values), 3, len(values), STARS, times)
    expected = [place for place, value in enumerate(values) if value >= minimum]
    if not expected:
        with pytest.raises(ValueError, match=f"min_rating: expected at most .*, the highest rating, got {minimum:g}"):
            rated.at_least(minimum)
        return
    implicit = rated.at_least(minimum)
    assert implicit.items.tolist() == expected and implicit.users.tolist() == [place % 3 for place in expected]
    assert implicit.timestamps.tolist() == times[expected].tolist()
    assert (implicit.num_users, implicit.num_items) == (3, len(values))


def test_without_a_threshold_every_rating_counts():
    assert len(ratings().at_least()) == 3
