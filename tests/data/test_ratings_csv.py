import gzip

import pytest

from ncfjax.data.ratings import STARS, Scale
from ncfjax.data.ratings_csv import read_csv, read_ratings_csv

CONTENT = """user,item,rating,timestamp
bob,tea,5,30
ann,milk,4,20
bob,"tea, green",3,10.5
ann,tea,2,40
"""


def read(tmp_path, content, **options):
    path = tmp_path / "mine.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_csv(path, name="mine", num_negatives=0, **options)


def assert_is_mine(data):
    # users ann, bob -> 0, 1; items by first appearance: tea, milk, "tea, green" -> 0, 1, 2
    assert data.held_out.users.tolist() == [0, 1]
    assert data.held_out.positives.tolist() == [0, 0]
    assert data.train.users.tolist() == [0, 1]
    assert data.train.items.tolist() == [1, 2]


def test_text_ids_are_numbered_and_the_latest_row_is_held_out(tmp_path):
    assert_is_mine(read(tmp_path, CONTENT))


@pytest.mark.parametrize(
    "content",
    [
        CONTENT.replace("\n", "\r\n"),
        CONTENT.rstrip(),
        gzip.compress(CONTENT.encode(), mtime=0),
        "\ufeff" + CONTENT,
        CONTENT.replace("user,item,rating,timestamp", "User, Item , rating, TIMESTAMP"),
        "timestamp,place,item,user\n30,x,tea,bob\n20,x,milk,ann\n10.5,x,'tea',bob\n40,x,tea,ann",
    ],
    ids=["windows", "no-last-newline", "gzip", "bom", "capitals", "any-columns-no-rating"],
)
def test_other_spellings_of_the_same_table_are_read_alike(tmp_path, content):
    assert_is_mine(read(tmp_path, content))


def test_integer_user_ids_are_ordered_as_numbers(tmp_path):
    content = "user,item,timestamp\n10,a,1\n10,b,2\n9,b,1\n9,a,2\n"
    data = read(tmp_path, content)
    assert data.held_out.positives.tolist() == [0, 1]  # user 9 held out a, user 10 held out b


def test_mixed_user_ids_are_ordered_as_text(tmp_path):
    content = "user,item,timestamp\n10,a,1\n10,b,2\nx9,b,1\nx9,a,2\n"
    assert read(tmp_path, content).held_out.positives.tolist() == [1, 0]


def test_ids_that_look_alike_are_noted(tmp_path):
    """An accent of its own, as file names of macOS have it."""
    data = read(tmp_path, "user,item,timestamp\nZoe\u0308,caf\u00e9,1\nZo\u00eb,cafe\u0301,2\nZo\u00eb,tea,1\n")
    assert (data.train.num_users, data.train.num_items) == (2, 3)
    for kind in ("user", "item"):
        assert f"1 {kind} ids differ from others in how their letters are composed alone" in data.note


def test_ids_that_look_like_missing_values_are_ids(tmp_path):
    data = read(tmp_path, "user,item,timestamp\nNA,nan,1\nNA,null,2\n")
    assert (data.train.num_users, data.train.num_items) == (1, 2)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", r"mine\.csv:1: expected at least one row, got an empty file"),
        ("user,item,timestamp\n", r"mine\.csv:2: expected at least one row after the header, got the end of the file"),
        ("1,2,3,4\n1,3,3,5\n", r"mine\.csv:1: expected a header with user and item .*, got '1,2,3,4'"),
        (
            "user,thing,timestamp\n1,2,3\n",
            r"mine\.csv:1: expected a header with user and item \(dataset.columns.item=NAME",
        ),
        ("user,user,item,timestamp\n1,1,2,3\n", r"mine\.csv:1: expected a header with"),
        (CONTENT.replace("ann,milk", ",milk"), r"mine\.csv:3: expected a value for user, got none"),
        (CONTENT.replace("ann,milk", "ann,"), r"mine\.csv:3: expected a value for item, got none"),
        (CONTENT.replace(",4,20", ",4"), r"mine\.csv:3: expected a number as timestamp, got ''"),
        (CONTENT.replace(",4,20", ",4,2020-01-01"), r"mine\.csv:3: expected a number as timestamp, got '2020-01-01'"),
        (CONTENT.replace(",4,20", ",4,inf"), r"mine\.csv:3: expected a number as timestamp, got 'inf'"),
        (CONTENT.replace(",4,20", ",4,20,9"), r"mine\.csv:3: expected 4 fields, as in the header, got 5"),
        (CONTENT.replace("ann,milk,4,20", ""), r"mine\.csv:3: expected a value for user, got none"),
        (CONTENT.encode().replace(b"milk", b"m\xfclk"), r"mine\.csv:3: expected text in UTF-8, got b'\\xfc'"),
        (gzip.compress(CONTENT.encode(), mtime=0)[:-9], r"mine\.csv:\d+: expected the rest of the gzip stream"),
    ],
)
def test_a_bad_table_is_refused_with_its_line(tmp_path, content, message):
    with pytest.raises(ValueError, match=message):
        read(tmp_path, content)


