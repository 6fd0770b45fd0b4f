"""Every matrix product of a step, and of what is measured, is in full float32: accelerators round by default."""

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import pytest

from ncfjax.data.dot_pairs import DotPairOptions
from ncfjax.data.synthetic import SyntheticOptions, make_synthetic
from ncfjax.data.synthetic_ratings import make_synthetic_ratings
from ncfjax.training.blocks import Block
from ncfjax.training.imitation import ImitationSpec
from ncfjax.training.imitation_problem import ImitationMember, ImitationProblem
from ncfjax.training.imitation_task import dot_source
from ncfjax.training.loop import Spec
from ncfjax.training.program import Problem, Program
from ncfjax.training.rating import RatingMember, RatingProblem, RatingSpec
from ncfjax.training.recommender import Member, RecommenderProblem

HIGHEST = (jax.lax.Precision.HIGHEST,) * 2
WEIGHTS = ("regularize_weights", True)
MODELS = {
    "dot": (("biases", True),),
    "gmf": (WEIGHTS,),
    "mlp": (("layers", (16, 6)), WEIGHTS),
    "neumf": (("layers", (8, 6)), WEIGHTS),
}
OBJECTIVES = {
    "expected": {"objective": "expected"},
    "expected, positives rejected": {"objective": "expected", "reject_positives": True},
    "sampled": {"objective": "sampled"},
    "sampled, shuffled": {"objective": "sampled", "reject_positives": True, "shuffle_examples": True},
}
IMITATORS = {"plain": {}, "product, bilinear": {"product": True, "bilinear": True}}


def products_of(jaxpr: Any) -> Iterator[Any]:
    """The matrix products of a program, those in its loops and calls too."""
    for equation in jaxpr.eqns:
        if equation.primitive.name in ("dot_general", "conv_general_dilated"):
            yield equation
        for value in equation.params.values():
            for inner in value if isinstance(value, tuple | list) else (value,):
                inner = getattr(inner, "jaxpr", inner)
                if hasattr(inner, "eqns"):
                    yield from products_of(inner)


def check(problem: Problem, member: Any, may_have_none: bool = False) -> None:
    seed, (run, scalars) = jnp.uint32(0), (problem.run, [jnp.float32(0)] * len(problem.run.hyperparameters._fields))
    hyperparameters = run.hyperparameters(*scalars)
    state = jax.eval_shape(run.init, hyperparameters, seed)
    data = Program(problem, Block([[member]], 1)).data
    if run.data_per_group:
        data = jax.tree.map(lambda x: x[0], data)
    trains = jax.make_jaxpr(lambda state: run.train(data.training, hyperparameters, state, seed, 0, 1))(state)
    measures = jax.make_jaxpr(lambda model: run.evaluate(data.evaluation, model))(state.model)
    for program in (trains, measures):
        products = list(products_of(program.jaxpr))
        assert products or may_have_none
        for product in products:
            assert product.params["precision"] == HIGHEST, product


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_recommenders_train_and_rank_with_full_products(model, objective):
    spec = Spec(8, batch_size=4, num_negatives=2, model=model, options=MODELS[model], **OBJECTIVES[objective])
    data = make_synthetic(SyntheticOptions(num_users=20, num_items=30, interactions_per_user=5), num_negatives=9)
    check(RecommenderProblem(data, spec), Member(0.1, 0.1, 0.1, 1.0, 0), may_have_none=model == "dot")


@pytest.mark.parametrize("model", MODELS)
def test_models_of_ratings_train_and_predict_with_full_products(model):
    ratings = make_synthetic_ratings(20, 10, 5, 2, seed=0)
    spec = RatingSpec(8, 4, model, MODELS[model])
    check(RatingProblem(ratings, ratings, spec), RatingMember(0.1, 0.9, 0.1, 0.1, 0.1, 0), may_have_none=model == "dot")


@pytest.mark.parametrize("network", IMITATORS)
def test_imitators_train_and_are_measured_with_full_products(network):
    spec = ImitationSpec(4, (8, 4), batch_size=8, num_epochs=1, **IMITATORS[network])
    source = dot_source(DotPairOptions(30, 4, pairs_per_user=10, num_fresh=50))
    check(ImitationProblem(source, spec), ImitationMember(0.1, 0))
