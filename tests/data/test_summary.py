"""What is left of a data set for the users of a saved model."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ncfjax.data.catalog import load
from ncfjax.data.interactions import Interactions
from ncfjax.data.rating_catalog import find_movies, load_ratings
from ncfjax.data.ratings import STARS, Ratings
from ncfjax.data.splits import holdout
from ncfjax.data.summary import summarize

#  user 0 has 2, 0; user 1 nothing; user 2 has 2
TRAIN = Interactions(np.array([0, 2, 0]), np.array([2, 2, 0]), 3, 4)
RATED = Ratings(TRAIN.users, TRAIN.items, np.array([4.0, 1.0, 3.0]), 3, 4, STARS)


def test_histories_counts_and_averages():
    summary = summarize("tiny", RATED)
    assert [summary.history(user).tolist() for user in range(3)] == [[0, 2], [], [2]]
    assert summary.counts.tolist() == [1, 0, 2, 0] and summary.scale == STARS
    np.testing.assert_array_equal(summary.average_ratings, [3.0, np.nan, 2.5, np.nan])
    assert summary.user_ids.tolist() == [0, 1, 2] and summary.item_ids.tolist() == [0, 1, 2, 3]
    interactions = summary.interactions()
    assert interactions.users.tolist() == [0, 0, 2] and interactions.items.tolist() == [0, 2, 2]


def test_rows_that_are_read_twice_are_one_in_a_history():
    repeated = RATED.repeatable().where(np.array([0, 0, 1, 2]))
    assert summarize("leak", repeated).history(0).tolist() == [0, 2]
    assert summarize("leak", repeated).average_ratings[2] == 3.0


def test_the_content_tells_data_apart_and_not_their_order():
    def content(train):
        return summarize("tiny", train).content

    assert content(TRAIN) == content(TRAIN.where(np.array([2, 0, 1])))
    others = [
        RATED,
        TRAIN.where(np.array([0, 1])),
        replace(TRAIN, num_items=5),
        replace(TRAIN, weights=np.ones(3)),
        replace(TRAIN, user_ids=np.array(["a", "b", "c"], object)),
        RATED.with_values(np.array([4.0, 1.0, 2.0]), STARS),
    ]
    assert len({content(train) for train in [TRAIN, *others]}) == 7
    assert content(RATED) == content(RATED.where(np.array([1, 2, 0])))


def test_arrays_that_do_not_fit_together_are_refused():
    with pytest.raises(ValueError, match="history_items: expected 3 of them, got 2"):
        replace(summarize("tiny", TRAIN), history_items=np.array([0, 2]))


ROWS = """user,item,rating,timestamp,strength
zoe,tea,5,1,2
zoe,jam,4,2,1
zoe,rye,1,3,9
al,rye,1,1,1
al,nut,2,0,1
al,tea,3,2,1
cy,fig,4,1,1
cy,nut,4,2,1
cy,oat,4,3,1
"""


@pytest.mark.parametrize("options", [{}, {"strength": True}, {"min_rating": 1.0}])
def test_ids_of_a_file_come_through_to_training(tmp_path: Path, options):
    (tmp_path / "shop.csv").write_text(ROWS)
    data = holdout(load("csv", path=tmp_path / "shop.csv", num_negatives=1, **options), num_negatives=1)
    train = data.train
    assert train.user_ids.tolist() == ["al", "cy", "zoe"]
    pairs = {(str(train.user_ids[u]), str(train.item_ids[i])) for u, i in zip(train.users, train.items, strict=True)}
    assert pairs == {("zoe", "tea"), ("al", "nut"), ("cy", "fig")}, (
        "less each user's latest two, as far as there are so many"
    )


def test_who_is_left_out_of_a_split_has_no_name(tmp_path: Path):
    (tmp_path / "shop.csv").write_text(ROWS + "bo,fir,1,1,1\n")
    train = load("csv", path=tmp_path / "shop.csv", min_rating=2.0, num_negatives=1).train
    assert train.user_ids.tolist() == ["al", "cy", "zoe"]
    assert sorted(train.item_ids) == ["fig", "jam", "nut", "oat", "tea"], "rye was rated too low; fir, and so bo, too"


@pytest.mark.realdata
def test_titles_of_the_real_sets(real_data: Path):
    ml_100k = load("ml-100k", data_dir=real_data).train
    movies = find_movies("ml-100k", ml_100k.num_items, ml_100k.item_ids, data_dir=real_data)
    assert movies.titles[ml_100k.item_ids.tolist().index(50)] == "Star Wars (1977)"
    ncf = load("ml-1m", data_dir=real_data).train
    movies = find_movies("ml-1m", ncf.num_items, ncf.item_ids, data_dir=real_data)
    assert movies.titles[0] == "One Flew Over the Cuckoo's Nest (1975)" and "" not in movies.titles
    rated = load_ratings("ml-1m", data_dir=real_data)
    again = find_movies("ml-1m", rated.num_items, rated.item_ids, data_dir=real_data)
    assert again.titles == movies.titles
    assert find_movies("pinterest-u37501", 9836, None, data_dir=real_data) is None


def test_titles_go_by_the_ids_that_occur_where_those_of_ncf_have_gaps(tmp_path: Path):
    (tmp_path / "movies.dat").write_text("7::Heat (1995)::Action\n3::Up (2009)::Comedy\n")
    (tmp_path / "ml-1m.item-ids.tsv").write_text("item\tid\n0\t9\n3\t7\n7\t3\n")
    movies = find_movies("ml-1m", 2, np.array([3, 7]), data_dir=tmp_path, is_rated=False)
    assert movies.titles == ("Heat (1995)", "Up (2009)")
    assert find_movies("ml-1m", 2, np.array([3, 7]), data_dir=tmp_path).titles == ("Up (2009)", "Heat (1995)")


def test_without_a_file_of_titles_there_are_none(tmp_path: Path, monkeypatch):
    def offline(*_):
        raise OSError("no network")

    monkeypatch.setattr("ncfjax.data.catalog.download", offline)
    assert find_movies("ml-100k", 3, np.array([1, 2, 3]), data_dir=tmp_path) is None
    assert find_movies("ml-1m", 3, data_dir=tmp_path) is None
    assert find_movies("synthetic", 3) is None


def test_an_item_that_no_line_tells_of_has_no_title(tmp_path: Path):
    (tmp_path / "movies.dat").write_text("7::Heat (1995)::Action|Crime\n5::Up (2009)::Comedy\n")
    movies = find_movies("ml-1m-ratings", 3, np.array([5, 6, 7]), data_dir=tmp_path)
    assert movies.titles == ("Up (2009)", "", "Heat (1995)")
    assert movies.years[[0, 2]].tolist() == [2009, 1995] and np.isnan(movies.years[1])
    assert movies.has_genre.sum(axis=1).tolist() == [1, 0, 2]
