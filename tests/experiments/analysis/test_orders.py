"""The order of methods in both protocols: users on paper, significance.py as the reference, an order that flips."""

import itertools
from pathlib import Path

import numpy as np
import pytest

from experiments.analysis.methods import Method
from experiments.analysis.orders import Order, by_metric, orders
from experiments.analysis.pairwise import PairwiseTest
from experiments.entries import columns
from experiments.figures.orders import (
    AGREEMENT,
    INVERSIONS,
    NEIGHBOURS,
    ORDER,
    matrix_table,
    order_table,
    summary,
    tables,
)
from ncfjax.evaluation.columns import COLUMNS
from ncfjax.evaluation.metrics import hit_ratio
from ncfjax.evaluation.significance import Comparison, compare, holm, mcnemar
from ncfjax.store import Store

TABLES = columns()

RESULTS = Path(__file__).parents[3] / "results"
IDS = itertools.count()
MISS = 20  # a rank beyond the first ten


def a_run(store: Store, sampled: list[int], full: list[int] | None = None, **changed) -> str:
    """Stores a run with its users' ranks, the same in both protocols unless told; returns its id."""
    run_id = f"{next(IDS):016x}"
    row = dict.fromkeys(store.columns) | {"run_id": run_id, "status": "completed", "dataset": "ml-1m", "model": "dot"}
    row |= {"phase": "final", "split": "test", "negatives": "file"} | changed
    ranks = {"sampled": np.array(sampled), "full": np.array(full or sampled)}
    row |= {name: float(column.of_ranks(ranks[column.protocol])) for name, column in COLUMNS.items()}
    store.append(row, [], ranks)
    return run_id


def a_method(name: str, store: Store, *run_ids: str) -> Method:
    runs = store.runs().set_index("run_id", drop=False)
    return Method(store, runs.loc[list(run_ids)], name)


def hits(first: int, number: int, users: int = 60) -> list[int]:
    """Ranks that hit so many users from the first on."""
    return [0 if first <= user < first + number else MISS for user in range(users)]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path, TABLES["sweep"])


@pytest.fixture
def flipped(store) -> list[Method]:
    """Sampled: a > b > c. Full: b > a > c. Each user that the worse one hits, the better one hits too."""
    ranks = {"c": (hits(0, 5), hits(0, 2)), "a": (hits(0, 50), hits(0, 20)), "b": (hits(0, 25), hits(0, 40))}
    return [a_method(name, store, a_run(store, *users)) for name, users in ranks.items()]


def rows_of(text: str, head: str) -> list[list[str]]:
    """The cells of the table below this head."""
    lines = text.splitlines()
    below = itertools.takewhile(lambda line: line.startswith("|"), lines[lines.index(head) + 2 :])
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in below]


# ---- the order


def test_methods_stand_by_their_means_and_a_single_run_has_no_interval(store):
    """HR@10 1/2 and 1/4: mean 3/8, half an interval of 12.706 * 0.17678 / sqrt(2) = 1.5883."""
    runs = [a_run(store, [0, MISS, MISS, 0]), a_run(store, [0, MISS, MISS, MISS])]
    methods = [a_method("mf", store, *runs), a_method("ease", store, a_run(store, [0, 0, 0, MISS]))]
    assert rows_of(tables(orders(methods)), ORDER) == [
        ["ease", "1", *["0.7500", "1"] * 4],
        ["mf", "2", *["0.3750 ± 1.5883", "2"] * 4],
    ]


def test_each_column_has_its_own_order(flipped):
    ordered = orders(flipped)
    assert {name: "".join(order.means) for name, order in ordered.items()} == {
        "hit_ratio@10": "abc", "ndcg@10": "abc", "full_hit_ratio@10": "bac", "full_ndcg@10": "bac"
    }  # fmt: skip
    places = {cells[0]: cells[3::2] for cells in rows_of(order_table(ordered), ORDER)}
    assert places == {"a": ["1", "1", "2", "2"], "b": ["2", "2", "1", "1"], "c": ["3"] * 4}


def test_methods_with_the_same_ranks_stand_as_they_were_given(store):
    methods = [a_method(name, store, a_run(store, hits(0, 5))) for name in ("z", "a")]
    ordered = orders(methods)
    assert list(ordered["ndcg@10"].means) == ["z", "a"]
    assert ordered["ndcg@10"].sign("z", "a") == ordered["ndcg@10"].sign("a", "z") == "="


# ---- the tests


