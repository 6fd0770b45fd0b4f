"""Tables of text with a header: quotes, lines, blanks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ncfjax.data.fields import number_ids, read_fields
from ncfjax.data.header import Column

COLUMNS = [Column("user"), Column("item"), Column("rating", is_optional=True)]


def read(folder, content, columns=COLUMNS, separator=","):
    path = folder / "mine.csv"
    path.write_bytes(content.encode())
    return read_fields(path, columns, separator)


def items_of(folder, content):
    table = read(folder, content).table
    codes, names = number_ids(folder / "mine.csv", table, "item")
    return names[codes].tolist()


def assert_refused(folder, content, line, expected, got):
    with pytest.raises(ValueError) as refused:
        items_of(folder, content)
    assert str(refused.value) == f"{folder / 'mine.csv'}:{line}: expected {expected}, got {got}"


QUOTED = "a quoted field to end with a quote before the next separator (quotes inside of it are doubled)"
ROWS = "user,item,rating\nann,tea,1\n{}\nbob,tea,2\n"


@pytest.mark.parametrize(
    ("row", "got"),
    [
        ('ann,"12 inch,3\ncat,milk,3\ndan,"7 inch,4', "'\"12 inch,3'"),
        ('ann,"12 inch,3', "'\"12 inch,3'"),
        ('ann,"12" inch,3', "'\"12\" inch,3'"),
        ('ann,"tea" "green",3', '\'"tea" "green",3\''),
        ('ann,"a""b,3', '\'"a""b,3\''),
        ('ann, "tea"x,3', "'\"tea\"x,3'"),
        ('"ann" b,tea,3', "'\"ann\" b,tea,3'"),
        ('ann,tea,"3"4', "'\"3\"4'"),
    ],
)
def test_a_quote_that_is_not_closed_at_the_end_of_its_field_is_refused_with_its_line(tmp_path, row, got):
    assert_refused(tmp_path, ROWS.format(row), 3, QUOTED, got)


@pytest.mark.parametrize(
    ("row", "got"),
    [
        ('ann,"12 inch,3\ncat,milk,3\ndan,7 inch",4', "'12 inch,3\\ncat,milk,3\\ndan,7 inch'"),
        ('ann,"tea\ngreen",3', "'tea\\ngreen'"),
        ("ann,tea\rgreen,3", "'tea\\rgreen'"),
        ("ann,tea\u2028green,3", "'tea\\u2028green'"),
        ("ann,tea\x0bgreen,3", "'tea\\x0bgreen'"),
        ("ann,tea\u0085green,3", "'tea\\x85green'"),
    ],
)
def test_an_id_with_a_line_break_is_refused_with_its_line(tmp_path, row, got):
    assert_refused(tmp_path, ROWS.format(row), 3, "a value for item on one line", got)


def test_two_stray_quotes_in_a_column_that_is_not_used_swallow_no_row(tmp_path):
    """Lines of a text are told from rows by their number of separators."""
    rows = 'a,x,"12 inch,1\nb,y,thin,2\nb,x,7",3\n'
    got = "'a,x,\"12 inch,1' and 2 more that look like rows"
    assert_refused(tmp_path, f"user,item,title,time\nc,x,thin,1\n{rows}", 3, QUOTED, got)
    assert items_of(tmp_path, 'user,item,title,time\nc,x,"one, two,\nthree",1\nb,y,z,2\n') == ["x", "y"]


def test_quotes_that_are_doubled_or_inside_a_field_are_part_of_an_id(tmp_path):
    content = 'user,item\na,"say ""tea"""\nb,7" single\nc, "x, y" \nd,\t"z"\ne,""""\n'
    assert items_of(tmp_path, content) == ['say "tea"', '7" single', "x, y", "z", '"']


@pytest.mark.parametrize("separator", ["\t", "|", " ", "::", "¦", "→", "\u3000", "||", ".*"])
def test_quotes_keep_any_separator_and_empty_fields_before_them(tmp_path, separator):
    """A tab, too, is a blank, and the field before it is one all the same; pandas knows no separator of two bytes."""
    empty = separator * 2 if separator != " " else " - "
    rows = [("a", f'"x{separator}y"', "1"), ("b", '"say ""tea"""', "2")]
    lines = [f"{user}{empty}{item}{separator}{rating}" for user, item, rating in rows]
    content = "\n".join([separator.join(["user", "title", "item", "rating"]), *lines])
    table = read(tmp_path, content, separator=separator).table
    assert table.to_numpy().tolist() == [["a", f"x{separator}y", "1"], ["b", 'say "tea"', "2"]]
    with pytest.raises(ValueError) as refused:
        read(tmp_path, f'{content}\nc{empty}"z{separator}3', separator=separator)
    got = f'"z{separator}3'
    assert str(refused.value).endswith(f"mine.csv:4: expected {QUOTED}, got {got!r}")


