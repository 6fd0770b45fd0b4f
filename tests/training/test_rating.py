"""Models of ratings: their loss, their padding, and that what is trained together is trained as alone."""

import jax.numpy as jnp
import numpy as np
import pytest

from ncfjax.data.rating_splits import random_share
from ncfjax.data.ratings import STARS, Ratings
from ncfjax.data.synthetic_ratings import make_synthetic_ratings
from ncfjax.evaluation.regression import rmse
from ncfjax.ratings.predictors import fit_biases
from ncfjax.training.blocks import Block, memory_bytes
from ncfjax.training.program import Program
from ncfjax.training.rating import PAIRS_AT_ONCE, RatingMember, RatingProblem, RatingSpec, num_parameters

pytestmark = pytest.mark.slow  # XLA compiles

SPLIT = random_share(make_synthetic_ratings(150, 100, 40, 3, seed=0), share=0.2, seed=0)
MEMBER = RatingMember(0.03, 0.97, 0.05, 0.02, 0.1, 0)


def predictions(train: Ratings, pairs: Ratings, spec: RatingSpec, num_epochs: int, member: RatingMember = MEMBER):
    program = Program(RatingProblem(train, pairs, spec), Block([[member]], 1))
    return program.evaluate(program.advance(program.init(), num_epochs))[0]


def test_factors_find_more_than_biases_and_less_than_the_noise_allows():
    spec = RatingSpec(6, 64)
    ours = STARS.clip(predictions(SPLIT.train, SPLIT.test, spec, 60))
    biases = fit_biases(SPLIT.train, user_damping=5.0, item_damping=2.0).predict(SPLIT.test.users, SPLIT.test.items)
    assert 0.5 < rmse(ours, SPLIT.test.values) < rmse(STARS.clip(biases), SPLIT.test.values) - 0.01


def test_one_rating_a_step_is_plain_sgd():
    """Koren's loop, written out: b_u, b_i and the factors move by their own error and penalty."""
    train = SPLIT.train.where(np.arange(1))
    spec, rate, penalty, bias_penalty = RatingSpec(4, 1), 0.1, 0.3, 0.2
    member = RatingMember(rate, 1.0, penalty, bias_penalty, 0.5, 3)
    program = Program(RatingProblem(train, train, spec), Block([[member]], 1))
    state = program.init()
    (model,) = program.models(state)
    user, item = train.users[0], train.items[0]
    p, q = (np.asarray(table[row], float) for table, row in ((model.user, user), (model.item, item)))
    error = p[:3] @ q[:3]  # the only rating is the mean, and all biases are zero
    (moved,) = program.models(program.advance(state, 1))
    np.testing.assert_allclose(moved.user[user][:3], p[:3] - rate * (error * q[:3] + penalty * p[:3]), rtol=1e-5)
    np.testing.assert_allclose(moved.item[item][:3], q[:3] - rate * (error * p[:3] + penalty * q[:3]), rtol=1e-5)
    # A step along a bias is damped by 1 + rate: the squared error's curvature there is 1.
    np.testing.assert_allclose(moved.user[user][3], -rate * error / (1 + rate), rtol=1e-5)
    np.testing.assert_allclose(moved.item[item][3], -rate * error, rtol=1e-5)


def test_a_batch_does_not_overshoot_along_the_global_bias():
    """Without damping a rate of 0.02 on 256 ratings multiplies its error by -4.1 in every step."""
    member = MEMBER._replace(learning_rate=0.02, decay=1.0)
    ours = STARS.clip(predictions(SPLIT.train, SPLIT.test, RatingSpec(6, 256), 30, member))
    assert rmse(ours, SPLIT.test.values) < 0.85


@pytest.mark.parametrize("count", [1, PAIRS_AT_ONCE, PAIRS_AT_ONCE + 1])
def test_any_number_of_pairs_is_predicted_in_order(count: int):
    rows = np.arange(count) % len(SPLIT.test)
    pairs = SPLIT.test.repeatable().where(rows)
    spec = RatingSpec(4, 64)
    np.testing.assert_array_equal(
        predictions(SPLIT.train, pairs, spec, 1), predictions(SPLIT.train, SPLIT.test, spec, 1)[rows]
    )


def test_a_rate_that_falls_is_the_rate_of_its_epoch():
    """Two epochs at a rate that halves end where one at each of both rates ends."""
    spec, halving = RatingSpec(4, 64), MEMBER._replace(decay=0.5)
    program = Program(RatingProblem(SPLIT.train, SPLIT.test, spec), Block([[halving]], 1))
    after_two = program.evaluate(program.advance(program.init(), 2))[0]
    first = program.advance(program.init(), 1)
    again = program.evaluate(program.advance(first, 1))[0]
    np.testing.assert_allclose(after_two, again, rtol=1e-6)
    assert not np.allclose(after_two, predictions(SPLIT.train, SPLIT.test, spec, 2, MEMBER._replace(decay=1.0)))


def test_the_memory_estimate_holds_what_training_takes():
    spec = RatingSpec(64, 4_096)
    problem = RatingProblem(SPLIT.train, SPLIT.test, spec)
    program = Program(problem, Block([[MEMBER]], 1))
    from ncfjax.training.program import _train

    arguments = program._to_train(program.init(), 1)
    taken = _train_memory(_train, arguments, program)
    assert taken < memory_bytes(problem.memory, program.block) < 8 * taken


def _train_memory(train, arguments, program) -> int:
    import jax

    analysis = jax.jit(train, static_argnames=("run", "mesh")).lower(*arguments, **program._static).compile()
    return analysis.memory_analysis().temp_size_in_bytes


def test_parameters_are_counted_from_shapes_alone():
    """Those of the report's two models, which would take a gigabyte each."""
    dot = RatingSpec(100, 64, "dot", (("biases", True), ("frozen_constants", True)))
    neumf = RatingSpec(
        100, 64, "neumf", (("layers", (100, 100, 25)), ("regularize_weights", False), ("frozen_constants", True))
    )
    assert num_parameters(dot, 2_649_430, 17_771) == 266_720_100
    assert num_parameters(neumf, 2_649_430, 17_771) == 266_732_751


def test_hyperparameters_are_members_of_one_program():
    spec = RatingSpec(4, 64)
    members = [MEMBER, MEMBER._replace(regularization=0.5), MEMBER._replace(learning_rate=jnp.float32(0.01).item())]
    together = Program(RatingProblem(SPLIT.train, SPLIT.test, spec), Block([members], 3))
    ours = together.evaluate(together.advance(together.init(), 2))
    for member, row in zip(members, ours, strict=True):
        np.testing.assert_allclose(row, predictions(SPLIT.train, SPLIT.test, spec, 2, member), rtol=2e-5)
