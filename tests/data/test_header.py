"""Which column of a person's own table is which."""

import pytest

from ncfjax.data.header import ORDERS, TableForm, is_separator
from ncfjax.data.ratings import STARS
from ncfjax.data.ratings_csv import read_csv, read_ratings_csv

ROWS = [("ann", "tea", 5, 30), ("ann", "milk", 4, 20), ("bob", "tea", 3, 10), ("bob", "rye", 2, 40)]


def write(folder, header, separator=",", rows=ROWS):
    path = folder / "mine.csv"
    lines = [header, *(separator.join(map(str, row)) for row in rows)]
    path.write_text("\n".join(lines if header else lines[1:]))
    return path


def assert_is_mine(path, form=None):
    ratings = read_ratings_csv(path, scale=STARS, form=form)
    assert [ratings.pair(row) for row in range(4)] == [f"user {user}, item {item}" for user, item, *_ in ROWS]
    assert (ratings.values.tolist(), ratings.timestamps.tolist()) == ([5, 4, 3, 2], [30, 20, 10, 40])
    return ratings


@pytest.mark.parametrize(
    "header",
    [
        "userId,movieId,rating,timestamp",
        "user_id,item_id,rating,timestamp",
        "uid,iid,score,time",
        "User ID, Product ID, Stars, Date",
        "reviewerID,asin,overall,unixReviewTime",
        "user_id:token,item_id:token,rating:float,timestamp:float",
    ],
)
def test_usual_names_are_found(tmp_path, header):
    assert assert_is_mine(write(tmp_path, header)).note == ""


@pytest.mark.parametrize("separator", [",", "\t", ";", "|", "::"])
def test_usual_separators_are_found_by_the_header(tmp_path, separator):
    assert_is_mine(write(tmp_path, separator.join(["user", "item", "rating", "timestamp"]), separator))


@pytest.mark.parametrize(
    ("name", "separator"),
    [("tab", "\t"), (r"\t", "\t"), ("semicolon", ";"), ("space", " "), ("space", "  "), ("::", "::"), ("%%", "%%")],
)
def test_a_separator_can_be_given(tmp_path, name, separator):
    path = write(tmp_path, separator.join(["user", "item", "rating", "timestamp"]), separator)
    assert_is_mine(path, TableForm(separator=name))


def test_a_separator_is_neither_part_of_words_nor_a_quote():
    assert not any(map(is_separator, ["", "x", "1", '"', "\n", "a,"])) and is_separator("^")


def test_ratings_dat_of_movielens_has_no_header(tmp_path):
    rows = [(1, 1193, 5, 978300760), (1, 661, 3, 978302109)]
    ratings = read_ratings_csv(write(tmp_path, "", "::", rows), scale=STARS)
    assert (ratings.pair(1), ratings.timestamps.tolist()) == ("user 1, item 661", [978300760, 978302109])
    assert ratings.note == "no header, columns as in MovieLens's ratings.dat"


def test_columns_can_be_given_by_name_or_by_number(tmp_path):
    named = TableForm(user="Konto", item="ware", rating="Wert", timestamp="zeit")
    ratings = assert_is_mine(write(tmp_path, "konto,ware,wert,zeit"), named)
    assert ratings.note == "columns user=Konto, item=ware, rating=Wert, timestamp=zeit"
    twice = write(tmp_path, "konto,ware,wert,zeit", rows=[*ROWS, ("Konto", "Ware", "wert", "zeit"), *ROWS])
    with pytest.raises(ValueError, match=r"mine\.csv:6: expected a row of ids, from one table, got a header once more"):
        read_ratings_csv(twice, scale=STARS, form=named)
    numbered = TableForm(user="1", item="2", rating="3", timestamp="4")
    assert_is_mine(write(tmp_path, "", "\t"), numbered)


def test_the_plain_name_goes_before_other_usual_ones(tmp_path):
    path = write(tmp_path, "user,item,rating,timestamp,user_id,date", rows=[(*row, "x", "soon") for row in ROWS])
    assert_is_mine(path)