def test_blanks_and_quotes_within_quotes_stay(tmp_path):
    """Beside a quote that a tab precedes, which is taken away."""
    assert items_of(tmp_path, 'user,item\na,\t"x"\nb,"say, ""hi"""\nc,"1,\t""2"""\n') == ["x", 'say, "hi"', '1,\t"2"']


def test_a_first_line_that_is_no_header_is_said_to_be_none(tmp_path):
    """Rows of another width than a comment has, or Excel's sep=; are not at fault."""
    for line in ("# exported today", "sep=,"):
        expected = "a header with user and item"
        assert_refused(tmp_path, f"{line}\nuser,item\na,x\n", 1, expected, repr(line))


texts = st.text(st.sampled_from('a "\n;'), max_size=5)


@given(st.lists(st.tuples(texts, texts), min_size=1, max_size=6), st.sampled_from([",", "|", "\t"]))
def test_what_is_quoted_is_read_back(tmp_path_factory, rows, separator):
    """Line breaks in a column that is not used: each row has its own line all the same."""
    folder = tmp_path_factory.mktemp("fields")
    quoted = [[field.replace('"', '""') for field in row] for row in rows]
    lines = [f'"{place}"{separator}"{one}"{separator}"{other}"' for place, (one, other) in enumerate(quoted)]
    content = "\n".join([f"user{separator}text{separator}other", *lines])
    table, note, _ = read(folder, content, [Column("user")], separator)
    assert table["user"].tolist() == [str(place) for place in range(len(rows))]
    num_breaks = [f"{one}{other}".count("\n") for one, other in rows]
    assert table.index.tolist() == [1 + place + sum(num_breaks[:place]) for place in range(len(rows))]
    assert note == (f"{sum(num_breaks)} line breaks inside quoted fields" if any(num_breaks) else "")


@pytest.mark.parametrize("blank", ["\n", " \n\n", "\ufeff\r\n"], ids=["one", "two", "windows"])
def test_blank_first_lines_do_not_count_and_are_counted(tmp_path, blank):
    num_lines = blank.count("\n")
    assert items_of(tmp_path, blank + "user,item\na,x\nb,y\n") == ["x", "y"]
    assert_refused(tmp_path, blank + "user,item\na,x\nb\n", 3 + num_lines, "a value for item", "none")
    assert_refused(tmp_path, blank + "user,item\na,x\nb,y,z\n", 3 + num_lines, "2 fields, as in the header", "3")


@pytest.mark.parametrize(
    ("row", "expected", "got"),
    [
        ("b,,n", "a value for item", "none"),
        ("b,y,n,3", "3 fields, as in the header", "4"),
        ('b,"y,n', QUOTED, "'\"y,n'"),
    ],
)
def test_line_numbers_are_right_after_fields_with_line_breaks(tmp_path, row, expected, got):
    content = f'user,item,note\na,x,"one\ntwo\n\nfour"\na,y,"\n"\n{row}\n'
    assert_refused(tmp_path, content, 8, expected, got)


@pytest.mark.parametrize(
    "blank", [" ", "\t", "\u00a0", "\u3000", "\u2003", "\u1680", "\x1c", " \u2029\x0b\r", "\ufeff", "\u200b \u2060"]
)
def test_blanks_around_an_id_are_no_part_of_it(tmp_path, blank):
    content = f'user,item\na,{blank}x\nb,x{blank}\nc,"{blank}x{blank}"\nd,x\n{blank}e,x'
    assert items_of(tmp_path, content) == ["x"] * 5


@pytest.mark.parametrize("end", ["\r", "\r\n", "\n", " \r \r", "\n \n\t\n", "\n\u0020"])
def test_line_ends_of_old_macs_are_line_ends_and_blanks_after_the_last_line_no_row(tmp_path, end):
    assert items_of(tmp_path, f"user,item\ra,x\rb,y{end}") == ["x", "y"]
    assert items_of(tmp_path, f"user,item\na,x\nb,y{end}".replace("\r", "\n")) == ["x", "y"]


@pytest.mark.parametrize("item", ["", " ", "\u3000", '""', '" "'])
def test_an_id_of_blanks_alone_is_none(tmp_path, item):
    assert_refused(tmp_path, f"user,item\na,x\nb,{item}\n", 3, "a value for item", "none")
