import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ncfjax.data.dot_pairs import DotPairOptions
from ncfjax.models.recommender import Recommender
from ncfjax.models.similarities.dot import Dot
from ncfjax.training.blocks import Block, count_compiles
from ncfjax.training.imitation import ImitationSpec, errors, init_imitator, train_imitator
from ncfjax.training.imitation_grid import (
    ImitationMember,
    ImitationProgram,
    _measure,
    _trainer,
    cut_into_blocks,
    cut_into_groups,
    memory_estimate,
    num_parameters,
)
from ncfjax.training.imitation_task import dot_source, recommender_source

OPTIONS = DotPairOptions(30, 4, pairs_per_user=10, num_fresh=50)
SOURCE = dot_source(OPTIONS)
SPEC = ImitationSpec(embedding_dim=4, layers=(8, 4, 2), batch_size=32, num_epochs=4, schedule="cosine")
GRID = [ImitationMember(rate, seed) for seed in (0, 7) for rate in (0.01, 0.003, 0.02)]
WIDE = Block([GRID[:3], GRID[3:5]], 3)  # as on an accelerator; the second group is filled up


def trained(block, num_epochs=4, calls=1):
    program = ImitationProgram(SOURCE, SPEC, block)
    state = program.init()
    for _ in range(calls):
        state = program.advance(state, num_epochs // calls)
    return program, state


@jax.jit
def alone(task, rate, seed):
    """Test and fresh errors of one run, which knows no grid."""
    model = train_imitator(SPEC, task.regression_pairs(task.train), rate, init_imitator(SPEC, seed), seed, 0, 4).model
    return errors(model, task.regression_pairs(task.test)), errors(model, task.fresh_regression_pairs())


def test_a_member_equals_the_same_run_alone():
    measured = ImitationProgram.errors(*trained(WIDE))
    for index, (rate, seed) in enumerate(WIDE.members):
        for together, errors_alone in zip(measured, alone(SOURCE.draw(seed), rate, jnp.uint32(seed)), strict=True):
            np.testing.assert_allclose([x[index] for x in together], errors_alone, rtol=1e-4)
    assert np.ptp(measured.test.model) > 1e-3, "the members differ"
    assert np.ptp(measured.fresh.teacher[:3]) == 0 < np.ptp(measured.fresh.teacher), "those of one seed share a draw"


def test_epochs_in_many_calls_equal_epochs_in_one():
    one, many = (ImitationProgram.errors(*trained(WIDE, calls=calls)) for calls in (1, 2))
    jax.tree.map(np.testing.assert_array_equal, one, many)


def test_a_member_that_diverges_leaves_its_neighbours_alone():
    bad = [GRID[0], ImitationMember(1e30, 0), GRID[2]]
    program, state = trained(Block([bad, GRID[3:5]], 3))  # the shape of WIDE
    assert program.diverged(state).tolist() == [False, True, False, False, False]
    sound = ImitationProgram.errors(*trained(WIDE)).fresh.model
    np.testing.assert_allclose(program.errors(state).fresh.model[[0, 2, 3, 4]], sound[[0, 2, 3, 4]], rtol=1e-4)


def test_a_program_is_compiled_once_per_shape():
    ImitationProgram(SOURCE, SPEC, WIDE).compile()
    before = count_compiles()
    others = [[ImitationMember(0.5 * rate, seed + 1) for rate, seed in group] for group in WIDE.groups]
    ImitationProgram.errors(*trained(Block(others, 3), num_epochs=3))
    assert count_compiles() == before


def test_the_state_is_donated():
    program = ImitationProgram(SOURCE, SPEC, WIDE)
    state = program.init()
    program.advance(state, 1)
    assert all(leaf.is_deleted() for leaf in jax.tree.leaves(state.train_states.model))


def test_on_a_cpu_every_member_is_a_group_and_every_device_trains_one(monkeypatch):
    monkeypatch.setattr(jax, "device_count", lambda: 2)
    groups = cut_into_groups(GRID, SPEC, SOURCE.sizes, 10**9)
    assert groups == [[member] for member in GRID]
    assert [len(block.groups) for block in cut_into_blocks(groups, 1, SPEC, SOURCE.sizes, 10**9)] == [2, 2, 2]


def test_what_no_memory_holds_is_refused():
    with pytest.raises(ValueError, match="memory: expected at least"):
        cut_into_groups(GRID, SPEC, SOURCE.sizes, 1000)


def test_parameters_are_those_of_one_member():
    assert num_parameters(SPEC) == (8 * 8 + 8) + (8 * 4 + 4) + (4 * 2 + 2) + (2 + 1)


def test_the_training_pairs_are_those_of_a_draw():
    assert SOURCE.sizes.num_train == len(SOURCE.draw(0).train.users)


@pytest.mark.parametrize(
    ("options", "layers"),
    [
        (DotPairOptions(2000, 32, num_fresh=5000), (64, 32, 16)),
        (DotPairOptions(500, 16, pairs_per_user=20, num_fresh=1000), (128, 64, 32)),
    ],
)
def test_the_memory_estimate_holds_what_xla_reserves(options, layers):
    spec = ImitationSpec(options.embedding_dim, layers, batch_size=256, num_epochs=2)
    program = ImitationProgram(dot_source(options), spec, Block([GRID[:1]], 1))
    state = program.init()
    arguments = state.train_states, program._learning_rates, program._seeds, program.tasks, np.int32(0), np.int32(1)
    trains = _trainer().lower(*arguments, spec=spec, mesh=program.mesh).compile().memory_analysis()
    measures = _measure.lower(state.train_states.model, program.tasks, mesh=program.mesh).compile().memory_analysis()
    needed = trains.argument_size_in_bytes + max(trains.temp_size_in_bytes, measures.temp_size_in_bytes)
    assert 0.6 * needed < program.memory_bytes() < 2 * needed


def test_the_largest_cell_of_the_study_fits_two_gigabytes():
    spec = ImitationSpec(128, (1024, 512, 256), batch_size=256, num_epochs=32)
    assert sum(memory_estimate(spec, dot_source(DotPairOptions(128_000, 128)).sizes)) < 2e9


@pytest.fixture
def recommender(key):
    """Of 12 users and 20 items, its biases not zero."""
    similarity = Dot(4, biases=True)
    similarity.bias[...] = jnp.float32(-1.5)
    user, item = jax.random.normal(key, (12, 4)), jax.random.normal(jax.random.fold_in(key, 1), (20, 4))
    return Recommender.from_tables(user, item, similarity)


def test_a_distilled_recommender_is_the_teacher_of_its_own_pairs(recommender):
    source = recommender_source(12, 20, 10, 0.0, lambda seed: recommender)
    task = source.draw(3)
    assert len(task.train.users) == source.sizes.num_train == 108 and len(task.test.users) == 12
    pairs = {*zip(*task.train[:2], strict=True), *zip(*task.test[:2], strict=True)}
    assert len(pairs) == 120 and task.fresh_regression_pairs() is None
    program = ImitationProgram(source, SPEC, Block([GRID[:1]], 1))
    state = program.advance(program.init(), 4)
    measured = program.errors(state)
    assert measured.fresh is None and measured.test.teacher == [0.0], "labels are the scores"
    users, items = map(jnp.asarray, source.draw(GRID[0].seed).test[:2])
    scores = recommender.score(users, items)
    np.testing.assert_allclose(measured.test.trivial[0], jnp.sqrt(jnp.mean(scores**2)), rtol=1e-5)
    (model,) = program.models(state)
    imitated = Recommender.from_tables(recommender.user[...], recommender.item[...], model)
    off = imitated.score(users, items) - scores
    np.testing.assert_allclose(measured.test.model[0], jnp.sqrt(jnp.mean(off**2)), rtol=1e-5)


@pytest.mark.parametrize("pairs_per_user", [0, 21])
def test_more_or_fewer_pairs_to_distil_than_can_be_are_refused(recommender, pairs_per_user):
    with pytest.raises(ValueError, match="pairs_per_user: expected 10 pairs or more and at most the 240 combinations"):
        recommender_source(12, 20, pairs_per_user, 0.0, lambda seed: recommender)