@pytest.mark.parametrize(
    ("header", "form", "message"),
    [
        (
            "uid,customer,item,time",
            {},
            r"1: expected a header with user once .*columns\.user=NAME says which of uid, cust",
        ),
        ("user,item,rating,date,time", {}, r"1: expected a header with timestamp once .*says which of date, time"),
        (
            "user,item,rating,time",
            {"item": "ware"},
            r"1: expected a header with ware \(dataset\.columns\.item\), got 'use",
        ),
        ("user,item,rating,time", {"timestamp": "when"}, r"1: expected a header with when"),
        (
            "",
            {"user": "1", "item": "5"},
            r"1: expected at least 5 fields \(dataset\.columns\.item\), got 'ann,tea,5,30'",
        ),
        ("", {"user": "1", "item": "0"}, r"1: expected a column from 1 on \(dataset\.columns\.item\)"),
        (
            "",
            {"user": "1", "item": "1"},
            r"1: expected columns of their own for user and item .*, got the same one, 'ann'",
        ),
        (
            "user,item,rating,time",
            {"item": "user"},
            r"1: expected columns of their own for user and item \(dataset\.co",
        ),
        ("user,item,rating,time", {"timestamp": "item"}, r"1: expected columns of their own for item and timestamp"),
        ("user item rating time", {}, r"1: expected a header with user and item .*dataset\.separator=TEXT another sep"),
        ("", {"user": "1"}, r"1: expected a header with user and item"),
        ("user,item,rating,time", {"user": "1", "item": "2"}, r"1: expected a row of ids, .* got a header once more"),
        ("user,item,rating,time", {"separator": "tab"}, r"1: expected a header with user and item"),
    ],
)
def test_columns_that_cannot_be_told_are_refused(tmp_path, header, form, message):
    rows = [(*row, 1) for row in ROWS] if header.count(",") == 4 else ROWS
    with pytest.raises(ValueError, match=rf"mine\.csv:{message}"):
        read_csv(write(tmp_path, header, rows=rows), name="mine", num_negatives=0, form=TableForm(**form))


def test_a_header_of_any_words_is_no_row_where_columns_are_given_by_number(tmp_path):
    """Above ids that are all numbers; ids that are words may be any."""
    numbered = TableForm(user="1", item="2")
    for rows, is_header in (([(1, 5), (2, 6)], True), ([(1, 5), (2, "x")], False), ([("konto", 5), (2, 6)], False)):
        path = write(tmp_path, "konto,ware", rows=[*rows, (2, 7)])
        if is_header:
            with pytest.raises(
                ValueError, match=r"mine\.csv:1: expected a row of ids, .*got what .*\('konto', 'ware'\)"
            ):
                read_csv(path, name="mine", num_negatives=0, form=numbered)
        else:
            assert "ware" in read_csv(path, name="mine", num_negatives=0, form=numbered).train.item_ids


@pytest.mark.parametrize(("order", "held_out"), [("oldest_first", ["milk", "rye"]), ("newest_first", ["tea", "tea"])])
def test_the_order_of_the_rows_counts_where_it_is_said(tmp_path, order, held_out):
    """In a table without a time column, and in the place of one that cannot be read."""
    for header, rows in (
        ("user,item", [row[:2] for row in ROWS]),
        ("user,item,x,time", [(*row[:3], "?") for row in ROWS]),
    ):
        data = read_csv(write(tmp_path, header, rows=rows), name="mine", num_negatives=0, form=TableForm(order=order))
        assert data.train.item_ids[data.held_out.positives].tolist() == held_out
        assert data.note == f"the file's order counts, {order}"


def test_of_a_repeated_pair_the_latest_row_counts_in_either_order(tmp_path):
    path = write(tmp_path, "user,item,rating", rows=[("ann", "tea", 5), ("ann", "tea", 1)])
    values = [read_ratings_csv(path, scale=STARS, form=TableForm(order=order)).values.tolist() for order in ORDERS]
    assert values == [[1], [5]]


def test_without_a_time_column_a_random_row_is_held_out_and_the_note_says_so(tmp_path):
    rows = [(f"u{user}", f"i{item}") for user in range(60) for item in range(4)]
    data = read_csv(write(tmp_path, "user,item", rows=rows), name="mine", num_negatives=0)
    assert set(data.held_out.positives.tolist()) == {0, 1, 2, 3}
    assert data.note == "held out: a random row of each user, no time stamp tells their order"
    rated = read_csv(
        write(tmp_path, "user,item,rating", rows=[(*row, 4) for row in rows]),
        name="mine",
        num_negatives=0,
        min_rating=3.0,
    )
    assert "a random row of each user" in rated.note
