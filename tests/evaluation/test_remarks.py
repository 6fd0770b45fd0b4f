import numpy as np
import pytest

from ncfjax.evaluation.remarks import few_candidates, of_ties, of_too_few_hits, shares_tied

MANY = np.array([50, 60])


def test_k_at_or_above_the_number_of_candidates_says_nothing():
    assert few_candidates(5, MANY) == ["HR@10 is 1 for every model, among 6 candidates"]
    assert few_candidates(9, MANY) == ["HR@10 is 1 for every model, among 10 candidates"]
    assert few_candidates(10, np.array([10, 60])) == []
    (remark,) = few_candidates(10, np.array([9, 60]))
    assert remark == "full HR@10 is 1 for every model of 1 of 2 users, who have at most 10 candidates"


def test_ties_are_told_of_above_one_in_a_hundred():
    ties = np.zeros(200, int)
    ties[:2] = 7
    shares = shares_tied({"sampled": ties, "full": ties[::2]})
    assert shares == {"tied": 0.01, "full_tied": 0.01} and of_ties(shares) == []
    ties[2] = 1
    (remark,) = of_ties(shares_tied({"sampled": ties, "full": ties > 6}))
    assert remark == "1.5 % of the held-out items tie with a candidate, 1.0 % in the full catalogue"


@pytest.mark.parametrize(
    ("hit_ratio", "num_users", "remark"),
    [
        (0.0, 1000, ["dead, though finite: HR@10 is 0, by chance it is 0.1"]),
        (0.03, 1000, ["worse than a random order: HR@10 is 0.03, by chance it is 0.1"]),
        (0.09, 1000, []),
        (0.0, 20, []),  # a random order of 99 negatives has no hit in one of eight such sets
    ],
)
def test_fewer_hits_than_by_chance_are_told_of(hit_ratio, num_users, remark):
    assert of_too_few_hits(hit_ratio, num_users, num_negatives=99) == remark


def test_where_all_are_hits_none_can_be_too_few():
    assert of_too_few_hits(1.0, 1000, num_negatives=5) == []
