"""What a score costs, against counts by hand, the internship report's and the compiler's."""

import jax
import jax.numpy as jnp
import pytest

from ncfjax.cost import (
    REPORT_EMBEDDING_DIM,
    REPORT_LAYERS,
    REPORT_MULTIPLICATIONS,
    Work,
    cost,
    num_parameters,
    work,
)
from ncfjax.models.imitator import Imitator
from ncfjax.models.similarity import abstract_similarity

pytestmark = pytest.mark.slow
LAYERS = ("layers", (64, 32, 16))
SIMILARITIES = [
    ("dot", 32, (), 32),
    ("dot", 32, (("frozen_constants", True),), 32),  # what is drawn once is not drawn for each score
    ("dot", 32, (("biases", False),), 32),
    ("gmf", 32, (), 2 * 32),
    ("mlp", 32, (LAYERS,), 64 * 32 + 32 * 16 + 16),
    ("neumf", 40, (LAYERS,), 64 * 32 + 32 * 16 + 16 + 2 * 8),
]


@pytest.mark.parametrize(("name", "dim", "options", "expected"), SIMILARITIES)
def test_a_score_has_the_multiplications_that_are_counted_by_hand(name, dim, options, expected):
    similarity = abstract_similarity(name, dim, options)
    assert cost(similarity, dim, 10).per_score.multiplications == expected
    hidden = similarity.multiplications_per_pair  # of which the rest is the vectors' own product and output weights
    assert expected - hidden in (dim, 2 * dim, 16, 16 + 2 * 8)


def test_a_query_multiplies_the_first_layer_once_per_user_and_the_items_half_once_per_catalogue():
    mlp = cost(abstract_similarity("mlp", 32, (LAYERS,)), 32, num_items=1000)
    assert mlp.per_query.multiplications == 32 * 32 + 1000 * (32 * 16 + 16)
    assert mlp.per_catalogue == Work(1000 * 32 * 32, 1000 * 32 * 32 * 2 + 1000 * 32)  # with the biases
    assert mlp.per_query_by_pairs == Work(*(1000 * n for n in mlp.per_score))
    assert mlp.num_parameters == 64 * 32 + 32 + 32 * 16 + 16 + 16 + 1
    dot = cost(abstract_similarity("dot", 32), 32, num_items=1000)
    assert dot.per_query.multiplications == 32_000 and dot.per_catalogue == Work(0, 0)
    assert dot.per_score.flops == 32 + 31 + 2


@pytest.mark.parametrize(("name", "dim", "options"), [row[:3] for row in SIMILARITIES])
def test_operations_are_those_that_the_compiler_counts(name, dim, options):
    """Of one user, whose loop runs once: the compiler counts the body of a loop once, however often it runs.

    It also counts what the dot product selects, a one in the place of the bias, and how its constant is drawn.
    """
    similarity = abstract_similarity(name, dim, options)
    p, q = (jax.ShapeDtypeStruct((n, dim), jnp.float32) for n in (1, 50))

    def by_xla(function, *arguments):
        return jax.jit(function).lower(similarity, *arguments).compile().cost_analysis()["flops"]

    counted = cost(similarity, dim, 50)
    one = counted.per_query.flops + counted.per_catalogue.flops
    assert one == pytest.approx(by_xla(lambda similarity, p, q: similarity.all_pairs(p, q), p, q), rel=0.03, abs=200)
    pairs = by_xla(lambda similarity, p, q: similarity(p, q), q, q)
    selected = 50 * (dim + 1) if similarity.holds_biases else 0
    assert counted.per_query_by_pairs.flops == pytest.approx(pairs - selected, rel=0.03, abs=200)


def test_the_reports_counts_and_what_they_leave_out():
    """It counts 126 biases as multiplications, and not the 100 multiplications of GMF."""
    dim, (_, *widths) = REPORT_EMBEDDING_DIM, REPORT_LAYERS
    frozen = ("frozen_constants", True)
    dot, neumf = abstract_similarity("dot", dim, (frozen,)), abstract_similarity(
        "neumf", dim, (("layers", REPORT_LAYERS), ("gmf_sigmoid", True), frozen)
    )  # fmt: skip
    assert cost(dot, dim, 1).per_score.multiplications == REPORT_MULTIPLICATIONS["dot"]
    by_report = sum((a + 1) * b for a, b in zip(REPORT_LAYERS, (*widths, 1), strict=True))
    assert by_report == REPORT_MULTIPLICATIONS["neumf"]
    assert cost(neumf, dim, 1).per_score.multiplications == by_report - sum(widths) - 1 + 2 * 50
    assert num_parameters(dot, dim, 2_649_430, 17_771) == 266_720_100
    assert num_parameters(neumf, dim, 2_649_430, 17_771) == 266_732_751


def test_where_a_user_meets_all_movies_the_neumf_of_the_report_costs_26_dot_products():
    frozen = ("frozen_constants", True)
    options = (("layers", REPORT_LAYERS), ("gmf_sigmoid", True), frozen)
    neumf = cost(abstract_similarity("neumf", 100, options), 100, 17_771).per_query.multiplications
    assert round(neumf / 17_771 / 100) == 26


def test_any_similarity_is_counted_also_one_that_no_file_knows(scaled):
    assert cost(abstract_similarity("scaled", 8), 8, 5).per_query == Work(5 * 8 + 5, 5 * 16 + 5)
    given = {"layers": (6, 3), "activation": "relu", "product": True, "bilinear": True, "key": jax.random.key(0)}
    imitator = jax.eval_shape(lambda: Imitator(4, **given))
    expected = imitator.multiplications_per_pair + 4 + 4  # p * q, and the product with W q
    assert cost(imitator, 4, 5).per_score.multiplications == expected


def test_a_loop_of_unknown_length_has_no_count():
    with pytest.raises(NotImplementedError, match="expected loops of known length and no branches, got while"):
        work(lambda x: jax.lax.while_loop(lambda x: jnp.all(x < 9), lambda x: 2 * x, x), jnp.ones(3))
