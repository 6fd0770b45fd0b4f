import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ncfjax.data.numbering import number_ids, number_pairs, numbers_of

rows_of_any_ids = st.lists(
    st.tuples(st.sampled_from([7, 3, 30, -1]), st.sampled_from([90, 5, 7]), st.integers(0, 3)), min_size=1
)


@given(rows_of_any_ids)
def test_numbered_pairs_equal_a_loop_over_rows(rows):
    latest = {}
    for row, (user, item, time) in enumerate(rows):
        if (user, item) not in latest or time >= rows[latest[user, item]][2]:
            latest[user, item] = row
    users, items, times = (np.array(column) for column in zip(*rows, strict=True))
    pairs = number_pairs(users, items, times)
    assert pairs.rows.tolist() == sorted(latest.values())
    assert pairs.rows[pairs.pairs].tolist() == [latest[user, item] for user, item, _ in rows]
    assert pairs.num_repeated == len(rows) - len(latest)
    assert pairs.user_ids.tolist() == sorted({user for user, _, _ in rows})
    assert pairs.item_ids.tolist() == list(dict.fromkeys(item for _, item, _ in rows))
    assert (pairs.user_ids[pairs.users] == users[pairs.rows]).all()
    assert (pairs.item_ids[pairs.items] == items[pairs.rows]).all()


def test_where_no_time_is_known_the_later_row_counts():
    pairs = number_pairs(np.array(["b", "a", "b"]), np.array(["x", "x", "x"]))
    assert pairs.rows.tolist() == [1, 2] and pairs.users.tolist() == [0, 1]


@given(st.lists(st.integers(0, 9)), st.sets(st.integers(0, 9), min_size=1))
def test_numbers_of_ids_are_their_places(ids, known):
    known = np.array(list(known))[::-1]
    places, is_known = numbers_of(np.array(ids, int), known)
    assert is_known.tolist() == [id_ in known for id_ in ids]
    assert known[places[is_known]].tolist() == [id_ for id_ in ids if id_ in known]


@given(st.lists(st.integers(0, 12), min_size=1), st.lists(st.integers(0, 12)))
def test_ids_without_gaps_keep_their_order_and_their_names(one, other):
    one, other = np.array(one, int), np.array(other, int)
    numbering, known = number_ids("item", one, other), sorted({*one.tolist(), *other.tolist()})
    assert [numbering.name(number) for number in numbering.of(one).tolist()] == one.tolist()
    assert numbering.size == len(known) and set(numbering.of(np.array(known)).tolist()) == set(range(len(known)))
    assert (numbering.ids is None) == (numbering.note == "") == (known == list(range(len(known))))
