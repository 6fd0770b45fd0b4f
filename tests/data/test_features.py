from pathlib import Path

import numpy as np
import pytest

from ncfjax.data.features import features_of
from ncfjax.data.movies import Movies
from ncfjax.data.ratings import STARS, Ratings

MOVIES = Movies(
    Path("movies.dat"),
    np.array([5, 2, 9, 7]),
    ("Love at Last (1990)", "Cute Love (2000)", "Swords vs. Love", "Last Chases (2010)"),
    np.array([1990.0, 2000.0, np.nan, 2010.0]),
    ("Action", "Romance"),
    np.array([[False, True], [False, True], [True, False], [True, True]]),
)


def rated(*item_ids):
    items = np.arange(len(item_ids))
    return Ratings(np.zeros_like(items), items, items + 1, 1, len(items), STARS, item_ids=np.array(item_ids))


def test_features_are_in_the_order_of_the_rated_items():
    features = features_of(MOVIES, rated(9, 5, 7), ["genres"])
    assert features.names == ("genre Action", "genre Romance")
    assert features.values.tolist() == [[1, 0], [0, 1], [1, 1]] and features.values.dtype == np.float32
    assert features.titles == ("Swords vs. Love", "Love at Last (1990)", "Last Chases (2010)")
    assert features.source == "movies.dat"


def test_the_year_is_standardised_over_the_rated_items_and_0_where_it_is_not_known():
    features = features_of(MOVIES, rated(9, 5, 7), ["year"])
    assert features.names == ("year",)
    assert features.values[:, 0].tolist() == [0.0, -1.0, 1.0]
    assert features_of(MOVIES, rated(5), ["year"]).values.tolist() == [[0.0]]


def test_words_are_those_of_enough_titles_without_the_year():
    features = features_of(MOVIES, rated(5, 2, 9, 7), ["words"], min_count=2)
    assert features.names == ("word last", "word love")
    assert features.values.tolist() == [[1, 1], [0, 1], [0, 1], [1, 0]]
    assert "word 1990" not in features_of(MOVIES, rated(5, 2), ["words"], min_count=1).names


def test_all_that_there_is_stands_side_by_side():
    features = features_of(MOVIES, rated(5, 2), ["words", "year", "genres"], min_count=2)
    assert features.names == ("genre Action", "genre Romance", "year", "word love")
    assert features.values.tolist() == [[0, 1, -1, 1], [0, 1, 1, 1]]


def test_ids_that_are_text_are_compared_as_text():
    ratings = rated("9", "5")
    assert features_of(MOVIES, ratings, ["genres"]).values.tolist() == [[1, 0], [0, 1]]


@pytest.mark.parametrize(
    ("ids", "parts", "message"),
    [
        ((5, 8), ["genres"], "movies.dat: expected a line for every rated item, got none for 8$"),
        ((1, 8, 5, 10), ["genres"], "got none for 1 and 2 others$"),
        ((5,), [], "features: expected some of genres, year, words, got none"),
        ((5,), ["genres", "cast"], "features: expected some of genres, year, words, got cast"),
        ((5, 2), ["words"], "features: expected a word of at least 5 titles, got none"),
        ((9,), ["year"], "movies.dat: expected years, got none"),
    ],
)
def test_what_cannot_be_a_feature_is_refused(ids, parts, message):
    with pytest.raises(ValueError, match=message):
        features_of(MOVIES, rated(*ids), parts)


def test_a_file_without_genres_is_refused_where_they_are_asked_for():
    without = MOVIES._replace(genres=(), has_genre=np.zeros((4, 0), bool))
    with pytest.raises(ValueError, match="movies.dat: expected genres, got none"):
        features_of(without, rated(5), ["genres"])
