import gzip
import io
import zipfile

import numpy as np
import pytest

from ncfjax.data import catalog
from ncfjax.data.rating_catalog import (
    NAMES,
    NUM_GIVEN,
    load_features,
    load_given_split,
    load_implicit,
    load_movies,
    load_ratings,
)
from ncfjax.data.ratings import Scale

U_DATA = b"2\t10\t5\t300\n1\t10\t3\t100\n1\t31\t4\t200\n"
ML_100K = {
    "u.data": U_DATA,
    "u1.base": U_DATA[:22],
    "u1.test": U_DATA[22:],
    "u.item": b"10|A (1990)|||x|1|0\n31|B (2000)|||x|0|1\n",
    "u.genre": b"Comedy|0\nWar|1\n",
}
NETFLIX = {
    "combined_data_1.txt": b"3:\n20,5,2005-01-02\n7,1,2005-01-01\n",
    "combined_data_2.txt": b"1:\n20,4,2004-12-31\n",
    "combined_data_3.txt": b"4:\n7,4,2004-12-31\n",
    "combined_data_4.txt": b"5:\n7,2,2004-12-31\n",
    "movie_titles.csv": b"1,2003,A\n3,NULL,B, C\n4,1999,D\n5,1999,E\n",
}
EXCERPT = {
    "slice.train.csv": b"movie_id,user_id,rating,date\n3,20,5,2005-01-02\n",
    "slice.test.csv": b"movie_id,user_id,rating,date\n3,7,1,2005-01-01\n",
}