def test_every_pair_is_tested_as_significance_does_and_corrected_in_its_column(flipped):
    ordered = orders(flipped)
    for column in COLUMNS.values():
        order = next(order for order in ordered.values() if order.column == column)
        runs = {method.name: method.ranks(column.protocol) for method in flipped}
        pairs = list(itertools.combinations(order.means, 2))
        alone = [compare(runs[first], runs[second], column.metric, 10) for first, second in pairs]
        signs = [mcnemar(runs[first][:1] < 10, runs[second][:1] < 10) for first, second in pairs]
        assert list(order.pairs) == pairs
        assert [order.pairs[pair].comparison for pair in pairs] == [pytest.approx(test, abs=1e-12) for test in alone]
        assert [order.pairs[pair].p_value for pair in pairs] == list(holm(np.array([test.p_value for test in alone])))
        assert [order.pairs[pair].wilcoxon for pair in pairs] == list(holm(np.array([test.wilcoxon for test in alone])))
        if column.metric is hit_ratio:
            corrected = list(holm(np.array([test.p_value for test in signs])))
            assert [order.pairs[pair].mcnemar.p_value for pair in pairs] == corrected
        else:
            assert {pair.mcnemar for pair in order.pairs.values()} == {None}


def test_neighbours_are_told_best_first_and_only_hits_have_mcnemars_test(flipped):
    """a hits 50 of 60 users, b 25 of the same, c 5: differences 25/60 and 20/60."""
    table = rows_of(tables(orders(flipped)), NEIGHBOURS)
    assert [cells[:3] for cells in table] == [
        [metric, *pair]
        for metric, pairs in (
            ("HR@10", ["ab", "bc"]),
            ("NDCG@10", ["ab", "bc"]),
            ("full HR@10", ["ba", "ac"]),
            ("full NDCG@10", ["ba", "ac"]),
        )
        for pair in pairs
    ]
    assert table[0][3] == "+0.4167" and table[0][6:8] == ["25", "0"] and table[0][-1] == "a"
    assert table[0][-3] == f"{2 * 2 / 2**25:.1e}"  # of 25 coins, and second of three p-values: a against c is the first
    assert {cells[-2] for cells in table} == {""}  # no method has seeds
    assert [cells[-3] != "" for cells in table] == [True, True, False, False] * 2


@pytest.mark.parametrize(
    ("low", "high", "p_value", "expected"),
    [
        (0.01, 0.02, 0.049, "a"),
        (0.01, 0.02, 0.05, "no difference"),
        (-0.01, 0.02, 0.001, "no difference"),
        (0.0, 0.02, 0.001, "no difference"),
    ],
)
def test_a_verdict_needs_both_the_interval_and_the_corrected_p_value(low, high, p_value, expected):
    ours, other = (Method(None, None, name) for name in "ab")
    comparison = Comparison(0.01, low, high, *[None] * 8)
    pair = PairwiseTest(ours, other, "ndcg@10", comparison, p_value, 0.001)
    assert pair.winner == expected
    order = Order(COLUMNS["ndcg@10"], {}, {("a", "b"): pair})
    assert order.sign("a", "b") + order.sign("b", "a") == ("><" if expected == "a" else "==")


# ---- both protocols


def test_an_order_that_flips_is_told_with_its_differences_in_both_protocols(flipped):
    text = tables(orders(flipped))
    turned = rows_of(text, INVERSIONS)
    assert [cells[:3] for cells in turned] == [["HR@10", "a", "b"], ["NDCG@10", "a", "b"]]
    assert turned[0][3].startswith("+0.4167 (+0.") and turned[0][5] == "a"  # 25/60
    assert turned[0][6].startswith("+0.3333 (+0.") and turned[0][8] == "b"  # 20/60
    # One of three pairs is turned: (2 - 1) / 3.
    assert rows_of(text, AGREEMENT) == [["HR@10", "3", "1", "1", "0.333"], ["NDCG@10", "3", "1", "1", "0.333"]]
    assert text.startswith(
        "HR@10 among sampled candidates: a > b > c. In the full catalogue: b > a > c. Sampling the candidates turns "
        "the order of 1 of 3 pairs, of 1 with a difference in both protocols: "
        "b is better than a, but worse when sampled."
    )


def test_an_order_that_stays_has_no_inversions(store):
    methods = [a_method(name, store, a_run(store, hits(0, n))) for name, n in (("a", 40), ("b", 20), ("c", 5))]
    text = tables(orders(methods))
    assert INVERSIONS not in text
    assert rows_of(text, AGREEMENT) == [["HR@10", "3", "0", "0", "1.000"], ["NDCG@10", "3", "0", "0", "1.000"]]
    assert text.count("Sampling the candidates leaves all 3 pairs of methods in their order.") == 2