# ratings


def read_ratings(tmp_path, content, **options):
    path = tmp_path / "mine.csv"
    path.write_text(content)
    return read_ratings_csv(path, **options)


def test_ratings_keep_the_ids_of_the_table(tmp_path):
    ratings = read_ratings(tmp_path, CONTENT, scale=STARS)
    assert [ratings.user_ids[user] for user in ratings.users] == ["bob", "ann", "bob", "ann"]
    assert [ratings.item_ids[item] for item in ratings.items] == ["tea", "milk", "tea, green", "tea"]
    assert (ratings.values.tolist(), ratings.timestamps.tolist()) == ([5, 4, 3, 2], [30, 20, 10.5, 40])
    assert (ratings.scale, ratings.note) == (STARS, "")


def test_a_scale_that_is_not_given_is_taken_from_the_ratings_and_noted(tmp_path):
    ratings = read_ratings(tmp_path, CONTENT)
    assert ratings.scale == Scale(2.0, 5.0) and ratings.note == "scale 2 to 5 in steps of 1, from the values"


def test_words_are_ratings_where_the_scale_has_words(tmp_path):
    scale = Scale.of_words("strongly disagree", "disagree", "Neutral", "agree", "strongly agree")
    content = "item,user,rating\nx,ann,Agree\ny,ann, strongly disagree\nx,bob,NEUTRAL\n"
    ratings = read_ratings(tmp_path, content, scale=scale)
    assert ratings.values.tolist() == [4, 1, 3] and ratings.timestamps is None
    with pytest.raises(ValueError, match=r"mine\.csv:3: expected one of strongly disagree, .* as rating, got 'maybe'"):
        read_ratings(tmp_path, content.replace("strongly disagree", "maybe"), scale=scale)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (CONTENT.replace(",4,20", ",7,20"), r"mine\.csv:3: expected a rating on the scale 1 to 5 in steps of 1, got 7"),
        (CONTENT.replace(",4,20", ",,20"), r"mine\.csv:3: expected a number as rating, got ''"),
        (CONTENT.replace(",4,20", ",1e39,20"), r"mine\.csv:3: expected a rating from -1e\+18 to 1e\+18, got '1e39'"),
        (CONTENT.replace("rating", "colour"), r"mine\.csv:1: expected a header with user, item and rating"),
        (CONTENT.replace(",4,20", ",4,soon"), r"mine\.csv:3: expected a number as timestamp, got 'soon'"),
        ("user,item,rating,timestamp,timestamp\na,b,1,2,3\n", r"mine\.csv:1: expected a header with"),
    ],
)
def test_a_rating_that_is_none_is_refused_with_its_line(tmp_path, content, message):
    with pytest.raises(ValueError, match=message):
        read_ratings(tmp_path, content, scale=STARS)


def test_of_a_repeated_pair_the_latest_rating_counts(tmp_path):
    ratings = read_ratings(tmp_path, CONTENT + "bob,tea,1,29\nann,tea,3,41\n", scale=STARS)
    assert ratings.values.tolist() == [5, 4, 3, 3] and ratings.note == "2 repeated pairs dropped"


# implicit feedback from ratings and strengths


