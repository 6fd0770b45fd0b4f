import gzip

import pytest

from ncfjax.data.ratings_csv import read_csv

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


def test_ids_that_look_like_missing_values_are_ids(tmp_path):
    data = read(tmp_path, "user,item,timestamp\nNA,nan,1\nNA,null,2\n")
    assert (data.train.num_users, data.train.num_items) == (1, 2)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", r"mine\.csv:1: expected at least one row, got an empty file"),
        ("user,item,timestamp\n", r"mine\.csv:2: expected at least one row after the header, got the end of the file"),
        ("1,2,3,4\n1,3,3,5\n", r"mine\.csv:1: expected a header with user, item and timestamp, got '1,2,3,4'"),
        ("user,item,rating\n1,2,3\n", r"mine\.csv:1: expected a header with user, item and timestamp"),
        ("user,user,item,timestamp\n1,1,2,3\n", r"mine\.csv:1: expected a header with"),
        (CONTENT.replace("ann,milk", ",milk"), r"mine\.csv:3: expected a value for user, got none"),
        (CONTENT.replace("ann,milk", "ann,"), r"mine\.csv:3: expected a value for item, got none"),
        (CONTENT.replace(",4,20", ",4"), r"mine\.csv:3: expected a number as timestamp, got ''"),
        (CONTENT.replace(",4,20", ",4,2020-01-01"), r"mine\.csv:3: expected a number as timestamp, got '2020-01-01'"),
        (CONTENT.replace(",4,20", ",4,inf"), r"mine\.csv:3: expected a number as timestamp, got 'inf'"),
        (CONTENT.replace(",4,20", ",4,20,9"), r"mine\.csv:3: expected 4 fields, as in the header, got 5"),
        (CONTENT.replace("ann,milk,4,20", ""), r"mine\.csv:3: expected a value for user, got none"),
        (CONTENT.encode().replace(b"milk", b"m\xfclk"), r"mine\.csv:3: expected text in UTF-8, got b'\\xfc'"),
        (CONTENT.replace('green"', "green"), r"mine\.csv: expected comma-separated text"),
        (gzip.compress(CONTENT.encode(), mtime=0)[:-9], r"mine\.csv:\d+: expected the rest of the gzip stream"),
    ],
)
def test_a_bad_table_is_refused_with_its_line(tmp_path, content, message):
    with pytest.raises(ValueError, match=message):
        read(tmp_path, content)