def test_an_inversion_may_be_chance(store):
    methods = [
        a_method("a", store, a_run(store, hits(0, 5), hits(0, 4))),
        a_method("b", store, a_run(store, hits(2, 4), hits(2, 5))),
    ]
    text = tables(orders(methods))
    assert [(cells[5], cells[8]) for cells in rows_of(text, INVERSIONS)] == [("no difference", "no difference")] * 2
    assert "among sampled candidates: a = b. In the full catalogue: b = a." in text
    assert "turns the order of 1 of 1 pairs, of none with a difference in both protocols." in text
    assert rows_of(text, AGREEMENT)[0] == ["HR@10", "1", "1", "0", "-1.000"]


def test_methods_that_tie_in_one_protocol_are_no_inversion(store):
    a, b = a_run(store, hits(0, 5), hits(0, 5)), a_run(store, hits(30, 5), hits(0, 9))
    for methods in ([("a", a), ("b", b)], [("b", b), ("a", a)]):
        for both in by_metric(orders([a_method(name, store, run) for name, run in methods])).values():
            assert both.inversions == [] and np.isnan(both.kendall)


def test_the_matrix_holds_both_protocols_and_mirrors_itself(flipped):
    ordered = orders(flipped)
    table = rows_of(matrix_table(ordered), "| NDCG@10 | a | b | c |")
    assert table == [["a", "", "> <", "> >"], ["b", "< >", "", "> >"], ["c", "< <", "< <", ""]]
    assert "| HR@10 | a | b | c |" in matrix_table(ordered, "HR@10")


def test_what_is_written_follows_from_the_rows_alone(flipped):
    assert tables(orders(flipped)) == tables(orders(flipped))
    assert summary(orders(flipped)) in tables(orders(flipped))


# ---- real runs


@pytest.mark.slow
def test_of_the_committed_runs_larger_dot_products_are_better_in_both_protocols():
    store = Store(RESULTS / "figure2-ml-1m", TABLES["sweep"])
    runs = store.runs()
    runs = runs[(runs["model"] == "dot") & (runs["objective"] == "expected") & runs["embedding_dim"].isin([16, 32, 64])]
    methods = [Method(store, rows, f"d = {dim}") for dim, rows in runs.groupby("embedding_dim")]
    ordered = orders(methods)
    for name, order in ordered.items():
        assert list(order.means) == ["d = 64", "d = 32", "d = 16"] and order.means["d = 16"].n == 8
        of_16 = runs.loc[runs["embedding_dim"] == 16, name]
        assert order.means["d = 16"].mean == pytest.approx(of_16.mean(), abs=1e-12)
        assert {pair.winner for pair in order.pairs.values()} == {"d = 64", "d = 32"}


# ---- what does not compare


def test_methods_need_names_of_their_own(store):
    one = a_method("a", store, a_run(store, hits(0, 5)))
    for methods, got in (([], "none"), ([one], "a"), ([one, one], "a, a")):
        with pytest.raises(ValueError, match=f"methods: expected two or more, each of its own name, got {got}$"):
            orders(methods)


@pytest.mark.parametrize(
    ("column", "value"), [("dataset", "pinterest"), ("split", "holdout"), ("negatives", "99 drawn, seed=0")]
)
def test_runs_on_other_users_or_candidates_are_refused(store, column, value):
    runs = [a_run(store, hits(0, 5)), a_run(store, hits(0, 5), **{column: value})]
    with pytest.raises(ValueError, match=f"methods: expected runs of one {column}, got .*; "):
        orders([a_method(name, store, run) for name, run in zip("ab", runs, strict=True)])


def test_other_numbers_of_users_are_refused(store):
    runs = [a_run(store, hits(0, 5, users=60)), a_run(store, hits(0, 5, users=61))]
    with pytest.raises(ValueError, match=r"got {'a': \(1, 60\), 'b': \(1, 61\)}"):
        orders([a_method(name, store, run) for name, run in zip("ab", runs, strict=True)])


def test_a_method_without_runs_or_with_repeated_or_diverged_ones_is_refused(store):
    run, diverged = a_run(store, hits(0, 5)), a_run(store, hits(0, 5), status="diverged")
    sound = a_method("a", store, run)
    for run_ids in ((), (run, run), (run, diverged)):
        with pytest.raises(ValueError, match="b: expected completed runs of .*, each once, got"):
            orders([sound, a_method("b", store, *run_ids)])
