import jax
import numpy as np
import pytest

from ncfjax.data.synthetic import SyntheticOptions, make_synthetic
from ncfjax.evaluation.metrics import ndcg
from ncfjax.training.blocks import Block, memory_bytes
from ncfjax.training.loop import Spec
from ncfjax.training.program import Program, _evaluate
from ncfjax.training.recommender import Member, RecommenderProblem

DATA = make_synthetic(SyntheticOptions(num_users=90, num_items=160, interactions_per_user=10))
SPECS = {
    "expected": Spec(embedding_dim=8, objective="expected", batch_size=4, num_negatives=4),
    "sampled": Spec(embedding_dim=8, objective="sampled", batch_size=32, num_negatives=4),
}
MEMBER = Member(0.03, 0.02, 0.1, 1.0, 0)


@pytest.mark.parametrize("name", SPECS)
def test_training_comes_close_to_the_oracle(name):
    """On data drawn from a known preference a trained model goes half the way from popularity to the truth."""
    data = make_synthetic(SyntheticOptions(num_users=400, num_items=200, interactions_per_user=25))
    program = Program(RecommenderProblem(data, SPECS[name]), Block([[MEMBER]], 1))
    quality = ndcg(program.evaluate(program.advance(program.init(), 60)).sampled, 10)[0]
    held_out = data.held_out

    def quality_of(table):
        candidates = np.take_along_axis(table[held_out.users], held_out.negatives, axis=1)
        score = table[held_out.users, held_out.positives][:, None]
        return ndcg(np.sum((candidates >= score) & (held_out.negatives != held_out.positives[:, None]), axis=1), 10)

    popularity = np.broadcast_to(np.bincount(data.train.items, minlength=200), (400, 200))
    start, truth = quality_of(popularity), quality_of(data.oracle.scores)
    assert start + 0.5 * (truth - start) < quality < truth + 0.02


def test_parameters_are_those_of_one_member():
    spec = SPECS["expected"]
    assert RecommenderProblem(DATA, spec).num_parameters == (90 + 160) * 8 + 1
    plain = spec._replace(options=(("biases", False),))
    assert RecommenderProblem(DATA, plain).num_parameters == (90 + 160) * 8


def test_towers_go_alone_on_a_cpu_and_dot_products_as_many_as_the_cache_holds():
    tower = SPECS["sampled"]._replace(model="mlp", embedding_dim=4)
    widths = [RecommenderProblem(DATA, spec).cpu_width for spec in (*SPECS.values(), tower)]
    assert widths == [64 // 8, 256 // 8, 1]


def test_the_memory_estimate_holds_a_tower_that_an_accelerator_ranks_with(monkeypatch):
    """There the units of a million pairs are held at once; compiled for a CPU, in the accelerator's layout."""
    data = make_synthetic(SyntheticOptions(num_users=200, num_items=700, interactions_per_user=30))
    spec = Spec(16, "sampled", 32, 4, "mlp", (("layers", (32, 64, 32)),), "adam", reject_positives=True)
    on_a_cpu = RecommenderProblem(data, spec).memory.each
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    program = Program(RecommenderProblem(data, spec), Block([[MEMBER]], 1))
    models = jax.eval_shape(program.init).train_states.model
    ranks = _evaluate.lower(models, program.data.evaluation, **program._static).compile().memory_analysis()
    estimated = memory_bytes(program.problem.memory, program.block)
    assert on_a_cpu < ranks.temp_size_in_bytes < estimated < 4 * ranks.temp_size_in_bytes


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {"shuffle_examples": True},
            r"examples of an epoch: .*, got 2,400,000,800 = 800 positives \* \(1 \+ 3,000,000 n",
        ),
        (
            {"batch_size": 1000},
            r"examples of a step: .*, got 3,000,001,000 = 1,000 positives \* \(1 \+ 3,000,000 negat",
        ),
    ],
)
def test_more_examples_than_can_be_numbered_are_refused(changed, message):
    assert len(DATA.train) == 800
    with pytest.raises(ValueError, match=message):
        RecommenderProblem(DATA, SPECS["sampled"]._replace(num_negatives=3_000_000, **changed))
    RecommenderProblem(DATA, SPECS["sampled"]._replace(num_negatives=3_000_000, batch_size=1))
