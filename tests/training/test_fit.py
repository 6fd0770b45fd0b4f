import jax
import numpy as np
import pytest

from ncfjax.data.synthetic import SyntheticOptions, make_synthetic
from ncfjax.training.blocks import Block
from ncfjax.training.fit import train
from ncfjax.training.loop import Spec
from ncfjax.training.program import Program
from ncfjax.training.recommender import Member, RecommenderProblem

DATA = make_synthetic(SyntheticOptions(num_users=90, num_items=160, interactions_per_user=10))
SPEC = Spec(embedding_dim=8, objective="expected", batch_size=4, num_negatives=4)
MEMBERS = [Member(rate, 0.01, 0.1, 1.0, seed) for rate in (0.01, 0.05) for seed in (3, 0)]  # seeds are not together


def item_table(model):
    return np.asarray(model.item[...])


def test_models_come_in_the_order_of_the_members_however_they_are_grouped():
    models = train(DATA, SPEC, MEMBERS, 3)
    for member, model in zip(MEMBERS, models, strict=True):
        program = Program(RecommenderProblem(DATA, SPEC), Block([[member]], 1))
        (alone,) = program.models(program.advance(program.init(), 3))
        np.testing.assert_allclose(item_table(model), item_table(alone), atol=2e-5)


def test_a_grid_that_memory_does_not_hold_is_trained_in_blocks(monkeypatch):
    blocks = []
    init = Program.init
    monkeypatch.setattr(Program, "init", lambda self: blocks.append(self.block.members) or init(self))
    fixed, each, *_ = RecommenderProblem(DATA, SPEC).memory
    models = train(DATA, SPEC, MEMBERS, 1, memory_bytes=fixed + each)
    assert [len(block) for block in blocks] == [1, 1, 1, 1] and len(models) == 4
    with pytest.raises(ValueError, match="memory: expected at least .* KB for one member"):
        train(DATA, SPEC, MEMBERS, 1, memory_bytes=fixed)


def test_nothing_to_train_and_a_similarity_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match="members: expected at least one, got none"):
        train(DATA, SPEC, [], 1)
    with pytest.raises(ValueError, match="model.biases: expected true or false, got 3"):
        train(DATA, SPEC._replace(options=(("biases", 3),)), MEMBERS, 1)


def test_without_a_limit_an_accelerator_gives_half_of_what_is_free(monkeypatch):
    class Device:
        def memory_stats(self):
            return {"bytes_limit": 1_000, "bytes_in_use": 200}

    monkeypatch.setattr(jax, "local_devices", lambda: [Device(), Device()])
    with pytest.raises(ValueError, match="memory: expected at least .* KB for one member, got 800 bytes"):
        train(DATA, SPEC, MEMBERS, 1)
