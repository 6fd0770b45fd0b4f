import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ncfjax.data.dot_pairs import DotPairOptions
from ncfjax.models.recommender import Recommender
from ncfjax.models.similarities.dot import Dot
from ncfjax.training.blocks import Block
from ncfjax.training.imitation import ImitationSpec
from ncfjax.training.imitation_problem import ImitationMember, ImitationProblem
from ncfjax.training.imitation_task import dot_source, recommender_source
from ncfjax.training.program import Program

SPEC = ImitationSpec(embedding_dim=4, layers=(8, 4, 2), batch_size=32, num_epochs=4)


def test_the_training_pairs_are_those_of_a_draw():
    source = dot_source(DotPairOptions(30, 4, pairs_per_user=10, num_fresh=50))
    assert source.sizes.num_train == len(source.draw(0).train.users)


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
    program = Program(ImitationProblem(source, SPEC), Block([[ImitationMember(0.01, seed=0)]], 1))
    state = program.advance(program.init(), 4)
    measured = program.evaluate(state)
    assert measured.fresh is None and measured.test.teacher == [0.0], "labels are the scores"
    users, items = map(jnp.asarray, source.draw(0).test[:2])
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