@pytest.fixture(autouse=True)
def offline(monkeypatch, tmp_path):
    """No cache folder but an empty one, and addresses that refuse."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(catalog, "_GROUPLENS", "http://127.0.0.1:9/")


def write(folder, files, change=bytes, suffix=""):
    folder.mkdir(exist_ok=True, parents=True)
    for name, content in files.items():
        (folder / f"{name}{suffix}").write_bytes(change(content))


# MovieLens


@pytest.mark.parametrize("subfolder", ["", "ml-100k"])
@pytest.mark.parametrize(("change", "suffix"), [(bytes, ""), (gzip.compress, ".gz")], ids=["plain", "gz"])
def test_ml_100k_is_found_with_all_that_belongs_to_it(tmp_path, subfolder, change, suffix):
    write(tmp_path / subfolder, ML_100K, change, suffix)
    ratings = load_ratings("ml-100k", data_dir=tmp_path)
    assert ratings.values.tolist() == [5, 3, 4]
    split = load_given_split("ml-100k", fold=1, data_dir=tmp_path)
    assert (split.train.values.tolist(), split.test.values.tolist(), split.fold) == ([5, 3], [4], 1)
    features = load_features("ml-100k", ratings, ["genres", "year"], data_dir=tmp_path)
    assert features.values.tolist() == [[1, 0, -1], [0, 1, 1]] and features.titles == ("A (1990)", "B (2000)")


RATINGS_DAT = b"1::31::4::200\n1::10::3::100\n2::10::5::300\n2::7::5::200\n"
NCF_ML_1M = {
    "ml-1m.train.rating": b"0\t1\t3\t100\n1\t2\t5\t200\n",
    "ml-1m.test.rating": b"0\t0\t4\t200\n1\t1\t5\t300\n",
    "ml-1m.item-ids.tsv": b"item\tid\n0\t31\n1\t10\n2\t7\n",
}
MOVIES_DAT = b"7::C (1980)::War\n10::A (1990)::Comedy\n31::B (2000)::War\n"


@pytest.mark.parametrize("subfolder", ["", "ml-1m", "ml-1m-ratings"])
def test_ml_1m_is_the_same_from_either_source(tmp_path, subfolder):
    write(tmp_path / "one" / subfolder, {"ratings.dat": RATINGS_DAT})
    write(tmp_path / "other", NCF_ML_1M)
    one, other = (load_ratings("ml-1m", data_dir=tmp_path / folder) for folder in ("one", "other"))
    for name in ("users", "items", "values", "timestamps", "user_ids", "item_ids"):
        assert getattr(one, name).tolist() == getattr(other, name).tolist()
    assert one.item_ids[one.items].tolist() == [10, 31, 7, 10] and one.values.tolist() == [3, 4, 5, 5]
    assert one.note == "" and other.note.startswith("local ml-1m.train.rating is not the original")


@pytest.mark.parametrize("name", ["ml-1m.movies.dat", "ml-1m/movies.dat"])
def test_the_movies_of_ml_1m_go_by_two_names(tmp_path, name):
    write(tmp_path, NCF_ML_1M)
    write((tmp_path / name).parent, {name.split("/")[-1]: MOVIES_DAT})
    features = load_features("ml-1m", load_ratings("ml-1m", data_dir=tmp_path), ["genres"], data_dir=tmp_path)
    assert features.values.tolist() == [[0, 1], [1, 0], [0, 1]]


def test_without_the_map_of_its_items_ncfs_files_are_not_taken_for_ml_1m(tmp_path):
    write(tmp_path, {name: text for name, text in NCF_ML_1M.items() if "ids" not in name})
    with pytest.raises(
        FileNotFoundError, match=r"ml-1m: expected ratings\.dat \(plain or \.gz\) in .*, got none, and the"
    ):
        load_ratings("ml-1m", data_dir=tmp_path)


def test_files_of_one_address_are_downloaded_at_once(tmp_path, monkeypatch):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as writer:
        for name, content in ML_100K.items():
            writer.writestr(f"ml-100k/{name}", content)
    requested = []

    class Downloader:
        def __init__(self, **options):
            pass

        def __call__(self, address, path, _):
            requested.append(address)
            with open(path, "wb") as file:
                file.write(archive.getvalue())

    monkeypatch.setattr("pooch.HTTPDownloader", Downloader)
    monkeypatch.setattr(catalog, "checksum", lambda content, like: like)
    load_given_split("ml-100k", fold=1, data_dir=tmp_path)
    assert len(requested) == 1
    assert sorted(path.name for path in (tmp_path / "ml-100k").iterdir()) == ["u.data", "u1.base", "u1.test"]


# Netflix


@pytest.mark.parametrize("subfolder", ["", "netflix", "netflix-prize-data"])
def test_netflix_is_all_of_its_files_without_the_probe(tmp_path, subfolder):
    write(tmp_path / subfolder, NETFLIX | {"probe.txt": b"3:\n7\n"})
    ratings = load_ratings("netflix", data_dir=tmp_path)
    assert ratings.values.tolist() == [5, 4, 4, 2] and ratings.note == "without the 1 ratings of probe.txt"
    every = load_ratings("netflix", data_dir=tmp_path, keep_probe=True)
    assert every.values.tolist() == [5, 1, 4, 4, 2] and every.note == ""
    split = load_given_split("netflix", data_dir=tmp_path)
    assert (split.train.values.tolist(), split.test.values.tolist()) == ([5, 4, 4, 2], [1])
    features = load_features("netflix", ratings, ["year"], data_dir=tmp_path)
    assert features.titles == ("A", "B, C", "D", "E") and features.values[1, 0] == 0


def test_a_part_of_netflix_says_which_and_that_there_is_no_probe(tmp_path):
    write(tmp_path, {"combined_data_2.txt": NETFLIX["combined_data_2.txt"]}, gzip.compress, ".gz")
    write(tmp_path, {"combined_data_2.txt": NETFLIX["combined_data_2.txt"]})
    ratings = load_ratings("netflix", data_dir=tmp_path)
    assert (len(ratings), ratings.note) == (1, "of combined_data_2.txt alone; no probe.txt")


def test_the_excerpt_has_its_own_split(tmp_path):
    write(tmp_path / "netflix-prize-sample", EXCERPT, gzip.compress, ".gz")
    assert load_ratings("netflix-excerpt", data_dir=tmp_path).values.tolist() == [5, 1]
    assert load_given_split("netflix-excerpt", data_dir=tmp_path).test.values.tolist() == [1]


def test_rated_pairs_are_interactions_for_the_ranking_of_items(tmp_path):
    write(tmp_path, NETFLIX | {"probe.txt": b"3:\n7\n"})
    data = load_implicit("netflix", data_dir=tmp_path, num_negatives=1)
    assert len(data.train) + len(data.held_out) == 5  # the probe's rating too
    high = load_implicit("netflix", data_dir=tmp_path, min_rating=4.0, num_negatives=1)
    assert len(high.train) + len(high.held_out) == 3


# your own


def test_any_table_is_read_by_its_path_with_its_movies(tmp_path):
    write(tmp_path, {"mine.csv": b"user,item,rating\na,10,1\nb,31,3\n", "movies.dat": MOVIES_DAT})
    ratings = load_ratings("csv", path=tmp_path / "mine.csv", scale=Scale(1.0, 3.0))
    assert ratings.values.tolist() == [1, 3] and str(ratings.scale) == "1 to 3 in steps of 1"
    features = load_features("csv", ratings, ["genres"], path=tmp_path / "movies.dat")
    assert features.values.tolist() == [[1, 0], [0, 1]]


# what is refused


@pytest.mark.parametrize(
    ("load", "error", "message"),
    [
        (
            lambda folder: load_ratings("ml100k"),
            ValueError,
            r"dataset: expected one of ml-100k, .*did you mean 'ml-100k'",
        ),
        (lambda folder: load_ratings("csv"), ValueError, "csv: expected path=FILE, got none"),
        (lambda folder: load_ratings("csv", path=folder / "x.csv"), FileNotFoundError, r"x\.csv: expected a file"),
        (
            lambda folder: load_ratings("ml-100k", data_dir=folder),
            FileNotFoundError,
            r"ml-100k: expected u\.data .*NCFJAX_DATA",
        ),
        (
            lambda folder: load_ratings("netflix", data_dir=folder),
            FileNotFoundError,
            r"netflix: expected combined_data_1\.txt, .*combined_data_4\.txt .*netflix-prize-data.*, got none",
        ),
        (
            lambda folder: load_ratings("netflix-excerpt", data_dir=folder),
            FileNotFoundError,
            r"netflix-excerpt: expected slice\.train\.csv, slice\.test\.csv .* there is no address",
        ),
        (
            lambda folder: load_given_split("netflix", data_dir=folder),
            FileNotFoundError,
            r"netflix: expected probe\.txt",
        ),
        (
            lambda folder: load_given_split("ml-100k", fold=6),
            ValueError,
            "ml-100k: expected one of the 5 splits .*, got 6",
        ),
        (
            lambda folder: load_given_split("ml-1m"),
            ValueError,
            "ml-1m: expected one of the 0 splits that it comes with",
        ),
        (
            lambda folder: load_movies("netflix-excerpt"),
            ValueError,
            "netflix-excerpt: expected path=FILE of its movies",
        ),
        (lambda folder: load_movies("csv"), ValueError, "csv: expected path=FILE of its movies, got none"),
        (lambda folder: load_movies("ml-1m", data_dir=folder), FileNotFoundError, r"ml-1m: expected movies\.dat"),
    ],
)
def test_what_cannot_be_had_is_named(tmp_path, load, error, message):
    with pytest.raises(error, match=message):
        load(tmp_path)


def test_splits_are_given_of_names_that_there_are():
    assert set(NUM_GIVEN) < set(NAMES)


# real data


@pytest.mark.realdata
def test_ml_1m_has_the_ratings_that_its_authors_count_and_features_for_every_movie(real_data):
    ratings = load_ratings("ml-1m", data_dir=real_data)
    assert (len(ratings), ratings.num_users, ratings.num_items) == (1_000_209, 6040, 3706)
    assert np.bincount(ratings.values.astype(int)).tolist() == [0, 56174, 107557, 261197, 348971, 226310]
    features = load_features("ml-1m", ratings, ["genres", "year", "words"], data_dir=real_data)
    assert features.values.shape[0] == 3706 and features.names[18] == "year"
    assert features.titles[0] == "One Flew Over the Cuckoo's Nest (1975)"
    assert abs(features.values[:, 18].mean()) < 1e-5 and abs(features.values[:, 18].std() - 1) < 1e-5


@pytest.mark.realdata
def test_ml_100k_comes_with_five_folds_and_features(real_data):
    split = load_given_split("ml-100k", fold=5, data_dir=real_data)
    assert (len(split.train), len(split.test)) == (80_000, 20_000)
    features = load_features("ml-100k", split.train, ["genres"], data_dir=real_data)
    assert features.values.shape == (1682, 19)
    assert len(load_given_split("netflix-excerpt", data_dir=real_data).test) == 51_161
