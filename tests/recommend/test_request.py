"""What may be asked is checked at the door."""

import pytest

from ncfjax.recommend.request import KEYS, Request


def test_plain_values_make_a_request_and_null_is_a_default():
    request = Request.of({"users": [3, "b"], "k": None, "years": [1990, None], "prefer": {"Comedy": 1}, "genre": "War"})
    assert request == Request(users=(3, "b"), years=(1990, None), prefer={"Comedy": 1.0}, genre=("War",))
    assert Request.of(dict.fromkeys(KEYS)) == Request() and Request().k == 10


def test_lists_are_of_all_or_of_each_user():
    request = Request.of({"users": [3, 4], "allow": {3: [1, 2]}, "deny": 5})
    assert request.of_user("allow", 3) == (1, 2) and request.of_user("allow", "4") is None
    assert request.of_user("deny", 3) == request.of_user("deny", 4) == (5,)


@pytest.mark.parametrize(
    ("values", "refusal"),
    [
        ({"user": 3}, "user: no such key, did you mean users?"),
        ({"k": 0}, "k: expected an integer from 1 to 1000, got 0"),
        ({"k": 1001}, "k: expected an integer from 1 to 1000, got 1001"),
        ({"k": True}, "k: expected an integer from 1 to 1000, got True"),
        ({"k": "10"}, "k: expected an integer from 1 to 1000, got '10'"),
        ({"users": [1, 1]}, "users: expected each name once"),
        ({"users": [1.5]}, "users: expected a list of names"),
        ({"users": [""]}, "users: expected a list of names"),
        ({"users": [1], "history": [2]}, "history: expected none beside users"),
        ({"history": [1, 2], "ratings": [5]}, "ratings: expected 2, one for each of history, got 1"),
        ({"ratings": [5]}, "ratings: expected 0, one for each of history, got 1"),
        ({"history": [1], "ratings": [float("nan")]}, "ratings: expected a list of numbers"),
        ({"include_seen": "yes"}, "include_seen: expected true or false, got 'yes'"),
        ({"years": [1999, 1990]}, "years: expected [first, last], null for no limit"),
        ({"years": [1, 2, 3]}, "years: expected [first, last], null for no limit"),
        ({"num_ratings": ["many", None]}, "num_ratings: expected [first, last], null for no limit"),
        ({"prefer": ["Comedy"]}, "prefer: expected {GENRE: NUMBER, ...}"),
        ({"prefer": {"Comedy": float("inf")}}, "prefer: expected {GENRE: NUMBER, ...}"),
        ({"prefer": {"Comedy": 10**400}}, "prefer: expected {GENRE: NUMBER, ...}"),
        ({"weights": [1, -1]}, "weights: expected numbers >= 0, one of them > 0"),
        ({"weights": [0, 0]}, "weights: expected numbers >= 0, one of them > 0"),
        ({"allow": {"3": [1]}}, "allow: expected a list, as no users are given, got 3"),
        ({"users": [4], "deny": {"3": [1]}}, "deny: expected lists of users that are asked about, got 3"),
        ({"explain": -1}, "explain: expected an integer from 0 to 100"),
    ],
)
def test_what_cannot_be_is_refused_by_its_key(values, refusal):
    with pytest.raises(ValueError) as error:
        Request.of(values)
    assert refusal in str(error.value)