def test_only_high_ratings_are_interactions_where_it_is_asked_for(tmp_path):
    content = "user,item,rating,timestamp\na,x,5,1\na,y,1,2\na,z,4,3\nb,y,5,1\nb,x,4,2\n"
    data = read(tmp_path, content, min_rating=4.0)
    assert data.held_out.positives.tolist() == [2, 0] and data.train.items.tolist() == [0, 1]
    assert data.note == "scale 1 to 5 in steps of 1, from the values; ratings of at least 4"
    assert len(read(tmp_path, content.replace("rating", "colour")).train) == 3


def test_strengths_are_weights_and_those_of_repeated_pairs_are_added_up(tmp_path):
    content = "user,item,strength,timestamp\na,x,1,1\na,y,5,2\na,x,5,3\na,z,2,9\nb,x,1,1\nb,y,1,2\n"
    data = read(tmp_path, content, strength=True)
    assert data.train.items.tolist() == [0, 1, 0] and data.train.weights.tolist() == [6, 5, 1]
    assert data.note == "weighted by strength, those of 1 repeated pairs added up"
    assert read(tmp_path, content).train.weights is None


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        (CONTENT, {"strength": True}, r"mine\.csv:1: expected a header with user, item and strength"),
        (
            CONTENT.replace("rating", "strength").replace(",4,", ",0,"),
            {"strength": True},
            r"mine\.csv:3: expected a strength from 1e-09 to 1e\+09",
        ),
        (
            CONTENT.replace("rating", "strength").replace(",4,", ",x,"),
            {"strength": True},
            "expected a number as strength",
        ),
        (CONTENT, {"strength": True, "min_rating": 4.0}, "min_rating: expected none with strength, got 4"),
        (CONTENT, {"min_rating": 6.0}, "min_rating: expected at most 5, the highest rating, got 6"),
        ("user,item,timestamp\na,b,1\n", {"min_rating": 1.0}, "expected a header with user, item and rating"),
        ("user,item\na,b\n", {}, r"mine\.csv: mine: expected a user with at least two items, got none"),
    ],
)
def test_what_a_split_needs_and_a_table_lacks_is_refused(tmp_path, content, options, message):
    with pytest.raises(ValueError, match=message):
        read(tmp_path, content, **options)


# what real tables look like


@pytest.mark.parametrize("header", ["user,item", "userId,movieId", "Item,User", "\ufeffuser_id:token,item_id:token"])
def test_a_header_between_the_rows_is_refused_with_its_line(tmp_path, header):
    """Tables that were put together, headers and all: no user is called user."""
    with pytest.raises(ValueError, match=r"mine\.csv:4: expected a row of ids, from one table, got a header once more"):
        read(tmp_path, f"user,item\na,x\na,y\n{header}\nb,x\nb,y\n")
    with pytest.raises(ValueError, match=r"mine\.csv:4: expected a row of ids"):
        read_ratings(tmp_path, f"user,item,rating\na,x,1\na,y,2\n{header},rating\nb,x,1\n")


def test_an_id_that_is_the_name_of_a_column_is_an_id(tmp_path):
    data = read(tmp_path, "user,item,timestamp\nuser,x,1\nuser,y,2\nmember,x,1\nmember,book1,2\n")
    assert data.train.user_ids.tolist() == ["member", "user"]


def test_ids_that_differ_by_blanks_are_one(tmp_path):
    data = read(tmp_path, "user,item,timestamp\nu1,x,1\nu1 ,y,2\n\u00a0u1,z\u3000,3\nu1,z,4\n")
    assert (data.train.num_users, data.train.num_items) == (1, 3) and data.train.user_ids.tolist() == ["u1"]
    assert data.held_out.positives.tolist() == [2]


def test_one_fraction_among_nanoseconds_does_not_change_what_is_held_out(tmp_path):
    content = "user,item,timestamp\na,x,1700000000000000002\na,y,1700000000000000001\nb,y,1700000000000000000.5\nb,x,5"
    assert read(tmp_path, content).held_out.positives.tolist() == [0, 1]


def test_messages_name_the_ids_the_file_and_the_key_that_helps(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text("user,item,timestamp\nann,tea,1\nann,milk,2\n")
    message = (
        r"mine\.csv: user ann: expected at least 5 items to draw negatives from, got 0 of 2; dataset\.num_negatives"
    )
    with pytest.raises(ValueError, match=message):
        read_csv(path, name="mine", num_negatives=5)
