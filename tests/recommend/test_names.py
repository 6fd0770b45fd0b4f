"""Users and items by their names."""

import numpy as np
import pytest

from ncfjax.recommend.names import Names, UnknownName

TITLES = ("Alien (1979)", "Aliens (1986)", "King Kong (1933)", "King Kong (1976)", "", "Matrix, The (1999)")
ITEMS = Names("item", np.array([7, 8, 9, 10, 1979, 2]), TITLES)


PLACES = {
    7: 0, "8": 1, "alien": 0, "ALIENS (1986)": 1, "King Kong (1976)": 3, "the matrix": 5, "Matrix": 5, "matrix, the": 5,
}  # fmt: skip


@pytest.mark.parametrize(("name", "place"), PLACES.items())
def test_an_id_or_a_title_is_found_with_its_year_and_article_or_without(name, place):
    assert ITEMS.find(name) == place


def test_a_title_that_two_have_names_both():
    with pytest.raises(UnknownName, match=r"did you mean 9 \(King Kong \(1933\)\) or 10 \(King Kong \(1976\)\)\?"):
        ITEMS.find("King Kong")


@pytest.mark.parametrize(("name", "near"), [("Kong", 9), ("Aleins", 8), ("197", 1979)])
def test_what_is_not_known_is_told_what_comes_closest(name, near):
    with pytest.raises(UnknownName, match=f"no such item among 6; did you mean .*{near}") as error:
        ITEMS.find(name)
    assert error.value.near


def test_nothing_close_is_said_to_be_unknown_alone():
    with pytest.raises(UnknownName, match=r"user 'q': no such user among 2$"):
        Names("user", np.array(["anna", "bert"])).find("q")
