"""A key: which values it takes, how it refuses the others, and what a table shows."""

import re

import pytest

from ncfjax.keys import (
    COUNT,
    FLAG,
    LARGEST,
    NON_NEGATIVE,
    PATH,
    POSITIVE,
    SEED,
    SHARE,
    TEXT,
    TRUE,
    Key,
    anything,
    nearest,
    one_of,
)

INF, NAN = float("inf"), float("nan")
LAYERS = Key(tuple, anything, "a list of integers", default=lambda embedding_dim: (embedding_dim,))


@pytest.mark.parametrize(
    ("key", "right", "wrong"),
    [
        (POSITIVE, [1, 0.5, 1e-37, 3e38], [0, -1, "1", None, True, INF, NAN, 1e39, 1e-39]),
        (NON_NEGATIVE, [0, 0.0, 2], [-1, NAN]),
        (SHARE, [0, 0.5, 1], [-0.1, 1.1, NAN]),
        (COUNT, [1, 2], [0, 1.0, True, "1", None]),
        (SEED, [0, 2**31 - 1], [-1, 2**31, 1.0, True, "1", None]),
        (FLAG, [True, False, None], [1, "true"]),
        (TEXT, ["a", 1], [None, True, ["a"]]),
        (LAYERS, [[8, 4], (8,), None], [8, [8.5], "8"]),
        (one_of("a", "b"), ["a", "b"], ["c", 1, None, ["a"]]),
    ],
)
def test_a_key_knows_its_values(key, right, wrong):
    for value in right:
        key.read("x", value)
    for value in wrong:
        with pytest.raises(ValueError, match="^x"):
            key.read("x", value)


def test_an_integer_that_jax_does_not_hold_is_refused():
    assert COUNT.read("x", 2**31 - 1) == 2**31 - 1
    for key, value in ((COUNT, 3_000_000_000), (COUNT, 10**40), (LAYERS._replace(most=LARGEST), [8, 3_000_000_000])):
        with pytest.raises(ValueError, match=f"^x: expected at most 2147483647, got .?{re.escape(str(value)[1:])}"):
            key.read("x", value)


def test_a_path_may_begin_at_home(monkeypatch):
    monkeypatch.setenv("HOME", "/me")
    assert PATH.read("x", "~/a") == "/me/a" and PATH.read("x", "a~") == "a~" and TEXT.read("x", "~/a") == "~/a"
    assert PATH.read("x", "~nobody-of-this-name/a") == "~nobody-of-this-name/a"


def test_a_value_is_read_in_its_type_and_none_as_the_default():
    assert (POSITIVE.read("x", 2), type(POSITIVE.read("x", 2))) == (2.0, float)
    assert (TEXT.read("x", 7), LAYERS.read("x", [8, 4])) == ("7", (8, 4))
    assert (FLAG.read("x", None), TRUE.read("x", None), COUNT._replace(default=3).read("x", None)) == (False, True, 3)
    assert LAYERS.read("x", None) is None, "it follows from the embedding"


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        (COUNT, 0, "a.b: expected an integer >= 1, got 0"),
        (POSITIVE, "1", "a.b: expected a number > 0, got '1'"),
        (one_of("last", "test"), "tst", "a.b=tst: no such name, did you mean test? valid: last, test"),
    ],
)
def test_a_refusal_names_the_key_what_was_expected_and_what_it_got(key, value, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        key.read("a.b", value)


def test_a_cell_is_blank_where_nothing_is_set_or_a_blank_default():
    assert (FLAG.cell(False), FLAG.cell(True), FLAG.cell(None), TRUE.cell(False)) == (None, "true", None, "false")
    assert (LAYERS.cell((32, 16)), COUNT.cell(5)) == ("32-16", 5)
    assert [key.column for key in (COUNT, POSITIVE, FLAG, LAYERS, TEXT)] == [int, float, str, str, str]


@pytest.mark.parametrize(
    ("got", "right"),
    [("a.embeding_dim", "a.embedding_dim"), ("embedding_dim", "a.embedding_dim"), ("learning_rate", "b.learning_rate"),
     ("b.lerning_rate", "b.learning_rate"), ("num_epoch", "num_epochs"), ("a.learning_rate", "b.learning_rate")],
)  # fmt: skip
def test_the_nearest_key_is_proposed(got, right):
    assert f"did you mean {right}?" in nearest(got, ["a.embedding_dim", "b.learning_rate", "num_epochs"])


def test_nothing_is_proposed_where_nothing_is_near():
    assert nearest("xyzzy", ["test", "holdout"]) == "valid: test, holdout"
