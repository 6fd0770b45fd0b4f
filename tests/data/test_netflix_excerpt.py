import numpy as np
import pytest

from ncfjax.data.netflix_excerpt import read_netflix_excerpt, split_netflix_excerpt

HEADER = "movie_id,user_id,rating,date\n"
TRAIN, TEST = HEADER + "3,20,5,2005-01-02\n3,7,1,2005-01-01\n", HEADER + "0,20,4,1999-12-31\n"


@pytest.fixture
def write(tmp_path):
    def write(train=TRAIN, test=TEST):
        paths = tmp_path / "slice.train.csv", tmp_path / "slice.test.csv"
        for path, text in zip(paths, (train, test), strict=True):
            path.write_text(text)
        return paths

    return write


def test_both_files_have_one_numbering(write):
    split = split_netflix_excerpt(*write())
    assert split.train.values.tolist() == [5, 1] and split.test.values.tolist() == [4]
    assert split.train.user_ids.tolist() == [7, 20] and split.train.item_ids.tolist() == [3, 0]
    assert (split.train.users.tolist(), split.test.users.tolist(), split.test.items.tolist()) == ([1, 0], [1], [1])
    assert split.test.timestamps.tolist() == [10956]
    assert read_netflix_excerpt(*write()).values.tolist() == [5, 1, 4]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            {"train": TRAIN + "3,20,4,2005-01-02\n"},
            r"slice\.train\.csv:4: expected a pair that is in no line before, got user 20, movie 3",
        ),
        (
            {"test": TEST + "3,7,4,2005-01-02\n"},
            r"slice\.test\.csv:3: expected .* before, nor in .*slice\.train\.csv, got user 7",
        ),
        (
            {"train": "\n\n" + TRAIN.replace("\n", ",\n") + "3,20,4,2005-01-02,\n"},
            r"slice\.train\.csv:6: expected a pair that is in no line before, got user 20, movie 3",
        ),
        ({"test": TEST + "1,7,6,2005-01-02\n"}, r"slice\.test\.csv:3: expected a rating on the scale 1 to 5"),
        ({"test": TEST + "1,7,x,2005-01-02\n"}, r"slice\.test\.csv:3: expected a number as rating, got 'x'"),
        (
            {"test": TEST + "1,7,3,2005-02-30\n"},
            r"slice\.test\.csv:3: expected a date \(YYYY-MM-DD\) as date, got '2005-02-30'",
        ),
        ({"test": TEST + "1,7,3\n"}, r"slice\.test\.csv:3: expected a date"),
        ({"test": TEST + "1,7.5,3,2005-01-02\n"}, r"slice\.test\.csv:3: expected an integer as user_id, got '7.5'"),
        (
            {"test": TEST.replace("date", "day")},
            r"slice\.test\.csv:1: expected a header with movie_id, user_id, rating and date",
        ),
    ],
)
def test_what_is_wrong_is_refused_with_file_and_line(write, files, message):
    with pytest.raises(ValueError, match=message):
        split_netflix_excerpt(*write(**files))


@pytest.mark.realdata
def test_the_excerpt_has_two_halves_and_they_share_no_pair(real_data):
    folder = real_data / "netflix-prize-sample"
    split = split_netflix_excerpt(folder / "slice.train.csv.gz", folder / "slice.test.csv.gz")
    assert (len(split.train), len(split.test)) == (51_161, 51_161)
    assert (split.train.num_users, split.train.num_items) == (2_000, 3_568)
    mean = split.train.values.mean(dtype=np.float64)
    assert round(float(np.sqrt(np.mean((split.test.values - mean) ** 2))), 4) == 1.0855
